//! Clocks that do not agree: processes that believe it to be ten minutes later or earlier than it is.
//!
//! Time is told by `libfaketime` of Debian's package `faketime`, to all that asks for the time of day.

use super::{Fleet, count::Count};
use crate::{
    jobs::{first_answer, submitted},
    receiver::Receiver,
    webhooks::endpoint,
};
use serde_json::Value;
use std::path::PathBuf;
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};

const TEN_MINUTES: Duration = Duration::minutes(10);

/// Where the library is that tells another time.
fn library() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").unwrap().flatten();
    let mut places = folders.map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"));
    places.find(|place| place.exists())
}

/// The environment of a process whose clock is off by so many minutes. Durations stay as long as they are.
fn off_by(library: &std::path::Path, minutes: &str) -> Vec<(&'static str, String)> {
    vec![
        ("LD_PRELOAD", library.display().to_string()),
        ("FAKETIME", format!("{minutes}m")),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ("DONT_FAKE_MONOTONIC", "1".to_owned()),
    ]
}

/// When the last line of a log was written, by the clock of who wrote it.
fn last_said(fleet: &Fleet, name: &str) -> OffsetDateTime {
    let log = fleet.log_of(name);
    let line: Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
    OffsetDateTime::parse(line["timestamp"].as_str().unwrap(), &Rfc3339).unwrap()
}

#[tokio::test]
async fn clocks_that_are_ten_minutes_apart_hold_up_nothing_and_lose_nothing() {
    let (Some(library), Some(mut fleet)) = (library(), Fleet::start().await) else {
        eprintln!("there is no libfaketime: clocks that differ were not tested");
        return;
    };
    for (one, minutes) in [(0, "+10"), (1, "-10")] {
        fleet.workers[one].kill9();
        fleet.workers[one].environment = off_by(&library, minutes);
        fleet.begin_worker(one);
    }
    let (receiver, client) = (Receiver::answering(200).await, fleet.client(0, "acme"));
    endpoint(&client, &receiver.url()).await;
    let questions = ["What is it?", "What is the total?"];
    let mut batches = vec![submitted(&client, &questions, 12).await];
    first_answer(&client, &batches[0]).await;
    let (early, late) = (last_said(&fleet, "worker-1"), last_said(&fleet, "worker-0"));
    eprintln!("at about the same time one worker said {early} and the other {late}");
    assert!(late - early > 2 * TEN_MINUTES - Duration::minutes(2));
    // A hub that is ahead of the other one: what it grants begins too late for the worker that is behind, which says so
    // and leaves it to the other.
    fleet.hubs[1].kill9();
    fleet.hubs[1].environment = off_by(&library, "+10");
    fleet.begin_hub(1);
    batches.push(submitted(&fleet.client(1, "acme"), &questions, 12).await);
    batches.push(submitted(&client, &questions, 12).await);
    let count = Count::of(&fleet, &client, &batches, &receiver).await;
    count.check_by_any_clock(&fleet);
    assert_eq!(count.workers, "2", "both have answered");
    assert!(
        fleet
            .log_of("worker-1")
            .contains("the clocks of hub and worker differ too much")
    );
}
