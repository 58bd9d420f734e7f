//! What every store of blobs does, written against the trait. A store's tests call [`blob_contract`] with
//! something that makes an empty one.

use super::{BlobError, Blobs, Bytes, one_piece, read, stream};
use domain::digest::Sha256;
use futures_util::StreamExt as _;
use std::io;

const PLENTY: u64 = 1 << 20;

/// One test per promise; `$make` is a function that gives an empty store and whatever must outlive it,
/// or nothing where the machine has no server for it, which it says.
macro_rules! blob_contract {
    ($make:path: $($promise:ident)*) => {$(
        #[tokio::test]
        async fn $promise() {
            let Some((store, _guard)) = $make().await else { return };
            crate::blobs::contract::$promise(&store).await;
        }
    )*};
    ($make:path) => {
        blob_contract! { $make:
            bytes_come_back_under_their_digest
            the_same_bytes_are_stored_once
            a_stream_beyond_the_limit_leaves_nothing
            a_failing_stream_leaves_nothing
            an_absent_blob_is_told_from_an_empty_one
            a_blob_is_read_from_any_byte_on
            a_part_of_a_blob_has_no_byte_too_many
            a_whole_blob_comes_as_often_as_it_is_asked_for
            a_stored_file_is_independent_of_its_original
            what_is_placed_can_be_read_at_once_and_is_stored_when_it_has_settled
            parts_of_a_file_that_are_stored_together_come_back_in_their_order
            a_fetched_blob_stands_whole_at_its_place
            a_deleted_blob_is_absent
            a_reader_takes_no_more_than_it_allows
            many_may_store_the_same_bytes_at_once
        }
    };
}
pub(crate) use blob_contract;

pub(crate) async fn bytes_come_back_under_their_digest(store: &dyn Blobs) {
    let bytes: Vec<u8> = (0..700_000u32).map(|n| (n % 251) as u8).collect();
    let pieces: Vec<_> = bytes
        .chunks(9_999)
        .map(|piece| Ok(Bytes::copy_from_slice(piece)))
        .collect();
    let stored = store
        .put(stream::iter(pieces).boxed(), bytes.len() as u64)
        .await
        .unwrap();
    assert_eq!(
        (stored.sha256, stored.bytes),
        (Sha256::of(&bytes), bytes.len() as u64)
    );
    assert_eq!(store.size(stored.sha256).await.unwrap(), Some(stored.bytes));
    assert_eq!(read(store, stored.sha256, PLENTY).await.unwrap(), bytes);
    store.ping().await.unwrap();
}

pub(crate) async fn what_is_placed_can_be_read_at_once_and_is_stored_when_it_has_settled(store: &dyn Blobs) {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    let bytes = vec![7; 700_000];
    let pieces: Vec<_> = bytes
        .chunks(9_999)
        .map(|piece| Ok(Bytes::copy_from_slice(piece)))
        .collect();
    let copy = place("copy");
    let placed = store
        .put_placed(stream::iter(pieces).boxed(), PLENTY, &copy)
        .await;
    let (stored, settling) = placed.unwrap();
    assert_eq!(std::fs::read(&copy).unwrap(), bytes);
    assert_eq!(
        (stored.sha256, stored.bytes),
        (Sha256::of(&bytes), bytes.len() as u64)
    );
    settling.await.unwrap();
    assert_eq!(read(store, stored.sha256, PLENTY).await.unwrap(), bytes);
    // It is stored even if nobody waits for it, and what is stored already is placed again.
    for (name, bytes) in [("alone", "left alone"), ("again", "left alone")] {
        let (stored, settling) = store
            .put_placed(one_piece(bytes), PLENTY, &place(name))
            .await
            .unwrap();
        drop(settling);
        assert_eq!(std::fs::read(place(name)).unwrap(), bytes.as_bytes());
        while store.size(stored.sha256).await.unwrap().is_none() {
            tokio::task::yield_now().await;
        }
    }
    let refused = store.put_placed(one_piece("12345"), 4, &place("refused")).await;
    assert!(matches!(refused.err(), Some(BlobError::TooLarge { limit: 4 })));
    assert!(!place("refused").exists());
    assert_eq!(store.size(Sha256::of(b"12345")).await.unwrap(), None);
}

