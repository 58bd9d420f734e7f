//! Batches, jobs and workers on the dashboard.

use super::browser::Browser;
use crate::{
    hub::{Hub, eventually},
    jobs::{completed, hub_with_model, open, page, submit, submitted, upload},
    revocation::scene::Work,
};

/// What the page of a batch at `/v1/…` is on the dashboard.
fn on_dashboard(batch: &str) -> String {
    format!("/admin{}", batch.strip_prefix("/v1").unwrap())
}

/// The first address on a page that begins and ends so.
fn address(page: &str, begin: &str, end: &str) -> String {
    let (_, rest) = page
        .split_once(begin)
        .unwrap_or_else(|| panic!("{begin} is not on the page:\n{page}"));
    format!("{begin}{}{end}", rest.split(end).next().unwrap())
}

#[tokio::test]
async fn a_batch_is_seen_with_its_pages_beside_their_answers() {
    let hub = hub_with_model(&[]);
    let client = hub.client("acme", &["submitter"]);
    let browser = Browser::open(&hub, "acme", "submitter").await;
    let none = browser.get("/admin/batches").await.expect(200).text();
    assert!(none.contains("glmhub batch submit"), "{none}");
    let batch = submitted(&client, &["What is it <b>?", "合计是多少？"], 2).await;
    completed(&client, &batch).await;
    let path = on_dashboard(&batch);
    let list = browser.get("/admin/batches").await.expect(200).text();
    assert!(
        list.contains(&path) && list.contains("4 / 4") && list.contains("4 answered"),
        "{list}"
    );
    let seen = browser.get(&path).await.expect(200);
    let policy = seen.header("content-security-policy").unwrap().to_owned();
    for directive in ["default-src 'none'", "script-src 'self'", "connect-src 'self'"] {
        assert!(
            policy.contains(directive) && !policy.contains("unsafe"),
            "{policy}"
        );
    }
    let seen = seen.text();
    let answers = client.get(&format!("{batch}/answers")).await.expect(200).json();
    let answer = answers["data"][0]["answer"]["text"]
        .as_str()
        .unwrap()
        .replace('&', "&#38;");
    let answer = answer
        .replace('<', "&#60;")
        .replace('>', "&#62;")
        .replace('"', "&#34;")
        .replace('\'', "&#39;");
    for expected in [
        "What is it &#60;b&#62;?",
        "合计是多少？",
        "4 / 4",
        "cut off at its limit",
        &answer,
    ] {
        assert!(seen.contains(expected), "{expected} is not on the page:\n{seen}");
    }
    assert!(!seen.contains("/cancel") && !seen.contains("/requeue"), "{seen}");
    let image = address(&seen, &format!("{path}/documents/"), "/image");
    let shown = browser.get(&image).await.expect(200);
    assert_eq!(shown.header("content-type"), Some("image/png"));
    assert!(shown.body.starts_with(b"\x89PNG"));
    let auditor = hub.client("audit", &["auditor"]);
    let log = auditor
        .get("/v1/audit/entries?kind=document.read")
        .await
        .expect(200)
        .json();
    assert_eq!(log["data"].as_array().unwrap().len(), 1, "{log}");
    // What is another tenant's is not there, and who may read no batches sees none.
    let stranger = Browser::open(&hub, "other", "submitter").await;
    for path in [
        &path,
        &image,
        &format!("{path}/cancel"),
        &format!("{path}/live?seen={}", "0".repeat(64)),
    ] {
        stranger.get(path).await.expect(404);
    }
    let reviewer = Browser::open(&hub, "acme", "reviewer").await;
    let refused = reviewer.get(&path).await.expect(403).text();
    assert!(refused.contains("missing_role"), "{refused}");
    let queue = reviewer.get("/admin/reviews").await.expect(200).text();
    assert!(
        !queue.contains("/admin/batches"),
        "roles decide what is shown: {queue}"
    );
}

#[tokio::test]
async fn whoever_cancels_is_asked_first_and_only_who_may_submit_can() {
    let work = Work::with_orders_at_once(1).await;
    let hub = &work.scene.hub;
    let batch = work.batch(3, 20).await;
    let path = on_dashboard(&batch);
    let auditor = Browser::open(hub, "acme", "auditor").await;
    let seen = auditor.get(&path).await.expect(200).text();
    assert!(!seen.contains("/cancel"), "{seen}");
    auditor.get(&format!("{path}/cancel")).await.expect(403);
    let own = auditor.proof(&path).await;
    auditor
        .post(&format!("{path}/cancel"), &[("csrf", &own)])
        .await
        .expect(403);
    let browser = Browser::open(hub, "acme", "submitter").await;
    let seen = browser.get(&path).await.expect(200).text();
    let job = address(&seen, &format!("{path}/jobs/"), "/cancel");
    let asked = browser.get(&job).await.expect(200).text();
    assert!(asked.contains("This job gets no answer then"), "{asked}");
    let proof = browser.proof(&job).await;
    browser.post(&job, &[("csrf", "0")]).await.expect(403);
    let cancelled = browser.post(&job, &[("csrf", &proof)]).await.expect(303);
    assert_eq!(cancelled.header("location"), Some(path.as_str()));
    let again = browser.post(&job, &[("csrf", &proof)]).await.expect(409).text();
    assert!(again.contains("job_state"), "{again}");
    let whole = format!("{path}/cancel");
    let asked = browser.get(&whole).await.expect(200).text();
    assert!(asked.contains("It cannot be undone"), "{asked}");
    browser.post(&whole, &[("csrf", "0")]).await.expect(403);
    browser.post(&whole, &[("csrf", &proof)]).await.expect(303);
    let seen = work.scene.submitter.get(&batch).await.expect(200).json();
    assert_eq!(seen["state"], "cancelled");
    let seen = browser.get(&path).await.expect(200).text();
    assert!(
        seen.contains("badge bad\">cancelled") && !seen.contains("/cancel\""),
        "{seen}"
    );
}

