//! Every page of the catalogue and the dashboard, in both languages.

use super::Chromium;
use crate::{
    dashboard::{browser::link, work::failed},
    hub::{Hub, eventually},
    licence::scene::{MODEL, Scene},
    receiver::Receiver,
    webhooks::{LOOPBACK, endpoint},
};
use serde_json::{Value, json};

/// Who may see every page there is.
const ROLES: [&str; 6] = [
    "submitter",
    "signatory",
    "reviewer",
    "registrar",
    "operator",
    "auditor",
];

/// An edit of policies after which nothing would be allowed.
const FORBID: &str = "@code(\"closed\") @cure(\"come back\")\n\
    forbid (principal, action == Action::\"use\", resource);";

fn page(name: &str, path: &str) -> Value {
    answered(name, path, 200)
}

fn answered(name: &str, path: &str, status: u16) -> Value {
    json!({ "name": name, "path": path, "status": status })
}

/// What is shown when the form of a page was sent.
fn sent(name: &str, path: &str, status: u16, form: Value) -> Value {
    json!({ "name": name, "path": path, "status": status, "form": form })
}

/// A session in each language for a member of `tenant`.
fn links(hub: &Hub, tenant: &str) -> Value {
    json!({ "en": link(hub, tenant, &ROLES), "zh": link(hub, tenant, &ROLES) })
}

/// Pages without a session.
fn outside() -> Value {
    let compare = format!("/models/compare?models={MODEL},mistralai/Pixtral-12B-2409");
    let pages = [
        page("models", "/models"),
        page("models-none", "/models?q=nothing-is-called-so"),
        page("model", &format!("/models/{MODEL}")),
        page("compare", &compare),
        answered("model-missing", "/models/no/such", 404),
        answered("signed-out", "/admin/reviews", 401),
        answered("link-unusable", "/admin/sign-in?link=a.b.c", 403),
    ];
    json!({ "links": { "en": null, "zh": null }, "pages": pages })
}

/// Pages of a tenant that has nothing yet.
fn empty(hub: &Hub) -> Value {
    let pages = [
        page("batches-none", "/admin/batches"),
        page("dead-letters-none", "/admin/dead-letters"),
        page("webhooks-none", "/admin/webhooks"),
        page("reviews-none", "/admin/reviews?state=revoked"),
        page("card-proposal-none", "/admin/card-changes/new"),
        page("tenant-none", "/admin/tenant"),
        page("audit-none", "/admin/audit?since=2999-01-01"),
        answered("no-id", "/admin/batches/what", 404),
        answered("no-state", "/admin/reviews?state=what", 400),
    ];
    json!({ "links": links(hub, "newcomer"), "pages": pages })
}

/// Pages about a change of a card that was proposed.
async fn cards(hub: &Hub) -> Vec<Value> {
    let registrar = hub.client("zhipu", &["registrar"]);
    let model = registrar
        .get(&format!("/v1/models/{MODEL}"))
        .await
        .expect(200)
        .json();
    let mut card = model["card"].clone();
    card["context_tokens"] = json!(4096);
    card["strengths"] = json!([]);
    for fact in ["context_tokens", "qualities"] {
        card["sources"][fact] = json!({ "source": "https://example.org/card", "seen": "2026-11-01" });
    }
    let wanted = json!({ "model": MODEL, "card": card, "reason": "the publisher says so" });
    let made = registrar.post("/v1/card-changes", &wanted).await.expect(201);
    let change = made.header("location").unwrap().replacen("/v1", "/admin", 1);
    let form = format!("/admin/card-changes/new?model={MODEL}&fact=strengths");
    vec![
        page("card-changes", "/admin/card-changes"),
        page("card-change", &change),
        page("card-proposal", &form),
    ]
}

/// Pages about the policies, and about a decision.
async fn policies(hub: &Hub) -> Vec<Value> {
    let auditor = hub.client("acme", &["auditor"]);
    let log = auditor
        .get("/v1/audit/entries?kind=decision.allowed")
        .await
        .json();
    let decision = log["data"][0]["entry"]["subject"].as_str().unwrap();
    let explained = format!("/admin/policies/explain?decision={decision}");
    let simulate = "/admin/policies/simulate";
    vec![
        page("policies", "/admin/policies"),
        page("explanation", &explained),
        page("simulation", simulate),
        sent(
            "simulation-bad",
            simulate,
            400,
            json!({ "texts": { "text": "permit;" } }),
        ),
        sent("simulated", simulate, 200, json!({ "texts": { "text": FORBID } })),
    ]
}

