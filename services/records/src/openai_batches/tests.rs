use super::*;
use crate::databases::on_each;
use crate::deleting::of_file;
use crate::openai_files::{self, File, Order};
use domain::{
    access::{Caller, Role},
    clock::HandClock,
    digest::Sha256,
    id::{FileId, IdMaker},
    openai_batch::{Ending, LineFault, Moments, Status, Tally},
    purpose::Purpose,
};
use serde_json::json;
use std::{collections::BTreeSet, sync::Arc};
use time::{Duration, OffsetDateTime};

const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

fn ids() -> IdMaker {
    IdMaker::new(Arc::new(HandClock::at(NOW)))
}

fn caller() -> Caller {
    Caller {
        tenant: "zhipu".parse().unwrap(),
        member: "li".parse().unwrap(),
        roles: BTreeSet::from([Role::Submitter]),
    }
}

fn file(ids: &IdMaker, purpose: &str) -> File {
    File {
        id: ids.make(),
        member: caller().member,
        filename: "请求.jsonl".into(),
        purpose: purpose.into(),
        bytes: 1,
        sha256: Sha256::of(b"1"),
        created_at: NOW,
        expires_at: Some(NOW + Duration::hours(1)),
    }
}

fn batch(ids: &IdMaker, input_file: FileId) -> OpenaiBatch {
    OpenaiBatch {
        id: ids.make(),
        caller: caller(),
        key: Some(ids.make()),
        purpose: Purpose::Evaluation,
        endpoint: "/v1/chat/completions".into(),
        input_file,
        completion_window: "24h".into(),
        metadata: Some(Notes::from([("夜".into(), "7".into())])),
        output_seconds: Some(3_600),
        model: None,
        created_at: NOW,
        expires_at: NOW + Duration::days(1),
        moments: Moments::default(),
        faults: Vec::new(),
        total: 0,
        fed: (0, 0),
        fed_lines: 0,
        tally: None,
        output_file: None,
        error_file: None,
        held_until: NOW,
    }
}

/// A batch of a tenant that is stored, with its file.
async fn stored(db: &Db, ids: &IdMaker) -> OpenaiBatch {
    let (caller, sent) = (caller(), file(ids, "batch"));
    let stamp = Stamp::of(ids, NOW, &caller);
    assert!(
        openai_files::create(db, stamp, &caller.tenant, &sent, 9)
            .await
            .unwrap()
    );
    let batch = batch(ids, sent.id);
    assert!(create(db, stamp, &batch, 9).await.unwrap());
    batch
}

async fn taken(db: &Db) -> OpenaiBatch {
    take(db, NOW, NOW + Duration::minutes(1)).await.unwrap().unwrap()
}

fn refused(place: u64) -> StoredRow {
    StoredRow {
        place,
        custom_id: format!("第{place}"),
        verdict: RowVerdict::Refused(400, json!({ "error": { "code": "any" } })),
    }
}

#[tokio::test]
async fn a_batch_is_stored_read_and_listed_as_it_is_by_its_tenant_alone() {
    on_each(async |db| {
        let ids = ids();
        let (first, second) = (stored(db, &ids).await, stored(db, &ids).await);
        let (tenant, other) = (caller().tenant, "other".parse().unwrap());
        assert_eq!(get(db, &tenant, first.id).await.unwrap(), Some(first.clone()));
        assert_eq!(get(db, &other, first.id).await.unwrap(), None);
        let both = [second.clone(), first.clone()];
        assert_eq!(list(db, &tenant, None, 9).await.unwrap(), both);
        assert_eq!(
            list(db, &tenant, Some(second.id), 9).await.unwrap(),
            std::slice::from_ref(&first)
        );
        assert_eq!(list(db, &other, None, 9).await.unwrap(), []);
        let stamp = Stamp::of(&ids, NOW, &first.caller);
        assert!(!cancel(db, stamp, &other, first.id).await.unwrap());
        let third = batch(&ids, first.input_file);
        assert!(!create(db, stamp, &third, 2).await.unwrap(), "two are under way");
        assert!(create(db, stamp, &third, 3).await.unwrap());
    })
    .await;
}

#[tokio::test]
async fn whoever_lost_its_hold_changes_nothing() {
    on_each(async |db| {
        let ids = ids();
        let batch = stored(db, &ids).await;
        let mut lost = taken(db).await;
        assert!(take(db, NOW, NOW).await.unwrap().is_none(), "somebody holds it");
        let stamp = Stamp::of(&ids, NOW, &lost.caller);
        let tenant = caller().tenant;
        // Its tenant's wish takes it from whoever has it.
        assert!(cancel(db, stamp, &tenant, batch.id).await.unwrap());
        let until = NOW + Duration::minutes(2);
        let caller = caller();
        let stamp = Stamp::of(&ids, NOW, &caller);
        assert!(!begin(db, &lost, NOW, ("zhipu/any", 1)).await.unwrap());
        assert!(!fail(db, stamp, &lost, &[], 0).await.unwrap());
        assert!(!feed(db, &mut lost, &refused(1), 9, until).await.unwrap());
        assert!(!hold(db, &mut lost, until).await.unwrap());
        assert!(!finalize(db, &lost, NOW).await.unwrap());
        let output = file(&ids, "batch_output");
        let end = Finished {
            ending: Ending::Completed,
            tally: Tally::default(),
            output: Some(&output),
            errors: None,
        };
        assert!(!finish(db, stamp, &lost, end).await.unwrap());
        assert_eq!(
            openai_files::whatever(db, &tenant, output.id).await.unwrap(),
            None
        );
        let now = get(db, &tenant, batch.id).await.unwrap().unwrap();
        assert_eq!((now.moments.status(), now.fed), (Status::Cancelling, (0, 0)));
        assert_eq!(taken(db).await.id, batch.id);
    })
    .await;
}