/// A batch of one page whose first question is too long to be answered.
pub async fn failed(hub: &Hub) -> String {
    let client = hub.client("acme", &["submitter"]);
    let long = "What is the total of all? ".repeat(300);
    let batch = open(&client, &[&long, "What is it?"]).await;
    upload(&client, &batch, page(3), "image/png").await.expect(201);
    submit(&client, &batch).await.expect(200);
    completed(&client, &batch).await;
    batch
}

#[tokio::test]
async fn what_failed_is_seen_with_its_reason_and_tried_again() {
    let hub = hub_with_model(&[]);
    let batch = failed(&hub).await;
    let (client, path) = (hub.client("acme", &["submitter"]), on_dashboard(&batch));
    let browser = Browser::open(&hub, "acme", "submitter").await;
    let job = client.get("/v1/jobs?state=failed").await.expect(200).json()["data"][0].clone();
    let (id, code) = (
        job["id"].as_str().unwrap(),
        job["fault"]["code"].as_str().unwrap(),
    );
    let seen = browser.get(&path).await.expect(200).text();
    assert!(seen.contains(code) && seen.contains("1 failed"), "{seen}");
    let none = browser.get("/admin/dead-letters").await.expect(200).text();
    assert!(none.contains("There are none") && !none.contains(id), "{none}");
    let all = browser
        .get("/admin/dead-letters?state=failed")
        .await
        .expect(200)
        .text();
    assert!(
        all.contains(id) && all.contains(code) && all.contains(&path),
        "{all}"
    );
    hub.write("UPDATE jobs SET code = 'dead_lettered' WHERE state = 'failed'");
    let dead = browser.get("/admin/dead-letters").await.expect(200).text();
    assert!(dead.contains(id) && dead.contains("dead_lettered"), "{dead}");
    let stranger = Browser::open(&hub, "other", "submitter").await;
    let theirs = stranger
        .get("/admin/dead-letters?state=failed")
        .await
        .expect(200)
        .text();
    assert!(!theirs.contains(id), "{theirs}");
    let proof = browser.proof("/admin/dead-letters").await;
    let requeue = format!("/admin/dead-letters/{id}/requeue");
    stranger
        .post(&requeue, &[("csrf", &stranger.proof("/admin/batches").await)])
        .await
        .expect(404);
    browser.post(&requeue, &[("csrf", "0")]).await.expect(403);
    let again = browser.post(&requeue, &[("csrf", &proof)]).await.expect(303);
    assert_eq!(again.header("location"), Some("/admin/dead-letters"));
    completed(&client, &batch).await;
    for requeue in [format!("{path}/jobs/{id}/requeue"), format!("{path}/requeue")] {
        let again = browser.post(&requeue, &[("csrf", &proof)]).await.expect(303);
        assert_eq!(again.header("location"), Some(path.as_str()));
        completed(&client, &batch).await;
    }
    let auditor = hub.client("audit", &["auditor"]);
    for kind in ["job.requeued", "batch.requeued"] {
        let log = auditor
            .get(&format!("/v1/audit/entries?kind={kind}"))
            .await
            .expect(200)
            .json();
        assert_eq!(log["data"][0]["entry"]["member"], "li", "{log}");
    }
}

#[tokio::test]
async fn operators_see_workers_with_what_they_have_loaded_and_what_waits() {
    let hub = hub_with_model(&[("GLMHUB_WORKER__ANNOUNCE_SECONDS", "1")]);
    let operator = hub.client("acme", &["operator"]);
    let browser = Browser::open(&hub, "acme", "operator").await;
    let batch = submitted(&operator, &["What is it?"], 1).await;
    completed(&operator, &batch).await;
    let seen = eventually("the worker to tell how fast it was", async || {
        let seen = browser.get("/admin/workers").await.expect(200).text();
        seen.contains("pages a minute").then_some(seen)
    })
    .await;
    let worker = operator.get("/v1/workers").await.expect(200).json()["data"][0].clone();
    for expected in [
        worker["id"].as_str().unwrap(),
        "<td>cpu</td>",
        "THUDM/glm-4v-9b @ ",
        " GB</td>",
        "just now",
    ] {
        assert!(seen.contains(expected), "{expected} is not on the page:\n{seen}");
    }
    let submitter = Browser::open(&hub, "acme", "submitter").await;
    submitter.get("/admin/workers").await.expect(403);
    submitter.get("/admin/workers/live").await.expect(403);
}
