//! Reading the bytes of a document or of one of its pages: who has read what stands in the audit log.

use super::row::DocumentRow;
use crate::{At, Db, RecordsError, Stamp, Tx, on, read::Reading};
use domain::{
    digest::Sha256,
    document::Document,
    id::{BatchId, DocumentId},
    names::TenantName,
};
use serde_json::json;

pub(super) const GET: &str = "SELECT * FROM documents WHERE id = $1 AND batch || '' = $2 AND tenant = $3";
pub(super) const OF_TENANT: &str = "SELECT * FROM documents WHERE id = $1 AND tenant = $2";
pub(super) const GET_PAGE: &str = "SELECT sha256, bytes FROM pages WHERE document = $1 AND batch = $2 AND tenant = $3 \
    AND number = $4 AND width > 0";
pub(super) const GONE: &str = "SELECT documents_gone_at FROM batches WHERE id = $1";

/// A document that is about to be given out to a member of `tenant`. `None`: the tenant has no such document.
pub async fn read(
    db: &Db,
    stamp: Stamp<'_>,
    tenant: &TenantName,
    batch: BatchId,
    id: DocumentId,
) -> Result<Option<Document>, RecordsError> {
    let mut tx = db.begin().await?;
    let row: Option<DocumentRow> = on!(tx: &mut tx, |c| sqlx::query_as(GET)
        .bind(id.to_string())
        .bind(batch.to_string())
        .bind(tenant.as_str())
        .fetch_optional(c))?;
    let Some(document) = row.map(DocumentRow::read).transpose()? else {
        return Ok(None);
    };
    if are_gone(&mut tx, batch).await? {
        return Ok(None);
    }
    let detail = json!({ "batch": batch, "sha256": document.sha256 });
    stamp.audit(&mut tx, tenant, "document.read", id.to_string(), None, detail);
    tx.commit().await?;
    Ok(Some(document))
}

/// A document of `tenant`, whose bytes are not given out. `None`: the tenant has no such document.
pub async fn of_tenant(
    db: &Db,
    tenant: &TenantName,
    id: DocumentId,
) -> Result<Option<Document>, RecordsError> {
    let row: Option<DocumentRow> = on!(db, |c| sqlx::query_as(OF_TENANT)
        .bind(id.to_string())
        .bind(tenant.as_str())
        .fetch_optional(c))?;
    row.map(DocumentRow::read).transpose()
}

/// The image of a page, in PNG.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageImage {
    /// Its bytes.
    pub sha256: Sha256,
    /// How many they are.
    pub bytes: u64,
}

/// A page that is about to be given out to a member of `tenant`. `None`: the tenant has no such page.
pub async fn read_page(
    db: &Db,
    stamp: Stamp<'_>,
    tenant: &TenantName,
    batch: BatchId,
    document: DocumentId,
    number: u32,
) -> Result<Option<PageImage>, RecordsError> {
    let id = document.to_string();
    let mut tx = db.begin().await?;
    let row: Option<(String, i64)> = on!(tx: &mut tx, |c| sqlx::query_as(GET_PAGE)
        .bind(&id)
        .bind(batch.to_string())
        .bind(tenant.as_str())
        .bind(i64::from(number))
        .fetch_optional(c))?;
    let Some((sha256, bytes)) = row else {
        return Ok(None);
    };
    if are_gone(&mut tx, batch).await? {
        return Ok(None);
    }
    let reading = Reading {
        table: "pages",
        id: &id,
    };
    let image = PageImage {
        sha256: reading.parsed(&sha256)?,
        bytes: reading.whole(bytes)?,
    };
    let detail = json!({ "batch": batch, "page": number, "sha256": image.sha256 });
    stamp.audit(&mut tx, tenant, "document.read", id.clone(), None, detail);
    tx.commit().await?;
    Ok(Some(image))
}

/// Whether the documents of a batch are deleted, though some may still be there.
async fn are_gone(tx: &mut Tx, batch: BatchId) -> Result<bool, RecordsError> {
    let since: Option<At> = on!(tx: tx, |c| sqlx::query_scalar(GONE).bind(batch.to_string()).fetch_one(c))?;
    Ok(since.is_some())
}
