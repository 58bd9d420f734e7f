//! The pages of the catalogue, as a browser without a token gets them.

use crate::{
    client::{Answer, Client},
    fleet::Fleet,
    hub::Hub,
};
use serde_json::json;

async fn page(hub: &Hub, path: &str) -> Answer {
    hub.stranger().send_unjudged("GET", path, |request| request).await
}

#[tokio::test]
async fn the_page_of_glm_4v_says_what_is_known_of_it_and_where_that_was_read() {
    let hub = Hub::start();
    let answer = page(&hub, "/models/THUDM/glm-4v-9b").await.expect(200);
    let policy = answer.header("content-security-policy").unwrap();
    assert!(
        policy.contains("default-src 'none'") && !policy.contains("unsafe"),
        "{policy}"
    );
    let html = answer.text();
    for expected in [
        "<h1>THUDM/glm-4v-9b</h1>",
        "13.9B",
        "Restricted</span>",
        "Multimodal</span>",
        "strong on Chinese document Q&#38;A",
        "The glm-4-9b License",
        "2024-06-04",
        "8,192",
        "THUDM/glm-4-9b",
        "Chinese document Q&#38;A</li>",
        "a GLM that reads images</li>",
        "restricted licence: commercial use needs registration</li>",
        "q4_k_m <span class=\"badge good\">usual starting point</span>",
        "8.5 GB",
        "12 GB",
        "https://huggingface.co/THUDM/glm-4v-9b",
        "direct quantisation of the original weights is required",
        "glmhub model quantize --from DIR --to q4_k_m.gguf --type q4_k_m",
        "https://github.com/zai-org/GLM-4/issues/500",
        "glmhub maintainers",
        "docs/cards.md",
        "permitted after acceptance of the terms, registration with the licensor, a review on this hub",
        "Built with glm-4",
        "https://open.bigmodel.cn/mla/form",
        "14.8 GB",
        "9.2 GB</strong>",
        "<svg ",
        "lineage.svg",
        "/v1/models/THUDM/glm-4v-9b/bom",
        "Can glm-4v-9b be used commercially?",
        "application/ld+json",
    ] {
        assert!(html.contains(expected), "{expected} is not on the page:\n{html}");
    }
    assert!(html.matches("class=\"badge good\">runs</span>").count() > 20);
    assert!(html.contains("does not run</span>") && html.contains("tight</span>"));
}

#[tokio::test]
async fn pages_are_in_the_language_that_is_named_or_wished_for() {
    let hub = Hub::start();
    let chinese = page(&hub, "/models/THUDM/glm-4v-9b?lang=zh")
        .await
        .expect(200)
        .text();
    assert!(
        chinese.contains("lang=\"zh-Hans\"") && chinese.contains("擅长中文文档问答"),
        "{chinese}"
    );
    let wished = hub
        .stranger()
        .send_unjudged("GET", "/models", |request| {
            request.header("accept-language", "zh-CN")
        })
        .await;
    assert!(wished.expect(200).text().contains("<h1>模型</h1>"));
    let missing = page(&hub, "/models/no/such").await.expect(404).text();
    assert!(
        missing.contains("No such model") && missing.contains("no/such"),
        "{missing}"
    );
    page(&hub, "/models/no/%3Cscript%3E").await.expect(404);
}

#[tokio::test]
async fn the_list_is_searched_and_narrowed_by_its_form() {
    let hub = Hub::start();
    let form = "/models?q=document&family=glm&modality=image_text&commercial=permitted&fits=geforce-rtx-4090";
    let found = page(&hub, form).await.expect(200).text();
    assert_eq!(found.matches("<li><h2>").count(), 1, "{found}");
    assert!(
        found.contains("/models/THUDM/glm-4v-9b?lang=en") && found.contains("value=\"document\""),
        "{found}"
    );
    let none = page(&hub, "/models?q=%3Cb%3E").await.expect(200).text();
    assert!(
        none.contains("No model is like that") && !none.contains("<b>"),
        "{none}"
    );
    let all = page(&hub, "/models").await.expect(200).text();
    assert!(all.matches("<li><h2>").count() >= 15, "{all}");
}

