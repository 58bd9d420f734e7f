//! Models and licenses as callers see them.

use crate::{
    licence::scene::{MODEL, Scene},
    process::{ended, glmhub},
};
use serde_json::Value;

#[tokio::test]
async fn the_catalogue_is_open_to_every_role_and_pages_by_name() {
    let scene = Scene::set().await;
    for role in [
        "submitter",
        "signatory",
        "reviewer",
        "registrar",
        "operator",
        "auditor",
    ] {
        let reader = scene.hub.client("acme", &[role]);
        let page = reader.get("/v1/models?limit=1").await.expect(200).json();
        assert_eq!(page["data"][0]["id"], "HuggingFaceM4/idefics2-8b");
        let next = format!("/v1/models?limit=100&after={}", page["next"].as_str().unwrap());
        let rest = reader.get(&next).await.expect(200).json();
        let is_ours = |model: &Value| model["id"] == MODEL;
        assert!(rest["data"].as_array().unwrap().iter().any(is_ours), "{rest}");
    }
    let licenses = scene.submitter.get("/v1/licenses").await.expect(200).json();
    let ids: Vec<&Value> = licenses["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|license| &license["id"])
        .collect();
    assert_eq!(ids, ["apache-2.0", "cc-by-nc-4.0", "glm-4", "llama3", "mit"]);
    scene
        .submitter
        .get("/v1/licenses/gpl")
        .await
        .refused(404, "not_found");
    scene
        .submitter
        .get(&format!("/v1/licenses/mit/terms/{}", scene.terms))
        .await
        .refused(404, "not_found");
    scene
        .submitter
        .get("/v1/models/no/such")
        .await
        .refused(404, "model_unknown");
    scene
        .submitter
        .get("/v1/models/nothing")
        .await
        .refused(404, "not_found");
}

#[tokio::test]
async fn the_memory_of_glm_4v_is_computed_for_the_use_and_held_against_every_machine() {
    let scene = Scene::set().await;
    let fit = |query: &'static str| {
        let reader = scene.submitter.clone();
        async move {
            reader
                .get(&format!("/v1/models/THUDM/glm-4v-9b/hardware{query}"))
                .await
        }
    };
    let usual = fit("").await.expect(200).json();
    assert_eq!(usual["variant"], "q4_k_m");
    assert_eq!(usual["context_tokens"], 8192);
    assert_eq!(usual["memory"]["cache_bytes_per_token"], 81_920);
    assert_eq!(usual["memory"]["peak_bytes"], 8_500_000_000_u64 + 8192 * 81_920);
    assert!(usual["data"].as_array().unwrap().len() >= 60);
    let f16 = fit("?kv=f16&machine=geforce-rtx-3060").await.expect(200).json();
    assert_eq!(f16["memory"]["cache_bytes"], 320 << 20);
    assert_eq!(f16["data"][0]["verdict"], "runs");
    assert_eq!(f16["data"][0]["largest_context_tokens"], 8192);
    let whole = fit("?variant=bf16&machine=geforce-rtx-4090")
        .await
        .expect(200)
        .json();
    assert_eq!(whole["data"][0]["verdict"], "does_not_run");
    fit("?context=8193").await.refused(400, "usage_invalid");
    fit("?images=6").await.refused(400, "usage_invalid");
    fit("?variant=q2_k").await.refused(422, "variant_unknown");
    fit("?machine=abacus").await.refused(404, "not_found");
    fit("?kv=f64").await.refused(400, "query_malformed");
    let unknown = scene
        .submitter
        .get("/v1/models/Qwen/Qwen2-VL-7B-Instruct/hardware")
        .await;
    unknown.refused(422, "shape_unknown");
    let encoded = scene
        .submitter
        .get("/v1/models/THUDM%2Fglm-4v-9b/hardware?context=2000")
        .await;
    assert_eq!(encoded.expect(200).json()["memory"]["cache_bytes"], 2000 * 81_920);
}

#[tokio::test]
async fn model_fit_prints_memory_measurements_and_machines() {
    let scene = Scene::set().await;
    let fit = |more: &[&str]| {
        let mut command = glmhub();
        command
            .args(["model", "fit", MODEL])
            .args(more)
            .env("GLMHUB_URL", scene.hub.url())
            .env("GLMHUB_TOKEN", scene.hub.token("acme", &["submitter"]));
        ended(command.output().unwrap()).well()
    };
    let printed = fit(&[]);
    assert!(
        printed.starts_with("THUDM/glm-4v-9b as q4_k_m: 9.17 GB at once, for one page of 8192 tokens"),
        "{printed}"
    );
    assert!(
        printed.contains("measured: int4 at 8000 tokens took 14.79 GB on NVIDIA A100 80 GB"),
        "{printed}"
    );
    let line = printed
        .lines()
        .find(|line| line.contains("GeForce RTX 3060  "))
        .unwrap();
    assert!(
        line.starts_with("runs ") && line.ends_with("up to 8192 tokens"),
        "{line}"
    );
    let one = fit(&["--on", "geforce-rtx-3070", "--json"]);
    let one: Value = serde_json::from_str(&one).unwrap();
    assert_eq!(one["data"][0]["verdict"], "does_not_run");
}

