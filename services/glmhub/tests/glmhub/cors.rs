//! Pages of other sites, which call the API from a browser if the settings name them.

use crate::{client::Answer, hub::Hub};
use reqwest::RequestBuilder;

const SITE: &str = "https://app.example.com";
const ALLOWED: (&str, &str) = ("GLMHUB_SERVER__CORS_ORIGINS", "[\"https://app.example.com\"]");

/// What a browser asks before it sends a request that is not a plain one.
async fn preflight(hub: &Hub, path: &str, origin: &str) -> Answer {
    let fill = |request: RequestBuilder| {
        request
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header(
                "access-control-request-headers",
                "authorization,content-type,idempotency-key",
            )
    };
    hub.stranger().send_unjudged("OPTIONS", path, fill).await
}

async fn get_from(hub: &Hub, path: &str, origin: &str) -> Answer {
    let client = hub.client("acme", &["submitter"]);
    let fill = |request: RequestBuilder| request.header("origin", origin);
    client.send_unjudged("GET", path, fill).await
}

/// Headers that let a page of another site do something.
fn letting(answer: &Answer) -> Vec<&str> {
    let headers = answer.headers.iter().map(|(name, _)| name.as_str());
    headers
        .filter(|name| name.starts_with("access-control-"))
        .collect()
}

/// The words of a header that is a list.
fn words(answer: &Answer, header: &str) -> Vec<String> {
    let list = answer.header(header).unwrap_or_default().to_lowercase();
    list.split(',').map(|word| word.trim().to_owned()).collect()
}

#[tokio::test]
async fn no_site_is_let_in_unless_the_settings_name_it() {
    let hub = Hub::start();
    for origin in [SITE, "null", "*"] {
        assert_eq!(letting(&preflight(&hub, "/v1/batches", origin).await), [""; 0]);
        let got = get_from(&hub, "/v1/batches", origin).await.expect(200);
        assert_eq!(letting(&got), [""; 0], "{origin}");
    }
}

#[tokio::test]
async fn a_named_site_asks_first_and_then_calls_and_reads_what_clients_need() {
    let hub = Hub::start_with(&[ALLOWED]);
    for path in ["/v1/batches", "/openai/v1/chat/completions"] {
        let asked = preflight(&hub, path, SITE).await.expect(200);
        assert_eq!(asked.header("access-control-allow-origin"), Some(SITE));
        assert!(words(&asked, "access-control-allow-methods").contains(&"post".to_owned()));
        let headers = words(&asked, "access-control-allow-headers");
        for header in ["authorization", "content-type", "idempotency-key"] {
            assert!(headers.iter().any(|one| one == header), "{header}: {headers:?}");
        }
        assert_eq!(asked.header("access-control-allow-credentials"), None);
    }
    let got = get_from(&hub, "/v1/batches", SITE).await.expect(200);
    assert_eq!(got.header("access-control-allow-origin"), Some(SITE));
    assert_eq!(got.header("access-control-allow-credentials"), None);
    assert!(words(&got, "vary").contains(&"origin".to_owned()));
    let readable = words(&got, "access-control-expose-headers");
    for header in [
        "x-request-id",
        "retry-after",
        "ratelimit",
        "ratelimit-policy",
        "etag",
        "location",
    ] {
        assert!(readable.iter().any(|one| one == header), "{header}: {readable:?}");
    }
    // Refusals are read too.
    let fill = |request: RequestBuilder| request.header("origin", SITE);
    let refused = hub
        .stranger()
        .send_unjudged("GET", "/v1/batches", fill)
        .await
        .expect(401);
    assert_eq!(refused.header("access-control-allow-origin"), Some(SITE));
}

#[tokio::test]
async fn a_site_that_is_not_named_gets_nothing_and_nobody_gets_the_dashboard() {
    let hub = Hub::start_with(&[ALLOWED]);
    let strangers = [
        "https://evil.example.com",
        "http://app.example.com",
        "https://app.example.com:8443",
        "https://app.example.com.evil.example",
        "null",
    ];
    for origin in strangers {
        let asked = preflight(&hub, "/v1/batches", origin).await;
        assert!(
            asked.status >= 400 && letting(&asked).is_empty(),
            "{origin}: {:?}",
            asked.headers
        );
        let got = get_from(&hub, "/v1/batches", origin).await.expect(200);
        assert_eq!(got.header("access-control-allow-origin"), None, "{origin}");
    }
    for path in ["/admin", "/admin/tenants"] {
        let asked = preflight(&hub, path, SITE).await;
        assert_eq!(asked.header("access-control-allow-origin"), None, "{path}");
        let got = get_from(&hub, path, SITE).await;
        assert_eq!(got.header("access-control-allow-origin"), None, "{path}");
    }
}
