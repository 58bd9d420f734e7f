//! Policies from outside: own rules in force, reloaded, explained.

mod tried;

use crate::{
    hub::{Hub, eventually},
    licence::scene::{MODEL, Scene},
    process::{glmhub, perform_in},
    weights::WeightsFolder,
};
use serde_json::{Value, json};
use std::{fs, path::PathBuf};

/// The example of the README.
pub const CONTRACTS: &str = r#"
// Contracts of tenant acme may only be read on premises.
@code("only_on_premises")
@message("contracts of {tenant} may only be read on premises, and this hub computes at {site}")
@cure("send the batch to the hub on premises")
forbid (principal in Tenant::"acme", action == Action::"use", resource)
when { context.metadata.contains("kind=contract") && context.site != "on-premises" };
"#;

/// Puts a rule file into the hub's folder of own policies.
pub fn write_rule(hub: &Hub, name: &str, text: &str) -> PathBuf {
    let folder = hub.data().join("policies/rules");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(name), text).unwrap();
    folder.join(name)
}

pub fn contract(purpose: &str) -> Value {
    json!({
        "model": MODEL, "purpose": purpose, "questions": [{ "text": "Who signs?" }], "metadata": { "kind": "contract" },
    })
}

#[tokio::test]
async fn a_rule_of_ones_own_is_in_force_after_a_reload_and_refuses_with_its_own_words() {
    let scene = Scene::set().await;
    let operator = scene.hub.client("acme", &["operator"]);
    let before = operator.get("/v1/policies").await.expect(200).json();
    scene
        .submitter
        .post("/v1/batches", &contract("research"))
        .await
        .expect(201);
    write_rule(&scene.hub, "contracts.cedar", CONTRACTS);
    let done = operator
        .post("/v1/policies/reload", &json!({}))
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&done["changed"], &done["earlier_sha256"]),
        (&json!(true), &before["policies_sha256"])
    );
    let files = done["policies"]["files"].as_array().unwrap();
    let own: Vec<&Value> = files.iter().filter(|file| file["own"] == true).collect();
    assert_eq!(own.len(), 1);
    assert_eq!(own[0]["name"], "rules/contracts.cedar");
    let refusal = scene.submitter.post("/v1/batches", &contract("research")).await;
    let refusal = refusal.refused(403, "only_on_premises");
    assert_eq!(refusal["cure"], "send the batch to the hub on premises");
    assert!(
        refusal["detail"]
            .as_str()
            .unwrap()
            .starts_with("contracts of acme"),
        "{refusal}"
    );
    let decision = format!("/v1/decisions/{}", refusal["decision_id"].as_str().unwrap());
    let decision = scene.submitter.get(&decision).await.expect(200).json();
    assert_eq!(decision["policies_sha256"], done["policies"]["policies_sha256"]);
    assert_eq!(decision["metadata"], json!({ "kind": "contract" }));
    scene.open("research").await.expect(201);
    let again = operator
        .post("/v1/policies/reload", &json!({}))
        .await
        .expect(200)
        .json();
    assert_eq!(again["changed"], false);
}

#[tokio::test]
async fn a_hub_on_premises_reads_what_may_only_be_read_there() {
    let hub = Hub::start_with(&[("GLMHUB_SERVER__SITE", "on-premises")]);
    let weights = WeightsFolder::new();
    hub.import(MODEL, weights.path());
    write_rule(&hub, "contracts.cedar", CONTRACTS);
    hub.client("acme", &["operator"])
        .post("/v1/policies/reload", &json!({}))
        .await
        .expect(200);
    let submitter = hub.client("acme", &["submitter"]);
    submitter
        .post("/v1/batches", &contract("research"))
        .await
        .expect(201);
}

#[tokio::test]
async fn a_bad_file_leaves_the_old_policies_in_force_and_keeps_a_hub_from_starting() {
    let mut hub = Hub::start();
    let operator = hub.client("acme", &["operator"]);
    let before = operator.get("/v1/policies").await.expect(200).json();
    write_rule(
        &hub,
        "bad.cedar",
        "permit (principal, action, resource)\nwhen { context.colour == 1 };\n",
    );
    let problem = operator
        .post("/v1/policies/reload", &json!({}))
        .await
        .refused(409, "policies_invalid");
    assert_eq!(
        (&problem["faults"][0]["file"], &problem["faults"][0]["line"]),
        (&json!("rules/bad.cedar"), &json!(2))
    );
    assert_eq!(operator.get("/v1/policies").await.expect(200).json(), before);
    hub.client("acme", &["auditor"])
        .post("/v1/policies/reload", &json!({}))
        .await
        .refused(403, "missing_role");
    assert!(hub.end().success());
    let refused = perform_in(&hub.data(), &["up", "--listen", "127.0.0.1:0"], &[]).badly(1);
    assert!(refused.contains("rules/bad.cedar:2:8: "), "{refused}");
}

#[tokio::test]
async fn a_hangup_reads_the_policies_again() {
    let hub = Hub::start();
    let reader = hub.client("acme", &["reviewer"]);
    let before = reader.get("/v1/policies").await.expect(200).json();
    write_rule(&hub, "contracts.cedar", CONTRACTS);
    let look = || async {
        hub.signal("HUP");
        let now = reader.get("/v1/policies").await.expect(200).json();
        (now["policies_sha256"] != before["policies_sha256"]).then_some(now)
    };
    let now = eventually("the policies to change", look).await;
    assert!(now["since"].as_str() > before["since"].as_str(), "{now}");
}

