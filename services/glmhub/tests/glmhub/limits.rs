//! Limits from outside: what is told of them, what is refused beyond them, and whom that does not concern.

use crate::{
    client::{Answer, Client},
    hub::Hub,
    openai::{CHAT, READER, asked},
    process::{ended, glmhub},
    tree,
};
use serde_json::json;

fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer
        .header(name)
        .unwrap_or_else(|| panic!("{name}: {answer:?}"))
}

async fn listed(client: &Client) -> Answer {
    client.get("/v1/batches").await
}

#[tokio::test]
async fn a_minutes_requests_are_told_with_each_response_and_more_are_refused() {
    let hub = Hub::start_with(&[("GLMHUB_LIMITS__REQUESTS_PER_MINUTE", "3")]);
    let acme = hub.client("acme", &["submitter"]);
    for (left, seconds) in [(2, 20), (1, 40), (0, 60)] {
        let answer = listed(&acme).await.expect(200);
        let (limit, policy) = (header(&answer, "ratelimit"), header(&answer, "ratelimit-policy"));
        assert!(limit.starts_with(&format!("\"requests\";r={left};t=")), "{limit}");
        let told: u64 = limit.rsplit('=').next().unwrap().parse().unwrap();
        assert!((1..=seconds).contains(&told), "{limit}");
        assert_eq!(policy, "\"requests\";q=3;w=60");
        assert_eq!(answer.header("x-ratelimit-limit-requests"), None);
    }
    let refused = listed(&acme).await;
    let after: u64 = header(&refused, "retry-after").parse().unwrap();
    assert!((1..=20).contains(&after), "{after}");
    assert!(header(&refused, "ratelimit").starts_with("\"requests\";r=0;t="));
    let problem = refused.refused(429, "rate_limited");
    assert_eq!((&problem["of"], &problem["limit"]), (&json!("tenant"), &json!(3)));
    // Its other members share the limit; under OpenAI's paths it is told as OpenAI's clients know it.
    let other = hub.client("acme", &["auditor"]);
    let refused = other.get("/openai/v1/models").await;
    assert_eq!(header(&refused, "x-ratelimit-limit-requests"), "3");
    assert_eq!(header(&refused, "x-ratelimit-remaining-requests"), "0");
    assert!(header(&refused, "x-ratelimit-reset-requests").ends_with('s'));
    refused.refused_as_openai(429, "rate_limited");
    // Nobody else is concerned, nor what needs no token.
    listed(&hub.client("other", &["submitter"])).await.expect(200);
    let pages = hub
        .stranger()
        .send_unjudged("GET", "/models", |request| request)
        .await;
    assert_eq!(pages.expect(200).header("ratelimit"), None);
}

#[tokio::test]
async fn without_limits_nothing_is_told() {
    let hub = Hub::start();
    let answer = listed(&hub.client("acme", &["submitter"])).await.expect(200);
    assert_eq!(
        (answer.header("ratelimit"), answer.header("ratelimit-policy")),
        (None, None)
    );
}

#[tokio::test]
async fn a_request_counts_once_whoever_looks_at_its_caller() {
    let hub = Hub::start_with(&[("GLMHUB_LIMITS__REQUESTS_PER_MINUTE", "100")]);
    let acme = hub.client("acme", &["submitter"]);
    let sent = acme
        .send("POST", "/v1/batches", |request| {
            request.header("idempotency-key", "one").json(&json!({}))
        })
        .await;
    let limit = header(&sent, "ratelimit");
    assert!(limit.starts_with("\"requests\";r=99;"), "{limit}");
}

#[tokio::test]
async fn a_key_has_limits_of_its_own_beside_those_of_its_tenant() {
    let settings = [
        ("GLMHUB_LIMITS__KEY_REQUESTS_PER_MINUTE", "50"),
        (
            "GLMHUB_LIMITS__TENANTS",
            r#"[{ tenant = "acme", requests_per_minute = 200 }]"#,
        ),
    ];
    let hub = Hub::start_with(&settings);
    let made = |more: &[&str]| {
        let mut command = glmhub();
        command
            .args(["api-key", "create", "--name", "scan", "--role", "submitter"])
            .args(more)
            .env("GLMHUB_URL", hub.url())
            .env("GLMHUB_TOKEN", hub.token("acme", &["submitter"]));
        let told = ended(command.output().unwrap()).well();
        Client::new(hub.url(), Some(told.trim().to_owned()))
    };
    let (usual, tight) = (made(&[]), made(&["--requests-per-minute", "1"]));
    let answer = listed(&usual).await.expect(200);
    assert_eq!(
        header(&answer, "ratelimit-policy"),
        "\"key-requests\";q=50;w=60, \"requests\";q=200;w=60"
    );
    listed(&tight).await.expect(200);
    let problem = listed(&tight).await.refused(429, "rate_limited");
    assert_eq!((&problem["of"], &problem["limit"]), (&json!("key"), &json!(1)));
    listed(&usual).await.expect(200);
    let keys = hub
        .client("acme", &["submitter"])
        .get("/v1/api-keys")
        .await
        .expect(200)
        .json();
    assert_eq!(keys["data"][0]["limits"]["requests_per_minute"], 1, "{keys}");
    assert_eq!(
        keys["data"][1]["limits"]["requests_per_minute"],
        json!(null),
        "{keys}"
    );
}

