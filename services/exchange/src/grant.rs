//! Grants as signed tokens: the hub mints, the worker verifies.
//!
//! Whoever can write the queue can put any order into it, so a worker believes nothing in an order that the
//! grant does not repeat. Checking goes in two steps, because the epoch can be asked only for a tenant that is
//! already believed: [`check`] takes signature, contents and time, and gives a [`Checked`] grant; its
//! [`Checked::against_epoch`] gives the [`Grant`]. There is no other way to get one from a token.
//!
//! What an order does not repeat, the worker compares with the bytes themselves: the artifacts that it loads.

use crate::signing::{KeyError, SigningKey, TokenError, VerifyingKeys};
use domain::{
    grant::Grant,
    id::JobId,
    names::TenantName,
    order::{WorkOrder, questions_digest},
};
use time::{Duration, OffsetDateTime};

/// The type in the token's header: a token of another kind is no grant, whoever signed it.
const KIND: &str = "glmhub-grant+jwt";
/// How far the clocks of hub and worker may differ, unless it is configured otherwise. It is wide: what a late worker
/// reports is fenced by its attempt's number, and what was revoked by the tenant's epoch, neither of which is a time.
pub const LEEWAY: Duration = Duration::minutes(15);

/// Why a grant does not allow the work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// It is not a grant of this form.
    #[error("the grant is malformed: {0}")]
    Malformed(String),
    /// Its signature does not fit.
    #[error("the grant's signature does not fit")]
    Forged,
    /// It was signed with a key that is not known here.
    #[error("the grant was signed with a key that is not known here")]
    ForeignKey,
    /// Its time is over.
    #[error("the grant expired {seconds} s ago")]
    Expired {
        /// For how long it has been over.
        seconds: i64,
    },
    /// It was minted in the future.
    #[error("the grant begins in {seconds} s: the clocks of hub and worker differ too much")]
    NotYet {
        /// How far in the future.
        seconds: i64,
    },
    /// The order departs from it.
    #[error("the order departs from its grant in `{field}`")]
    Mismatch {
        /// The field in which they differ.
        field: &'static str,
    },
    /// The work that it allowed is done.
    #[error("the grant was used up: this worker has done the work of that order and attempt")]
    Replayed,
    /// The tenant's acceptance was revoked after it was minted.
    #[error(
        "the grant is of epoch {granted}, but the tenant is in epoch {current}: what it allowed was revoked"
    )]
    Superseded {
        /// The epoch of the grant.
        granted: u64,
        /// The tenant's epoch now.
        current: u64,
    },
}

impl GrantError {
    /// A stable word for reports and logs.
    pub fn code(&self) -> &'static str {
        match self {
            GrantError::Malformed(_) => "grant_malformed",
            GrantError::Forged => "grant_forged",
            GrantError::ForeignKey => "grant_foreign_key",
            GrantError::Expired { .. } => "grant_expired",
            GrantError::NotYet { .. } => "grant_not_yet",
            GrantError::Mismatch { .. } => "grant_mismatch",
            GrantError::Replayed => "grant_replayed",
            GrantError::Superseded { .. } => "grant_superseded",
        }
    }
}

impl From<TokenError> for GrantError {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Malformed(reason) => GrantError::Malformed(reason),
            TokenError::ForeignKey => GrantError::ForeignKey,
            TokenError::Forged => GrantError::Forged,
        }
    }
}

/// The grant as a signed token.
pub fn mint(key: &SigningKey, grant: &Grant) -> Result<String, KeyError> {
    key.sign(KIND, grant)
}

/// A grant whose signature, contents and time are good, and whose epoch is still to be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked(Grant);

impl Checked {
    /// Whose epoch is to be asked for.
    pub fn tenant(&self) -> &TenantName {
        &self.0.tenant
    }

    /// The grant, unless the tenant is in a later epoch by now.
    pub fn against_epoch(self, current: u64) -> Result<Grant, GrantError> {
        if self.0.epoch < current {
            return Err(GrantError::Superseded {
                granted: self.0.epoch,
                current,
            });
        }
        Ok(self.0)
    }
}

/// Checks a token against the keys, the order that it came with, and the time; `leeway` is how far the clocks
/// of hub and worker may differ.
pub fn check(
    keys: &VerifyingKeys,
    token: &str,
    order: &WorkOrder,
    now: OffsetDateTime,
    leeway: Duration,
) -> Result<Checked, GrantError> {
    let grant: Grant = keys.verify(KIND, token)?;
    check_time(&grant, now.unix_timestamp(), leeway.whole_seconds())?;
    check_contents(&grant, order)?;
    Ok(Checked(grant))
}

/// What a token says, if one of `keys` has signed it: for those who look back at what was granted. It allows nothing.
pub fn look_back(keys: &VerifyingKeys, token: &str) -> Result<Grant, GrantError> {
    Ok(keys.verify(KIND, token)?)
}

/// [`check`] with the usual [`LEEWAY`], then the epoch: for those who know the tenant's epoch beforehand.
pub fn verify(
    keys: &VerifyingKeys,
    token: &str,
    order: &WorkOrder,
    now: OffsetDateTime,
    epoch: u64,
) -> Result<Grant, GrantError> {
    check(keys, token, order, now, LEEWAY)?.against_epoch(epoch)
}

fn check_time(grant: &Grant, now: i64, leeway: i64) -> Result<(), GrantError> {
    if grant.exp <= now.saturating_sub(leeway) {
        return Err(GrantError::Expired {
            seconds: now.saturating_sub(grant.exp),
        });
    }
    if grant.iat > now.saturating_add(leeway) {
        return Err(GrantError::NotYet {
            seconds: grant.iat.saturating_sub(now),
        });
    }
    Ok(())
}

fn check_contents(grant: &Grant, order: &WorkOrder) -> Result<(), GrantError> {
    // Taken apart, so that a new field of an order cannot be forgotten here.
    let WorkOrder {
        id,
        attempt,
        page_sha256,
        model,
        revision_sha256,
        questions,
        grant: _,
        // It decides who is asked, and allows nothing.
        need: _,
        // It is only told.
        trace: _,
        tenant,
    } = order;
    let jobs: Vec<JobId> = questions.iter().map(|question| question.job).collect();
    let agreements = [
        ("order", grant.order == *id),
        ("attempt", grant.attempt == *attempt),
        (
            "tenant",
            tenant.as_ref().is_none_or(|tenant| grant.tenant == *tenant),
        ),
        ("page_sha256", grant.page_sha256 == *page_sha256),
        ("model", grant.model == *model),
        ("revision_sha256", grant.revision_sha256 == *revision_sha256),
        ("jobs", grant.jobs == jobs),
        (
            "questions_sha256",
            grant.questions_sha256 == questions_digest(questions),
        ),
    ];
    match agreements.into_iter().find(|(_, agrees)| !agrees) {
        Some((field, _)) => Err(GrantError::Mismatch { field }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
