//! A database file that another process has locked: who brings something is told to come again, who reads is answered.

use crate::{
    doors::{Caller, DOORS, ROLES},
    jobs::{first_answer, hub_with_model, submit, submitted},
    process::perform_in,
    receiver::Receiver,
    tally::Tally,
    webhooks::{LOOPBACK, endpoint},
    writer::Writer,
};

#[tokio::test]
async fn a_locked_file_refuses_what_comes_and_loses_nothing_of_what_came() {
    let hub = hub_with_model(&[LOOPBACK, ("GLMHUB_RECORDS__BUSY_SECONDS", "1")]);
    let (receiver, client) = (Receiver::answering(200).await, hub.client("acme", &ROLES));
    endpoint(&client, &receiver.url()).await;
    let caller = Caller::new(client.clone()).await;
    let batch = submitted(&client, &["What is it?", "What is the total?"], 8).await;
    first_answer(&client, &batch).await;
    let writer = Writer::on_sqlite(&hub.data().join("hub.db"));
    for door in DOORS {
        caller.is_refused(door, "records_unavailable").await;
    }
    client.get(&batch).await.expect(200);
    drop(writer);
    submit(&client, &caller.batch).await.expect(200);
    let tally = Tally::of(&client, &[batch, caller.batch], &receiver).await;
    tally.check();
    assert_eq!((tally.batches, tally.jobs), (2, 17));
    eprintln!("{}", perform_in(&hub.data(), &["audit", "verify"], &[]).well());
}