#[tokio::test]
async fn rows_are_stored_in_their_order_and_a_batch_ends_with_its_files_and_counts() {
    on_each(async |db| {
        let ids = ids();
        stored(db, &ids).await;
        let (caller, tenant) = (caller(), caller().tenant);
        assert!(begin(db, &taken(db).await, NOW, ("zhipu/any", 2)).await.unwrap());
        let mut held = taken(db).await;
        assert_eq!((held.model.as_deref(), held.total), (Some("zhipu/any"), 2));
        let until = NOW + Duration::minutes(2);
        for (row, end) in [(refused(1), 40), (refused(3), 99)] {
            assert!(feed(db, &mut held, &row, end, until).await.unwrap());
        }
        assert_eq!(rows(db, held.id, 0, 9).await.unwrap(), [refused(1), refused(3)]);
        assert_eq!(rows(db, held.id, 1, 9).await.unwrap(), [refused(3)]);
        let counted = Progress {
            settled: 2,
            answered: 0,
            unanswered: 2,
        };
        assert_eq!(progress(db, held.id).await.unwrap(), counted);
        assert_eq!(get(db, &tenant, held.id).await.unwrap().unwrap(), held);
        assert!(finalize(db, &held, NOW).await.unwrap());
        let (held, errors) = (taken(db).await, file(&ids, "batch_output"));
        let end = Finished {
            ending: Ending::Completed,
            tally: Tally {
                answered: 0,
                unanswered: 2,
            },
            output: None,
            errors: Some(&errors),
        };
        let stamp = Stamp::of(&ids, NOW, &caller);
        assert!(finish(db, stamp, &held, end).await.unwrap());
        let over = get(db, &tenant, held.id).await.unwrap().unwrap();
        assert_eq!(over.moments.status(), Status::Completed);
        assert_eq!((over.output_file, over.error_file), (None, Some(errors.id)));
        assert_eq!(over.tally, Some(end.tally));
        assert!(take(db, until, until).await.unwrap().is_none(), "it is over");
        assert!(!cancel(db, stamp, &tenant, held.id).await.unwrap());
        let found = openai_files::get(db, &tenant, errors.id, NOW).await.unwrap();
        assert_eq!(found, Some(errors));
    })
    .await;
}

#[tokio::test]
async fn what_is_wrong_with_a_file_is_told_by_line() {
    on_each(async |db| {
        let ids = ids();
        let batch = stored(db, &ids).await;
        let fault = LineFault {
            code: "invalid_json_line".into(),
            line: Some(7),
            message: "第七".into(),
            param: None,
        };
        let caller = caller();
        let stamp = Stamp::of(&ids, NOW, &caller);
        let faults = [fault];
        assert!(fail(db, stamp, &taken(db).await, &faults, 9).await.unwrap());
        let failed = get(db, &caller.tenant, batch.id).await.unwrap().unwrap();
        assert_eq!(failed.moments.status(), Status::Failed);
        assert_eq!((failed.faults.as_slice(), failed.total), (&faults[..], 9));
    })
    .await;
}

#[tokio::test]
async fn files_are_listed_from_both_sides_until_they_end_or_are_taken_away() {
    on_each(async |db| {
        let (ids, caller) = (ids(), caller());
        let (stamp, tenant) = (Stamp::of(&ids, NOW, &caller), &caller.tenant);
        let sent = [file(&ids, "batch"), file(&ids, "vision"), file(&ids, "batch")];
        for (number, file) in sent.iter().enumerate() {
            let most = number as u32;
            assert!(!openai_files::create(db, stamp, tenant, file, most).await.unwrap());
            assert!(
                openai_files::create(db, stamp, tenant, file, most + 1)
                    .await
                    .unwrap()
            );
        }
        let listed =
            async |purpose: Option<&str>, order: Order, after: Option<FileId>, now: OffsetDateTime| {
                let files = openai_files::list(db, tenant, (purpose, order), after, 9, now).await;
                files.unwrap().iter().map(|file| file.id).collect::<Vec<_>>()
            };
        let [a, b, c] = [sent[0].id, sent[1].id, sent[2].id];
        assert_eq!(listed(None, Order::Oldest, None, NOW).await, [a, b, c]);
        assert_eq!(listed(None, Order::Newest, None, NOW).await, [c, b, a]);
        assert_eq!(listed(Some("batch"), Order::Newest, Some(c), NOW).await, [a]);
        assert_eq!(listed(Some("batch"), Order::Oldest, Some(a), NOW).await, [c]);
        let end = NOW + Duration::hours(1);
        assert!(listed(None, Order::Oldest, None, end).await.is_empty());
        let since = NOW - Duration::seconds(1);
        let same = openai_files::same(db, tenant, &sent[2], since).await.unwrap();
        assert_eq!(same.unwrap().id, c);
        assert_eq!(openai_files::same(db, tenant, &sent[2], NOW).await.unwrap(), None);
        assert!(of_file::begin(db, stamp, tenant, b).await.unwrap().is_some());
        assert_eq!(of_file::begin(db, stamp, tenant, b).await.unwrap(), None);
        assert_eq!(listed(None, Order::Oldest, None, NOW).await, [a, c]);
        assert!(openai_files::whatever(db, tenant, b).await.unwrap().is_some());
    })
    .await;
}
