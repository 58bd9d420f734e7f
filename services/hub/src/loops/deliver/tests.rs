use super::*;
use crate::{
    loops::deliver::receiver::{Receiver, Told},
    outgoing::OutgoingSettings,
};
use domain::{
    clock::{Clock as _, HandClock},
    names::TenantName,
    webhook::{EndpointSecret, EndpointState, EventTypes, delivery::DeliveryPhase},
};
use records::{
    Stamp,
    webhooks::{
        deliveries::{self, Delivery, DeliveryFilter},
        endpoints::{self, NewEndpoint},
    },
};
use time::OffsetDateTime;

mod disabling;

/// A deliver over a fresh database whose clock is turned by hand.
struct Stage {
    _folder: tempfile::TempDir,
    clock: Arc<HandClock>,
    parts: DeliverParts,
    deliver: Deliver,
}

fn settings() -> WebhookSettings {
    WebhookSettings {
        public_url: "https://hub.example".into(),
        most_endpoints: 20,
        longest_overlap_seconds: 60,
        timeout_seconds: 1,
        retry_seconds: vec![5, 300],
        jitter_percent: 0,
        longest_retry_after_seconds: 3_600,
        disable_after_seconds: 86_400,
        sends_at_once: 8,
        sends_at_once_per_endpoint: 2,
        claim_seconds: 60,
        idle_milliseconds: 10,
    }
}

impl Stage {
    async fn new() -> Self {
        Self::allowing(&["127.0.0.0/8"]).await
    }

    async fn allowing(networks: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open_sqlite(&folder.path().join("hub.db"), 4, Duration::from_secs(5))
            .await
            .unwrap();
        db.migrate().await.unwrap();
        let clock = Arc::new(HandClock::at(
            OffsetDateTime::UNIX_EPOCH + time::Duration::days(20_000),
        ));
        let allowed_networks = networks.iter().map(|network| network.parse().unwrap()).collect();
        let outgoing = OutgoingSettings {
            allowed_networks,
            low_ports: vec![80, 443],
            connect_seconds: 1,
            fetch_seconds: 10,
        };
        let parts = DeliverParts {
            db,
            outgoing: Outgoing::new(&outgoing).unwrap(),
            base_url: "https://hub.example".into(),
            ids: IdMaker::new(clock.clone()),
            clock: clock.clone(),
            randomness: Randomness::new(|bytes| bytes.fill(7)),
            settings: Arc::new(settings()),
            signals: Arc::default(),
        };
        Self {
            _folder: folder,
            clock,
            deliver: Deliver::new(parts.clone()),
            parts,
        }
    }

    fn stamp(&self) -> Stamp<'_> {
        Stamp::of_hub(&self.parts.ids, self.parts.clock.now())
    }

    async fn endpoint(&self, url: &str) -> WebhookEndpointId {
        let new = NewEndpoint {
            id: self.parts.ids.make(),
            tenant: &tenant(),
            member: &"li".parse().unwrap(),
            url,
            description: None,
            event_types: &EventTypes::all(),
            secret: &secret(),
            choices: Default::default(),
            key: None,
        };
        assert!(
            endpoints::create(&self.parts.db, self.stamp(), &new, 20)
                .await
                .unwrap()
        );
        new.id
    }

    /// Queues a test event.
    async fn tell(&self, endpoint: WebhookEndpointId) -> Delivery {
        endpoints::test(&self.parts.db, self.stamp(), &tenant(), endpoint)
            .await
            .unwrap()
            .unwrap()
            .unwrap()
    }

    /// Sends what is due, to the end.
    async fn send(&mut self) {
        while self.deliver.step().await.unwrap() == Outcome::Worked {
            self.deliver.settle().await;
        }
    }

    async fn now(&self, delivery: &Delivery) -> Delivery {
        deliveries::get(&self.parts.db, &tenant(), delivery.id)
            .await
            .unwrap()
            .unwrap()
    }

    async fn phase(&self, delivery: &Delivery) -> DeliveryPhase {
        self.now(delivery).await.state.phase()
    }
}

fn tenant() -> TenantName {
    "acme".parse().unwrap()
}

fn secret() -> EndpointSecret {
    EndpointSecret::of([9; 32])
}

