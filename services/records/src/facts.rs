//! What the licence gate needs to know, read in one round trip however deep the lineage is.

mod row;

use crate::{Db, RecordsError, acceptances::row::AcceptanceRow, on, read::Reading};
use domain::{
    digest::Sha256,
    gate::Facts,
    lineage::{Licensed, descent},
    names::{ModelName, TenantName},
};
use row::{LineageRow, is_lineage};
use sqlx::{Error, FromRow, Row as _};
use std::collections::HashMap;

// One row for each edge upward, one for each model without any, and one for each acceptance of the tenant: the
// condition of the outer join never holds, so it puts the two lists one below the other.
const FACTS: &str = "WITH RECURSIVE up (model) AS ( \
        SELECT name FROM models WHERE name = $1 \
        UNION SELECT e.parent FROM lineage_edges e JOIN up ON e.child = up.model), \
    own (sha256, terms_sha256) AS ( \
        SELECT r.sha256, r.terms_sha256 FROM revisions r WHERE r.model = $1 AND r.sha256 = COALESCE( \
            CAST($3 AS TEXT), (SELECT n.sha256 FROM revisions n WHERE n.model = $1 \
                ORDER BY n.imported_at DESC, n.sha256 DESC LIMIT 1))), \
    above (in_lineage, its_license, its_terms, parent, relation, evidence, own_revision, own_terms) AS ( \
        SELECT up.model, m.license, (SELECT r.terms_sha256 FROM revisions r WHERE r.model = up.model \
                ORDER BY r.imported_at DESC, r.sha256 DESC LIMIT 1), \
            e.parent, e.relation, e.evidence, own.sha256, own.terms_sha256 \
        FROM up LEFT JOIN models m ON m.name = up.model LEFT JOIN lineage_edges e ON e.child = up.model \
            LEFT JOIN own ON up.model = $1), \
    held AS (SELECT * FROM acceptances WHERE tenant = $2) \
    SELECT above.*, held.*, COALESCE((SELECT t.epoch FROM tenant_epochs t WHERE t.tenant = $2), 0) AS its_epoch \
    FROM above FULL JOIN held ON 1 = 0 ORDER BY held.id";

pub(crate) const STATEMENTS: &[&str] = &[FACTS];

/// What is known about a model for a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The revision that the facts are about; none if the model has no such revision here.
    pub revision_sha256: Option<Sha256>,
    /// The facts.
    pub facts: Facts,
    /// The revocation epoch of the tenant at the same moment: a revocation that is not among the facts has a later one.
    pub epoch: u64,
}

/// The facts for a decision about a `revision` of `model` for `tenant`; about the current one if none is named.
pub async fn of(
    db: &Db,
    tenant: &TenantName,
    model: &ModelName,
    revision: Option<&Sha256>,
) -> Result<Known, RecordsError> {
    let Rows { lineage, held, epoch } = read(db, tenant.as_str(), model, revision).await?;
    let reading = Reading {
        table: "revisions",
        id: model.as_str(),
    };
    let own = lineage.iter().find(|row| row.in_lineage == model.as_str());
    let revision_sha256 = reading.parsed_if(own.and_then(|row| row.own_revision.as_deref()))?;
    let own_terms = reading.parsed_if(own.and_then(|row| row.own_terms.as_deref()))?;
    let mut lineage = licensed(model, &lineage)?;
    if let (Some(own), Some(_)) = (lineage.first_mut(), revision_sha256) {
        // The revision's own text counts, not that of the newest revision.
        own.terms_sha256 = own_terms;
    }
    let acceptances = held
        .into_iter()
        .map(AcceptanceRow::read)
        .collect::<Result<_, _>>()?;
    Ok(Known {
        revision_sha256,
        facts: Facts { lineage, acceptances },
        epoch: reading.whole(epoch)?,
    })
}

/// A model and all its ancestors with their licenses, nearest first.
pub async fn lineage(db: &Db, model: &ModelName) -> Result<Vec<Licensed>, RecordsError> {
    // No tenant has an empty name, so no acceptance is read.
    let Rows { lineage, .. } = read(db, "", model, None).await?;
    licensed(model, &lineage)
}

/// What was read.
#[derive(Default)]
struct Rows {
    lineage: Vec<LineageRow>,
    held: Vec<AcceptanceRow>,
    epoch: i64,
}

async fn read(
    db: &Db,
    tenant: &str,
    model: &ModelName,
    revision: Option<&Sha256>,
) -> Result<Rows, RecordsError> {
    let revision = revision.map(|sha256| sha256.to_string());
    let rows = on!(db, |c| async {
        let query = sqlx::query(FACTS)
            .bind(model.as_str())
            .bind(tenant)
            .bind(revision);
        let mut read = Rows::default();
        for row in query.fetch_all(c).await? {
            read.epoch = row.try_get("its_epoch")?;
            match is_lineage(&row)? {
                true => read.lineage.push(LineageRow::from_row(&row)?),
                false => read.held.push(AcceptanceRow::from_row(&row)?),
            }
        }
        Ok::<_, Error>(read)
    });
    Ok(rows?)
}

fn licensed(model: &ModelName, rows: &[LineageRow]) -> Result<Vec<Licensed>, RecordsError> {
    let mut edges = Vec::new();
    let mut known = HashMap::new();
    for row in rows {
        let reading = Reading {
            table: "lineage_edges",
            id: &row.in_lineage,
        };
        let child: ModelName = reading.parsed(&row.in_lineage)?;
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
        let license = reading.parsed_if(row.and_then(|row| row.its_license.as_deref()))?;
        let terms_sha256 = reading.parsed_if(row.and_then(|row| row.its_terms.as_deref()))?;
        Ok(Licensed {
            license,
            terms_sha256,
            through,
            model,
        })
    };
    descent(model, &edges).into_iter().map(licensed).collect()
}

#[cfg(test)]
mod tests;