pub(crate) async fn the_same_bytes_are_stored_once(store: &dyn Blobs) {
    let first = store.put(one_piece("twice"), PLENTY).await.unwrap();
    let second = store.put(one_piece("twice"), PLENTY).await.unwrap();
    assert_eq!(first, second);
    store.delete(first.sha256).await.unwrap();
    assert_eq!(store.size(first.sha256).await.unwrap(), None);
}

pub(crate) async fn a_stream_beyond_the_limit_leaves_nothing(store: &dyn Blobs) {
    let refused = store.put(one_piece("12345"), 4).await.unwrap_err();
    assert!(matches!(refused, BlobError::TooLarge { limit: 4 }), "{refused}");
    assert_eq!(store.size(Sha256::of(b"12345")).await.unwrap(), None);
    assert!(store.put(one_piece("1234"), 4).await.is_ok());
}

pub(crate) async fn a_failing_stream_leaves_nothing(store: &dyn Blobs) {
    let broken = stream::iter([
        Ok(Bytes::from("half")),
        Err(io::Error::other("the line went dead")),
    ]);
    let failed = store.put(broken.boxed(), PLENTY).await.unwrap_err();
    assert!(matches!(failed, BlobError::Io(_)), "{failed}");
    assert_eq!(store.size(Sha256::of(b"half")).await.unwrap(), None);
}

pub(crate) async fn an_absent_blob_is_told_from_an_empty_one(store: &dyn Blobs) {
    let absent = Sha256::of(b"never stored");
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(store.get(absent).await.err(), Some(BlobError::Absent(name)) if name == absent));
    let fetched = store.fetch(absent, &folder.path().join("x")).await;
    assert!(matches!(fetched, Err(BlobError::Absent(name)) if name == absent));
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
    let empty = store.put(stream::empty().boxed(), 0).await.unwrap();
    assert_eq!(
        (empty.sha256, store.size(empty.sha256).await.unwrap()),
        (Sha256::of(b""), Some(0))
    );
    assert_eq!(read(store, empty.sha256, 0).await.unwrap(), b"");
}

pub(crate) async fn a_blob_is_read_from_any_byte_on(store: &dyn Blobs) {
    let stored = store.put(one_piece("0123456789"), PLENTY).await.unwrap();
    for (start, rest) in [(0, "0123456789"), (1, "123456789"), (9, "9"), (10, ""), (11, "")] {
        let pieces = store.get_from(stored.sha256, start).await.unwrap();
        let pieces: Vec<Bytes> = pieces.map(Result::unwrap).collect().await;
        assert_eq!(pieces.concat(), rest.as_bytes(), "from {start}");
    }
    let absent = store.get_from(Sha256::of(b"never stored"), 3).await;
    assert!(matches!(absent.err(), Some(BlobError::Absent(_))));
}

pub(crate) async fn a_part_of_a_blob_has_no_byte_too_many(store: &dyn Blobs) {
    let stored = store.put(one_piece("0123456789"), PLENTY).await.unwrap();
    for (part, bytes) in [
        (0..10, "0123456789"),
        (0..1, "0"),
        (2..5, "234"),
        (9..99, "9"),
        (10..12, ""),
        (4..4, ""),
        (0..0, ""),
    ] {
        let pieces = store.get_part(stored.sha256, part.clone()).await.unwrap();
        let pieces: Vec<Bytes> = pieces.map(Result::unwrap).collect().await;
        assert_eq!(pieces.concat(), bytes.as_bytes(), "{part:?}");
    }
    let absent = store.get_part(Sha256::of(b"never stored"), 3..5).await;
    assert!(matches!(absent.err(), Some(BlobError::Absent(_))));
}

pub(crate) async fn a_whole_blob_comes_as_often_as_it_is_asked_for(store: &dyn Blobs) {
    // Large and small ones, and one that ends with a piece.
    for length in [0, 1, 3 << 20, (2 << 20) + 4321] {
        let bytes: Vec<u8> = (0..length).map(|n: u32| (n % 251) as u8).collect();
        let stored = store.put(one_piece(bytes.clone()), 4 * PLENTY).await.unwrap();
        for _ in 0..2 {
            let pieces = store.get_whole(stored.sha256).await.unwrap();
            let pieces: Vec<Bytes> = pieces.map(Result::unwrap).collect().await;
            assert_eq!(Sha256::of(&pieces.concat()), stored.sha256, "{length} bytes");
        }
    }
    let absent = store.get_whole(Sha256::of(b"never stored")).await;
    assert!(matches!(absent.err(), Some(BlobError::Absent(_))));
}