#[tokio::test]
async fn a_webhook_is_signed_over_the_bytes_that_arrive() {
    let (mut stage, receiver) = (Stage::new().await, Receiver::answering(204).await);
    let delivery = stage.tell(stage.endpoint(&receiver.url()).await).await;
    stage.send().await;
    let told = receiver.told();
    let Told { headers, body } = &told[0];
    let timestamp: i64 = headers["webhook-timestamp"].parse().unwrap();
    assert_eq!(timestamp, stage.clock.now().unix_timestamp());
    assert_eq!(headers["webhook-id"], delivery.event.to_string());
    assert_eq!(
        headers["webhook-signature"],
        secret().sign(&headers["webhook-id"], timestamp, body)
    );
    assert_eq!(headers["content-type"], "application/json");
    let payload: serde_json::Value = serde_json::from_slice(body).unwrap();
    assert_eq!(payload["type"], "webhook_endpoint.test");
    let url = format!("https://hub.example/v1/webhook-endpoints/{}", delivery.endpoint);
    assert_eq!(payload["data"]["url"], url);
    assert_eq!(stage.phase(&delivery).await, DeliveryPhase::Delivered);
}

#[tokio::test]
async fn what_is_not_taken_climbs_the_ladder_and_then_fails_with_every_attempt_in_the_log() {
    let (mut stage, receiver) = (Stage::new().await, Receiver::answering(500).await);
    let delivery = stage.tell(stage.endpoint(&receiver.url()).await).await;
    stage.send().await;
    stage.send().await;
    assert_eq!(receiver.told().len(), 1, "nothing is due before its time");
    stage.clock.turn(time::Duration::seconds(5));
    stage.send().await;
    stage.clock.turn(time::Duration::seconds(300));
    stage.send().await;
    let state = stage.now(&delivery).await.state;
    assert!(
        matches!(&state, domain::webhook::delivery::DeliveryState::Failed { code, .. } if code == "exhausted")
    );
    let told = receiver.told();
    assert_eq!(told.len(), 3);
    assert!(
        told.iter()
            .all(|one| one.headers["webhook-id"] == told[0].headers["webhook-id"])
    );
    assert!(told.iter().all(|one| one.body == told[0].body));
    let attempts = deliveries::attempts(&stage.parts.db, &delivery).await.unwrap();
    let endings: Vec<_> = attempts
        .iter()
        .map(|attempt| attempt.ending.clone().unwrap())
        .collect();
    assert!(
        endings
            .iter()
            .all(|ending| ending.status == Some(500) && ending.error.as_deref() == Some("no room"))
    );
    let attempts: Vec<u32> = attempts.iter().map(|attempt| attempt.number).collect();
    assert_eq!(attempts, [1, 2, 3]);
}

#[tokio::test]
async fn a_failed_delivery_is_sent_again_when_asked_from_the_foot_of_the_ladder() {
    let (mut stage, receiver) = (Stage::new().await, Receiver::answering(500).await);
    let delivery = stage.tell(stage.endpoint(&receiver.url()).await).await;
    for pause in [5, 300, 0] {
        stage.send().await;
        stage.clock.turn(time::Duration::seconds(pause));
    }
    receiver.answer(200);
    let again = deliveries::redeliver(&stage.parts.db, stage.stamp(), &tenant(), delivery.id).await;
    assert_eq!(
        again.unwrap().unwrap().unwrap().state.phase(),
        DeliveryPhase::Pending
    );
    stage.send().await;
    assert_eq!(stage.phase(&delivery).await, DeliveryPhase::Delivered);
    assert_eq!(receiver.told().len(), 4);
}

#[tokio::test]
async fn a_receiver_that_asks_for_a_pause_gets_it() {
    let (mut stage, receiver) = (Stage::new().await, Receiver::answering(429).await);
    let delivery = stage.tell(stage.endpoint(&receiver.url()).await).await;
    stage.send().await;
    stage.clock.turn(time::Duration::seconds(119));
    stage.send().await;
    assert_eq!(receiver.told().len(), 1);
    stage.clock.turn(time::Duration::seconds(1));
    receiver.answer(200);
    stage.send().await;
    assert_eq!(stage.phase(&delivery).await, DeliveryPhase::Delivered);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (mut stage, receiver) = (Stage::new().await, Receiver::answering(302).await);
    let delivery = stage.tell(stage.endpoint(&receiver.url()).await).await;
    stage.send().await;
    assert_eq!(receiver.told().len(), 1);
    assert_eq!(stage.phase(&delivery).await, DeliveryPhase::Pending);
}

#[tokio::test]
async fn what_the_guard_refuses_when_sending_is_settled_at_once() {
    let (mut stage, receiver) = (Stage::allowing(&[]).await, Receiver::answering(200).await);
    let by_address = stage.tell(stage.endpoint(&receiver.url()).await).await;
    let by_name = receiver.url().replace("127.0.0.1", "localhost");
    let by_name = stage.tell(stage.endpoint(&by_name).await).await;
    stage.send().await;
    assert_eq!(stage.phase(&by_address).await, DeliveryPhase::Refused);
    assert_eq!(stage.phase(&by_name).await, DeliveryPhase::Refused);
    assert!(receiver.told().is_empty());
}

