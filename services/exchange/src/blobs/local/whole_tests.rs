//! What is wrong with a file that was found whole before shows as if it had never been.

use super::{seals::LEAST_BYTES, *};
use crate::blobs::one_piece;
use bytes::Bytes;
use std::{
    os::unix::fs::FileExt as _,
    time::{Duration, SystemTime},
};
use tempfile::TempDir;

/// Many pieces, the last one short.
const LARGE: usize = 2 * LEAST_BYTES as usize + 4321;

/// A store with one large blob, which it has found whole and sealed.
struct Sealed {
    store: LocalBlobs,
    sha256: Sha256,
    bytes: Vec<u8>,
    place: PathBuf,
    folder: TempDir,
}

impl Sealed {
    async fn set() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = LocalBlobs::open(folder.path()).unwrap();
        let bytes: Vec<u8> = (0..LARGE).map(|n| (n % 251) as u8).collect();
        let sha256 = store
            .put(one_piece(bytes.clone()), u64::MAX)
            .await
            .unwrap()
            .sha256;
        let place = store.0.path_of(sha256);
        let sealed = Self {
            store,
            sha256,
            bytes,
            place,
            folder,
        };
        sealed.until_it_is().await;
        sealed
    }

    fn is(&self) -> bool {
        let seal = Seal::of(&File::open(&self.place).unwrap()).unwrap();
        self.store.0.seals.holds(self.sha256, &seal)
    }

    /// Asks for the blob until it is sealed: the filesystem's clock has to go on a little first.
    async fn until_it_is(&self) {
        for _ in 0..600 {
            assert_eq!(self.whole().await.unwrap(), self.bytes);
            if self.is() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("it is never sealed");
    }

    async fn pieces(&self) -> ByteStream {
        self.store.get_whole(self.sha256).await.unwrap()
    }

    /// All that comes, if it comes whole.
    async fn whole(&self) -> io::Result<Vec<u8>> {
        let pieces: Vec<Bytes> = self.pieces().await.try_collect().await?;
        Ok(pieces.concat())
    }

    /// Writes `byte` at `place`, and gives when the file was changed before.
    fn write(&self, place: u64, byte: u8) -> SystemTime {
        let before = fs::metadata(&self.place).unwrap().modified().unwrap();
        self.writable().write_all_at(&[byte], place).unwrap();
        before
    }

    fn writable(&self) -> File {
        let mut permissions = fs::metadata(&self.place).unwrap().permissions();
        std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o600);
        fs::set_permissions(&self.place, permissions).unwrap();
        File::options().write(true).open(&self.place).unwrap()
    }
}

fn is_damage(error: &io::Error) -> bool {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
    matches!(cause, Some(BlobError::Damaged(_)))
}

#[tokio::test]
async fn a_byte_that_changes_in_a_sealed_file_is_found() {
    let sealed = Sealed::set().await;
    sealed.write(LEAST_BYTES, 252);
    for _ in 0..2 {
        assert!(is_damage(&sealed.whole().await.unwrap_err()));
    }
    assert!(!sealed.is());
}

#[tokio::test]
async fn a_byte_that_changes_is_found_also_when_the_time_is_put_back() {
    let sealed = Sealed::set().await;
    let before = sealed.write(0, 252);
    sealed.writable().set_modified(before).unwrap();
    assert_eq!(fs::metadata(&sealed.place).unwrap().modified().unwrap(), before);
    assert!(is_damage(&sealed.whole().await.unwrap_err()));
    assert!(!sealed.is());
}

#[tokio::test]
async fn another_file_in_the_place_of_a_sealed_one_is_found() {
    let sealed = Sealed::set().await;
    let (before, other) = (
        fs::metadata(&sealed.place).unwrap().modified().unwrap(),
        sealed.folder.path().join("other"),
    );
    fs::write(&other, vec![7; LARGE]).unwrap();
    File::options()
        .write(true)
        .open(&other)
        .unwrap()
        .set_modified(before)
        .unwrap();
    fs::rename(&other, &sealed.place).unwrap();
    assert!(is_damage(&sealed.whole().await.unwrap_err()));
}

