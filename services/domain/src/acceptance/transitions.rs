//! What may be done to an acceptance, and by whom.

use super::{
    Acceptance, Judge, Judgement, Phase, Standing, State,
    declaration::{is_end, is_text},
};
use crate::license::License;
use time::OffsetDateTime;

/// The most characters of a reviewer's reason.
pub const REASON_LIMIT: usize = 2000;

/// Why an act is not possible.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotPossible {
    /// Four eyes: the member made the acceptance itself.
    #[error("nobody reviews an acceptance that they requested themselves; ask another reviewer")]
    Own,
    /// It is in another state than the act needs.
    #[error("the acceptance is {is}; only one that is {needed} can be {act}")]
    State {
        /// What it is.
        is: Phase,
        /// What it would have to be.
        needed: &'static str,
        /// What was to be done to it.
        act: &'static str,
    },
    /// Its time is not over.
    #[error("the acceptance has no end, or has not come to it yet")]
    NotOver,
    /// It is not the tenant's acceptance of another text for at least the same purposes.
    #[error("the other acceptance does not take its place")]
    NotReplaced,
    /// A reason is missing or too long.
    #[error("give a `reason` of 1 to 2000 characters")]
    Reason,
    /// The end does not fit.
    #[error(
        "`valid_until` is a moment in the future, ten years from now at the latest, and not after what was asked for"
    )]
    ValidUntil,
    /// The end that was asked for passed while the acceptance waited.
    #[error("the `valid_until` that was asked for has passed; reject it, and have a new one made")]
    TooLate,
}

impl Acceptance {
    fn into_state(self, state: State) -> Self {
        Self { state, ..self }
    }

    fn not(&self, at: OffsetDateTime, needed: &'static str, act: &'static str) -> NotPossible {
        let is = self.phase(at);
        NotPossible::State { is, needed, act }
    }

    /// The tenant submits it, under `license`; `earlier` are the other acceptances of the tenant, oldest first.
    pub fn submit(
        self,
        at: OffsetDateTime,
        license: &License,
        earlier: &[Acceptance],
    ) -> Result<Self, NotPossible> {
        if self.state != State::Requested {
            return Err(self.not(at, "requested", "submitted"));
        }
        if self.has_run_out(at) {
            return Err(NotPossible::TooLate);
        }
        let state = self.submitted(at, license, earlier);
        Ok(self.into_state(state))
    }

    fn judged_by(&self, by: Judge, at: OffsetDateTime) -> Result<Judgement, NotPossible> {
        if by.tenant == self.tenant && by.member == self.requested_by {
            return Err(NotPossible::Own);
        }
        match &self.state {
            State::UnderReview => Ok(Judgement { by, at }),
            _ => Err(self.not(at, "under_review", "reviewed")),
        }
    }

    /// A reviewer says yes, perhaps with a remark for the audit log, perhaps with an end; one that was asked for can
    /// only be brought nearer.
    pub fn approve(
        self,
        by: Judge,
        at: OffsetDateTime,
        remark: Option<&str>,
        valid_until: Option<OffsetDateTime>,
    ) -> Result<Self, NotPossible> {
        let judgement = self.judged_by(by, at)?;
        remark.map_or(Ok(()), check_reason)?;
        if self.has_run_out(at) {
            return Err(NotPossible::TooLate);
        }
        let later_than_asked = |until| self.valid_until.is_some_and(|asked| until > asked);
        if valid_until.is_some_and(|until| !is_end(until, at) || later_than_asked(until)) {
            return Err(NotPossible::ValidUntil);
        }
        let state = State::Active(Standing {
            since: at,
            approved: Some(judgement),
        });
        Ok(Self {
            valid_until: valid_until.or(self.valid_until),
            ..self.into_state(state)
        })
    }

    /// A reviewer says no, and why.
    pub fn reject(self, by: Judge, at: OffsetDateTime, reason: String) -> Result<Self, NotPossible> {
        let judged = self.judged_by(by, at)?;
        check_reason(&reason)?;
        Ok(self.into_state(State::Rejected { judged, reason }))
    }

    /// A reviewer stops it for the time being, and says why.
    pub fn suspend(self, by: Judge, at: OffsetDateTime, reason: String) -> Result<Self, NotPossible> {
        match (self.phase(at), self.state.standing().cloned()) {
            (Phase::Active, Some(standing)) => {
                check_reason(&reason)?;
                let judged = Judgement { by, at };
                Ok(self.into_state(State::Suspended {
                    standing,
                    judged,
                    reason,
                }))
            }
            _ => Err(self.not(at, "active", "suspended")),
        }
    }

    /// A reviewer lets it stand again, and says why. It stands as it stood before.
    pub fn resume(self, at: OffsetDateTime, reason: &str) -> Result<Self, NotPossible> {
        match (self.phase(at), self.state.standing().cloned()) {
            (Phase::Suspended, Some(standing)) => {
                check_reason(reason)?;
                Ok(self.into_state(State::Active(standing)))
            }
            _ => Err(self.not(at, "suspended", "resumed")),
        }
    }

    /// A reviewer takes it back, and says why.
    pub fn revoke(self, by: Judge, at: OffsetDateTime, reason: String) -> Result<Self, NotPossible> {
        match (self.phase(at), self.state.standing().cloned()) {
            (Phase::Active | Phase::Suspended, Some(standing)) => {
                check_reason(&reason)?;
                let judged = Judgement { by, at };
                Ok(self.into_state(State::Revoked {
                    standing,
                    judged,
                    reason,
                }))
            }
            _ => Err(self.not(at, "active or suspended", "revoked")),
        }
    }

    /// Its time is over, and that is written down.
    pub fn expire(self, at: OffsetDateTime) -> Result<Self, NotPossible> {
        match (&self.state, self.state.standing().cloned()) {
            (State::Active(_) | State::Suspended { .. }, Some(standing)) => {
                if !self.has_run_out(at) {
                    return Err(NotPossible::NotOver);
                }
                Ok(self.into_state(State::Expired { standing, at }))
            }
            _ => Err(self.not(at, "active or suspended", "expired")),
        }
    }

    /// `newer`, which stands, takes its place.
    pub fn supersede(self, newer: &Acceptance, at: OffsetDateTime) -> Result<Self, NotPossible> {
        match (self.phase(at), self.state.standing().cloned()) {
            (Phase::Active | Phase::Suspended, Some(standing)) => {
                if !newer.stands(at) || !newer.replaces(&self) {
                    return Err(NotPossible::NotReplaced);
                }
                let by = newer.id;
                Ok(self.into_state(State::Superseded { standing, by, at }))
            }
            _ => Err(self.not(at, "active or suspended", "superseded")),
        }
    }
}

fn check_reason(reason: &str) -> Result<(), NotPossible> {
    if is_text(reason, REASON_LIMIT) {
        Ok(())
    } else {
        Err(NotPossible::Reason)
    }
}