#[tokio::test]
async fn the_catalogue_is_searched_narrowed_and_compared() {
    let scene = Scene::set().await;
    let get = |path: &'static str| {
        let reader = scene.submitter.clone();
        async move { reader.get(path).await }
    };
    let ids = |page: Value| -> Vec<String> {
        let models = page["data"].as_array().unwrap().iter();
        models
            .map(|model| model["id"].as_str().unwrap().to_owned())
            .collect()
    };
    let found = ids(get("/v1/models?q=%E4%B8%AD%E6%96%87&family=glm")
        .await
        .expect(200)
        .json());
    assert_eq!(found, [MODEL]);
    // It asks for acceptance, registration and review, and it is permitted; an unknown parent is no permission.
    let glm = ids(
        get("/v1/models?family=glm&modality=image_text&commercial=permitted&limit=100")
            .await
            .expect(200)
            .json(),
    );
    assert!(glm.contains(&MODEL.to_owned()), "{glm:?}");
    assert!(!glm.contains(&"zai-org/GLM-4.1V-9B-Base".to_owned()), "{glm:?}");
    let small = ids(get("/v1/models?fits=geforce-rtx-3060").await.expect(200).json());
    assert_eq!(small, [MODEL, "glmhub/demo-doc-reader"]);
    get("/v1/models?fits=abacus")
        .await
        .refused(400, "machine_unknown");
    get("/v1/models?commercial=prohibited")
        .await
        .refused(400, "query_malformed");
    let compared = get("/v1/compare?models=THUDM/glm-4v-9b,Qwen/Qwen2.5-VL-7B-Instruct")
        .await
        .expect(200)
        .json();
    assert_eq!(compared["data"][0]["fact"], "license");
    assert_eq!(
        compared["data"][0]["values"],
        serde_json::json!(["glm-4", "apache-2.0"])
    );
    assert_eq!(compared["data"][0]["differs"], true);
    get("/v1/compare?models=THUDM/glm-4v-9b")
        .await
        .refused(400, "models_invalid");
    get("/v1/compare?models=THUDM/glm-4v-9b,no/such")
        .await
        .refused(404, "model_unknown");
}

#[tokio::test]
async fn the_tree_of_glm_4v_names_its_parent_and_what_each_lineage_permits() {
    let scene = Scene::set().await;
    let tree = scene
        .submitter
        .get("/v1/models/THUDM/glm-4v-9b/lineage")
        .await
        .expect(200)
        .json();
    let member = |name: &str| {
        let models = tree["models"].as_array().unwrap().iter();
        models
            .clone()
            .find(|model| model["model"] == name)
            .unwrap_or_else(|| panic!("no {name}: {tree}"))
            .clone()
    };
    assert_eq!(member("THUDM/glm-4-9b")["generation"], 0);
    assert_eq!(
        member("THUDM/glm-4v-9b")["permissions"]["commercial"],
        "permitted"
    );
    assert_eq!(member("THUDM/glm-4-9b-chat")["license"], "glm-4");
    let orphan = scene
        .submitter
        .get("/v1/models/zai-org/GLM-4.1V-9B-Base/lineage")
        .await
        .expect(200)
        .json();
    let own = orphan["models"]
        .as_array()
        .unwrap()
        .iter()
        .find(|model| model["model"] == "zai-org/GLM-4.1V-9B-Base");
    assert_eq!(own.unwrap()["permissions"]["commercial"], "unknown");
    assert_eq!(own.unwrap()["tightened_by"], "zai-org/GLM-4-9B-0414");
    let faq = scene
        .submitter
        .get("/v1/models/THUDM/glm-4v-9b/faq?lang=zh")
        .await
        .expect(200)
        .json();
    assert!(
        faq["data"][0]["question"].as_str().unwrap().contains("商用"),
        "{faq}"
    );
    scene
        .submitter
        .get("/v1/models/THUDM/glm-4v-9b/faq?lang=fr")
        .await
        .refused(400, "query_malformed");
}
