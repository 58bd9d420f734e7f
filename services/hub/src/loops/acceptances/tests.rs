use super::*;
use domain::{
    acceptance::{Asking, Declaration, Phase, Signer},
    access::Caller,
    clock::{Clock as _, HandClock},
    id::AcceptanceId,
    license::Licenses,
    names::{LicenseName, TenantName},
    purpose::Purpose,
    webhook::{EndpointSecret, EventTypes},
};
use exchange::queue::embedded::{EmbeddedQueue, EmbeddedSettings};
use records::{
    acceptances::{self, Subject},
    terms,
    webhooks::{
        deliveries::{self, DeliveryFilter},
        endpoints::{self, NewEndpoint},
    },
};
use std::{collections::BTreeSet, time::Duration};
use time::OffsetDateTime;

/// The loop over a fresh database whose clock is turned by hand, and a tenant that is told of everything.
struct Stage {
    _folder: tempfile::TempDir,
    clock: Arc<HandClock>,
    parts: AcceptancesParts,
    step: Acceptances,
}

fn tenant() -> TenantName {
    "acme".parse().unwrap()
}

fn license() -> LicenseName {
    "glm-4".parse().unwrap()
}

fn settings() -> AcceptanceSettings {
    let all: toml::Table = include_str!("../../../../../config.default.toml")
        .parse()
        .unwrap();
    all["acceptances"].clone().try_into().unwrap()
}

impl Stage {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("hub.db");
        let db = Db::open_sqlite(&file, 4, Duration::from_secs(5)).await.unwrap();
        db.migrate().await.unwrap();
        let start = OffsetDateTime::UNIX_EPOCH + time::Duration::days(20_000);
        let clock = Arc::new(HandClock::at(start));
        let queue = EmbeddedQueue::new(
            clock.clone(),
            EmbeddedSettings {
                lease: Duration::from_secs(60),
                most_orders: 8,
            },
        );
        let parts = AcceptancesParts {
            db,
            queue: Arc::new(queue),
            ids: IdMaker::new(clock.clone()),
            clock: clock.clone(),
            settings: Arc::new(settings()),
            signals: Arc::default(),
        };
        let stage = Self {
            _folder: folder,
            clock,
            step: Acceptances::new(parts.clone()),
            parts,
        };
        stage.listen().await;
        stage
    }

    fn stamp(&self) -> Stamp<'_> {
        Stamp::of_hub(&self.parts.ids, self.clock.now())
    }

    async fn listen(&self) {
        let new = NewEndpoint {
            id: self.parts.ids.make(),
            tenant: &tenant(),
            member: &"li".parse().unwrap(),
            url: "https://acme.example/",
            description: None,
            event_types: &EventTypes::all(),
            secret: &EndpointSecret::of([7; 32]),
            choices: Default::default(),
            key: None,
        };
        let made = endpoints::create(&self.parts.db, self.stamp(), &new, 5).await;
        assert!(made.unwrap());
    }

    /// An active acceptance that ends after `days`.
    async fn accepted(&self, days: i64) -> AcceptanceId {
        let db = &self.parts.db;
        let published = terms::publish(db, self.stamp(), &tenant(), &license(), "You may.").await;
        let caller = Caller {
            tenant: tenant(),
            member: "li".parse().unwrap(),
            roles: BTreeSet::new(),
        };
        let licenses = Licenses::shipped().unwrap();
        let asking = Asking {
            id: self.parts.ids.make(),
            caller: &caller,
            at: self.clock.now(),
            license: licenses.get(&license()).unwrap(),
            declared: Declaration {
                terms_sha256: published.unwrap().sha256,
                purposes: BTreeSet::from([Purpose::Evaluation]),
                signer: Signer {
                    name: "the signatory".into(),
                    title: "Counsel".into(),
                },
                registration_number: None,
                territory: None,
                evidence: None,
                valid_until: Some(self.clock.now() + time::Duration::days(days)),
            },
            submit: true,
        };
        let subject = Subject::License(license());
        let stored = acceptances::request(db, self.stamp(), &subject, asking).await;
        stored.unwrap().unwrap().id
    }

    /// Turns the clock, does all that is due, and gives the types of the events that were told since the beginning.
    async fn after(&mut self, span: time::Duration) -> Vec<String> {
        self.clock.turn(span);
        while self.step.step().await.unwrap() == Outcome::Worked {}
        let all = DeliveryFilter::default();
        let mut told = deliveries::list(&self.parts.db, &tenant(), all, None, 100)
            .await
            .unwrap();
        told.reverse();
        told.iter()
            .map(|delivery| delivery.event_type.as_str().to_owned())
            .collect()
    }
}

