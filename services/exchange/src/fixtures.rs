//! What the tests of this crate build orders from.

use crate::{grant, signing::SigningKey};
use domain::{
    clock::{Clock, HandClock},
    digest::Sha256,
    grant::Grant,
    id::IdMaker,
    order::{OrderQuestion, Parameters, WorkOrder, questions_digest},
    purpose::Purpose,
    trace::Trace,
};
use std::sync::Arc;
use time::{Duration, OffsetDateTime};

/// A clock, ids that it stamps, and a key of the hub.
pub struct Desk {
    pub clock: Arc<HandClock>,
    pub ids: IdMaker,
    pub key: SigningKey,
}

impl Desk {
    pub fn new() -> Self {
        let clock = Arc::new(HandClock::at(OffsetDateTime::UNIX_EPOCH + Duration::days(20_000)));
        let key = SigningKey::ephemeral().unwrap();
        Self {
            ids: IdMaker::new(clock.clone()),
            clock,
            key,
        }
    }

    pub fn question(&self, text: &str) -> OrderQuestion {
        OrderQuestion {
            job: self.ids.make(),
            text: text.to_owned(),
            parameters: Parameters::default(),
        }
    }

    /// A grant of one hour over `questions`.
    pub fn grant(&self, questions: &[OrderQuestion]) -> Grant {
        let now = self.clock.now().unix_timestamp();
        Grant {
            order: self.ids.make(),
            tenant: "acme".parse().unwrap(),
            jobs: questions.iter().map(|question| question.job).collect(),
            purpose: Purpose::Commercial,
            page_sha256: Sha256::of(b"a page"),
            questions_sha256: questions_digest(questions),
            model: "THUDM/glm-4v-9b".parse().unwrap(),
            revision_sha256: Sha256::of(b"a revision"),
            artifacts_sha256: Sha256::of(b"its artifacts"),
            policies_sha256: Sha256::of(b"the policies"),
            terms_sha256: Some(Sha256::of(b"terms")),
            decision: self.ids.make(),
            attempt: 2,
            epoch: 3,
            iat: now,
            exp: now + 3600,
        }
    }

    /// An honest order of two questions.
    pub fn order(&self) -> WorkOrder {
        let questions = vec![self.question("What is the total?"), self.question("Who signed?")];
        let grant = self.grant(&questions);
        let trace = Trace::read(
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            Some("a=1"),
        );
        WorkOrder::new(&grant, grant::mint(&self.key, &grant).unwrap(), questions).with_trace(trace)
    }
}