#[tokio::test]
async fn an_act_that_a_rule_forbids_is_refused_with_its_code_and_a_missing_role_with_its_cure() {
    let hub = Hub::start();
    let rule = "@code(\"closed\") @cure(\"come back\")\n\
        forbid (principal in Tenant::\"acme\", action == Action::\"read_catalogue\", resource);";
    write_rule(&hub, "closed.cedar", rule);
    hub.client("acme", &["operator"])
        .post("/v1/policies/reload", &json!({}))
        .await
        .expect(200);
    let refusal = hub
        .client("acme", &["submitter"])
        .get("/v1/models")
        .await
        .refused(403, "closed");
    assert_eq!(refusal["cure"], "come back");
    hub.client("other", &["submitter"])
        .get("/v1/models")
        .await
        .expect(200);
    let refusal = hub
        .client("other", &["submitter"])
        .get("/v1/policies")
        .await
        .refused(403, "missing_role");
    let cure = refusal["cure"].as_str().unwrap();
    assert!(
        cure.contains("glmhub token issue --tenant other --member li --role reviewer"),
        "{cure}"
    );
}

/// `glmhub policy …` against a hub, as a member of `tenant` with `role`.
fn ask(hub: &Hub, tenant: &str, role: &str, arguments: &[&str]) -> String {
    let token = hub.token(tenant, &[role]);
    let mut command = glmhub();
    command.arg("policy").args(arguments);
    let output = command
        .env("GLMHUB_URL", hub.url())
        .env("GLMHUB_TOKEN", token)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn an_explanation_tells_lineage_conditions_rules_cure_and_duties_and_records_nothing() {
    let scene = Scene::set().await;
    let of = ["explain", "--model", MODEL, "--purpose", "commercial"];
    let told = ask(&scene.hub, "acme", "submitter", &of);
    for wanted in [
        "refused: commercial for acme with THUDM/glm-4v-9b",
        "THUDM/glm-4-9b (glm-4): permitted after acceptance, registration, review",
        "forbid by rules/licenses.cedar:",
        "refused for license_not_accepted",
        "POST /v1/acceptances",
        "attribution \"Built with glm-4\", from THUDM/glm-4v-9b",
    ] {
        assert!(told.contains(wanted), "{wanted} is not in\n{told}");
    }
    let asked = scene.accepted(&["evaluation"]).await;
    let told = ask(
        &scene.hub,
        "acme",
        "signatory",
        &["explain", "--model", MODEL, "--purpose", "evaluation"],
    );
    let held = format!("{} is active", asked["id"].as_str().unwrap());
    assert!(told.starts_with("allowed: ") && told.contains(&held), "{told}");
    assert!(told.contains("permit by rules/licenses.cedar:"), "{told}");
    let auditor = scene.hub.client("other", &["auditor"]);
    let body = json!({ "model": MODEL, "purpose": "research", "tenant": "acme" });
    let explained = auditor
        .post("/v1/policies/explain", &body)
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&explained["tenant"], &explained["decision"]),
        (&json!("acme"), &Value::Null)
    );
    let stranger = scene.hub.client("other", &["submitter"]);
    stranger
        .post("/v1/policies/explain", &body)
        .await
        .refused(404, "not_found");
    let body = json!({ "model": "no/such", "purpose": "research" });
    stranger
        .post("/v1/policies/explain", &body)
        .await
        .refused(404, "model_unknown");
    // Only what opened batches is a decision, and nothing has.
    let simulation = json!({ "days": 1 });
    let replayed = auditor
        .post("/v1/policies/simulate", &simulation)
        .await
        .expect(200)
        .json();
    assert_eq!(replayed["replayed"], 0);
}

#[tokio::test]
async fn a_decision_is_explained_under_the_policies_of_its_time() {
    let scene = Scene::set().await;
    let operator = scene.hub.client("acme", &["operator"]);
    let rule = write_rule(&scene.hub, "contracts.cedar", CONTRACTS);
    operator.post("/v1/policies/reload", &json!({})).await.expect(200);
    let refusal = scene.submitter.post("/v1/batches", &contract("research")).await;
    let refusal = refusal.refused(403, "only_on_premises");
    fs::remove_file(rule).unwrap();
    operator.post("/v1/policies/reload", &json!({})).await.expect(200);
    scene
        .submitter
        .post("/v1/batches", &contract("research"))
        .await
        .expect(201);
    let id = refusal["decision_id"].as_str().unwrap();
    let told = ask(&scene.hub, "acme", "submitter", &["explain", "--decision", id]);
    assert!(
        told.contains("was refused; explained under the policies of its time"),
        "{told}"
    );
    assert!(told.contains("forbid by rules/contracts.cedar:3"), "{told}");
    let other = scene.hub.client("other", &["submitter"]);
    other
        .post("/v1/policies/explain", &json!({ "decision_id": id }))
        .await
        .refused(404, "not_found");
}