#[tokio::test]
async fn a_days_pages_are_used_up_and_stay_so_over_a_restart_while_others_go_on() {
    let mut hub = Hub::start_with(&[("GLMHUB_LIMITS__PAGES_PER_DAY", "2")]);
    hub.import(READER, &tree::root().join("models/demo/reader"));
    let acme = hub.client("acme", &["submitter"]);
    let ask = async |client: &Client| client.post(CHAT, &asked(READER, "买方是谁？")).await;
    let first = ask(&acme).await.expect(200);
    assert!(
        header(&first, "ratelimit").starts_with("\"pages\";r=2;t="),
        "what it found"
    );
    ask(&acme).await.expect(200);
    let refused = ask(&acme).await;
    let after: u64 = header(&refused, "retry-after").parse().unwrap();
    assert!((1..=86_400).contains(&after), "{after}");
    refused.refused_as_openai(429, "quota_exhausted");
    hub.restart();
    let acme = hub.client("acme", &["submitter"]);
    let batch = json!({ "model": READER, "purpose": "research", "questions": [{ "text": "?" }] });
    let problem = acme
        .post("/v1/batches", &batch)
        .await
        .refused(429, "quota_exhausted");
    assert_eq!(
        (&problem["quota"], &problem["limit"]),
        (&json!("pages"), &json!(2))
    );
    // What was taken can be read, and is told day by day; others have days of their own.
    listed(&acme).await.expect(200);
    let used = acme.get("/v1/usage").await.expect(200).json();
    assert_eq!(
        (&used["total"]["pages"], &used["total"]["answers"]),
        (&json!(2), &json!(2)),
        "{used}"
    );
    assert_eq!(used["limits"]["pages_per_day"], 2);
    let other = hub.client("other", &["submitter"]);
    let used = other.get("/v1/usage").await.expect(200).json();
    assert_eq!(
        (&used["data"], &used["total"]["pages"]),
        (&json!([]), &json!(0)),
        "{used}"
    );
    ask(&other).await.expect(200);
}

#[tokio::test]
async fn tokens_of_a_key_are_used_up_by_what_was_read_and_written_for_it() {
    let hub = Hub::start_with(&[("GLMHUB_LIMITS__KEY_TOKENS_PER_DAY", "1")]);
    hub.import(READER, &tree::root().join("models/demo/reader"));
    let li = hub.client("acme", &["submitter"]);
    let wish = json!({ "name": "scan", "roles": ["submitter"], "purpose": "research" });
    let made = li.post("/v1/api-keys", &wish).await.expect(201).json();
    let key = Client::new(hub.url(), Some(made["key"].as_str().unwrap().to_owned()));
    let told = key.post(CHAT, &asked(READER, "?")).await.expect(200).json();
    key.post(CHAT, &asked(READER, "?"))
        .await
        .refused_as_openai(429, "quota_exhausted");
    // Its member has no such limit, and sees what was used with which key.
    li.post(CHAT, &asked(READER, "?")).await.expect(200);
    let used = li.get("/v1/usage").await.expect(200).json();
    let of_key = used["data"]
        .as_array()
        .unwrap()
        .iter()
        .find(|day| day["api_key"] == made["id"])
        .unwrap();
    assert_eq!(of_key["input_tokens"], told["usage"]["prompt_tokens"], "{used}");
    assert_eq!(
        of_key["output_tokens"], told["usage"]["completion_tokens"],
        "{used}"
    );
    let mut command = glmhub();
    command
        .args(["usage"])
        .env("GLMHUB_URL", hub.url())
        .env("GLMHUB_TOKEN", hub.token("acme", &["submitter"]));
    let printed = ended(command.output().unwrap()).well();
    assert!(printed.contains(made["id"].as_str().unwrap()), "{printed}");
    let last = printed.lines().last().unwrap();
    assert!(
        last.starts_with("total ") && last.contains("  2 pages  2 answers  "),
        "{printed}"
    );
    let mut badly = glmhub();
    badly
        .args(["usage", "--from", "yesterday"])
        .env("GLMHUB_URL", hub.url())
        .env("GLMHUB_TOKEN", hub.token("acme", &["submitter"]));
    assert!(
        ended(badly.output().unwrap())
            .badly(2)
            .contains("a day looks like 2026-03-01")
    );
}
