use super::*;
use crate::blobs::{contract::blob_contract, one_piece, read};
use futures_util::stream;
use std::{
    sync::atomic::{AtomicBool, Ordering},
    task::Poll,
};
use tempfile::TempDir;

async fn empty_store() -> (LocalBlobs, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (LocalBlobs::open(folder.path()).unwrap(), folder)
}

async fn some_empty_store() -> Option<(LocalBlobs, TempDir)> {
    Some(empty_store().await)
}

blob_contract!(some_empty_store);

/// Every file below `folder` but locks, as paths from there.
fn files_below(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_none_or(|ending| ending != "lock") && !path.ends_with("gate") {
                found.push(path.strip_prefix(folder).unwrap().display().to_string());
            }
        }
    }
    found
}

#[tokio::test]
async fn a_blob_is_one_read_only_file_named_by_its_digest() {
    let (store, folder) = empty_store().await;
    let name = store.put(one_piece("x"), 1).await.unwrap().sha256.to_string();
    assert_eq!(
        files_below(folder.path()),
        [format!("sha256/{}/{name}", &name[..2])]
    );
    let file = folder.path().join("sha256").join(&name[..2]).join(&name);
    assert!(fs::metadata(file).unwrap().permissions().readonly());
}

#[tokio::test]
async fn puts_that_fail_or_are_dropped_leave_no_file() {
    let (store, folder) = empty_store().await;
    assert!(store.put(one_piece("too long"), 3).await.is_err());
    let broken = stream::iter([Ok("half".into()), Err(io::Error::other("dead"))]);
    assert!(store.put(broken.boxed(), 99).await.is_err());
    assert!(store.put_file(&folder.path().join("missing")).await.is_err());
    assert_eq!(files_below(folder.path()), [""; 0]);

    // As much as is held in memory at most: when more is asked for, it has been written.
    let asked_for_more = Arc::new(AtomicBool::new(false));
    let (asked, begun) = (asked_for_more.clone(), vec![0; writing::HELD + 1]);
    let more = stream::poll_fn(move |_| {
        asked.store(true, Ordering::SeqCst);
        Poll::Pending
    });
    let endless = stream::once(std::future::ready(Ok(begun.into()))).chain(more);
    let mut dropped = store.put(endless.boxed(), u64::MAX);
    while !asked_for_more.load(Ordering::SeqCst) {
        assert!((&mut dropped).now_or_never().is_none());
        tokio::task::yield_now().await;
    }
    assert_eq!(files_below(folder.path()).len(), 1);
    drop(dropped);
    assert_eq!(files_below(folder.path()), [""; 0]);
}

#[tokio::test]
async fn a_damaged_blob_is_never_handed_on_as_good() {
    let (store, folder) = empty_store().await;
    let stored = store.put(one_piece("genuine"), 99).await.unwrap();
    let file = store.0.path_of(stored.sha256);
    fs::remove_file(&file).unwrap();
    fs::write(&file, "genuinf").unwrap();
    let to = folder.path().join("models/weights");
    assert!(
        matches!(store.fetch(stored.sha256, &to).await, Err(BlobError::Damaged(name)) if name == stored.sha256)
    );
    assert_eq!(files_below(to.parent().unwrap()), [""; 0]);
    assert!(matches!(
        read(&store, stored.sha256, 99).await,
        Err(BlobError::Damaged(_))
    ));
}

#[tokio::test]
async fn a_blob_that_was_cut_short_is_mended_by_storing_it_again() {
    let (store, _folder) = empty_store().await;
    let stored = store.put(one_piece("whole"), 99).await.unwrap();
    let file = store.0.path_of(stored.sha256);
    fs::remove_file(&file).unwrap();
    fs::write(&file, "wh").unwrap();
    store.put(one_piece("whole"), 99).await.unwrap();
    assert_eq!(read(&store, stored.sha256, 99).await.unwrap(), b"whole");
}

#[tokio::test]
async fn drafts_of_a_killed_process_are_removed_and_those_of_a_living_one_kept() {
    let (living, folder) = empty_store().await;
    let unfinished = living.0.drafts.file().unwrap();
    // What a killed process leaves: a folder with a draft, and a lock file that nobody holds.
    let dead = folder.path().join("drafts/open-dead");
    fs::create_dir(&dead).unwrap();
    fs::write(dead.join("draft"), "half a blob").unwrap();
    fs::write(folder.path().join("drafts/open-dead.lock"), "").unwrap();
    let second = LocalBlobs::open(folder.path()).unwrap();
    assert!(!dead.exists() && !folder.path().join("drafts/open-dead.lock").exists());
    assert!(unfinished.path().exists());
    drop(unfinished);
    drop((living, second));
    let left: Vec<_> = fs::read_dir(folder.path().join("drafts"))
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(left, ["gate"]);
}

#[tokio::test]
async fn a_store_that_cannot_finish_says_so_and_keeps_no_draft() {
    let (store, folder) = empty_store().await;
    // A file where the blob's folder should be made.
    let shard = folder
        .path()
        .join("sha256")
        .join(&Sha256::of(b"x").to_string()[..2]);
    fs::write(&shard, "").unwrap();
    assert!(matches!(
        store.put(one_piece("x"), 99).await,
        Err(BlobError::Io(_))
    ));
    let file = folder.path().join("x");
    fs::write(&file, "x").unwrap();
    assert!(matches!(store.put_file(&file).await, Err(BlobError::Io(_))));
    assert_eq!(
        fs::read_dir(folder.path().join("drafts")).unwrap().count(),
        3,
        "gate, folder and lock"
    );
    assert_eq!(fs::read_dir(store.0.drafts.folder()).unwrap().count(), 0);
}
