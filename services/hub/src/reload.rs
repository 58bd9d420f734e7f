//! Puts the policy files as they are now in force, without a restart: at a call of the API, or at SIGHUP.

use crate::policy_folder::PolicyFolder;
use anyhow::Context as _;
use domain::{
    access::Caller,
    audit::NewAudit,
    clock::SharedClock,
    digest::Sha256,
    id::IdMaker,
    names::TenantName,
    policy::{CurrentPolicies, Policies},
};
use records::{Db, policies};
use serde_json::json;
use tokio::{sync::Mutex, task::spawn_blocking};

/// What a reload works with.
pub struct Reload {
    /// The records.
    pub db: Db,
    /// Makes ids.
    pub ids: IdMaker,
    /// Tells the time.
    pub clock: SharedClock,
    /// What is in force.
    pub policies: CurrentPolicies,
    /// Where the own files are.
    pub folder: PolicyFolder,
    /// One at a time: the reading that began last is in force at the end.
    pub turn: Mutex<()>,
}

/// What a reload has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reloaded {
    /// What was in force before.
    pub earlier: Sha256,
    /// What is in force now; the same, if no file has changed.
    pub now: Sha256,
}

impl Reload {
    /// Reads the files and puts them in force, for `by` or else for the operator at the machine. An error leaves the
    /// earlier policies in force; it holds a [`domain::policy::BadPolicies`] if files are wrong.
    pub async fn perform(&self, by: Option<&Caller>) -> anyhow::Result<Reloaded> {
        let _turn = self.turn.lock().await;
        let folder = self.folder.clone();
        let read = spawn_blocking(move || folder.policies())
            .await
            .context("reading the policies")??;
        let done = Reloaded {
            earlier: self.policies.get().sha256(),
            now: read.sha256(),
        };
        if done.earlier != done.now {
            let entry = self.entry(by, done, &read);
            // Kept and told of first: nothing is decided under policies that nobody could look up later.
            policies::change(&self.db, &read, &entry).await?;
            self.policies.replace(read, entry.at);
            tracing::info!(earlier = %done.earlier, now = %done.now, "other policies are in force");
        }
        Ok(done)
    }

    fn entry(&self, by: Option<&Caller>, done: Reloaded, read: &Policies) -> NewAudit {
        let own: Vec<&str> = read.own_files().map(|file| file.name.as_str()).collect();
        NewAudit {
            id: self.ids.make(),
            at: self.clock.now(),
            tenant: by.map_or_else(TenantName::of_operator, |caller| caller.tenant.clone()),
            member: by.map(|caller| caller.member.clone()),
            kind: "policies.changed",
            subject: "policies".into(),
            decision: None,
            detail: json!({ "earlier_sha256": done.earlier, "policies_sha256": done.now, "own_files": own }),
        }
    }
}
