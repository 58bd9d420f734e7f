//! The tenant's part: making an acceptance, and submitting it.

use super::{
    changing::{Change, Changed, settle},
    lock, lock_of_tenant,
};
use crate::{Db, RecordsError, Stamp, terms};
use domain::{
    acceptance::{Acceptance, Asking, NotPossible, Unacceptable},
    digest::Sha256,
    id::AcceptanceId,
    license::License,
    names::{LicenseName, ModelName, TenantName},
};
use serde_json::{Value, json};

/// What the terms that are being accepted belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A model: the text that came with its newest revision.
    Model(ModelName),
    /// A license: its newest text.
    License(LicenseName),
}

/// Why an acceptance was not stored, or not submitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotStored {
    /// What was declared makes none.
    Unacceptable(Unacceptable),
    /// It cannot be submitted.
    NotPossible(NotPossible),
    /// The text is not the current one any more.
    Superseded {
        /// The text that is, if there is one at all.
        current: Option<Sha256>,
        /// Earlier texts that the tenant knows: the one that it named, and those that it has accepted.
        earlier: Vec<Sha256>,
    },
    /// One of the tenant that stands, is suspended, or waits for review, covers all of it.
    Covered(AcceptanceId),
}

/// Stores the acceptance that comes of `asking` for the text that is current for `subject`.
pub async fn request(
    db: &Db,
    stamp: Stamp<'_>,
    subject: &Subject,
    asking: Asking<'_>,
) -> Result<Result<Acceptance, NotStored>, RecordsError> {
    let (tenant, license, named) = (
        &asking.caller.tenant,
        &asking.license.id,
        asking.declared.terms_sha256,
    );
    let current = current(db, subject).await?;
    let known = terms::of_license(db, license).await?;
    let mut tx = db.begin().await?;
    let held = lock_of_tenant(&mut tx, tenant).await?;
    if current != Some(named) {
        let named = known
            .iter()
            .map(|known| known.sha256)
            .find(|&known| known == named);
        let earlier = earlier_texts(named, license, &held, current);
        return Ok(Err(NotStored::Superseded { current, earlier }));
    }
    let acceptance = match asking.acceptance(&held) {
        Ok(acceptance) => acceptance,
        Err(refusal) => return Ok(Err(NotStored::Unacceptable(refusal))),
    };
    if let Some(held) = held.iter().find(|held| held.covers(&acceptance, stamp.at)) {
        return Ok(Err(NotStored::Covered(held.id)));
    }
    let change = Change {
        before: None,
        detail: facts(&acceptance),
        after: acceptance,
        kind: "acceptance.requested",
        event: None,
    };
    let changed = settle(&mut tx, stamp, change, held).await?;
    stamp.made(&mut tx, tenant, changed.acceptance.id).await?;
    tx.commit().await?;
    Ok(Ok(changed.acceptance))
}

/// Submits an acceptance of `tenant` that was requested. `None`: the tenant has no such acceptance.
pub async fn submit(
    db: &Db,
    stamp: Stamp<'_>,
    tenant: &TenantName,
    id: AcceptanceId,
    license: &License,
) -> Result<Option<Result<Changed, NotStored>>, RecordsError> {
    let mut tx = db.begin().await?;
    let Some((held, others)) = lock(&mut tx, id)
        .await?
        .filter(|(held, _)| held.tenant == *tenant)
    else {
        return Ok(None);
    };
    let after = match held.clone().submit(stamp.at, license, &others) {
        Ok(after) => after,
        Err(refusal) => return Ok(Some(Err(NotStored::NotPossible(refusal)))),
    };
    let in_force = terms::in_force(&mut tx, &license.id).await?;
    if !in_force.contains(&held.terms_sha256) {
        let current = in_force.first().copied();
        let earlier = earlier_texts(Some(held.terms_sha256), &license.id, &others, current);
        return Ok(Some(Err(NotStored::Superseded { current, earlier })));
    }
    if let Some(other) = others.iter().find(|other| other.covers(&after, stamp.at)) {
        return Ok(Some(Err(NotStored::Covered(other.id))));
    }
    let change = Change {
        before: Some(held),
        detail: facts(&after),
        after,
        kind: "acceptance.submitted",
        event: None,
    };
    let changed = settle(&mut tx, stamp, change, others).await?;
    tx.commit().await?;
    Ok(Some(Ok(changed)))
}

async fn current(db: &Db, subject: &Subject) -> Result<Option<Sha256>, RecordsError> {
    match subject {
        Subject::Model(model) => {
            let found = terms::current_of_model(db, model).await?;
            Ok(found.and_then(|(_, sha256)| sha256))
        }
        Subject::License(license) => {
            let known = terms::of_license(db, license).await?;
            Ok(known.first().map(|terms| terms.sha256))
        }
    }
}

/// Texts of `license` that the tenant has seen and that are not `current`: what it can be shown the difference to.
fn earlier_texts(
    named: Option<Sha256>,
    license: &LicenseName,
    held: &[Acceptance],
    current: Option<Sha256>,
) -> Vec<Sha256> {
    let accepted = held
        .iter()
        .rev()
        .filter(|held| held.license == *license && held.state.standing().is_some());
    let mut texts = Vec::new();
    for text in named.into_iter().chain(accepted.map(|held| held.terms_sha256)) {
        if Some(text) != current && !texts.contains(&text) {
            texts.push(text);
        }
    }
    texts
}

fn facts(acceptance: &Acceptance) -> Value {
    json!({
        "license": acceptance.license, "terms_sha256": acceptance.terms_sha256, "purposes": acceptance.purposes,
        "state": acceptance.state.phase(),
    })
}
