use super::*;
use exchange::blobs::{local::LocalBlobs, one_piece};
use futures_util::TryStreamExt as _;
use std::io::{Cursor, Read as _};

async fn whole(members: Vec<Member>, blobs: Arc<dyn Blobs>) -> io::Result<Vec<u8>> {
    let pieces: Vec<Bytes> = stream(members, blobs).try_collect().await?;
    assert!(pieces.iter().all(|piece| piece.len() <= PIECE));
    Ok(pieces.concat())
}

fn member(path: &str, content: Content) -> Member {
    Member {
        path: path.into(),
        content,
    }
}

#[tokio::test]
async fn an_archive_holds_texts_and_blobs_under_their_paths() {
    let folder = tempfile::tempdir().unwrap();
    let blobs: Arc<dyn Blobs> = Arc::new(LocalBlobs::open(folder.path()).unwrap());
    let large = vec![7; 5 * PIECE + 1];
    let stored = blobs.put(one_piece(large.clone()), u64::MAX).await.unwrap();
    let members = vec![
        member("NOTICE.txt", Content::Text("owed".into())),
        member("model/weights.bin", Content::Blob(stored.sha256)),
        member("model/empty", Content::Text(String::new())),
    ];
    let bytes = whole(members, blobs).await.unwrap();
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut read = |path: &str| {
        let mut content = Vec::new();
        archive.by_name(path).unwrap().read_to_end(&mut content).unwrap();
        content
    };
    assert_eq!(read("NOTICE.txt"), b"owed");
    assert_eq!(read("model/weights.bin"), large);
    assert_eq!(read("model/empty"), b"");
}

#[tokio::test]
async fn a_damaged_or_absent_blob_breaks_the_archive_off() {
    let folder = tempfile::tempdir().unwrap();
    let blobs: Arc<dyn Blobs> = Arc::new(LocalBlobs::open(folder.path()).unwrap());
    let absent = whole(
        vec![member("a", Content::Blob(Sha256::of(b"none")))],
        blobs.clone(),
    );
    assert!(absent.await.unwrap_err().to_string().contains("no blob"));
    let stored = blobs.put(one_piece("weights"), 100).await.unwrap();
    damage(folder.path());
    let damaged = whole(vec![member("a", Content::Blob(stored.sha256))], blobs);
    assert!(damaged.await.unwrap_err().to_string().contains("damaged"));
}

/// Changes the bytes of every blob below `folder`.
fn damage(folder: &std::path::Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            damage(&path);
        } else if std::fs::read(&path).unwrap() == b"weights" {
            std::fs::remove_file(&path).unwrap();
            std::fs::write(&path, b"weighty").unwrap();
        }
    }
}
