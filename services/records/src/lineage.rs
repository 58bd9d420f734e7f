//! The edges between a model and its ancestors.

use crate::{Db, RecordsError, on, read::Reading};
use domain::{
    lineage::{LineageEdge, Relation},
    names::ModelName,
};

const ABOVE: &str = "WITH RECURSIVE up (model) AS ( \
        SELECT name FROM models WHERE name = $1 \
        UNION SELECT e.parent FROM lineage_edges e JOIN up ON e.child = up.model) \
    SELECT e.parent, e.child, e.relation, e.evidence FROM lineage_edges e JOIN up ON e.child = up.model \
    ORDER BY e.child, e.parent, e.relation";

pub(crate) const STATEMENTS: &[&str] = &[ABOVE];

/// Every edge that leads upward from `model` or from one of its ancestors, once.
pub async fn above(db: &Db, model: &ModelName) -> Result<Vec<LineageEdge>, RecordsError> {
    let rows: Vec<Row> = on!(db, |c| sqlx::query_as(ABOVE).bind(model.as_str()).fetch_all(c))?;
    rows.into_iter().map(Row::read).collect()
}

#[derive(sqlx::FromRow)]
struct Row {
    parent: String,
    child: String,
    relation: String,
    evidence: String,
}

impl Row {
    fn read(self) -> Result<LineageEdge, RecordsError> {
        let row = Reading {
            table: "lineage_edges",
            id: &self.child,
        };
        let relation = Relation::from_word(&self.relation).ok_or_else(|| row.nonsense("an odd relation"))?;
        Ok(LineageEdge {
            parent: row.parsed(&self.parent)?,
            child: row.parsed(&self.child)?,
            relation,
            evidence: self.evidence,
        })
    }
}
