use super::*;
use crate::databases::on_each;
use domain::{clock::HandClock, id::IdMaker};
use std::sync::Arc;
use time::Duration;

const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;
const HOLD: Duration = Duration::minutes(1);

fn ids() -> IdMaker {
    IdMaker::new(Arc::new(HandClock::at(NOW)))
}

fn claim(key: &[u8], kind: ClaimKind) -> Claim {
    Claim {
        key: Sha256::of(key),
        id: ids().make(),
        request: Sha256::of(b"request"),
        held_until: NOW + HOLD,
        forget_at: NOW + Duration::hours(1),
        kind,
    }
}

fn tenant() -> TenantName {
    "zhipu".parse().unwrap()
}

async fn reserved(db: &Db, claim: &Claim, now: OffsetDateTime) -> Reserved {
    let until = (now + HOLD, claim.forget_at);
    reserve(db, &tenant(), (claim.key, claim.id), now, until)
        .await
        .unwrap()
}

async fn makes(db: &Db, claim: &Claim, subject: &str) -> Result<(), RecordsError> {
    let mut tx = db.begin().await.unwrap();
    note(&mut tx, &tenant(), claim, subject).await?;
    tx.commit().await?;
    Ok(())
}

#[tokio::test]
async fn one_request_holds_a_key_and_what_it_made_is_found_until_it_is_forgotten() {
    on_each(async |db| {
        let (first, second) = (
            claim(b"key", ClaimKind::Reserved),
            claim(b"key", ClaimKind::Reserved),
        );
        assert_eq!(reserved(db, &first, NOW).await, Reserved::Free);
        assert_eq!(reserved(db, &second, NOW).await, Reserved::Busy);
        let answer = Kept {
            status: 201,
            headers: vec![("location".into(), "/v1/batches/bat_1".into())],
            body: "{}".into(),
        };
        let kept = async || keep(db, &tenant(), (first.key, first.id), &answer).await.unwrap();
        assert!(!kept().await);
        makes(db, &first, "bat_1").await.unwrap();
        assert!(kept().await);
        // What has made something is not given free.
        release(db, &tenant(), (first.key, first.id), NOW).await.unwrap();
        let made = Made {
            request: first.request,
            subject: "bat_1".into(),
            answer: Answered::Kept(answer),
        };
        let late = NOW + Duration::minutes(59);
        assert_eq!(reserved(db, &second, late).await, Reserved::Made(made));
        assert_eq!(forget(db, late).await.unwrap(), 0);
        assert_eq!(reserved(db, &second, first.forget_at).await, Reserved::Free);
        assert_eq!(forget(db, first.forget_at).await.unwrap(), 1);
    })
    .await;
}

#[tokio::test]
async fn whoever_lost_a_key_makes_nothing_with_it() {
    on_each(async |db| {
        let (first, second) = (
            claim(b"key", ClaimKind::Reserved),
            claim(b"key", ClaimKind::Reserved),
        );
        assert_eq!(reserved(db, &first, NOW).await, Reserved::Free);
        let later = NOW + Duration::minutes(1);
        assert_eq!(reserved(db, &second, later).await, Reserved::Free);
        assert!(matches!(
            makes(db, &first, "bat_1").await,
            Err(RecordsError::ClaimLost)
        ));
        makes(db, &second, "bat_2").await.unwrap();
        // Nor does the one that has made something make more.
        assert!(matches!(
            makes(db, &second, "bat_3").await,
            Err(RecordsError::ClaimLost)
        ));
        let made = made(db, &tenant(), second.key, later).await.unwrap().unwrap();
        assert_eq!(made.subject, "bat_2");
    })
    .await;
}

#[tokio::test]
async fn a_key_that_made_nothing_is_given_free() {
    on_each(async |db| {
        let (first, second) = (
            claim(b"key", ClaimKind::Reserved),
            claim(b"key", ClaimKind::Reserved),
        );
        assert_eq!(reserved(db, &first, NOW).await, Reserved::Free);
        // It is not the second's to give free.
        release(db, &tenant(), (second.key, second.id), NOW)
            .await
            .unwrap();
        assert_eq!(reserved(db, &second, NOW).await, Reserved::Busy);
        release(db, &tenant(), (first.key, first.id), NOW).await.unwrap();
        assert_eq!(reserved(db, &second, NOW).await, Reserved::Free);
    })
    .await;
}

#[tokio::test]
async fn of_requests_that_are_their_own_key_the_last_is_remembered() {
    on_each(async |db| {
        let (first, second) = (
            claim(b"request", ClaimKind::OfRequest),
            claim(b"request", ClaimKind::OfRequest),
        );
        assert_eq!(made(db, &tenant(), first.key, NOW).await.unwrap(), None);
        makes(db, &first, "job_1").await.unwrap();
        makes(db, &second, "job_2").await.unwrap();
        let found = made(db, &tenant(), first.key, NOW).await.unwrap().unwrap();
        assert_eq!(found.subject, "job_2");
        let other: TenantName = "other".parse().unwrap();
        assert_eq!(made(db, &other, first.key, NOW).await.unwrap(), None);
    })
    .await;
}

/// What a request with this key was answered, which has made something.
async fn answered(db: &Db, claim: &Claim, now: OffsetDateTime) -> Answered {
    let made = made(db, &tenant(), claim.key, now).await.unwrap();
    made.unwrap().answer
}

#[tokio::test]
async fn an_answer_may_come_until_the_hold_ends() {
    on_each(async |db| {
        for kind in [ClaimKind::Reserved, ClaimKind::OfRequest] {
            let claim = claim(format!("{kind:?}").as_bytes(), kind);
            if kind == ClaimKind::Reserved {
                assert_eq!(reserved(db, &claim, NOW).await, Reserved::Free);
            }
            makes(db, &claim, "bat_1").await.unwrap();
            let moment = Duration::nanoseconds(1);
            assert_eq!(answered(db, &claim, NOW + HOLD - moment).await, Answered::NotYet);
            assert_eq!(answered(db, &claim, NOW + HOLD).await, Answered::Unknown);
            let soon = NOW + Duration::seconds(1);
            // It is not another's to end.
            release(db, &tenant(), (claim.key, ids().make()), soon)
                .await
                .unwrap();
            assert_eq!(answered(db, &claim, soon).await, Answered::NotYet);
            release(db, &tenant(), (claim.key, claim.id), soon).await.unwrap();
            assert_eq!(answered(db, &claim, soon).await, Answered::Unknown);
        }
    })
    .await;
}