#[tokio::test]
async fn models_are_compared_and_the_lineage_is_a_picture_and_a_text() {
    let hub = Hub::start();
    let compared = page(
        &hub,
        "/models/compare?models=THUDM/glm-4v-9b,mistralai/Pixtral-12B-2409",
    )
    .await
    .expect(200)
    .text();
    let licence = compared.find("apache-2.0").unwrap();
    assert!(
        licence < compared.find("Mistral AI").unwrap(),
        "licences come first: {compared}"
    );
    assert!(
        compared.contains("permitted after acceptance, registration, review"),
        "{compared}"
    );
    page(&hub, "/models/compare?models=THUDM/glm-4v-9b,no/such")
        .await
        .expect(404);
    page(&hub, "/models/compare?models=one")
        .await
        .refused(400, "models_invalid");
    let svg = page(&hub, "/models/zai-org/GLM-4.1V-9B-Base/lineage.svg")
        .await
        .expect(200);
    assert_eq!(svg.header("content-type"), Some("image/svg+xml"));
    assert!(
        svg.text().contains("not registered") && svg.text().contains("stroke-width=\"3\""),
        "{}",
        svg.text()
    );
    let mermaid = page(&hub, "/models/THUDM/glm-4v-9b/lineage.mmd")
        .await
        .expect(200)
        .text();
    assert!(
        mermaid.starts_with("flowchart LR\n") && mermaid.contains("-->|finetune|"),
        "{mermaid}"
    );
    let style = page(&hub, "/assets/site.css").await.expect(200);
    assert!(style.text().contains("prefers-color-scheme: dark"));
}

/// Registers a model that was made from GLM-4V; gives its name.
async fn derived(registrar: &Client, name: &str) -> String {
    let id = format!("acme/glm-4-{name}");
    let from = json!({ "model": "THUDM/glm-4v-9b", "relation": "finetune", "evidence": "its card" });
    let license = json!({ "id": "glm-4", "source": "its card" });
    let model = json!({ "id": id, "license": license, "parents": [from] });
    registrar.post("/v1/models", &model).await.expect(201);
    id
}

#[tokio::test]
async fn a_page_that_is_kept_is_another_one_as_soon_as_something_changed_on_it() {
    let hub = Hub::start();
    let registrar = hub.client("acme", &["registrar"]);
    for number in 0..5 {
        let before = page(&hub, "/models/THUDM/glm-4v-9b").await.expect(200);
        let again = page(&hub, "/models/THUDM/glm-4v-9b").await.expect(200);
        assert_eq!(before.text(), again.text());
        for header in ["content-security-policy", "content-type", "vary"] {
            assert_eq!(before.header(header), again.header(header));
        }
        let name = derived(&registrar, &format!("reader-{number}")).await;
        assert!(!before.text().contains(&name));
        let after = page(&hub, "/models/THUDM/glm-4v-9b").await.expect(200).text();
        assert!(after.contains(&name), "{name} is not on {after}");
        // What is asked for beside the usual is made for whoever asks.
        let f16 = page(&hub, "/models/THUDM/glm-4v-9b?kv=f16")
            .await
            .expect(200)
            .text();
        assert!(f16.contains(&name) && f16 != after);
    }
}

#[tokio::test]
async fn no_hub_shows_what_another_has_changed() {
    let Some(fleet) = Fleet::start().await else {
        return;
    };
    let registrar = fleet.caller(0, "acme", &["registrar"]);
    let reader = Client::new(fleet.url(1), None);
    let look = || async {
        let page = reader.send_unjudged("GET", "/models/THUDM/glm-4v-9b", |request| request);
        page.await.expect(200).text()
    };
    for number in 0..5 {
        let before = look().await;
        let name = derived(&registrar, &format!("reader-{number}")).await;
        assert!(!before.contains(&name) && look().await.contains(&name));
    }
}
