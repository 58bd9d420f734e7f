//! What the licence gate needs to know, read with two queries however deep the lineage is.

use crate::{Db, RecordsError, acceptances, on, read::Reading};
use domain::{
    gate::Facts,
    lineage::{Licensed, LineageEdge, Relation, descent},
    model::Revision,
    names::{ModelName, TenantName},
};
use std::collections::HashMap;

// One row for each edge upward, and one for each model without any.
const LINEAGE: &str = "WITH RECURSIVE up (model) AS ( \
        SELECT name FROM models WHERE name = $1 \
        UNION SELECT e.parent FROM lineage_edges e JOIN up ON e.child = up.model) \
    SELECT up.model, m.license, \
        (SELECT r.terms_sha256 FROM revisions r WHERE r.model = up.model \
            ORDER BY r.imported_at DESC, r.sha256 DESC LIMIT 1) AS terms_sha256, \
        e.parent, e.relation, e.evidence \
    FROM up LEFT JOIN models m ON m.name = up.model LEFT JOIN lineage_edges e ON e.child = up.model";

pub(crate) const STATEMENTS: &[&str] = &[LINEAGE];

/// The facts for a decision about `revision` for `tenant`.
pub async fn of(db: &Db, tenant: &TenantName, revision: &Revision) -> Result<Facts, RecordsError> {
    let mut lineage = lineage(db, &revision.model).await?;
    if let Some(own) = lineage.first_mut() {
        // The revision's own text counts, not that of the newest revision.
        own.terms_sha256 = revision.terms_sha256;
    }
    Ok(Facts {
        lineage,
        acceptances: acceptances::of_tenant(db, tenant).await?,
    })
}

/// A model and all its ancestors with their licenses, nearest first.
pub async fn lineage(db: &Db, model: &ModelName) -> Result<Vec<Licensed>, RecordsError> {
    let rows: Vec<Row> = on!(db, |c| sqlx::query_as(LINEAGE).bind(model.as_str()).fetch_all(c))?;
    let mut edges = Vec::new();
    let mut known = HashMap::new();
    for row in &rows {
        let reading = Reading {
            table: "lineage_edges",
            id: &row.model,
        };
        let child: ModelName = reading.parsed(&row.model)?;
        if let Some(edge) = row.edge(reading, &child)? {
            edges.push(edge);
        }
        known.insert(child, row);
    }
    let licensed = |(model, through): (ModelName, Option<usize>)| {
        let row = known.get(&model);
        let reading = Reading {
            table: "models",
            id: model.as_str(),
        };
        let license = reading.parsed_if(row.and_then(|row| row.license.as_deref()))?;
        let terms_sha256 = reading.parsed_if(row.and_then(|row| row.terms_sha256.as_deref()))?;
        Ok(Licensed {
            license,
            terms_sha256,
            through,
            model,
        })
    };
    descent(model, &edges).into_iter().map(licensed).collect()
}

#[derive(sqlx::FromRow)]
struct Row {
    model: String,
    license: Option<String>,
    terms_sha256: Option<String>,
    parent: Option<String>,
    relation: Option<String>,
    evidence: Option<String>,
}

impl Row {
    fn edge(&self, reading: Reading<'_>, child: &ModelName) -> Result<Option<LineageEdge>, RecordsError> {
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
