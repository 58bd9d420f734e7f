//! Deliveries of a while that are sent again.

use crate::{
    client::Client,
    hub::{Hub, eventually},
    receiver::Receiver,
    webhooks::{LOOPBACK, endpoint},
};
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};

fn text(at: OffsetDateTime) -> String {
    at.format(&Rfc3339).unwrap()
}

/// How many deliveries of the tenant are in `state`, once there are so many.
pub async fn come_to(client: &Client, state: &str, count: usize) {
    let path = format!("/v1/deliveries?state={state}");
    let look = || async {
        let listed = client.get(&path).await.expect(200).json();
        (listed["data"].as_array().unwrap().len() == count).then_some(())
    };
    eventually(state, look).await;
}

#[tokio::test]
async fn what_failed_in_a_while_is_sent_again_with_one_call() {
    let (down, other) = (Receiver::answering(500).await, Receiver::answering(500).await);
    let hub = Hub::start_with(&[LOOPBACK, ("GLMHUB_WEBHOOKS__RETRY_SECONDS", "[]")]);
    let client = hub.client("acme", &["submitter"]);
    let (first, second) = (
        endpoint(&client, &down.url()).await,
        endpoint(&client, &other.url()).await,
    );
    let path = |endpoint: &Value, act: &str| {
        format!("/v1/webhook-endpoints/{}/{act}", endpoint["id"].as_str().unwrap())
    };
    let mut made = Vec::new();
    for _ in 0..3 {
        let told = client
            .post(&path(&first, "test"), &json!({}))
            .await
            .expect(202)
            .json();
        made.push(OffsetDateTime::parse(told["created_at"].as_str().unwrap(), &Rfc3339).unwrap());
    }
    client.post(&path(&second, "test"), &json!({})).await.expect(202);
    come_to(&client, "failed", 4).await;
    down.answer(200);
    other.answer(200);
    let again = path(&first, "redeliver");
    let range = |from, to| json!({ "from": text(from), "to": text(to) });
    let sent = async |body: &Value| client.post(&again, body).await.expect(202).json();
    // From the one on, and before the other: the last one stays where it is, and so does the other endpoint's.
    let told = sent(&range(made[0], made[2])).await;
    assert_eq!(told, json!({ "redelivered": 2, "next": null }));
    come_to(&client, "delivered", 2).await;
    come_to(&client, "failed", 2).await;
    // What was taken is sent again only if that is wished.
    let all = range(made[0], made[2] + Duration::seconds(1));
    assert_eq!(sent(&all).await["redelivered"], 1);
    come_to(&client, "delivered", 3).await;
    assert_eq!(sent(&all).await["redelivered"], 0);
    let mut taken = all.clone();
    taken["delivered"] = json!(true);
    assert_eq!(sent(&taken).await["redelivered"], 3);
    come_to(&client, "delivered", 3).await;
    client
        .post(&again, &range(made[2], made[2]))
        .await
        .refused(400, "range_empty");
    let stranger = hub.client("other", &["submitter"]);
    stranger.post(&again, &all).await.refused(404, "not_found");
    let off = json!({ "state": "disabled" });
    let place = format!("/v1/webhook-endpoints/{}", first["id"].as_str().unwrap());
    client
        .send("PATCH", &place, |request| request.json(&off))
        .await
        .expect(200);
    client.post(&again, &all).await.refused(409, "endpoint_disabled");
}
