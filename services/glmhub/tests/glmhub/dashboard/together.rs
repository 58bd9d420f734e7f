//! Several requests judged together.

use super::browser::Browser;
use crate::{
    licence::scene::{Scene, path},
    revocation::scene::Work,
};
use serde_json::{Value, json};

const PATH: &str = "/admin/reviews/together";

/// What stands in the records about a request.
async fn state(scene: &Scene, request: &Value) -> Value {
    let told = scene.reviewer.get(&path(request, "")).await.expect(200).json();
    told["state"].clone()
}

fn id(request: &Value) -> &str {
    request["id"].as_str().unwrap()
}

/// A request of another tenant of the same hub.
async fn of_tenant(scene: &Scene, tenant: &str) -> Value {
    let signatory = scene.hub.client(tenant, &["signatory"]);
    let made = signatory
        .post("/v1/acceptances", &scene.acceptance(&["commercial"]))
        .await;
    made.expect(201).json()
}

#[tokio::test]
async fn those_that_are_ticked_are_rejected_each_for_itself_and_one_that_fails_undoes_nothing() {
    let scene = Scene::set().await;
    let (one, two) = (of_tenant(&scene, "acme").await, of_tenant(&scene, "other").await);
    let gone = of_tenant(&scene, "third").await;
    let reviewer = Browser::open(&scene.hub, "zhipu", "reviewer").await;
    let queue = reviewer.get("/admin/reviews").await.expect(200).text();
    for request in [&one, &two, &gone] {
        let ticked = format!("name=\"id\" value=\"{}\"", id(request));
        assert!(queue.contains(&ticked), "{queue}");
    }
    let asked = format!(
        "{PATH}?act=reject&id={}&id={}&id={}&id={}",
        id(&one),
        id(&two),
        id(&gone),
        id(&one)
    );
    let page = reviewer.get(&asked).await.expect(200).text();
    assert_eq!(page.matches("badge bad\">rejected").count(), 3, "{page}");
    assert_eq!(
        state(&scene, &one).await,
        "under_review",
        "nothing is done by asking"
    );
    // One of them is judged by somebody else meanwhile.
    let review = json!({ "verdict": "approve" });
    scene
        .reviewer
        .post(&path(&gone, "/review"), &review)
        .await
        .expect(200);
    let page = reviewer.get(&asked).await.expect(200).text();
    assert!(
        page.contains("stays as it is") && page.contains("acceptance_state"),
        "{page}"
    );
    let proof = reviewer.proof(&asked).await;
    let form = [
        ("csrf", proof.as_str()),
        ("act", "reject"),
        ("reason", "the <number> is not registered"),
        ("id", id(&one)),
        ("id", id(&gone)),
        ("id", id(&two)),
    ];
    let done = reviewer.post(PATH, &form).await.expect(200).text();
    assert_eq!(done.matches("badge bad\">rejected").count(), 2, "{done}");
    assert!(
        done.contains("<strong>2</strong> / 3") && done.contains("acceptance_state"),
        "{done}"
    );
    for request in [&one, &two] {
        let told = scene.reviewer.get(&path(request, "")).await.expect(200).json();
        assert_eq!(told["state"], "rejected");
        assert!(
            told.to_string().contains("the <number> is not registered"),
            "{told}"
        );
    }
    assert_eq!(state(&scene, &gone).await, "active");
    let auditor = scene.hub.client("acme", &["auditor"]);
    let log = auditor
        .get("/v1/audit/entries?kind=acceptance.rejected")
        .await
        .expect(200)
        .json();
    assert_eq!(log["data"].as_array().unwrap().len(), 2, "{log}");
}

