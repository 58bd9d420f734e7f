//! A file of answers is not stored once an answer that it tells is being deleted, whoever was writing it.

use super::{
    desk::Desk,
    retention::{acme, done, retain, to_the_end},
};
use domain::{
    access::{Caller, Role},
    deletion::Deleted,
    id::FileId,
    openai_batch::{Ending, Moments, Tally},
    purpose::Purpose,
};
use exchange::blobs::{Blobs as _, one_piece};
use records::{
    Stamp, deleting,
    openai_batches::{self, Finished, OpenaiBatch, RowVerdict, StoredRow},
    openai_files::{self, File},
};
use std::collections::BTreeSet;
use time::Duration;

fn caller() -> Caller {
    Caller {
        tenant: acme(),
        member: "li".parse().unwrap(),
        roles: BTreeSet::from([Role::Submitter]),
    }
}

async fn file(desk: &Desk, purpose: &str, text: &'static [u8]) -> File {
    let stored = desk.blobs.put(one_piece(text), u64::MAX).await.unwrap();
    File {
        id: desk.ids.make(),
        member: caller().member,
        filename: "any.jsonl".into(),
        purpose: purpose.into(),
        bytes: stored.bytes,
        sha256: stored.sha256,
        created_at: desk.stamp().at,
        expires_at: None,
    }
}

fn opened(desk: &Desk, input_file: FileId) -> OpenaiBatch {
    let now = desk.stamp().at;
    OpenaiBatch {
        id: desk.ids.make(),
        caller: caller(),
        key: None,
        purpose: Purpose::Research,
        endpoint: "/v1/chat/completions".into(),
        input_file,
        completion_window: "24h".into(),
        metadata: None,
        output_seconds: None,
        model: None,
        created_at: now,
        expires_at: now + Duration::days(1),
        moments: Moments::default(),
        faults: Vec::new(),
        total: 0,
        fed: (0, 0),
        fed_lines: 0,
        tally: None,
        output_file: None,
        error_file: None,
        held_until: now,
    }
}

/// A batch of one request, which has made a job that is answered, in the hands of whoever writes its files.
async fn being_written(desk: &mut Desk) -> (OpenaiBatch, domain::id::BatchId) {
    let native = done(desk).await;
    let job = desk.jobs("acme", native).await[0].id;
    let sent = file(desk, "batch", b"the request").await;
    let caller = caller();
    let stamp = Stamp::of(&desk.ids, desk.stamp().at, &caller);
    assert!(
        openai_files::create(&desk.db, stamp, &acme(), &sent, 9)
            .await
            .unwrap()
    );
    let batch = opened(desk, sent.id);
    assert!(openai_batches::create(&desk.db, stamp, &batch, 9).await.unwrap());
    let taken = take(desk).await;
    let begun = openai_batches::begin(&desk.db, &taken, stamp.at, ("zhipu/any", 1));
    assert!(begun.await.unwrap());
    let mut held = take(desk).await;
    let row = StoredRow {
        place: 1,
        custom_id: "one".into(),
        verdict: RowVerdict::Job(job),
    };
    let fed = openai_batches::feed(&desk.db, &mut held, &row, 11, stamp.at + Duration::minutes(1));
    assert!(fed.await.unwrap());
    assert!(openai_batches::finalize(&desk.db, &held, stamp.at).await.unwrap());
    (take(desk).await, native)
}

async fn take(desk: &Desk) -> OpenaiBatch {
    let now = desk.stamp().at;
    let taken = openai_batches::take(&desk.db, now, now + Duration::minutes(1)).await;
    taken.unwrap().unwrap()
}

#[tokio::test]
async fn whoever_writes_answers_that_are_deleted_meanwhile_loses_its_hold_and_its_bytes_go() {
    let mut desk = Desk::new().await;
    let (held, native) = being_written(&mut desk).await;
    let written = file(&desk, "batch_output", b"the answer").await;
    let caller = caller();
    let stamp = Stamp::of(&desk.ids, desk.stamp().at, &caller);
    let begun = deleting::begin(&desk.db, stamp, &acme(), native, Deleted::All).await;
    begun.unwrap().unwrap().unwrap();
    let end = Finished {
        ending: Ending::Completed,
        tally: Tally::default(),
        output: Some(&written),
        errors: None,
    };
    let finished = openai_batches::finish(&desk.db, stamp, &held, end).await;
    assert!(!finished.unwrap(), "its file tells what is deleted");
    openai_files::leave(&desk.db, desk.stamp(), &acme(), &[&written])
        .await
        .unwrap();
    to_the_end(&mut retain(&desk, 0, 0)).await;
    assert_eq!(desk.blobs.size(written.sha256).await.unwrap(), None);
    let told = deleting::of_file::of_file(&desk.db, &acme(), written.id)
        .await
        .unwrap();
    assert_eq!((told.len(), told[0].counts.files), (1, 1));
    // Another writes it, without the answer.
    assert_eq!(take(&desk).await.id, held.id);
}

#[tokio::test]
async fn answers_stay_until_the_file_that_tells_them_is_written_however_few_days_they_are_kept() {
    let mut desk = Desk::new().await;
    let (held, native) = being_written(&mut desk).await;
    desk.clock.turn(Duration::days(3));
    let retained = async |desk: &Desk| {
        to_the_end(&mut retain(desk, 0, 1)).await;
        deleting::of_batch(&desk.db, &acme(), native).await.unwrap().len()
    };
    assert_eq!(retained(&desk).await, 0);
    let end = Finished {
        ending: Ending::Completed,
        tally: Tally::default(),
        output: None,
        errors: None,
    };
    let finished = openai_batches::finish(&desk.db, desk.stamp(), &held, end).await;
    assert!(finished.unwrap());
    assert_eq!(retained(&desk).await, 1);
}
