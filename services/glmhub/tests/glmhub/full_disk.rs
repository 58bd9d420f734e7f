//! A disk that fills up under a hub: who brings something is told to come again, and when there is room again, all that
//! was accepted is answered.
//!
//! `GLMHUB_TEST_SMALL_DISK` names a folder on a small disk of the tests' own; `scripts/test` makes one.

use crate::{
    doors::{Caller, Door, ROLES},
    hub::{Hub, eventually},
    jobs::{MODEL, first_answer, submit, submitted, tiny},
    process::perform_in,
    receiver::Receiver,
    tally::Tally,
    webhooks::{LOOPBACK, endpoint},
};
use std::{
    fs::File,
    io::{ErrorKind, Write as _},
    path::{Path, PathBuf},
};

/// Takes all room that there is on a disk.
struct Ballast(PathBuf);

impl Ballast {
    fn on(disk: &Path) -> Self {
        let ballast = Self(disk.join("ballast"));
        ballast.fill();
        ballast
    }

    /// Takes what has become free meanwhile.
    fn fill(&self) {
        let mut file = File::options().create(true).append(true).open(&self.0).unwrap();
        let mut piece: &[u8] = &[7; 64 * 1024];
        loop {
            match file.write(piece) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull && piece.len() > 1 => {
                    piece = &piece[..piece.len() / 2];
                }
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
                    return;
                }
            }
        }
    }
}

impl Drop for Ballast {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Knocks until the hub has no room any more. Gives what was accepted before.
async fn until_refused(caller: &Caller, door: Door, ballast: &Ballast) -> usize {
    let (mut accepted, mut refused) = (0, false);
    for _ in 0..2_000 {
        ballast.fill();
        let answer = caller.knock(door).await;
        match answer.status {
            503 => {
                assert!(answer.header("retry-after").is_some(), "{door:?}: {answer:?}");
                refused = true;
                break;
            }
            200..300 => accepted += 1,
            _ => panic!("{door:?}: {answer:?}"),
        }
    }
    assert!(refused, "{door:?} was never refused");
    accepted
}

#[tokio::test]
async fn a_full_disk_refuses_what_comes_and_loses_nothing_of_what_came() {
    let Some(disk) = std::env::var_os("GLMHUB_TEST_SMALL_DISK").map(PathBuf::from) else {
        eprintln!("GLMHUB_TEST_SMALL_DISK is not set: a full disk was not tested");
        return;
    };
    let settings = [
        LOOPBACK,
        ("GLMHUB_WORK__LOST_AFTER_SECONDS", "3"),
        ("GLMHUB_QUEUE__LEASE_SECONDS", "5"),
        ("GLMHUB_WEBHOOKS__TIMEOUT_SECONDS", "2"),
        ("GLMHUB_WEBHOOKS__CLAIM_SECONDS", "8"),
    ];
    let hub = Hub::start_in(tempfile::tempdir_in(&disk).unwrap(), &settings);
    hub.import(MODEL, &tiny());
    let (receiver, client) = (Receiver::answering(200).await, hub.client("acme", &ROLES));
    endpoint(&client, &receiver.url()).await;
    let caller = Caller::new(client.clone()).await;
    let batch = submitted(&client, &["What is it?", "What is the total?"], 20).await;
    first_answer(&client, &batch).await;
    let ballast = Ballast::on(&disk);
    let mut accepted = Vec::new();
    for door in [Door::Document, Door::Batch, Door::OneCall] {
        accepted.push((door, until_refused(&caller, door, &ballast).await));
    }
    let ready = || async { (client.get("/readyz").await.status == 503).then_some(()) };
    eventually("the hub to say that it is not ready", ready).await;
    eprintln!("accepted on a full disk: {accepted:?}");
    drop(ballast);
    submit(&client, &caller.batch).await.expect(200);
    let tally = Tally::of(&client, &[batch, caller.batch.clone()], &receiver).await;
    tally.check();
    let [(_, documents), _, (_, calls)] = accepted[..] else {
        unreachable!()
    };
    assert_eq!(tally.jobs, 40 + 1 + documents + calls);
    eprintln!("{}", perform_in(&hub.data(), &["audit", "verify"], &[]).well());
}
