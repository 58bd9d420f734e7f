//! The edges between a model and its ancestors.

use crate::{Db, RecordsError, on, read::Reading};
use domain::{
    lineage::{LineageEdge, Relation},
    names::{LicenseName, ModelName},
};
use std::collections::HashMap;

const ABOVE: &str = "WITH RECURSIVE up (model) AS ( \
        SELECT name FROM models WHERE name = $1 \
        UNION SELECT e.parent FROM lineage_edges e JOIN up ON e.child = up.model) \
    SELECT e.parent, e.child, e.relation, e.evidence FROM lineage_edges e JOIN up ON e.child = up.model \
    ORDER BY e.child, e.parent, e.relation";

// Descendants and siblings, then whatever any of them was made from: so the lineage of each is whole.
const AROUND: &str = "WITH RECURSIVE down (model) AS ( \
        SELECT name FROM models WHERE name = $1 \
        UNION SELECT e.child FROM lineage_edges e JOIN down ON e.parent = down.model), \
    near (model) AS ( \
        SELECT model FROM down \
        UNION SELECT s.child FROM lineage_edges s JOIN lineage_edges p ON s.parent = p.parent WHERE p.child = $1), \
    involved (model) AS ( \
        SELECT model FROM near \
        UNION SELECT e.parent FROM lineage_edges e JOIN involved ON e.child = involved.model) \
    SELECT i.model, m.license, e.parent, e.relation, e.evidence FROM involved i \
        LEFT JOIN models m ON m.name = i.model LEFT JOIN lineage_edges e ON e.child = i.model \
    ORDER BY i.model, e.parent, e.relation LIMIT $2";

pub(crate) const STATEMENTS: &[&str] = &[ABOVE, AROUND];

/// The edges among ancestors, descendants and siblings of `model` and what those were made from, and the licenses of
/// those that are registered; at most `limit` edges.
pub async fn around(
    db: &Db,
    model: &ModelName,
    limit: u32,
) -> Result<(Vec<LineageEdge>, HashMap<ModelName, LicenseName>), RecordsError> {
    let rows: Vec<Near> = on!(db, |c| sqlx::query_as(AROUND)
        .bind(model.as_str())
        .bind(i64::from(limit))
        .fetch_all(c))?;
    let (mut edges, mut known) = (Vec::new(), HashMap::new());
    for near in rows {
        let row = Reading {
            table: "lineage_edges",
            id: &near.model,
        };
        let child: ModelName = row.parsed(&near.model)?;
        if let Some(license) = row.parsed_if(near.license.as_deref())? {
            known.insert(child, license);
        }
        if let (Some(parent), Some(relation)) = (near.parent, near.relation) {
            let edge = Row {
                parent,
                child: near.model,
                relation,
                evidence: near.evidence.unwrap_or_default(),
            };
            edges.push(edge.read()?);
        }
    }
    Ok((edges, known))
}

#[derive(sqlx::FromRow)]
struct Near {
    model: String,
    license: Option<String>,
    parent: Option<String>,
    relation: Option<String>,
    evidence: Option<String>,
}

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
