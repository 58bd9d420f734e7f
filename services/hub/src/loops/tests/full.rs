//! As much as may be waits, and then nothing more is taken until something has its verdict.

use super::desk::{Desk, shipped};
use crate::work_settings::WorkSettings;
use domain::{batch::BatchState, id::BatchId, names::TenantName};
use records::{
    backlog::{self, Bounds, Full},
    batches::{self, SubmitRefusal},
    documents::{self, NewDocument},
};

/// Two jobs of a tenant, and three of all.
fn narrow() -> WorkSettings {
    WorkSettings {
        most_waiting_jobs_of_tenant: 2,
        most_waiting_jobs: 3,
        ..shipped()
    }
}

fn tenant(name: &str) -> TenantName {
    name.parse().unwrap()
}

/// Why a batch of `name` is not submitted now.
async fn refusal(desk: &Desk, name: &str) -> Option<SubmitRefusal> {
    let batch = desk.opened(name, 1, |batch| batch).await;
    submit(desk, name, batch).await
}

async fn submit(desk: &Desk, name: &str, batch: BatchId) -> Option<SubmitRefusal> {
    let bounds = desk.settings.bounds();
    let submitted = batches::submit(&desk.db, desk.stamp(), &tenant(name), batch, bounds).await;
    submitted.unwrap().unwrap().err()
}

#[tokio::test]
async fn what_is_refused_is_taken_when_something_was_answered() {
    let mut desk = Desk::with(narrow()).await;
    let of_tenant = Some(SubmitRefusal::Full(Full::OfTenant { most: 2 }));
    let of_all = Some(SubmitRefusal::Full(Full::OfAll { most: 3 }));
    // A document that is not split yet counts as one job, however many come of it.
    desk.submitted("acme", 1).await;
    let taken = desk.take_document().await.unwrap();
    assert_eq!(refusal(&desk, "acme").await, None);
    assert_eq!(refusal(&desk, "acme").await, of_tenant);
    assert!(desk.split(&taken, 2).await);
    assert_eq!(refusal(&desk, "other").await, of_all);
    let waits = desk.opened("other", 1, |batch| batch).await;
    assert_eq!(submit(&desk, "other", waits).await, of_all);
    assert_eq!(desk.read("other", waits).await.state, BatchState::Open);
    assert_eq!(desk.read("other", waits).await.documents.received, 1);
    desk.dispatch_all().await;
    let lease = desk.take().await.unwrap();
    assert_eq!(
        submit(&desk, "other", waits).await,
        of_all,
        "what is out has no verdict"
    );
    desk.answer_all(&lease).await;
    desk.collect_all().await;
    assert_eq!(submit(&desk, "other", waits).await, None);
    assert_eq!(
        submit(&desk, "other", waits).await,
        None,
        "it is submitted already"
    );
    assert_eq!(refusal(&desk, "other").await, of_all);
}

#[tokio::test]
async fn zero_is_no_bound_and_other_tenants_do_not_count_for_one() {
    let desk = Desk::with(WorkSettings {
        most_waiting_jobs: 0,
        ..narrow()
    })
    .await;
    for name in ["acme", "acme", "other", "other"] {
        assert_eq!(refusal(&desk, name).await, None);
    }
    let unbound = Bounds {
        of_tenant: None,
        of_all: None,
    };
    assert_eq!(
        backlog::room(&desk.db, &tenant("acme"), unbound).await.unwrap(),
        Ok(())
    );
    assert!(refusal(&desk, "acme").await.is_some());
    let document = NewDocument {
        questions: None,
        name: None,
        media_type: "image/png".into(),
        sha256: domain::digest::Sha256::of(b"more"),
        bytes: 4,
    };
    let open = desk.opened("acme", 1, |batch| batch).await;
    let added = documents::add(&desk.db, desk.stamp(), &tenant("acme"), open, &[document], 9).await;
    assert!(added.unwrap().unwrap().is_ok(), "an open batch waits for nothing");
}
