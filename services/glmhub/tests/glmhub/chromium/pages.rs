//! Every page of the catalogue and the dashboard, in both languages.

use super::Chromium;
use crate::{
    dashboard::browser::link,
    licence::scene::{MODEL, Scene},
};
use serde_json::{Value, json};

/// Who may see every page there is.
const ROLES: [&str; 5] = ["submitter", "signatory", "reviewer", "operator", "auditor"];

fn page(name: &str, path: &str) -> Value {
    answered(name, path, 200)
}

fn answered(name: &str, path: &str, status: u16) -> Value {
    json!({ "name": name, "path": path, "status": status })
}

/// Pages without a session.
fn before() -> Vec<Value> {
    vec![
        page("models", "/models"),
        page("models-none", "/models?q=nothing-is-called-so"),
        page("model", &format!("/models/{MODEL}")),
        page(
            "compare",
            &format!("/models/compare?models={MODEL},mistralai/Pixtral-12B-2409"),
        ),
        answered("model-missing", "/models/no/such", 404),
        answered("signed-out", "/admin/reviews", 401),
        answered("link-unusable", "/admin/sign-in?link=a.b.c", 403),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn no_page_breaks_a_rule_of_wcag_or_its_own_policy_in_either_language() {
    let Some(chromium) = Chromium::named() else {
        return;
    };
    let scene = Scene::set().await;
    let requested = scene.accepted(&["commercial"]).await;
    let review = format!("/admin/reviews/{}", requested["id"].as_str().unwrap());
    let inside = [
        page("reviews", "/admin/reviews"),
        page("reviews-none", "/admin/reviews?state=revoked"),
        page("review", &review),
        page("revoke", &format!("{review}/revoke")),
        answered("review-missing", "/admin/reviews/acc_01JZ0000000000000000000000", 404),
    ];
    let links = json!({ "en": link(&scene.hub, "acme", &ROLES), "zh": link(&scene.hub, "acme", &ROLES) });
    let given = json!({ "url": scene.hub.url(), "links": links, "before": before(), "inside": inside });
    chromium.run("pages.cjs", given).await.well();
}
