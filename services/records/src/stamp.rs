//! Who does something, when, and where fresh ids come from.

use domain::{
    access::Caller,
    id::{DecisionId, IdMaker},
    names::{MemberName, TenantName},
};
use serde_json::Value;
use time::OffsetDateTime;

use crate::{
    RecordsError, Tx,
    claims::{self, Claim},
    webhooks::{self, Asking},
};
use domain::{
    audit::NewAudit,
    webhook::{Event, EventKind},
};

/// Handed to every function that changes something.
#[derive(Clone, Copy)]
pub struct Stamp<'a> {
    /// Makes ids.
    pub ids: &'a IdMaker,
    /// The present moment.
    pub at: OffsetDateTime,
    /// The member that asked for it; nobody, if a loop does it.
    pub member: Option<&'a MemberName>,
    /// The key under which it was asked for, if it was one.
    pub claim: Option<Claim>,
}

impl<'a> Stamp<'a> {
    /// The stamp of what `caller` asked for.
    pub fn of(ids: &'a IdMaker, at: OffsetDateTime, caller: &'a Caller) -> Self {
        Self {
            ids,
            at,
            member: Some(&caller.member),
            claim: None,
        }
    }

    /// The stamp of what no member of the tenant asked for: what the hub does itself, or a reviewer of another.
    pub fn of_hub(ids: &'a IdMaker, at: OffsetDateTime) -> Self {
        Self {
            ids,
            at,
            member: None,
            claim: None,
        }
    }

    /// The same, of what was asked for under a key.
    pub fn under(self, claim: Option<Claim>) -> Self {
        Self { claim, ..self }
    }

    /// Writes beside the key of the request, within `tx`, that it has made `subject`.
    pub(crate) async fn made(
        &self,
        tx: &mut Tx,
        tenant: &TenantName,
        subject: impl ToString,
    ) -> Result<(), RecordsError> {
        match &self.claim {
            Some(claim) => claims::note(tx, tenant, claim, &subject.to_string()).await,
            None => Ok(()),
        }
    }

    /// Appends to the audit log within `tx` that `kind` happened to `subject`.
    pub(crate) fn audit(
        &self,
        tx: &mut Tx,
        tenant: &TenantName,
        kind: &'static str,
        subject: String,
        decision: Option<DecisionId>,
        detail: Value,
    ) {
        self.audit_all(tx, tenant, kind, decision, vec![(subject, detail)]);
    }

    /// As [`Stamp::audit`], of many subjects, each with its detail.
    pub(crate) fn audit_all(
        &self,
        tx: &mut Tx,
        tenant: &TenantName,
        kind: &'static str,
        decision: Option<DecisionId>,
        about: Vec<(String, Value)>,
    ) {
        let entry = |(subject, detail)| NewAudit {
            id: self.ids.make(),
            at: self.at,
            tenant: tenant.clone(),
            member: self.member.cloned(),
            kind,
            subject,
            decision,
            detail,
        };
        about.into_iter().map(entry).for_each(|entry| tx.append(entry));
    }

    /// Has the webhook endpoints of `tenant` told, within `tx`, of what happened.
    pub(crate) async fn tell(
        &self,
        tx: &mut Tx,
        tenant: &TenantName,
        kind: EventKind,
    ) -> Result<(), RecordsError> {
        self.tell_all(tx, tenant, vec![kind]).await
    }

    /// As [`Stamp::tell`], of many things.
    pub(crate) async fn tell_all(
        &self,
        tx: &mut Tx,
        tenant: &TenantName,
        kinds: Vec<EventKind>,
    ) -> Result<(), RecordsError> {
        let asking = webhooks::asking(tx, tenant).await?;
        self.tell_those(tx, tenant, &asking, kinds).await
    }

    /// As [`Stamp::tell_all`], where it is known who asks.
    pub(crate) async fn tell_those(
        &self,
        tx: &mut Tx,
        tenant: &TenantName,
        asking: &Asking,
        kinds: Vec<EventKind>,
    ) -> Result<(), RecordsError> {
        let event = |kind| Event {
            id: self.ids.make(),
            tenant: tenant.clone(),
            at: self.at,
            kind,
        };
        let events: Vec<Event> = kinds.into_iter().map(event).collect();
        webhooks::enqueue(tx, self.ids, self.at, asking, &events).await
    }
}
