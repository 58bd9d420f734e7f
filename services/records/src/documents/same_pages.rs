//! Pages of a batch that have the same bytes: each knows the first of them.

use super::NewPage;
use crate::{RecordsError, Tx, many, on, read::Reading};
use domain::{batch::StoredBatch, digest::Sha256, id::PageId};
use serde_json::json;
use std::collections::{BTreeSet, HashMap};

// Texts are no pages, and have none until they are composed. The batch stands in each row, so that each is found by the
// whole key: with the batch alone PostgreSQL would rather compare all its pages with all rows.
pub(super) const FIRSTS: &str = "SELECT p.sha256, p.id FROM json_each($1) AS r JOIN pages p \
    ON p.batch = r.value ->> 'batch' AND p.sha256 = r.value ->> 'sha256' AND p.same_as IS NULL AND p.width > 0";

/// The first page with each digest.
#[derive(Default)]
pub(crate) struct Firsts(HashMap<Sha256, PageId>);

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
        let digests: BTreeSet<Sha256> = pages.iter().map(|page| page.sha256).collect();
        let key = |sha256: Sha256| json!({ "batch": batch.id, "sha256": sha256 });
        let keys = many::rows(digests.into_iter().map(key));
        let rows: Vec<(String, String)> = on!(tx: tx, |c| sqlx::query_as(FIRSTS).bind(&keys).fetch_all(c))?;
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