#[tokio::test]
async fn a_receiver_that_never_answers_holds_up_nobody_else() {
    let (mut stage, receiver) = (Stage::new().await, Receiver::answering(200).await);
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dead = stage
        .endpoint(&format!("http://{}/", silent.local_addr().unwrap()))
        .await;
    for _ in 0..20 {
        stage.tell(dead).await;
    }
    let alive = stage.endpoint(&receiver.url()).await;
    let delivery = stage.tell(alive).await;
    stage.deliver.step().await.unwrap();
    assert_eq!(
        stage
            .deliver
            .under_way
            .values()
            .filter(|&&endpoint| endpoint == dead)
            .count(),
        2
    );
    receiver.wait_for(1).await;
    while stage.phase(&delivery).await != DeliveryPhase::Delivered {
        tokio::task::yield_now().await;
    }
    assert_eq!(
        stage
            .deliver
            .under_way
            .values()
            .filter(|&&endpoint| endpoint == dead)
            .count(),
        2
    );
}

#[tokio::test]
async fn a_delivery_whose_sender_died_is_sent_again_under_the_same_id() {
    let (mut stage, receiver) = (Stage::new().await, Receiver::answering(200).await);
    let endpoint = stage.endpoint(&receiver.url()).await;
    let delivery = stage.tell(endpoint).await;
    // Claimed, and then the process ends.
    let now = stage.clock.now();
    sending::claim(
        &stage.parts.db,
        now,
        now + stage.parts.settings.claim(),
        endpoint,
        8,
    )
    .await
    .unwrap()
    .unwrap();
    stage.send().await;
    assert!(receiver.told().is_empty(), "somebody else has it");
    stage.deliver.at_start().await.unwrap();
    stage.send().await;
    assert_eq!(
        receiver.told()[0].headers["webhook-id"],
        delivery.event.to_string()
    );
    assert_eq!(stage.now(&delivery).await.attempts, 2);
    assert_eq!(stage.phase(&delivery).await, DeliveryPhase::Delivered);
}

#[tokio::test]
async fn a_sender_that_was_given_up_does_not_overrule_its_follower() {
    let (mut stage, receiver) = (Stage::new().await, Receiver::answering(200).await);
    let endpoint = stage.endpoint(&receiver.url()).await;
    let delivery = stage.tell(endpoint).await;
    let (db, now) = (stage.parts.db.clone(), stage.clock.now());
    let slow = sending::claim(&db, now, now + stage.parts.settings.claim(), endpoint, 8)
        .await
        .unwrap()
        .unwrap();
    stage.clock.turn(stage.parts.settings.claim());
    stage.send().await;
    let late = deliveries::AttemptEnding {
        duration_ms: 61_000,
        status: Some(500),
        error: None,
    };
    let pending = domain::webhook::delivery::DeliveryState::Pending { due_at: now };
    sending::record(
        &db,
        stage.stamp(),
        endpoint,
        &slow.deliveries[0],
        &late,
        &pending,
        None,
    )
    .await
    .unwrap();
    assert_eq!(stage.phase(&delivery).await, DeliveryPhase::Delivered);
}

#[tokio::test]
async fn deleting_an_endpoint_settles_what_is_on_its_way_and_wipes_its_secret() {
    let (mut stage, receiver) = (Stage::new().await, Receiver::answering(200).await);
    let endpoint = stage.endpoint(&receiver.url()).await;
    let delivery = stage.tell(endpoint).await;
    assert!(
        endpoints::delete(&stage.parts.db, stage.stamp(), &tenant(), endpoint)
            .await
            .unwrap()
    );
    stage.send().await;
    assert!(receiver.told().is_empty());
    assert_eq!(stage.phase(&delivery).await, DeliveryPhase::Failed);
    let foreign = "other".parse().unwrap();
    let filter = DeliveryFilter {
        endpoint: Some(endpoint),
        phase: Some(DeliveryPhase::Failed),
    };
    assert_eq!(
        deliveries::list(&stage.parts.db, &tenant(), filter, None, 9)
            .await
            .unwrap()
            .len(),
        1
    );
    assert!(
        deliveries::list(&stage.parts.db, &foreign, filter, None, 9)
            .await
            .unwrap()
            .is_empty()
    );
}
