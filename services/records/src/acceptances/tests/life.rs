//! What becomes of acceptances after they stand.

use super::*;
use domain::{
    acceptance::State,
    id::WebhookEndpointId,
    webhook::{EndpointSecret, EventTypes},
};

/// An acceptance for evaluation that ends after `days`.
async fn ending(desk: &Desk<'_>, days: i64) -> Acceptance {
    let declared = Declaration {
        valid_until: Some(desk.now + Duration::days(days)),
        ..desk.declared(&[Purpose::Evaluation], desk.revision.terms_sha256.unwrap())
    };
    desk.ask("acme", &desk.of_model(), declared).await.unwrap()
}

/// Has `acme` told of everything by webhook.
async fn listen(desk: &Desk<'_>) -> WebhookEndpointId {
    let id = desk.ids.make();
    let new = crate::webhooks::endpoints::NewEndpoint {
        id,
        tenant: &"acme".parse().unwrap(),
        member: &"li".parse().unwrap(),
        url: "https://acme.example/",
        description: None,
        event_types: &EventTypes::all(),
        secret: &EndpointSecret::of([7; 32]),
        choices: Default::default(),
        key: None,
    };
    let made = crate::webhooks::endpoints::create(desk.db, desk.stamp(), &new, 5).await;
    assert!(made.unwrap());
    id
}

/// Types of the events that were told, oldest first.
async fn told(desk: &Desk<'_>) -> Vec<String> {
    let sql = "SELECT type FROM events ORDER BY at, type";
    on!(desk.db, |c| sqlx::query_scalar(sql).fetch_all(c)).unwrap()
}

async fn epoch(desk: &Desk<'_>) -> u64 {
    let all = epochs::all(desk.db).await.unwrap();
    let of_acme = all.iter().find(|(tenant, _)| tenant.as_str() == "acme");
    of_acme.map_or(0, |(_, epoch)| *epoch)
}

#[tokio::test]
async fn suspending_raises_the_epoch_and_resuming_does_not() {
    on_each(async |db| {
        let desk = desk(db).await;
        listen(&desk).await;
        let asked = desk.requested("acme", &[Purpose::Evaluation]).await;
        let by = || judge("zhipu", "wu");
        let suspended = suspend(db, desk.stamp(), by(), asked.id, "a doubt".into())
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        assert_eq!(suspended.epoch, Some(1));
        assert_eq!(
            get(db, asked.id).await.unwrap(),
            Some(suspended.acceptance.clone())
        );
        assert_eq!(
            desk.reasons("acme", Purpose::Evaluation).await,
            [ReasonCode::AcceptanceSuspended]
        );
        let again = desk.declared(&[Purpose::Evaluation], asked.terms_sha256);
        let answer = desk.ask("acme", &desk.of_model(), again).await;
        assert_eq!(answer, Err(NotStored::Covered(asked.id)));
        let wider = desk.declared(&[Purpose::Evaluation, Purpose::Research], asked.terms_sha256);
        let wider = desk.ask("acme", &desk.of_model(), wider).await.unwrap();
        assert_eq!(wider.phase(desk.now), Phase::UnderReview);
        let resumed = resume(db, desk.stamp(), by(), asked.id, "settled".into())
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        assert_eq!((resumed.epoch, epoch(&desk).await), (None, 1));
        assert_eq!(get(db, asked.id).await.unwrap(), Some(asked));
        assert_eq!(desk.reasons("acme", Purpose::Evaluation).await, []);
        assert_eq!(told(&desk).await, ["acceptance.resumed", "acceptance.suspended"]);
    })
    .await;
}

