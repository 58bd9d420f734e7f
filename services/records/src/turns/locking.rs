//! A tenant's turn in the hands of a transaction.

use crate::{At, RecordsError, Tx, dispatching::Room, later::Write, on, read::Reading, read::number};
use domain::{names::TenantName, turn::Turn};
use time::OffsetDateTime;

pub(super) const LOCK: &str = "UPDATE turns SET empty_since = NULL WHERE tenant = $1";
// With the round and the name of the tenant that would be served next without this one; whether anything of its own is due,
// and how many orders of all are out.
pub(super) const STANDING: &str = "SELECT own.round, own.credit, own.weight, COALESCE(own.most_orders, $3), d.round, \
    (SELECT COUNT(*) FROM attempts WHERE tenant = $1 AND closed_at IS NULL), rival.round, rival.tenant, \
    CAST(CASE WHEN own.due_at <= $2 THEN 1 ELSE 0 END AS BIGINT), \
    (SELECT COUNT(*) FROM attempts WHERE closed_at IS NULL) FROM turns own CROSS JOIN dispatch_round d \
    LEFT JOIN (SELECT round, tenant FROM turns WHERE due_at <= $2 \
    AND tenant <> $1 AND (SELECT COUNT(*) FROM attempts WHERE attempts.tenant = turns.tenant \
    AND attempts.closed_at IS NULL) < COALESCE(most_orders, $3) ORDER BY round, tenant LIMIT 1) AS rival ON TRUE \
    WHERE own.tenant = $1";
pub(super) const SERVED: &str = "UPDATE turns SET round = $2, credit = $3 WHERE tenant = $1";
pub(super) const BEGIN_ROUND: &str = "UPDATE dispatch_round SET round = $1 WHERE round < $1";

/// A tenant's turn, locked: nobody else serves the tenant until the transaction ends.
pub(crate) struct LockedTurn {
    tenant: TenantName,
    turn: Turn,
    /// The latest round that was begun by anybody.
    begun: u64,
    /// As it was when the turn was locked.
    begun_before: u64,
    /// How many more orders of the tenant may be out.
    left: u64,
    /// Who would be served next without the tenant: the round and the name.
    rival: Option<(u64, String)>,
    served: bool,
}

/// A tenant's round, credit, weight and most orders; the latest round; how many orders of the tenant are out; the round
/// and name of its rival; whether something of its own is due; how many orders of all are out.
type StandingRow = (
    i64,
    i64,
    i64,
    i64,
    i64,
    i64,
    Option<i64>,
    Option<String>,
    i64,
    i64,
);

/// Locks the turn of `tenant`. `None`: as many of its orders are out as may be.
pub(crate) async fn lock(
    tx: &mut Tx,
    tenant: &TenantName,
    most: u64,
    now: OffsetDateTime,
) -> Result<Option<LockedTurn>, RecordsError> {
    let standing = standing(tx, tenant, most, now).await?;
    let reading = Reading {
        table: "turns",
        id: tenant.as_str(),
    };
    let Standing { turn, .. } = reading.required(standing, "a row")?;
    Ok(Some(turn).filter(|turn| turn.left > 0))
}

/// As [`lock`], if nothing waits that would go out before what `tenant` is about to get, and there is room for an order.
/// `None` too if it never had anything waiting.
pub(crate) async fn lock_if_first(
    tx: &mut Tx,
    tenant: &TenantName,
    room: Room,
    now: OffsetDateTime,
) -> Result<Option<LockedTurn>, RecordsError> {
    let standing = standing(tx, tenant, room.of_tenant, now).await?;
    let is_first = |one: &Standing| !one.is_due && one.turn.rival.is_none() && one.out_of_all < room.orders;
    let turn = standing.filter(is_first).map(|one| one.turn);
    Ok(turn.filter(|turn| turn.left > 0))
}

/// What a tenant's turn is when it is locked.
struct Standing {
    turn: LockedTurn,
    /// Whether something of its own waits and is due.
    is_due: bool,
    out_of_all: u64,
}

async fn standing(
    tx: &mut Tx,
    tenant: &TenantName,
    most: u64,
    now: OffsetDateTime,
) -> Result<Option<Standing>, RecordsError> {
    tx.later(Write::of(LOCK).bind(tenant.as_str()));
    // Not in the statement above: what that reads may be from before it had the lock.
    let row: Option<StandingRow> = on!(tx: tx, |c| sqlx::query_as(STANDING)
        .bind(tenant.as_str())
        .bind(At(now))
        .bind(number(most))
        .fetch_optional(c))?;
    let Some((round, credit, weight, most_of_it, begun, out, rival, rivals_name, is_due, out_of_all)) = row
    else {
        return Ok(None);
    };
    let reading = Reading {
        table: "turns",
        id: tenant.as_str(),
    };
    let turn = Turn {
        round: reading.whole(round)?,
        credit: reading.whole(credit)?,
        weight: reading.whole(weight)?,
    };
    let begun = reading.whole(begun)?;
    let rival = rival
        .zip(rivals_name)
        .map(|(round, name)| Ok::<_, RecordsError>((reading.whole(round)?, name)))
        .transpose()?;
    Ok(Some(Standing {
        turn: LockedTurn {
            tenant: tenant.clone(),
            turn,
            begun,
            begun_before: begun,
            left: reading.whole((most_of_it - out).max(0))?,
            rival,
            served: false,
        },
        is_due: is_due != 0,
        out_of_all: reading.whole(out_of_all)?,
    }))
}

impl LockedTurn {
    /// How many more orders of the tenant may be out.
    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    /// Whether an order of `questions` goes out for the tenant now. The first does: who asked found that it is the
    /// tenant's turn. After that the rule of [`super::next_page`] decides.
    pub(crate) fn serve(&mut self, questions: usize) -> bool {
        let rivals_turn = self
            .rival
            .as_ref()
            .is_some_and(|(round, name)| (*round, name.as_str()) < (self.turn.round, self.tenant.as_str()));
        if self.left == 0 || self.served && rivals_turn {
            return false;
        }
        let joined = self.turn.joining(self.begun);
        self.begun = self.begun.max(joined.round);
        self.turn = joined.serve(questions as u64, self.begun);
        self.left -= 1;
        self.served = true;
        true
    }
}

/// Stores where the tenant stands after its orders.
pub(crate) fn store(tx: &mut Tx, locked: &LockedTurn) {
    let served = Write::of(SERVED).bind(locked.tenant.as_str());
    let served = served.bind(number(locked.turn.round));
    tx.later(served.bind(number(locked.turn.credit)));
    if locked.begun > locked.begun_before {
        tx.later(Write::of(BEGIN_ROUND).bind(number(locked.begun)));
    }
}
