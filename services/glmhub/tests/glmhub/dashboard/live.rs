//! What a page is told while it is open.

use super::browser::Browser;
use crate::{
    hub::eventually,
    jobs::{completed, hub_with_model, open, page, submit, upload},
};
use futures_util::StreamExt as _;
use std::sync::{Arc, Mutex};

/// A stream of events that is being read.
struct Told {
    text: Arc<Mutex<String>>,
    reading: tokio::task::JoinHandle<()>,
}

impl Told {
    /// Reads what `path` tells to the browser, until it ends.
    async fn to(browser: &Browser<'_>, path: &str) -> Self {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = http
            .get(format!("{}{path}", browser.hub.url()))
            .header("cookie", &browser.cookie);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let text = Arc::new(Mutex::new(String::new()));
        let heard = text.clone();
        let reading = tokio::spawn(async move {
            let mut pieces = response.bytes_stream();
            while let Some(Ok(piece)) = pieces.next().await {
                heard.lock().unwrap().push_str(&String::from_utf8_lossy(&piece));
            }
        });
        Self { text, reading }
    }

    async fn until(&self, what: &str) -> String {
        eventually(what, async || {
            Some(self.text.lock().unwrap().clone()).filter(|text| text.contains(what))
        })
        .await
    }

    async fn ends(self) -> String {
        self.reading.await.unwrap();
        self.text.lock().unwrap().clone()
    }
}

/// Where a page says that it is told of changes.
fn stream_of(page: &str) -> String {
    let (_, rest) = page
        .split_once("sse-connect=\"")
        .unwrap_or_else(|| panic!("{page}"));
    rest.split('"').next().unwrap().replace("&#38;", "&")
}

#[tokio::test]
async fn a_page_is_told_of_answers_as_they_come_until_the_batch_is_over() {
    let hub = hub_with_model(&[]);
    let client = hub.client("acme", &["submitter"]);
    let browser = Browser::open(&hub, "acme", "submitter").await;
    let batch = open(&client, &["What is it?"]).await;
    upload(&client, &batch, page(3), "image/png").await.expect(201);
    let path = format!("/admin{}", batch.strip_prefix("/v1").unwrap());
    let page = browser.get(&path).await.expect(200).text();
    let list = Told::to(&browser, &stream_of(&browser.get("/admin/batches").await.text())).await;
    let told = Told::to(&browser, &stream_of(&page)).await;
    let first = told.until("event: progress").await;
    assert!(
        first.contains(">open</span>") && !first.contains("event: rows"),
        "{first}"
    );
    submit(&client, &batch).await.expect(200);
    completed(&client, &batch).await;
    let all = told.ends().await;
    // The document became a page: the rows are others than those that the page had.
    assert!(
        all.contains("event: rows\n") && all.contains("event: job_"),
        "{all}"
    );
    assert!(all.contains("1 / 1") && all.contains("class=\"answer\""), "{all}");
    assert!(all.ends_with("event: over\ndata: \n\n"), "{all}");
    let id = batch.rsplit('/').next().unwrap();
    let listed = list.until(">completed</span>").await;
    assert!(
        listed.contains(&format!("event: {id}\n")) && !listed.contains("event: listed"),
        "{listed}"
    );
}

#[tokio::test]
async fn what_is_told_ends_with_the_session_which_it_does_not_keep_alive() {
    let hub = hub_with_model(&[("GLMHUB_DASHBOARD__IDLE_SECONDS", "2")]);
    let browser = Browser::open(&hub, "acme", "operator").await;
    let told = Told::to(&browser, "/admin/workers/live").await;
    // Nobody asks for anything meanwhile, and the session is over after two seconds.
    let all = told.ends().await;
    for part in ["workers", "depth", "depth_rows"] {
        assert!(all.contains(&format!("event: {part}\n")), "{part}: {all}");
    }
    assert!(all.ends_with("event: over\ndata: \n\n"), "{all}");
    browser.get("/admin/workers").await.expect(401);
    let other = Browser::open(&hub, "acme", "operator").await;
    let told = Told::to(&other, "/admin/workers/live").await;
    told.until("event: workers").await;
    let proof = other.proof("/admin/workers").await;
    other
        .post("/admin/sign-out", &[("csrf", &proof)])
        .await
        .expect(303);
    assert!(told.ends().await.ends_with("event: over\ndata: \n\n"));
    other.get("/admin/workers/live").await.expect(401);
}
