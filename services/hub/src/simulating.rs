//! Replays decisions of the last days against policies or terms that are only thought of.

use anyhow::Context as _;
use domain::{
    digest::Sha256,
    gate::{DecisionRecord, Facts},
    names::{LicenseName, ModelName, TenantName},
    policy::{
        Policies,
        simulation::{TenantChanges, WhatIf, by_tenant},
    },
};
use records::{Db, decisions::Recent, facts};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};
use tokio::task::spawn_blocking;

/// What is compared.
pub struct Comparison {
    /// The policies in force.
    pub in_force: Arc<Policies>,
    /// The policies that might be.
    pub other: Policies,
    /// Texts that licenses might come with.
    pub terms: BTreeMap<LicenseName, Sha256>,
}

type Replayed = (DecisionRecord, Arc<Facts>, u64);

/// What would change, tenant by tenant.
pub async fn compare(db: &Db, comparison: Comparison, recent: Recent) -> anyhow::Result<Vec<TenantChanges>> {
    let mut known: HashMap<(TenantName, ModelName, Sha256), Arc<Facts>> = HashMap::new();
    let mut replayed: Vec<Replayed> = Vec::with_capacity(recent.decisions.len());
    for (decided, jobs) in recent.decisions {
        let asked = &decided.request;
        let key = (asked.tenant.clone(), asked.model.clone(), asked.revision_sha256);
        let facts = match known.get(&key) {
            Some(facts) => facts.clone(),
            None => {
                let found = facts::of(db, &asked.tenant, &asked.model, Some(&asked.revision_sha256)).await?;
                known.entry(key).or_insert(Arc::new(found.facts)).clone()
            }
        };
        replayed.push((decided, facts, jobs));
    }
    // Two questions to the rules for each decision: too long for a thread that serves requests.
    let changes = spawn_blocking(move || changes(&comparison, replayed));
    changes.await.context("replaying decisions")
}

fn changes(comparison: &Comparison, replayed: Vec<Replayed>) -> Vec<TenantChanges> {
    let what_if = WhatIf {
        in_force: &comparison.in_force,
        other: &comparison.other,
        terms: comparison.terms.clone(),
    };
    by_tenant(replayed.into_iter().filter_map(|(decided, facts, jobs)| {
        let change = what_if.change(&decided, &facts, jobs)?;
        Some((decided.request.tenant, change))
    }))
}
