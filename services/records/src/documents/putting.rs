//! A document that is put under a name: the same again is the same document.

use super::{DocumentRefusal, DocumentRow, NewDocument, open, receive};
use crate::{Db, RecordsError, Stamp, Tx, on};
use domain::{document::Document, id::BatchId, names::TenantName};

/// Of several documents of one name, one with these bytes if there is one.
pub(super) const NAMED: &str = "SELECT * FROM documents WHERE tenant = $1 AND batch = $2 AND name = $3 \
    ORDER BY CASE WHEN sha256 = $4 THEN 0 ELSE 1 END, place LIMIT 1";

/// What became of a document that was put.
#[derive(Debug, Clone, PartialEq)]
pub struct Put {
    /// The document.
    pub document: Document,
    /// Whether it was not there before.
    pub is_new: bool,
}

/// Puts a document into an open batch of `tenant` under its name: once, however often it is done. `None`: the tenant has no
/// such batch.
pub async fn put(
    db: &Db,
    stamp: Stamp<'_>,
    tenant: &TenantName,
    batch: BatchId,
    new: &NewDocument,
    most: u64,
) -> Result<Option<Result<Put, DocumentRefusal>>, RecordsError> {
    let mut tx = db.begin().await?;
    let batch = match open(&mut tx, stamp, tenant, batch).await? {
        None => return Ok(None),
        Some(Err(refusal)) => return Ok(Some(Err(refusal.into()))),
        Some(Ok(batch)) => batch,
    };
    if let Some(document) = named(&mut tx, tenant, batch.id, new).await? {
        let is_same = document.sha256 == new.sha256 && document.questions == new.questions;
        return Ok(Some(match is_same {
            true => Ok(Put {
                document,
                is_new: false,
            }),
            false => Err(DocumentRefusal::NameTaken {
                document: document.id,
            }),
        }));
    }
    let received = receive(&mut tx, stamp, &batch, std::slice::from_ref(new), most).await?;
    let put = received.map(|received| received.into_iter().next());
    let document = match put {
        Err(refusal) => return Ok(Some(Err(refusal))),
        Ok(None) => return Ok(None),
        Ok(Some(document)) => document,
    };
    tx.commit().await?;
    Ok(Some(Ok(Put {
        document,
        is_new: true,
    })))
}

async fn named(
    tx: &mut Tx,
    tenant: &TenantName,
    batch: BatchId,
    new: &NewDocument,
) -> Result<Option<Document>, RecordsError> {
    let row: Option<DocumentRow> = on!(tx: tx, |c| sqlx::query_as(NAMED)
        .bind(tenant.as_str())
        .bind(batch.to_string())
        .bind(new.name.as_deref())
        .bind(new.sha256.to_string())
        .fetch_optional(c))?;
    row.map(DocumentRow::read).transpose()
}
