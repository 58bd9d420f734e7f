//! What was allowed earlier, asked about again.

use super::keep;
use domain::{
    acceptance::Acceptance,
    batch::{Metadata, StoredBatch},
    digest::Sha256,
    gate::{self, Allowed, Decision, DecisionRecord, Facts, Refusal, Request},
    id::{AcceptanceId, IdMaker},
    names::{MemberName, ModelName, TenantName},
    policy::{CurrentPolicies, Policies},
    purpose::Purpose,
};
use records::{Db, RecordsError, facts};
use std::sync::Arc;
use time::OffsetDateTime;

/// An allow that was given earlier and is about to be used again: all that decides on it. Batches that agree in it are
/// allowed or refused together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EarlierAllow<'a> {
    tenant: &'a TenantName,
    member: &'a MemberName,
    model: &'a ModelName,
    revision_sha256: Sha256,
    purpose: Purpose,
    metadata: &'a Metadata,
}

impl<'a> EarlierAllow<'a> {
    /// What `batch` was opened under.
    pub fn of(batch: &'a StoredBatch) -> Self {
        Self {
            tenant: &batch.tenant,
            member: &batch.member,
            model: &batch.license.model,
            revision_sha256: batch.license.revision_sha256,
            purpose: batch.license.purpose,
            metadata: &batch.metadata,
        }
    }
}

impl EarlierAllow<'_> {
    fn request(&self, site: &str, at: OffsetDateTime) -> Request {
        Request {
            tenant: self.tenant.clone(),
            member: self.member.clone(),
            model: self.model.clone(),
            revision_sha256: self.revision_sha256,
            purpose: self.purpose,
            metadata: self.metadata.clone(),
            site: site.to_owned(),
            at,
        }
    }
}

/// What an earlier allow stands on now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Confirmed {
    /// The text of the revision's terms, if one came with its weights.
    pub terms_sha256: Option<Sha256>,
    /// The policies that were asked.
    pub policies_sha256: Sha256,
    /// From when it would not hold any more: `Allowed::until`.
    pub until: Option<OffsetDateTime>,
    /// The revocation epoch of the tenant when it was asked.
    pub epoch: u64,
}

impl Confirmed {
    pub(super) fn of(allowed: &Allowed, epoch: u64) -> Self {
        Self {
            terms_sha256: allowed.terms_sha256(),
            policies_sha256: allowed.policies_sha256(),
            until: allowed.until(),
            epoch,
        }
    }
}

/// Whether what was allowed earlier would be allowed now, and on what; or the refusal. A refusal is a decision of
/// its own and recorded as one; a confirmation is not.
pub async fn still_holds(
    db: &Db,
    policies: &CurrentPolicies,
    ids: &IdMaker,
    now: OffsetDateTime,
    earlier: EarlierAllow<'_>,
) -> Result<Result<Confirmed, Refusal>, RecordsError> {
    let (decision, record, epoch) = decide_again(db, policies, ids, now, earlier).await?;
    match decision {
        Decision::Allowed(allowed) => Ok(Ok(Confirmed::of(&allowed, epoch))),
        Decision::Refused(refusal) => {
            keep(db, ids, &record).await?;
            Ok(Err(refusal))
        }
    }
}

/// The allow for what was allowed earlier, refused since, and is allowed again. It is a decision of its own and
/// recorded as one; that it is still refused is not.
pub async fn allows_again(
    db: &Db,
    policies: &CurrentPolicies,
    ids: &IdMaker,
    now: OffsetDateTime,
    earlier: EarlierAllow<'_>,
) -> Result<Option<Allowed>, RecordsError> {
    let (decision, record, _) = decide_again(db, policies, ids, now, earlier).await?;
    let Decision::Allowed(allowed) = decision else {
        return Ok(None);
    };
    keep(db, ids, &record).await?;
    Ok(Some(allowed))
}

async fn decide_again(
    db: &Db,
    policies: &CurrentPolicies,
    ids: &IdMaker,
    now: OffsetDateTime,
    earlier: EarlierAllow<'_>,
) -> Result<(Decision, DecisionRecord, u64), RecordsError> {
    let known = facts::of(db, earlier.tenant, earlier.model, Some(&earlier.revision_sha256)).await?;
    let facts = match known.revision_sha256 {
        Some(_) => known.facts,
        None => Facts::default(),
    };
    let site = policies.site().to_owned();
    let (policies, request) = (policies.get(), earlier.request(&site, now));
    let decision = gate::decide(ids.make(), &policies, &request, &facts);
    let record = DecisionRecord::of(&decision, &policies, &request, &facts);
    Ok((decision, record, known.epoch))
}

/// Whether what was allowed earlier is allowed now and would not be without the acceptance `without`. Nothing is
/// recorded: nobody is told a decision.
pub async fn hangs_on(
    db: &Db,
    policies: &CurrentPolicies,
    ids: &IdMaker,
    now: OffsetDateTime,
    earlier: EarlierAllow<'_>,
    without: AcceptanceId,
) -> Result<bool, RecordsError> {
    let (again, mut facts) = Again::of(db, policies, now, earlier).await?;
    let with = again.allows(ids, &facts);
    facts.acceptances.retain(|held| held.id != without);
    Ok(with && !again.allows(ids, &facts))
}

/// Whether what was allowed earlier is refused now and would be allowed if an acceptance became `then`. Nothing is
/// recorded.
pub async fn waits_for(
    db: &Db,
    policies: &CurrentPolicies,
    ids: &IdMaker,
    now: OffsetDateTime,
    earlier: EarlierAllow<'_>,
    then: &Acceptance,
) -> Result<bool, RecordsError> {
    let (again, mut facts) = Again::of(db, policies, now, earlier).await?;
    let without = again.allows(ids, &facts);
    for held in &mut facts.acceptances {
        if held.id == then.id {
            held.clone_from(then);
        }
    }
    Ok(!without && again.allows(ids, &facts))
}

/// What was allowed earlier, asked again under the policies in force and told to nobody.
struct Again {
    request: Request,
    policies: Arc<Policies>,
}

impl Again {
    async fn of(
        db: &Db,
        policies: &CurrentPolicies,
        now: OffsetDateTime,
        earlier: EarlierAllow<'_>,
    ) -> Result<(Self, Facts), RecordsError> {
        let revision = Some(&earlier.revision_sha256);
        let known = facts::of(db, earlier.tenant, earlier.model, revision).await?;
        let again = Self {
            request: earlier.request(policies.site(), now),
            policies: policies.get(),
        };
        Ok((again, known.facts))
    }

    fn allows(&self, ids: &IdMaker, facts: &Facts) -> bool {
        let decision = gate::decide(ids.make(), &self.policies, &self.request, facts);
        matches!(decision, Decision::Allowed(_))
    }
}