#[tokio::test]
async fn an_acceptance_that_was_not_submitted_allows_nothing_until_it_is() {
    on_each(async |db| {
        let desk = desk(db).await;
        let (by, acme) = (caller("acme", "li"), "acme".parse().unwrap());
        let asking = Asking {
            id: desk.ids.make(),
            caller: &by,
            at: desk.now,
            license: desk.license(),
            declared: desk.declared(&[Purpose::Evaluation], desk.revision.terms_sha256.unwrap()),
            submit: false,
        };
        let asked = request(db, desk.stamp(), &desk.of_model(), asking)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(asked.state, State::Requested);
        assert_eq!(get(db, asked.id).await.unwrap(), Some(asked.clone()));
        assert_eq!(
            desk.reasons("acme", Purpose::Evaluation).await,
            [ReasonCode::AcceptanceNotSubmitted]
        );
        let other = "other".parse().unwrap();
        let foreign = submit(db, desk.stamp(), &other, asked.id, desk.license()).await;
        assert_eq!(foreign.unwrap(), None);
        let submitted = submit(db, desk.stamp(), &acme, asked.id, desk.license())
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        assert_eq!(submitted.acceptance.phase(desk.now), Phase::Active);
        assert_eq!(desk.reasons("acme", Purpose::Evaluation).await, []);
        let twice = submit(db, desk.stamp(), &acme, asked.id, desk.license()).await;
        assert!(matches!(twice.unwrap(), Some(Err(NotStored::NotPossible(_)))));
    })
    .await;
}

#[tokio::test]
async fn what_runs_out_allows_nothing_at_once_and_is_written_down_once() {
    on_each(async |db| {
        let mut desk = desk(db).await;
        listen(&desk).await;
        let asked = ending(&desk, 2).await;
        desk.wait(Duration::days(2) - Duration::microseconds(1));
        assert_eq!(desk.reasons("acme", Purpose::Evaluation).await, []);
        assert_eq!(ending::run_out(db, desk.now, 9).await.unwrap(), []);
        assert_eq!(ending::expire(db, desk.stamp(), asked.id).await.unwrap(), None);
        desk.wait(Duration::microseconds(1));
        assert_eq!(
            desk.reasons("acme", Purpose::Evaluation).await,
            [ReasonCode::AcceptanceExpired]
        );
        assert_eq!(ending::run_out(db, desk.now, 9).await.unwrap(), [asked.id]);
        let of = |phase| Filter {
            tenant: None,
            phase: Some(phase),
            at: desk.now,
        };
        assert_eq!(page(db, of(Phase::Expired), None, 9).await.unwrap().len(), 1);
        assert_eq!(page(db, of(Phase::Active), None, 9).await.unwrap(), []);
        let expired = ending::expire(db, desk.stamp(), asked.id).await.unwrap().unwrap();
        assert_eq!((expired.epoch, epoch(&desk).await), (Some(1), 1));
        assert_eq!(get(db, asked.id).await.unwrap(), Some(expired.acceptance));
        assert_eq!(ending::expire(db, desk.stamp(), asked.id).await.unwrap(), None);
        assert_eq!(ending::run_out(db, desk.now, 9).await.unwrap(), []);
        assert_eq!(page(db, of(Phase::Expired), None, 9).await.unwrap().len(), 1);
        assert_eq!(told(&desk).await, ["acceptance.expired"]);
    })
    .await;
}

#[tokio::test]
async fn a_reminder_is_told_once_and_settles_those_that_would_have_come_before() {
    on_each(async |db| {
        let mut desk = desk(db).await;
        listen(&desk).await;
        let asked = ending(&desk, 8).await;
        assert_eq!(ending::to_remind(db, desk.now, 7, 9).await.unwrap(), []);
        desk.wait(Duration::hours(25));
        assert_eq!(ending::to_remind(db, desk.now, 7, 9).await.unwrap(), [asked.id]);
        assert!(ending::remind(db, desk.stamp(), asked.id, 7).await.unwrap());
        for days in [7, 30] {
            assert_eq!(ending::to_remind(db, desk.now, days, 9).await.unwrap(), []);
            assert!(!ending::remind(db, desk.stamp(), asked.id, days).await.unwrap());
        }
        let sql = "SELECT data FROM events";
        let data: sqlx::types::Json<serde_json::Value> =
            on!(db, |c| sqlx::query_scalar(sql).fetch_one(c)).unwrap();
        assert_eq!(
            (&data["days_left"], &data["acceptance"]),
            (&7.into(), &json!(asked.id))
        );
        desk.wait(Duration::days(7));
        assert!(!ending::remind(db, desk.stamp(), asked.id, 1).await.unwrap());
        assert_eq!(told(&desk).await, ["acceptance.expiring"]);
    })
    .await;
}

