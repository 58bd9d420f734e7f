//! A stream whose worker dies and whose Redis forgets everything goes on with what another worker writes.

use super::{EACH, Fleet};
use crate::{
    client::Client,
    jobs::{MODEL, page},
    streaming::{CHAT, asked, contents, frames, until_text},
};
use serde_json::Value;

/// So many tokens of the tiny checkpoint take a while.
const LONG: u32 = 300;

/// The job of a streamed answer that was told exactly as it is stored, although all workers died after its first text.
async fn told_to_its_end(fleet: &mut Fleet, client: &Client, round: u8) -> Value {
    let text = format!("Question {round}?");
    let body = asked(MODEL, "research", &text, &page(round), LONG);
    let mut stream = client.open_with(CHAT, &body).await;
    let mut told = until_text(&mut stream).await;
    fleet.workers.iter_mut().for_each(|worker| worker.kill9());
    fleet.redis.empty();
    (0..EACH).for_each(|number| fleet.begin_worker(number));
    told.extend(stream.bytes().await.unwrap());
    let (frames, done) = frames(&String::from_utf8(told).unwrap());
    assert!(done, "{frames:?}");
    let job = frames.last().unwrap()["job"].as_str().unwrap();
    let job = client.get(&format!("/v1/jobs/{job}")).await.expect(200).json();
    assert_eq!(job["answer"]["text"], contents(&frames).concat());
    job
}

#[tokio::test]
async fn an_answer_that_a_dead_worker_began_is_streamed_on_by_another() {
    let Some(mut fleet) = Fleet::start().await else {
        return;
    };
    let client = fleet.client(1, "acme");
    // An answer may be whole before its worker is dead; then it is tried again.
    for round in 0..20 {
        let job = told_to_its_end(&mut fleet, &client, round).await;
        if job["attempts_lost"].as_u64() > Some(0) {
            assert!(job["answer"]["attempt"].as_u64() > Some(1), "{job}");
            return;
        }
    }
    panic!("every answer was whole before its worker was dead");
}