/// Pages about the tenant and a key of it.
async fn tenant(scene: &Scene) -> Vec<Value> {
    let wish = json!({ "name": "scan station", "roles": ["submitter"] });
    let key = scene
        .submitter
        .post("/v1/api-keys", &wish)
        .await
        .expect(201)
        .json();
    let revoke = format!("/admin/tenant/keys/{}/revoke", key["id"].as_str().unwrap());
    let form = json!({ "texts": { "name": "another" }, "ticked": "auditor" });
    vec![
        page("tenant", "/admin/tenant"),
        page("key-revoke", &revoke),
        sent("key-made", "/admin/tenant", 200, form),
    ]
}

/// What came of requests that were judged together; the other language's visitor comes too late.
async fn together(scene: &Scene) -> Vec<Value> {
    let signatory = scene.hub.client("other", &["signatory"]);
    let wish = scene.acceptance(&["commercial"]);
    let request = signatory.post("/v1/acceptances", &wish).await.expect(201).json();
    let path = format!(
        "/admin/reviews/together?act=reject&id={}",
        request["id"].as_str().unwrap()
    );
    let form = json!({ "texts": { "reason": "it is not registered" } });
    vec![page("together", &path), sent("together-done", &path, 200, form)]
}

/// Pages about deliveries of a while, of which one was taken; once it was sent again it is taken again.
async fn replay(scene: &Scene, taking: &Receiver) -> Vec<Value> {
    let hook = endpoint(&scene.submitter, &taking.url()).await;
    let id = hook["id"].as_str().unwrap();
    let test = format!("/v1/webhook-endpoints/{id}/test");
    scene.submitter.post(&test, &json!({})).await.expect(202);
    taking.first(1).await;
    let while_of = |which: &str| {
        format!(
            "/admin/webhooks/replay?endpoint={id}&from=2026-01-01T00:00&until=2999-01-01T00:00&which={which}"
        )
    };
    vec![
        page("replay", &while_of("all")),
        page("replay-none", &while_of("failed")),
        sent("replayed", &while_of("all"), 200, json!({ "texts": {} })),
    ]
}

/// Pages of a tenant with a request, a batch of which something failed, and a delivery that did.
async fn full(scene: &Scene, receiver: &Receiver, taking: &Receiver) -> Value {
    let hub = &scene.hub;
    let hook = endpoint(&scene.submitter, &receiver.url()).await;
    let batch = failed(hub).await.replacen("/v1", "/admin", 1);
    hub.write("UPDATE jobs SET code = 'dead_lettered' WHERE state = 'failed'");
    let request = scene.accepted(&["commercial"]).await;
    let review = format!("/admin/reviews/{}", request["id"].as_str().unwrap());
    let test = format!("/v1/webhook-endpoints/{}/test", hook["id"].as_str().unwrap());
    let told = scene.submitter.post(&test, &json!({})).await.expect(202).json();
    let delivery = format!("/admin/webhooks/{}", told["id"].as_str().unwrap());
    let auditor = hub.client("acme", &["auditor"]);
    let entry = auditor.get("/v1/audit/entries?kind=batch.completed").await.json();
    let entry = format!(
        "/admin/audit/{}",
        entry["data"][0]["entry"]["id"].as_str().unwrap()
    );
    let operator = hub.client("acme", &["operator"]);
    eventually("the worker to be heard of", async || {
        let seen = operator.get("/v1/workers").await.json();
        (seen["data"][0]["speeds"][0]["pages"] == 1).then_some(())
    })
    .await;
    let pages = [
        page("reviews", "/admin/reviews"),
        page("review", &review),
        page("revoke", &format!("{review}/revoke")),
        page("batches", "/admin/batches"),
        page("batch", &batch),
        page("cancel", &format!("{batch}/cancel")),
        page("dead-letters", "/admin/dead-letters"),
        page("workers", "/admin/workers"),
        page("webhooks", "/admin/webhooks"),
        page("delivery", &delivery),
        page("audit", "/admin/audit"),
        page("audit-entry", &entry),
    ];
    let pages = [
        pages.to_vec(),
        replay(scene, taking).await,
        cards(hub).await,
        policies(hub).await,
        tenant(scene).await,
        together(scene).await,
    ]
    .concat();
    json!({ "links": links(hub, "acme"), "pages": pages })
}

#[tokio::test(flavor = "multi_thread")]
async fn no_page_breaks_a_rule_of_wcag_or_its_own_policy_in_either_language() {
    let Some(chromium) = Chromium::named() else {
        return;
    };
    let often = ("GLMHUB_WORKER__ANNOUNCE_SECONDS", "1");
    let scene = Scene::set_with(&[LOOPBACK, often]).await;
    let (receiver, taking) = (Receiver::answering(500).await, Receiver::answering(200).await);
    let visits = [
        outside(),
        empty(&scene.hub),
        full(&scene, &receiver, &taking).await,
    ];
    let given = json!({ "url": scene.hub.url(), "visits": visits });
    chromium.run("pages.cjs", given).await.well();
}
