//! Pages of a batch that have the same bytes: each knows the first of them.

use super::NewPage;
use crate::{RecordsError, Tx, many, on, read::Reading};
use domain::{batch::StoredBatch, digest::Sha256, id::PageId};
use std::collections::HashMap;

// Texts are no pages, and have none until they are composed.
pub(super) const FIRSTS: &str = "SELECT sha256, id FROM pages WHERE batch = $1 AND same_as IS NULL AND width > 0 \
    AND sha256 IN (SELECT r.value ->> 'id' FROM json_each($2) AS r)";

/// The first page with each digest.
#[derive(Default)]
pub(super) struct Firsts(HashMap<Sha256, PageId>);

impl Firsts {
    /// Those of a batch, which is locked, with the bytes of `pages`.
    pub(super) async fn find(
        tx: &mut Tx,
        batch: &StoredBatch,
        pages: &[NewPage],
    ) -> Result<Self, RecordsError> {
        if batch.pages == 0 {
            return Ok(Self::default());
        }
        let rows: Vec<(String, String)> = on!(tx: tx, |c| sqlx::query_as(FIRSTS)
            .bind(batch.id.to_string())
            .bind(many::ids(pages.iter().map(|page| page.sha256)))
            .fetch_all(c))?;
        let read = |(sha256, id): &(String, String)| {
            let reading = Reading { table: "pages", id };
            Ok((reading.parsed(sha256)?, reading.parsed(id)?))
        };
        let firsts: Result<HashMap<_, _>, RecordsError> = rows.iter().map(read).collect();
        firsts.map(Self)
    }

    /// The page that `id` with these bytes is the same as; none, if it is the first.
    pub(super) fn same_as(&mut self, sha256: Sha256, id: PageId) -> Option<PageId> {
        let first = *self.0.entry(sha256).or_insert(id);
        (first != id).then_some(first)
    }
}
