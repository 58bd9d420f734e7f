//! A tenant with an approved acceptance for commercial use, and work under it.

use crate::{
    client::{Answer, Client},
    hub::eventually,
    jobs::{page, submit, upload},
    licence::scene::{MODEL, Scene, path},
};
use serde_json::{Value, json};

/// See the module's text.
pub struct Work {
    pub scene: Scene,
    /// The acceptance that stands.
    pub acceptance: Value,
    tokens: [String; 3],
}

impl Work {
    /// So many orders are out at once.
    pub async fn with_orders_at_once(most: u32) -> Self {
        Self::with(&[("GLMHUB_WORK__MOST_ORDERS", &most.to_string())]).await
    }

    /// As some settings say.
    pub async fn with(settings: &[(&str, &str)]) -> Self {
        let networks = ("GLMHUB_OUTGOING__ALLOWED_NETWORKS", "[\"127.0.0.0/8\"]");
        let scene = Scene::set_with(&[settings, &[networks]].concat()).await;
        let tokens = [
            ("acme", "submitter"),
            ("acme", "signatory"),
            ("zhipu", "reviewer"),
        ];
        let tokens = tokens.map(|(tenant, role)| scene.hub.token(tenant, &[role]));
        let mut work = Self {
            scene,
            acceptance: Value::Null,
            tokens,
        };
        work.accept().await;
        work
    }

    /// The hub has come up at another address.
    pub fn call_again(&mut self) {
        let client = |token: &String| Client::new(self.scene.hub.url(), Some(token.clone()));
        let [submitter, signatory, reviewer] = self.tokens.each_ref().map(client);
        self.scene.submitter = submitter;
        self.scene.signatory = signatory;
        self.scene.reviewer = reviewer;
    }

    /// The tenant accepts, and a reviewer approves.
    pub async fn accept(&mut self) {
        let asked = self.scene.accepted(&["commercial"]).await;
        let verdict = json!({ "verdict": "approve" });
        let approved = self.scene.reviewer.post(&path(&asked, "/review"), &verdict).await;
        self.acceptance = approved.expect(200).json();
        assert_eq!(self.acceptance["state"], "active");
    }

    pub async fn revoke(&mut self) {
        let reason = json!({ "reason": "the registration was withdrawn" });
        let revoke = path(&self.acceptance, "/revoke");
        self.scene.reviewer.post(&revoke, &reason).await.expect(200);
    }

    /// A submitted batch for commercial use, of so many pages and questions that take a while.
    pub async fn batch(&self, pages: u8, questions: usize) -> String {
        self.batch_for("commercial", pages, questions).await
    }

    pub async fn batch_for(&self, purpose: &str, pages: u8, questions: usize) -> String {
        let question = |number: usize| json!({ "text": format!("Question {number}?"), "parameters": { "max_new_tokens": 300 } });
        let questions: Vec<Value> = (0..questions).map(question).collect();
        let body = json!({ "model": MODEL, "purpose": purpose, "questions": questions });
        let submitter = &self.scene.submitter;
        let opened: Answer = submitter.post("/v1/batches", &body).await.expect(201);
        let batch = opened.header("location").unwrap().to_owned();
        for grey in 0..pages {
            upload(submitter, &batch, page(grey * 20), "image/png")
                .await
                .expect(201);
        }
        submit(submitter, &batch).await.expect(200);
        let jobs = usize::from(pages) * questions.len();
        self.until(&batch, "every page to be split", |seen| seen["total"] == jobs)
            .await;
        batch
    }

    /// Does something to a job or a batch.
    pub async fn act(&self, path: &str) -> Answer {
        self.scene.submitter.send("POST", path, |request| request).await
    }

    /// Waits until the counts of a batch's jobs are as wanted.
    pub async fn until(&self, batch: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let look = || async {
            let seen = self.scene.submitter.get(batch).await.expect(200).json();
            wanted(&seen["jobs"]).then_some(seen)
        };
        eventually(what, look).await
    }

    /// The batch, when nothing of it waits or is out any more and something is held.
    pub async fn all_stopped(&self, batch: &str) -> Value {
        let out = ["queued", "dispatched", "running"];
        self.until(batch, "the jobs to be held", |jobs| {
            out.iter().all(|state| jobs[state] == 0) && jobs["held"].as_u64() > Some(0)
        })
        .await
    }

    pub async fn completed(&self, batch: &str) -> Value {
        crate::jobs::completed(&self.scene.submitter, batch).await
    }

    /// Some job of a batch that is held.
    pub async fn a_held_job(&self, batch: &str) -> Value {
        let list = format!("{batch}/jobs?limit=100");
        let jobs = self.scene.submitter.get(&list).await.expect(200).json();
        let mut held = jobs["data"].as_array().unwrap().iter();
        held.find(|job| job["state"] == "held").unwrap().clone()
    }

    /// All rows of a batch's answers.
    pub async fn answers(&self, batch: &str) -> Vec<Value> {
        let (mut rows, mut after) = (Vec::new(), String::new());
        loop {
            let page = format!("{batch}/answers?limit=100{after}");
            let page = self.scene.submitter.get(&page).await.expect(200).json();
            rows.extend(page["data"].as_array().unwrap().iter().cloned());
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => return rows,
            }
        }
    }
}
