//! A row of the facts: a step of the lineage, or else an acceptance.

use crate::{RecordsError, read::Reading};
use domain::{
    lineage::{LineageEdge, Relation},
    names::ModelName,
};
use sqlx::{ColumnIndex, Decode, Row, Type};

/// A model of the lineage, with an edge upward if it has one.
#[derive(sqlx::FromRow)]
pub(super) struct LineageRow {
    pub in_lineage: String,
    pub its_license: Option<String>,
    pub its_terms: Option<String>,
    parent: Option<String>,
    relation: Option<String>,
    evidence: Option<String>,
    pub own_revision: Option<String>,
    pub own_terms: Option<String>,
}

/// Whether a row is a step of the lineage.
pub(super) fn is_lineage<'r, R>(row: &'r R) -> Result<bool, sqlx::Error>
where
    R: Row,
    &'static str: ColumnIndex<R>,
    Option<String>: Decode<'r, R::Database> + Type<R::Database>,
{
    let model: Option<String> = row.try_get("in_lineage")?;
    Ok(model.is_some())
}

impl LineageRow {
    pub(super) fn edge(
        &self,
        reading: Reading<'_>,
        child: &ModelName,
    ) -> Result<Option<LineageEdge>, RecordsError> {
        let (Some(parent), Some(relation)) = (&self.parent, &self.relation) else {
            return Ok(None);
        };
        let relation = Relation::from_word(relation).ok_or_else(|| reading.nonsense("an odd relation"))?;
        let evidence = self.evidence.clone().unwrap_or_default();
        Ok(Some(LineageEdge {
            parent: reading.parsed(parent)?,
            child: child.clone(),
            relation,
            evidence,
        }))
    }
}
