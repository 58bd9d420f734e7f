//! A hub that is told to end ends well: what is in work is finished or handed back, and nothing counts as lost.

use crate::{
    client::Client,
    jobs::{completed, first_answer, hub_with_model, submitted},
};

#[tokio::test]
async fn work_in_progress_is_no_loss_when_the_hub_is_told_to_end() {
    let mut hub = hub_with_model(&[]);
    let token = hub.token("acme", &["submitter"]);
    let client = Client::new(hub.url(), Some(token.clone()));
    let batch = submitted(&client, &["What is it?", "What is the total?"], 4).await;
    first_answer(&client, &batch).await;
    hub.restart();
    let client = Client::new(hub.url(), Some(token));
    completed(&client, &batch).await;
    let rows = client
        .get(&format!("{batch}/answers?limit=100"))
        .await
        .expect(200)
        .json();
    let rows = rows["data"].as_array().unwrap();
    assert_eq!(rows.len(), 8);
    for row in rows {
        let job = client
            .get(&format!("/v1/jobs/{}", row["job"].as_str().unwrap()))
            .await
            .expect(200)
            .json();
        assert_eq!(job["state"], "answered", "{job}");
        assert_eq!(
            (&job["attempts_lost"], &job["attempts_failed"]),
            (&0.into(), &0.into()),
            "{job}"
        );
    }
    assert!(!hub.log().contains("did not end in time"));
}