#[tokio::test]
async fn newer_terms_take_the_place_of_older_ones_and_work_under_those_goes_on() {
    on_each(async |db| {
        let mut desk = desk(db).await;
        listen(&desk).await;
        let older = desk.requested("acme", &[Purpose::Evaluation]).await;
        desk.wait(Duration::hours(1));
        import(db, &desk.ids, desk.now, &desk.model, "You may, but.").await;
        let declared = desk.declared(&[Purpose::Evaluation], Sha256::of(b"You may, but."));
        let newer = desk.ask("acme", &desk.of_model(), declared).await.unwrap();
        let superseded = get(db, older.id).await.unwrap().unwrap();
        assert!(matches!(superseded.state, State::Superseded { by, .. } if by == newer.id));
        let seen = entry(db, None, older.id).await.unwrap().unwrap();
        assert_eq!(seen.newest_terms_sha256, newer.terms_sha256);
        assert_eq!(epoch(&desk).await, 0);
        // `desk.revision` is the older one, under the older text.
        assert_eq!(desk.reasons("acme", Purpose::Evaluation).await, []);
        let recalled = revoke(db, desk.stamp(), judge("zhipu", "wu"), newer.id, "x".into()).await;
        assert!(recalled.unwrap().unwrap().is_ok());
        assert_eq!(
            desk.reasons("acme", Purpose::Evaluation).await,
            [ReasonCode::AcceptanceRevoked]
        );
        assert_eq!(told(&desk).await, ["acceptance.revoked", "acceptance.superseded"]);
    })
    .await;
}

#[tokio::test]
async fn a_text_that_another_model_still_comes_with_is_not_superseded() {
    on_each(async |db| {
        let mut desk = desk(db).await;
        let older = desk.requested("acme", &[Purpose::Evaluation]).await;
        desk.wait(Duration::hours(1));
        let other: ModelName = "acme/other".parse().unwrap();
        import(db, &desk.ids, desk.now, &other, "You may, but.").await;
        let declared = desk.declared(&[Purpose::Evaluation], Sha256::of(b"You may, but."));
        desk.ask("acme", &Subject::Model(other), declared).await.unwrap();
        assert_eq!(get(db, older.id).await.unwrap(), Some(older));
    })
    .await;
}

#[tokio::test]
async fn a_published_text_is_the_licenses_newest_and_leaves_models_under_their_own() {
    on_each(async |db| {
        let mut desk = desk(db).await;
        let glm = desk.license().id.clone();
        let own = desk.revision.terms_sha256.unwrap();
        desk.wait(Duration::hours(1));
        let zhipu = "zhipu".parse().unwrap();
        let publish = async |text| {
            terms::publish(db, desk.stamp(), &zhipu, &glm, text)
                .await
                .unwrap()
        };
        let first = publish("A new version.\n").await;
        assert!(first.new);
        assert_eq!(
            publish("A new version.\n").await,
            terms::Published { new: false, ..first }
        );
        assert!(!publish(TEXT).await.new);
        let newest = terms::of_license(db, &glm).await.unwrap().remove(0);
        assert_eq!(newest.sha256, first.sha256);
        let current = terms::current_of_model(db, &desk.model).await.unwrap();
        assert_eq!(current, Some((glm.clone(), Some(own))));
        let of_models = terms::of_models(db, &glm).await.unwrap();
        assert!(
            of_models.contains(&(desk.model.clone(), Some(own))),
            "{of_models:?}"
        );
    })
    .await;
}