pub(crate) async fn a_stored_file_is_independent_of_its_original(store: &dyn Blobs) {
    let folder = tempfile::tempdir().unwrap();
    let original = folder.path().join("weights");
    std::fs::write(&original, "as it was").unwrap();
    let stored = store.put_file(&original).await.unwrap();
    assert_eq!((stored.sha256, stored.bytes), (Sha256::of(b"as it was"), 9));
    std::fs::write(&original, "edited later").unwrap();
    assert_eq!(read(store, stored.sha256, PLENTY).await.unwrap(), b"as it was");
    let missing = store.put_file(&folder.path().join("missing")).await;
    assert!(matches!(missing, Err(BlobError::Io(_))));
    assert!(
        store.put_file(folder.path()).await.is_err(),
        "a folder is not a file"
    );
}

pub(crate) async fn parts_of_a_file_that_are_stored_together_come_back_in_their_order(store: &dyn Blobs) {
    let folder = tempfile::tempdir().unwrap();
    // Some are alike, one is empty, and they are more than are stored at once.
    let texts: Vec<String> = (0..50).map(|number| "page ".repeat(number % 30)).collect();
    let file = folder.path().join("pages");
    std::fs::write(&file, texts.concat()).unwrap();
    let parts = texts.iter().scan(0, |end, text| {
        let begin = *end;
        *end += text.len() as u64;
        Some(begin..*end)
    });
    let parts: Vec<_> = parts.collect();
    let stored = store.put_parts(&file, &parts).await.unwrap();
    assert_eq!(stored.len(), 50);
    for (text, stored) in texts.iter().zip(stored) {
        assert_eq!(
            (stored.sha256, stored.bytes),
            (Sha256::of(text.as_bytes()), text.len() as u64)
        );
        assert_eq!(read(store, stored.sha256, PLENTY).await.unwrap(), text.as_bytes());
    }
    assert_eq!(store.put_parts(&file, &[]).await.unwrap(), []);
    let end = texts.concat().len() as u64;
    for beyond in [end - 1..end + 1, end..u64::MAX] {
        let refused = store.put_parts(&file, &[0..5, beyond]).await;
        assert!(matches!(refused, Err(BlobError::Io(error)) if error.kind() == io::ErrorKind::UnexpectedEof));
    }
    let missing = store
        .put_parts(&folder.path().join("missing"), &[0..1, 1..2])
        .await;
    assert!(matches!(missing, Err(BlobError::Io(_))));
}

pub(crate) async fn a_fetched_blob_stands_whole_at_its_place(store: &dyn Blobs) {
    let stored = store.put(one_piece("weights"), PLENTY).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("models/a/weights");
    std::fs::create_dir_all(place.parent().unwrap()).unwrap();
    std::fs::write(&place, "something older").unwrap();
    for _ in 0..2 {
        store.fetch(stored.sha256, &place).await.unwrap();
        assert_eq!(std::fs::read(&place).unwrap(), b"weights");
        assert_eq!(
            place.parent().unwrap().read_dir().unwrap().count(),
            1,
            "nothing else stands there"
        );
    }
    store.delete(stored.sha256).await.unwrap();
    assert_eq!(std::fs::read(&place).unwrap(), b"weights");
}

pub(crate) async fn a_deleted_blob_is_absent(store: &dyn Blobs) {
    let stored = store.put(one_piece("short-lived"), PLENTY).await.unwrap();
    store.delete(stored.sha256).await.unwrap();
    assert_eq!(store.size(stored.sha256).await.unwrap(), None);
    store.delete(stored.sha256).await.unwrap();
    assert_eq!(store.put(one_piece("short-lived"), PLENTY).await.unwrap(), stored);
}

pub(crate) async fn a_reader_takes_no_more_than_it_allows(store: &dyn Blobs) {
    let stored = store.put(one_piece("12345"), PLENTY).await.unwrap();
    assert!(matches!(
        read(store, stored.sha256, 4).await,
        Err(BlobError::TooLarge { limit: 4 })
    ));
}

pub(crate) async fn many_may_store_the_same_bytes_at_once(store: &dyn Blobs) {
    let puts = (0..8).map(|_| store.put(one_piece("all at once"), PLENTY));
    for stored in futures_util::future::join_all(puts).await {
        assert_eq!(stored.unwrap().sha256, Sha256::of(b"all at once"));
    }
    assert_eq!(
        read(store, Sha256::of(b"all at once"), PLENTY).await.unwrap(),
        b"all at once"
    );
}
