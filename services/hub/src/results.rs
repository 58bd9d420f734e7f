//! The rows of a batch on their way out as lines of JSON or as CSV: read portion by portion while they are sent, and
//! never held whole.

mod csv;
pub mod form;

use crate::api::row_view::ResultView;
use bytes::Bytes;
use domain::{batch::StoredBatch, question::Asked};
use form::Form;
use futures_util::{Stream, StreamExt as _, TryStreamExt as _, future, stream};
use records::{
    Db, RecordsError,
    rows::{self, Place},
};
use std::io;

/// How many rows are read at once.
const PORTION: u32 = 50;

/// The batch whose rows are told.
pub struct Results {
    pub db: Db,
    pub batch: StoredBatch,
    pub questions: Vec<Asked>,
}

impl Results {
    /// Up to `limit` rows after a place, and the place of the last one.
    pub async fn after(
        &self,
        place: Place,
        limit: u32,
    ) -> Result<(Vec<ResultView>, Option<Place>), RecordsError> {
        let rows = rows::after(&self.db, &self.batch.tenant, self.batch.id, place, limit).await?;
        let last = rows.last().map(|row| row.place);
        let view = |row| ResultView::of(&self.batch, &self.questions, row);
        Ok((rows.into_iter().map(view).collect(), last))
    }

    /// All rows after a place, in pieces of bytes. It ends with an error if the records cannot be read, so that nobody
    /// takes it for whole.
    pub fn stream(self, place: Place, form: Form) -> impl Stream<Item = io::Result<Bytes>> {
        let head = form.head();
        let head = stream::iter((!head.is_empty()).then(|| Ok(Bytes::from(head))));
        let rows = stream::try_unfold((self, Some(place)), move |(results, next)| async move {
            let Some(place) = next else { return Ok(None) };
            let (rows, last) = results.after(place, PORTION).await.map_err(io::Error::other)?;
            let next = last.filter(|_| rows.len() >= PORTION as usize);
            let piece = Bytes::from(form.write(&rows)?);
            Ok(Some((piece, (results, next))))
        });
        let rows = rows.try_filter(|piece| future::ready(!piece.is_empty()));
        head.chain(rows.inspect_err(|error: &io::Error| tracing::error!(cause = %error, "results broke off")))
    }
}