#[tokio::test]
async fn each_reminder_is_told_once_and_the_end_too() {
    let mut stage = Stage::new().await;
    let id = stage.accepted(40).await;
    let day = time::Duration::days(1);
    let none: [&str; 0] = [];
    assert_eq!(stage.after(time::Duration::ZERO).await, none);
    assert_eq!(stage.after(10 * day).await, ["acceptance.expiring"]);
    assert_eq!(stage.after(10 * day).await.len(), 1);
    assert_eq!(stage.after(13 * day).await.len(), 2);
    assert_eq!(stage.after(6 * day).await.len(), 3);
    let told = stage.after(day).await;
    assert_eq!(
        told,
        [
            "acceptance.expiring",
            "acceptance.expiring",
            "acceptance.expiring",
            "acceptance.expired"
        ]
    );
    assert_eq!(stage.after(30 * day).await.len(), 4);
    let seen = acceptances::get(&stage.parts.db, id).await.unwrap().unwrap();
    assert_eq!(seen.state.phase(), Phase::Expired);
}

#[tokio::test]
async fn a_hub_that_was_down_tells_the_nearest_reminder_alone() {
    let mut stage = Stage::new().await;
    stage.accepted(40).await;
    let told = stage
        .after(time::Duration::days(39) + time::Duration::hours(1))
        .await;
    assert_eq!(told, ["acceptance.expiring"]);
    assert_eq!(stage.after(time::Duration::minutes(1)).await.len(), 1);
}

#[tokio::test]
async fn two_loops_at_once_tell_everything_once() {
    let mut stage = Stage::new().await;
    stage.accepted(40).await;
    stage.clock.turn(time::Duration::days(34));
    let mut other = Acceptances::new(stage.parts.clone());
    let (one, two) = tokio::join!(stage.step.step(), other.step());
    one.unwrap();
    two.unwrap();
    assert_eq!(stage.after(time::Duration::ZERO).await, ["acceptance.expiring"]);
    stage.clock.turn(time::Duration::days(6));
    let (one, two) = tokio::join!(stage.step.step(), other.step());
    one.unwrap();
    two.unwrap();
    assert_eq!(stage.after(time::Duration::ZERO).await.len(), 2);
    let epochs = records::epochs::all(&stage.parts.db).await.unwrap();
    assert_eq!(epochs, [(tenant(), 1)]);
}

#[test]
fn settings_that_cannot_be_are_refused_with_what_to_change() {
    settings().check().unwrap();
    let change = |change: fn(&mut AcceptanceSettings)| {
        let mut settings = settings();
        change(&mut settings);
        settings.check().unwrap_err()
    };
    for (complaint, named) in [
        (change(|bad| bad.remind_days = vec![0]), "remind_days"),
        (change(|bad| bad.remind_days = vec![3654]), "remind_days"),
        (change(|bad| bad.check_seconds = 0), "check_seconds"),
        (change(|bad| bad.most_terms_bytes = 0), "most_terms_bytes"),
        (
            change(|bad| bad.evidence_media_types.push("text/html".into())),
            "text/html",
        ),
        (
            change(|bad| bad.evidence_media_types.push("image/svg+xml".into())),
            "image/svg+xml",
        ),
    ] {
        assert!(complaint.contains(named), "{complaint}");
    }
}
