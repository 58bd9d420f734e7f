//! Changes of models' cards, and those who agreed to them.

use crate::{
    At, Db, RecordsError, Stamp, Tx,
    models::cards,
    on,
    read::{Reading, below, number},
    run::Run as _,
};
use domain::{
    card_change::{
        Approval, CardFacts, ChangeState, Difference, NoApproval, Who, approvals_needed, may_approve,
    },
    id::CardChangeId,
    names::ModelName,
};
use serde_json::json;
use sqlx::types::Json;
use time::OffsetDateTime;

const OPEN: &str = "SELECT COUNT(*) FROM card_changes WHERE model = $1 AND state = 'proposed'";
const INSERT: &str = "INSERT INTO card_changes (id, model, tenant, member, proposed_at, reason, card_version, facts, \
    differences, needed, approvals, state) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 'proposed')";
const GET: &str = "SELECT * FROM card_changes WHERE id = $1";
const LIST: &str = "SELECT * FROM card_changes WHERE id < $1 \
    AND (CAST($2 AS TEXT) IS NULL OR model = CAST($2 AS TEXT)) \
    AND (CAST($3 AS TEXT) IS NULL OR state = CAST($3 AS TEXT)) ORDER BY id DESC LIMIT $4";
const LIST_SETTLED: &str =
    "SELECT * FROM card_changes WHERE id < $1 AND state <> 'proposed' ORDER BY id DESC LIMIT $2";
const AGREE: &str = "UPDATE card_changes SET approvals = $3, approved = approved + 1, state = $4, settled_at = $5, \
    settled_by = $6 WHERE id = $1 AND state = 'proposed' AND approved = $2";
const SETTLE: &str = "UPDATE card_changes SET state = $2, settled_at = $3, settled_by = $4, note = $5 \
    WHERE id = $1 AND state = 'proposed'";

pub(crate) const STATEMENTS: &[&str] = &[OPEN, INSERT, GET, LIST, LIST_SETTLED, AGREE, SETTLE];

/// A change of a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardChange {
    /// Which one.
    pub id: CardChangeId,
    /// Of which model.
    pub model: ModelName,
    /// Who proposed it.
    pub proposed_by: Who,
    /// When.
    pub proposed_at: OffsetDateTime,
    /// Why.
    pub reason: String,
    /// How often the card had changed when it was proposed.
    pub version: u64,
    /// What shall be in force.
    pub facts: CardFacts,
    /// What that changes.
    pub differences: Vec<Difference>,
    /// How many others have to agree.
    pub needed: usize,
    /// Who did.
    pub approvals: Vec<Approval>,
    /// What is true of it.
    pub state: ChangeState,
    /// Since when, by whom, and what was said.
    pub settled: Option<Settled>,
}

impl CardChange {
    /// How many others have yet to agree.
    pub fn lacking(&self) -> usize {
        self.needed.saturating_sub(self.approvals.len())
    }
}

/// How a change ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// When.
    pub at: OffsetDateTime,
    /// By whom, as [`Who`] prints it.
    pub by: String,
    /// Why it was rejected or withdrawn.
    pub note: Option<String>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    model: String,
    tenant: String,
    member: String,
    proposed_at: At,
    reason: String,
    card_version: i64,
    facts: Json<CardFacts>,
    differences: Json<Vec<Difference>>,
    needed: i64,
    approvals: Json<Vec<Approval>>,
    state: String,
    settled_at: Option<At>,
    settled_by: Option<String>,
    note: Option<String>,
}

impl Row {
    fn read(self) -> Result<CardChange, RecordsError> {
        let row = Reading {
            table: "card_changes",
            id: &self.id,
        };
        let settled = self.settled_at.zip(self.settled_by).map(|(at, by)| Settled {
            at: at.0,
            by,
            note: self.note,
        });
        Ok(CardChange {
            id: row.parsed(&self.id)?,
            model: row.parsed(&self.model)?,
            proposed_by: Who {
                tenant: row.parsed(&self.tenant)?,
                member: row.parsed(&self.member)?,
            },
            proposed_at: self.proposed_at.0,
            version: row.whole(self.card_version)?,
            facts: self.facts.0,
            differences: self.differences.0,
            needed: row.whole(self.needed)?,
            approvals: self.approvals.0,
            state: row.parsed(&self.state)?,
            settled,
            reason: self.reason,
        })
    }
}

