//! What proves an answer: its row, its grant, its decision, its acceptances, and all entries of the log about them.

use crate::{
    Db, RecordsError,
    audit::{
        reading::{self, Checkpoint, Placed},
        rows::{self, Fact},
    },
    on,
    read::Reading,
};
use domain::{
    audit::tree::Question,
    id::{AcceptanceId, DecisionId, JobId, OrderId},
    names::TenantName,
    proof::{ProvenEntry, VouchedRow},
};

const TENANT_OF: &str = "SELECT tenant FROM jobs WHERE id = $1";
const ORDER_OF: &str = "SELECT a.order_id, g.grant_token FROM answers a JOIN jobs j ON j.id = a.job \
    JOIN attempts g ON g.order_id = a.order_id WHERE a.job = $1 AND j.tenant = $2";

pub(crate) const STATEMENTS: &[&str] = &[TENANT_OF, ORDER_OF];

/// Whose job it is: for the operator, who holds the database of all tenants.
pub async fn tenant_of(db: &Db, job: JobId) -> Result<Option<TenantName>, RecordsError> {
    let id = job.to_string();
    let tenant: Option<String> = on!(db, |c| sqlx::query_scalar(TENANT_OF).bind(&id).fetch_optional(c))?;
    let reading = Reading {
        table: "jobs",
        id: &id,
    };
    reading.parsed_if(tenant.as_deref())
}

/// The order that an answer came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnsweredOrder {
    /// The order.
    pub order: OrderId,
    /// Its signed grant. Grants of the first versions were not kept.
    pub grant_token: Option<String>,
}

/// The order from which the answer of a job of `tenant` came. `None`: there is no such job, or no answer.
pub async fn order_of(
    db: &Db,
    tenant: &TenantName,
    job: JobId,
) -> Result<Option<AnsweredOrder>, RecordsError> {
    let id = job.to_string();
    let row: Option<(String, Option<String>)> = on!(db, |c| sqlx::query_as(ORDER_OF)
        .bind(&id)
        .bind(tenant.as_str())
        .fetch_optional(c))?;
    let Some((order, grant_token)) = row else {
        return Ok(None);
    };
    let reading = Reading {
        table: "answers",
        id: &id,
    };
    Ok(Some(AnsweredOrder {
        order: reading.parsed(&order)?,
        grant_token,
    }))
}

/// What an answer rests on.
#[derive(Debug, Clone)]
pub struct Ground<'a> {
    /// Its job.
    pub job: JobId,
    /// The order that it came from.
    pub order: OrderId,
    /// The decision that allowed it.
    pub decision: DecisionId,
    /// Acceptances that may have been needed for it.
    pub acceptances: &'a [AcceptanceId],
}

/// What the records know of an answer, as it is at one moment.
#[derive(Debug, Clone)]
pub struct Evidence {
    /// The rows.
    pub rows: Vec<VouchedRow>,
    /// All entries about them, with their places.
    pub entries: Vec<Placed>,
}

/// Reads the rows and entries that `ground` names.
pub async fn gather(db: &Db, ground: &Ground<'_>) -> Result<Evidence, RecordsError> {
    let mut named = vec![
        (Fact::Answer, ground.job.to_string()),
        (Fact::Grant, ground.order.to_string()),
        (Fact::Decision, ground.decision.to_string()),
    ];
    named.extend(
        ground
            .acceptances
            .iter()
            .map(|id| (Fact::Acceptance, id.to_string())),
    );
    let mut tx = db.snapshot().await?;
    let (mut rows, mut entries) = (Vec::with_capacity(named.len()), Vec::new());
    for (fact, id) in named {
        if let Some(row) = rows::read(&mut tx, fact, &id).await? {
            let of = fact.as_str().to_owned();
            entries.extend(reading::about(&mut tx, &id).await?);
            rows.push(VouchedRow { of, id, row });
        }
    }
    Ok(Evidence { rows, entries })
}

/// Entries with their proofs, under a checkpoint; none as long as one of them is not sealed.
pub async fn prove(
    db: &Db,
    entries: &[Placed],
) -> Result<Option<(Checkpoint, Vec<ProvenEntry>)>, RecordsError> {
    let mut tx = db.snapshot().await?;
    let Some(checkpoint) = reading::newest_in(&mut tx).await? else {
        return Ok(None);
    };
    let size = checkpoint.size;
    let mut proven = Vec::with_capacity(entries.len());
    for Placed { entry, place } in entries {
        let Some(place) = place.filter(|place| *place < size) else {
            return Ok(None);
        };
        let proof = reading::proof_in(&mut tx, Question::Inclusion { size, place }).await?;
        proven.push(ProvenEntry {
            place,
            entry: entry.clone(),
            proof,
        });
    }
    Ok(Some((checkpoint, proven)))
}