#[tokio::test]
async fn a_sealed_file_that_gets_shorter_or_longer_is_found() {
    let sealed = Sealed::set().await;
    for length in [LARGE as u64 - 1, 0, LARGE as u64 + 1] {
        sealed.writable().set_len(length).unwrap();
        assert!(is_damage(&sealed.whole().await.unwrap_err()), "{length}");
    }
}

#[tokio::test]
async fn what_changes_while_a_sealed_file_is_sent_never_comes_whole() {
    // What was sent already, and what is still to come.
    for place in [0, LARGE as u64 - 1] {
        let sealed = Sealed::set().await;
        let mut pieces = sealed.pieces().await;
        let mut sent = pieces.next().await.unwrap().unwrap().len();
        sealed.write(place, 252);
        let failed = loop {
            match pieces.next().await {
                Some(Ok(piece)) => sent += piece.len(),
                Some(Err(error)) => break error,
                None => panic!("it came whole"),
            }
        };
        assert!(is_damage(&failed) && sent < LARGE, "{failed}");
    }
    let sealed = Sealed::set().await;
    let pieces = sealed.pieces().await;
    sealed.writable().set_len(0).unwrap();
    let came: io::Result<Vec<Bytes>> = pieces.try_collect().await;
    assert!(is_damage(&came.unwrap_err()));
}

#[tokio::test]
async fn a_sealed_file_that_gets_another_name_while_it_is_sent_comes_whole_and_is_sealed_again() {
    let sealed = Sealed::set().await;
    let mut pieces = sealed.pieces().await;
    let mut came = pieces.next().await.unwrap().unwrap().to_vec();
    // As it is when a worker takes the weights.
    let elsewhere = sealed.folder.path().join("models/weights");
    sealed.store.fetch(sealed.sha256, &elsewhere).await.unwrap();
    assert!(!sealed.is(), "a name is a change");
    while let Some(piece) = pieces.next().await {
        came.extend_from_slice(&piece.unwrap());
    }
    assert_eq!(came, sealed.bytes);
    sealed.until_it_is().await;
}

#[tokio::test]
async fn a_seal_helps_nobody_who_checks_for_itself() {
    let sealed = Sealed::set().await;
    sealed.write(5, 252);
    let elsewhere = sealed.folder.path().join("weights");
    let fetched = sealed.store.fetch(sealed.sha256, &elsewhere).await;
    assert!(matches!(fetched, Err(BlobError::Damaged(_))));
    let read = crate::blobs::read(&sealed.store, sealed.sha256, u64::MAX).await;
    assert!(matches!(read, Err(BlobError::Damaged(_))));
}

#[tokio::test]
async fn a_file_that_is_damaged_before_it_was_given_out_is_never_sealed() {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalBlobs::open(folder.path()).unwrap();
    let stored = store.put(one_piece(vec![1; LARGE]), u64::MAX).await.unwrap();
    let place = store.0.path_of(stored.sha256);
    fs::remove_file(&place).unwrap();
    fs::write(&place, vec![2; LARGE]).unwrap();
    let came: io::Result<Vec<Bytes>> = store.get_whole(stored.sha256).await.unwrap().try_collect().await;
    assert!(is_damage(&came.unwrap_err()));
    let seal = Seal::of(&File::open(&place).unwrap()).unwrap();
    assert!(!store.0.seals.holds(stored.sha256, &seal));
}

#[tokio::test]
async fn pieces_that_were_sent_are_room_for_the_next_ones() {
    let sealed = Sealed::set().await;
    let (mut pieces, mut rooms) = (sealed.pieces().await, BTreeSet::new());
    let mut count = 0;
    while let Some(piece) = pieces.next().await {
        rooms.insert(piece.unwrap().as_ptr());
        count += 1;
    }
    assert!(
        rooms.len() <= 4 && count > 16,
        "{count} pieces in {} rooms",
        rooms.len()
    );
}