/// What is proposed.
#[derive(Debug)]
pub struct NewChange<'a> {
    /// Its id.
    pub id: CardChangeId,
    /// Of which model.
    pub model: &'a ModelName,
    /// By whom.
    pub by: &'a Who,
    /// Why.
    pub reason: &'a str,
    /// How often the card had changed when it was read.
    pub version: u64,
    /// What shall be in force.
    pub facts: &'a CardFacts,
    /// What that changes.
    pub differences: &'a [Difference],
}

/// Stores what is proposed, unless `most` changes of the model are open. Gives whether it was stored.
pub async fn propose(
    db: &Db,
    stamp: Stamp<'_>,
    new: &NewChange<'_>,
    most: u32,
) -> Result<bool, RecordsError> {
    let mut tx = db.begin().await?;
    let open: i64 = on!(tx: &mut tx, |c| sqlx::query_scalar(OPEN).bind(new.model.as_str()).fetch_one(c))?;
    if open >= number(most) {
        return Ok(false);
    }
    let needed = approvals_needed(new.differences);
    on!(tx: &mut tx, |c| sqlx::query(INSERT)
        .bind(new.id.to_string())
        .bind(new.model.as_str())
        .bind(new.by.tenant.as_str())
        .bind(new.by.member.as_str())
        .bind(At(stamp.at))
        .bind(new.reason)
        .bind(number(new.version))
        .bind(Json(new.facts))
        .bind(Json(new.differences))
        .bind(number(needed))
        .bind(Json::<&[Approval]>(&[]))
        .run(c))?;
    let detail = json!({ "model": new.model, "reason": new.reason, "differences": new.differences });
    let (tenant, id) = (&new.by.tenant, new.id.to_string());
    stamp.audit(&mut tx, tenant, "card_change.proposed", id, None, detail);
    stamp.made(&mut tx, tenant, new.id).await?;
    tx.commit().await?;
    Ok(true)
}

/// One change.
pub async fn get(db: &Db, id: CardChangeId) -> Result<Option<CardChange>, RecordsError> {
    let row: Option<Row> = on!(db, |c| sqlx::query_as(GET).bind(id.to_string()).fetch_optional(c))?;
    row.map(Row::read).transpose()
}

async fn get_in(tx: &mut Tx, id: CardChangeId) -> Result<Option<CardChange>, RecordsError> {
    let row: Option<Row> = on!(tx: tx, |c| sqlx::query_as(GET).bind(id.to_string()).fetch_optional(c))?;
    row.map(Row::read).transpose()
}

/// Up to `limit` changes, newest first, older than `after`; of a model, or in a state, if they are given.
pub async fn list(
    db: &Db,
    model: Option<&ModelName>,
    state: Option<ChangeState>,
    after: Option<CardChangeId>,
    limit: u32,
) -> Result<Vec<CardChange>, RecordsError> {
    let before = below(after);
    let rows: Vec<Row> = on!(db, |c| sqlx::query_as(LIST)
        .bind(&before)
        .bind(model.map(ModelName::as_str))
        .bind(state.map(ChangeState::as_str))
        .bind(i64::from(limit))
        .fetch_all(c))?;
    rows.into_iter().map(Row::read).collect()
}

/// Up to `limit` changes that are not open any more, newest first, older than `after`.
pub async fn list_settled(
    db: &Db,
    after: Option<CardChangeId>,
    limit: u32,
) -> Result<Vec<CardChange>, RecordsError> {
    let before = below(after);
    let rows: Vec<Row> = on!(db, |c| sqlx::query_as(LIST_SETTLED)
        .bind(&before)
        .bind(i64::from(limit))
        .fetch_all(c))?;
    rows.into_iter().map(Row::read).collect()
}

