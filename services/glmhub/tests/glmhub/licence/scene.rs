//! A hub with imported weights, and who calls it.

use crate::{
    client::{Answer, Client},
    hub::Hub,
    weights::WeightsFolder,
};
use serde_json::{Value, json};

pub const MODEL: &str = "THUDM/glm-4v-9b";

/// A hub with imported weights, and who calls it.
pub struct Scene {
    pub hub: Hub,
    pub weights: WeightsFolder,
    pub submitter: Client,
    pub signatory: Client,
    pub reviewer: Client,
    pub terms: String,
}

impl Scene {
    pub async fn set() -> Self {
        Self::set_with(&[]).await
    }

    /// As [`Scene::set`], with some settings.
    pub async fn set_with(settings: &[(&str, &str)]) -> Self {
        let (hub, weights) = (Hub::start_with(settings), WeightsFolder::new());
        hub.import(MODEL, weights.path());
        let submitter = hub.client("acme", &["submitter"]);
        let model = submitter
            .get(&format!("/v1/models/{MODEL}"))
            .await
            .expect(200)
            .json();
        let terms = model["revision"]["terms_sha256"].as_str().unwrap().to_owned();
        Self {
            signatory: hub.client("acme", &["signatory"]),
            reviewer: hub.client("zhipu", &["reviewer"]),
            hub,
            weights,
            submitter,
            terms,
        }
    }

    pub fn acceptance(&self, purposes: &[&str]) -> Value {
        json!({
            "model": MODEL, "terms_sha256": self.terms, "purposes": purposes,
            "signer": { "name": "the signatory", "title": "General counsel" }, "registration_number": "R-1",
            "evidence": "filed as 2024/17",
        })
    }

    pub async fn accepted(&self, purposes: &[&str]) -> Value {
        self.signatory
            .post("/v1/acceptances", &self.acceptance(purposes))
            .await
            .expect(201)
            .json()
    }

    pub async fn open(&self, purpose: &str) -> Answer {
        let question = json!({ "text": "What is the total?", "parameters": { "max_new_tokens": 2 } });
        self.submitter
            .post(
                "/v1/batches",
                &json!({ "model": MODEL, "purpose": purpose, "questions": [question] }),
            )
            .await
    }
}

/// Where an acceptance is, or an act on it.
pub fn path(acceptance: &Value, act: &str) -> String {
    format!("/v1/acceptances/{}{act}", acceptance["id"].as_str().unwrap())
}
