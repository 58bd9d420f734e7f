//! A row of `documents`, and what it means.

use crate::{At, RecordsError, read::Reading};
use domain::document::{Document, DocumentPhase, DocumentState, Warning};
use sqlx::types::Json;

#[derive(sqlx::FromRow)]
pub(crate) struct DocumentRow {
    pub(super) id: String,
    pub(super) tenant: String,
    batch: String,
    place: i64,
    name: Option<String>,
    media_type: String,
    sha256: String,
    bytes: i64,
    received_at: At,
    state: String,
    splitting_until: Option<At>,
    pages: Option<i64>,
    code: Option<String>,
    message: Option<String>,
    settled_at: Option<At>,
    deleted_at: Option<At>,
    questions: Option<Json<Vec<u32>>>,
    warnings: Option<Json<Vec<Warning>>>,
}

impl DocumentRow {
    pub(crate) fn read(self) -> Result<Document, RecordsError> {
        let reading = Reading {
            table: "documents",
            id: &self.id,
        };
        Ok(Document {
            id: reading.parsed(&self.id)?,
            batch: reading.parsed(&self.batch)?,
            place: reading.whole(self.place)?,
            sha256: reading.parsed(&self.sha256)?,
            bytes: reading.whole(self.bytes)?,
            received_at: self.received_at.0,
            state: self.state(reading)?,
            deleted_at: self.deleted_at.map(|at| at.0),
            name: self.name,
            media_type: self.media_type,
            questions: self.questions.map(|places| places.0),
            warnings: self.warnings.map(|warnings| warnings.0).unwrap_or_default(),
        })
    }

    fn state(&self, reading: Reading<'_>) -> Result<DocumentState, RecordsError> {
        let settled = || reading.required(self.settled_at, "settled_at").map(|at| at.0);
        Ok(match reading.parsed(&self.state)? {
            DocumentPhase::Received => DocumentState::Received,
            DocumentPhase::Waiting => DocumentState::Waiting,
            DocumentPhase::Splitting => DocumentState::Splitting {
                until: reading.required(self.splitting_until, "splitting_until")?.0,
            },
            DocumentPhase::Split => {
                let pages = reading.whole(reading.required(self.pages, "pages")?)?;
                DocumentState::Split {
                    pages,
                    at: settled()?,
                }
            }
            DocumentPhase::Failed => DocumentState::Failed {
                code: reading.required(self.code.clone(), "code")?,
                message: reading.required(self.message.clone(), "message")?,
                at: settled()?,
            },
            DocumentPhase::Cancelled => DocumentState::Cancelled { at: settled()? },
        })
    }
}
