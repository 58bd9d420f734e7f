//! What is kept no longer is deleted at its moment and not before, once, whoever looks.

use super::desk::Desk;
use crate::{
    loops::{
        Outcome,
        retain::{Retain, RetainParts},
    },
    retention_settings::RetentionSettings,
    signals::Signals,
};
use domain::{
    deletion::{Deleted, DeletedOf, DeletionCounts, DeletionStatement, Retention},
    id::BatchId,
    names::TenantName,
};
use exchange::attestation;
use records::{
    deleting::{self, Deletion},
    documents, retention,
};
use std::sync::Arc;
use time::Duration;

const DAY: Duration = Duration::days(1);

pub(super) fn acme() -> TenantName {
    "acme".parse().unwrap()
}

/// As any process has it, where documents and answers are kept so many days; 0 for ever.
pub(super) fn retain(desk: &Desk, documents_days: u32, answers_days: u32) -> Retain {
    Retain::new(RetainParts {
        db: desk.db.clone(),
        blobs: desk.blobs.clone(),
        key: desk.key.clone(),
        ids: desk.ids.clone(),
        clock: desk.clock.clone(),
        settings: RetentionSettings {
            documents_days,
            answers_days,
            look_seconds: 600,
        },
        work: desk.settings.clone(),
        signals: Arc::new(Signals::default()),
    })
}

/// A batch of two answered pages that is done.
pub(super) async fn done(desk: &mut Desk) -> BatchId {
    let batch = desk.batch("acme", 2, 1).await;
    desk.dispatch_all().await;
    while let Some(lease) = desk.take().await {
        desk.answer_all(&lease).await;
    }
    desk.collect_all().await;
    batch
}

pub(super) async fn to_the_end(retain: &mut Retain) {
    while retain.step().await.unwrap() == Outcome::Worked {}
}

async fn deletions(desk: &Desk, batch: BatchId) -> Vec<Deletion> {
    deleting::of_batch(&desk.db, &acme(), batch).await.unwrap()
}

#[tokio::test]
async fn documents_go_when_their_days_are_over_and_answers_when_theirs_are() {
    let mut desk = Desk::new().await;
    let batch = done(&mut desk).await;
    let kept = Retention {
        documents_days: Some(2),
        answers_days: Some(3),
    };
    retention::set(&desk.db, desk.stamp(), &acme(), &kept)
        .await
        .unwrap();
    desk.clock.turn(DAY * 2 - Duration::microseconds(1));
    to_the_end(&mut retain(&desk, 0, 0)).await;
    assert_eq!(deletions(&desk, batch).await, []);
    desk.clock.turn(Duration::microseconds(1));
    to_the_end(&mut retain(&desk, 0, 0)).await;
    let told = deletions(&desk, batch).await;
    let [documents] = &told[..] else {
        panic!("{told:?}")
    };
    assert_eq!(
        (documents.deleted, documents.done_at),
        (Deleted::Documents, Some(desk.stamp().at))
    );
    let listed = documents::list(&desk.db, &acme(), batch, None, 9).await.unwrap();
    assert_eq!(
        (listed[0].name.as_deref(), listed[0].deleted_at),
        (None, Some(desk.stamp().at))
    );
    let job = desk.jobs("acme", batch).await[0].id;
    assert!(desk.job("acme", job).await.answer.is_some());
    desk.clock.turn(DAY);
    to_the_end(&mut retain(&desk, 0, 0)).await;
    assert!(desk.job("acme", job).await.answer.is_none());
    let answers = deletions(&desk, batch).await.pop().unwrap();
    assert_eq!(
        answers.counts,
        DeletionCounts {
            answers: 2,
            ..DeletionCounts::default()
        }
    );
}

#[tokio::test]
async fn the_settings_hold_for_tenants_that_say_nothing_and_none_is_for_ever() {
    let mut desk = Desk::new().await;
    let batch = done(&mut desk).await;
    desk.clock.turn(DAY * 36_500);
    to_the_end(&mut retain(&desk, 0, 0)).await;
    assert_eq!(deletions(&desk, batch).await, []);
    let kept = Retention::default();
    retention::set(&desk.db, desk.stamp(), &acme(), &kept)
        .await
        .unwrap();
    to_the_end(&mut retain(&desk, 1, 1)).await;
    assert_eq!(deletions(&desk, batch).await, [], "its own word counts");
    let mut other = Desk::new().await;
    let batch = done(&mut other).await;
    other.clock.turn(DAY);
    to_the_end(&mut retain(&other, 0, 1)).await;
    let told = deletions(&other, batch).await;
    assert_eq!(
        told.iter().map(|one| one.deleted).collect::<Vec<_>>(),
        [Deleted::Answers]
    );
}

#[tokio::test]
async fn of_two_who_delete_at_once_one_signs_what_is_gone() {
    let mut desk = Desk::new().await;
    let batch = done(&mut desk).await;
    deleting::begin(&desk.db, desk.stamp(), &acme(), batch, Deleted::All)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    let (mut one, mut other) = (retain(&desk, 0, 0), retain(&desk, 0, 0));
    tokio::join!(to_the_end(&mut one), to_the_end(&mut other));
    let told = deletions(&desk, batch).await;
    let [deletion] = &told[..] else { panic!("{told:?}") };
    let expected = DeletionCounts {
        documents: 1,
        pages: 2,
        answers: 2,
        files: 3,
        shared: 0,
    };
    assert_eq!(deletion.counts, expected);
    let envelope = serde_json::from_value(deletion.record.clone().unwrap()).unwrap();
    let said: DeletionStatement = attestation::verify(&desk.key.public(), &envelope).unwrap();
    assert_eq!(
        (said.subject[0].name, said.predicate.counts),
        (DeletedOf::Batch(batch), expected)
    );
    assert!(said.is_known());
}