#[tokio::test]
async fn several_are_approved_by_who_may_and_from_its_own_page_alone() {
    let scene = Scene::set().await;
    let (one, two) = (of_tenant(&scene, "acme").await, of_tenant(&scene, "other").await);
    let reviewer = Browser::open(&scene.hub, "zhipu", "reviewer").await;
    let asked = format!("{PATH}?act=approve&id={}&id={}", id(&one), id(&two));
    let page = reviewer.get(&asked).await.expect(200).text();
    assert_eq!(page.matches("badge good\">active").count(), 2, "{page}");
    let proof = reviewer.proof(&asked).await;
    let form = |csrf, act, last| {
        [
            ("csrf", csrf),
            ("act", act),
            ("reason", ""),
            ("id", id(&one)),
            ("id", last),
        ]
    };
    let foreign = reviewer.post(PATH, &form("0", "approve", id(&two))).await;
    assert!(foreign.expect(403).text().contains("form_foreign"));
    let unproved = form("0", "approve", id(&two));
    let unproved = reviewer.post(PATH, &unproved[1..]).await.expect(400).text();
    assert!(unproved.contains("form_incomplete"), "{unproved}");
    reviewer
        .post(PATH, &form(&proof, "revoke", id(&two)))
        .await
        .expect(404);
    let unknown = id(&two).replace(&id(&two)[id(&two).len() - 4..], "0000");
    reviewer
        .post(PATH, &form(&proof, "approve", &unknown))
        .await
        .expect(404);
    let blank = reviewer.post(PATH, &form(&proof, "reject", id(&two))).await;
    let blank = blank.expect(200).text();
    assert_eq!(blank.matches("reason_missing").count(), 2, "{blank}");
    let none = reviewer.get(&format!("{PATH}?act=approve")).await.expect(400);
    assert!(none.text().contains("nothing_ticked"));
    for request in [&one, &two] {
        assert_eq!(state(&scene, request).await, "under_review");
    }
    // Who only reads requests of its own tenant neither ticks nor judges.
    let submitter = Browser::open(&scene.hub, "acme", "submitter").await;
    let queue = submitter.get("/admin/reviews").await.expect(200).text();
    assert!(
        queue.contains(id(&one)) && !queue.contains("type=\"checkbox\""),
        "{queue}"
    );
    submitter.get(&asked).await.expect(403);
    let theirs = submitter.proof("/admin/reviews").await;
    let refused = submitter.post(PATH, &form(&theirs, "approve", id(&two))).await;
    assert!(refused.expect(403).text().contains("missing_role"));
    let done = reviewer.post(PATH, &form(&proof, "approve", id(&two))).await;
    let done = done.expect(200).text();
    assert_eq!(done.matches("badge good\">active").count(), 2, "{done}");
    for request in [&one, &two] {
        assert_eq!(state(&scene, request).await, "active");
    }
    let empty = reviewer
        .get("/admin/reviews?state=active")
        .await
        .expect(200)
        .text();
    assert!(!empty.contains("type=\"checkbox\""), "{empty}");
}

#[tokio::test]
async fn it_is_told_beforehand_how_much_held_work_would_go_on() {
    let mut work = Work::with_orders_at_once(1).await;
    let batch = work.batch(6, 40).await;
    work.revoke().await;
    work.all_stopped(&batch).await;
    let held = work.scene.submitter.get(&batch).await.expect(200).json();
    let held = held["jobs"]["held"].as_u64().unwrap();
    assert!(held > 0);
    let request = work.scene.accepted(&["commercial"]).await;
    let elsewhere = of_tenant(&work.scene, "other").await;
    let reviewer = Browser::open(&work.scene.hub, "zhipu", "reviewer").await;
    let asked = async |act| {
        let path = format!("{PATH}?act={act}&id={}&id={}", id(&request), id(&elsewhere));
        reviewer.get(&path).await.expect(200).text()
    };
    let page = asked("approve").await;
    assert_eq!(page.matches("held jobs that go on:").count(), 1, "{page}");
    assert!(page.contains(&format!("held jobs that go on: {held}<")), "{page}");
    let page = asked("reject").await;
    assert!(!page.contains("held jobs"), "{page}");
}
