//! Bytes from a request into the blobs, in pieces: nothing is held whole, and what breaks off leaves nothing.

use crate::{problem::Problem, work_settings::WorkSettings};
use actix_web::http::StatusCode;
use bytes::Bytes;
use exchange::blobs::{BlobError, Blobs, ByteStream, Settling, Stored};
use futures_util::{Stream, StreamExt, stream};
use records::documents::NewDocument;
use std::{fmt::Display, io, path::Path, pin::pin};
use tokio::sync::mpsc;

/// How many pieces may wait between the connection and the blobs.
const AHEAD: usize = 2;

/// Stores a body of 1 to `limit` bytes. `source` need not be movable between threads, as bodies of
/// requests are not.
///
/// Problems: 400 `empty_document`, 400 `upload_broken`, 413 `document_too_large`, 503 `storage_unavailable`.
pub async fn store<E: Display>(
    blobs: &dyn Blobs,
    limit: u64,
    source: impl Stream<Item = Result<Bytes, E>>,
) -> Result<Stored, Problem> {
    store_by(source, |incoming| blobs.put(incoming, limit)).await
}

/// As [`store`], by whatever `put` does with the body.
async fn store_by<E: Display, T, F: Future<Output = Result<T, BlobError>>>(
    source: impl Stream<Item = Result<Bytes, E>>,
    put: impl FnOnce(ByteStream) -> F,
) -> Result<T, Problem> {
    let mut source = pin!(source);
    let Some(first) = first_piece(&mut source).await? else {
        return Err(empty());
    };
    let (sender, receiver) = mpsc::channel(AHEAD);
    let incoming: ByteStream = stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|piece| (piece, receiver))
    })
    .boxed();
    let mut broken = None;
    let pump = async {
        let mut piece = Ok(first);
        loop {
            let failed = piece.is_err();
            if sender.send(piece).await.is_err() || failed {
                return;
            }
            piece = match source.next().await {
                None => break,
                Some(Ok(bytes)) => Ok(bytes),
                Some(Err(error)) => {
                    broken = Some(error.to_string());
                    Err(io::Error::from(io::ErrorKind::UnexpectedEof))
                }
            };
        }
        drop(sender);
    };
    let stored = {
        let mut put = pin!(put(incoming));
        let mut pump = pin!(pump);
        tokio::select! {
            biased;
            // The store may refuse in the middle; then nobody waits for the rest of the body.
            stored = &mut put => stored,
            () = &mut pump => put.await,
        }
    };
    match (stored, broken) {
        (_, Some(error)) => Err(broken_off(&error)),
        (Ok(stored), None) => Ok(stored),
        (Err(error), None) => Err(not_stored(&error)),
    }
}

/// The problem of an upload that the blobs did not take.
pub(crate) fn not_stored(error: &BlobError) -> Problem {
    if let BlobError::TooLarge { limit } = error {
        return too_large(*limit);
    }
    tracing::error!(cause = %error, "an upload could not be stored");
    unavailable()
}

async fn first_piece<E: Display>(
    source: &mut (impl Stream<Item = Result<Bytes, E>> + Unpin),
) -> Result<Option<Bytes>, Problem> {
    while let Some(piece) = source.next().await {
        match piece {
            Ok(bytes) if bytes.is_empty() => {}
            Ok(bytes) => return Ok(Some(bytes)),
            Err(error) => return Err(broken_off(&error.to_string())),
        }
    }
    Ok(None)
}

/// Whether documents may have this media type. Problem: 415 `content_type_wrong`.
pub fn check_type(settings: &WorkSettings, media_type: &str) -> Result<(), Problem> {
    match settings.takes(media_type) {
        true => Ok(()),
        false => Err(wrong_type(media_type, &settings.media_types)),
    }
}

/// Stores a document whose media type is [checked](check_type). Problems: those of [`store`].
pub async fn document<E: Display>(
    blobs: &dyn Blobs,
    settings: &WorkSettings,
    name: Option<String>,
    media_type: String,
    source: impl Stream<Item = Result<Bytes, E>>,
) -> Result<NewDocument, Problem> {
    let stored = store(blobs, settings.most_document_bytes, source).await?;
    Ok(received(name, media_type, stored))
}

/// As [`document`], which is placed at `copy` besides. It is durable when what is given with it has come to its end.
pub async fn placed_document<E: Display>(
    blobs: &dyn Blobs,
    settings: &WorkSettings,
    name: Option<String>,
    media_type: String,
    source: impl Stream<Item = Result<Bytes, E>>,
    copy: &Path,
) -> Result<(NewDocument, Settling), Problem> {
    let put = |incoming| blobs.put_placed(incoming, settings.most_document_bytes, copy);
    let (stored, settling) = store_by(source, put).await?;
    Ok((received(name, media_type, stored), settling))
}

fn received(name: Option<String>, media_type: String, stored: Stored) -> NewDocument {
    NewDocument {
        questions: None,
        name,
        media_type,
        sha256: stored.sha256,
        bytes: stored.bytes,
    }
}

/// The 413 for a document beyond `limit` bytes.
pub fn too_large(limit: u64) -> Problem {
    let detail = format!("a document has at most {limit} bytes; split or compress it");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "document_too_large", detail).with("limit", limit)
}

/// The 415 for a media type that documents may not have.
pub fn wrong_type(found: &str, known: &[String]) -> Problem {
    let found = if found.is_empty() {
        "no content type"
    } else {
        found
    };
    let detail = format!("{found} was sent; send one of {}", known.join(", "));
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content_type_wrong", detail)
}

/// The 503 for a store that fails.
pub(crate) fn unavailable() -> Problem {
    Problem::unavailable(
        "storage_unavailable",
        "the hub cannot store documents now; nothing was kept",
        10,
    )
}

/// The 400 for a document without bytes.
pub(crate) fn empty() -> Problem {
    Problem::bad_request(
        "empty_document",
        "the document has no bytes; upload the file again",
    )
}

fn broken_off(error: &str) -> Problem {
    Problem::bad_request(
        "upload_broken",
        format!("the upload broke off and nothing was kept: {error}"),
    )
}