/// Why an approval came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotApproved {
    /// It does not count.
    No(NoApproval),
    /// The card changed after this was proposed.
    CardChanged,
}

/// Counts the approval of `by`, and puts the change in force if it was the last one that was needed. `None`: there is no
/// such change.
pub async fn approve(
    db: &Db,
    stamp: Stamp<'_>,
    by: &Who,
    id: CardChangeId,
) -> Result<Option<Result<CardChange, NotApproved>>, RecordsError> {
    let mut tx = db.begin().await?;
    let Some(mut change) = get_in(&mut tx, id).await? else {
        return Ok(None);
    };
    let may = match change.state {
        ChangeState::Proposed => may_approve(&change.proposed_by, &change.approvals, by),
        _ => Err(NoApproval::Over),
    };
    if let Err(why) = may {
        return Ok(Some(Err(NotApproved::No(why))));
    }
    let before = change.approvals.len();
    change.approvals.push(Approval {
        by: by.clone(),
        at: stamp.at,
    });
    if change.approvals.len() >= change.needed {
        change.state = ChangeState::Approved;
        change.settled = Some(Settled {
            at: stamp.at,
            by: by.to_string(),
            note: None,
        });
    }
    let counted = on!(tx: &mut tx, |c| sqlx::query(AGREE)
        .bind(id.to_string())
        .bind(number(before))
        .bind(Json(&change.approvals))
        .bind(change.state.as_str())
        .bind(change.settled.as_ref().map(|settled| At(settled.at)))
        .bind(change.settled.as_ref().map(|settled| settled.by.as_str()))
        .run(c))?;
    if counted == 0 {
        return Ok(Some(Err(NotApproved::No(NoApproval::Over))));
    }
    if change.state == ChangeState::Approved && !put_in_force(&mut tx, &change, stamp.at).await? {
        return Ok(Some(Err(NotApproved::CardChanged)));
    }
    let kind = match change.state {
        ChangeState::Approved => "card_change.approved",
        _ => "card_change.agreed_to",
    };
    let detail = json!({ "model": change.model, "differences": change.differences });
    stamp.audit(&mut tx, &by.tenant, kind, id.to_string(), None, detail);
    tx.commit().await?;
    Ok(Some(Ok(change)))
}

async fn put_in_force(tx: &mut Tx, change: &CardChange, at: OffsetDateTime) -> Result<bool, RecordsError> {
    let facts = change.facts.clone().reviewed(&change.approvals, at.date());
    cards::change(tx, &change.model, &facts, change.version).await
}

/// Why a change did not end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotSettled {
    /// It is not open.
    Over,
    /// Who proposed it withdraws it, and nobody else.
    OfAnother,
}

/// Ends a change that is open, for the reason `note`. `None`: there is no such change.
pub async fn settle(
    db: &Db,
    stamp: Stamp<'_>,
    by: &Who,
    id: CardChangeId,
    state: ChangeState,
    note: &str,
) -> Result<Option<Result<CardChange, NotSettled>>, RecordsError> {
    let mut tx = db.begin().await?;
    let Some(mut change) = get_in(&mut tx, id).await? else {
        return Ok(None);
    };
    if state == ChangeState::Withdrawn && change.proposed_by != *by {
        return Ok(Some(Err(NotSettled::OfAnother)));
    }
    let settled = Settled {
        at: stamp.at,
        by: by.to_string(),
        note: Some(note.to_owned()),
    };
    let ended = on!(tx: &mut tx, |c| sqlx::query(SETTLE)
        .bind(id.to_string())
        .bind(state.as_str())
        .bind(At(settled.at))
        .bind(&settled.by)
        .bind(note)
        .run(c))?;
    if ended == 0 {
        return Ok(Some(Err(NotSettled::Over)));
    }
    let kind = match state {
        ChangeState::Withdrawn => "card_change.withdrawn",
        _ => "card_change.rejected",
    };
    let detail = json!({ "reason": note });
    stamp.audit(&mut tx, &by.tenant, kind, id.to_string(), None, detail);
    tx.commit().await?;
    (change.state, change.settled) = (state, Some(settled));
    Ok(Some(Ok(change)))
}
