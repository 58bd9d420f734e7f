//! Orders that no worker has room for.

use super::desk::{Desk, shipped};
use crate::{
    loops::{
        Outcome,
        register::{Register, RegisterParts},
    },
    work_settings::WorkSettings,
};
use domain::{clock::Clock as _, hardware::Room, worker::Announcement};
use exchange::queue::Queue as _;
use records::workers;
use time::Duration;

fn register(desk: &Desk) -> Register {
    Register::new(RegisterParts {
        db: desk.db.clone(),
        queue: desk.queue.clone(),
        clock: desk.clock.clone(),
        settings: desk.settings.clone(),
    })
}

/// A worker whose models may take so many bytes.
fn announcement(desk: &Desk, memory_bytes: u64) -> Announcement {
    Announcement {
        worker: desk.worker,
        version: "1.2.3".into(),
        device: "cpu".into(),
        room: Room {
            memory_bytes: Some(memory_bytes),
            value_bytes: 4,
        },
        loaded: vec![],
        speeds: vec![],
    }
}

#[tokio::test]
async fn a_worker_is_known_from_its_first_word_until_it_has_been_silent_for_too_long() {
    let desk = Desk::new().await;
    let mut register = register(&desk);
    let said = announcement(&desk, 1 << 40);
    desk.queue.announce(said.clone()).await.unwrap();
    assert_eq!(register.step().await.unwrap(), Outcome::Idle);
    let gone = desk.settings.worker_gone();
    desk.clock.turn(gone - Duration::SECOND);
    register.step().await.unwrap();
    let long_ago = desk.clock.now() - Duration::HOUR;
    assert_eq!(
        workers::alive(&desk.db, long_ago).await.unwrap()[0].announcement,
        said
    );
    desk.clock.turn(Duration::SECOND);
    register.step().await.unwrap();
    assert_eq!(workers::alive(&desk.db, long_ago).await.unwrap(), []);
}

#[tokio::test]
async fn what_no_worker_has_room_for_keeps_one_order_out_and_goes_on_when_one_has() {
    let mut desk = Desk::with(WorkSettings {
        most_orders: 4,
        ..shipped()
    })
    .await;
    let mut register = register(&desk);
    let batch = desk.batch("acme", 6, 1).await;
    desk.dispatch_all().await;
    let waiting = async |desk: &Desk| desk.queue.depth().await.unwrap().waiting;
    assert_eq!(waiting(&desk).await, 4);
    // The desk's model takes 5 values of 4 bytes and 7 bytes more.
    for memory_bytes in [26, 26, 27] {
        desk.queue
            .announce(announcement(&desk, memory_bytes))
            .await
            .unwrap();
        register.step().await.unwrap();
        desk.clock.turn(desk.settings.worker_gone() - Duration::SECOND);
        desk.queue
            .announce(announcement(&desk, memory_bytes))
            .await
            .unwrap();
        register.step().await.unwrap();
        desk.clock.turn(Duration::SECOND * 2);
        register.step().await.unwrap();
        for _ in 0..2 {
            desk.sweep.step().await.unwrap();
            desk.queue
                .announce(announcement(&desk, memory_bytes))
                .await
                .unwrap();
            register.step().await.unwrap();
            desk.clock.turn(desk.settings.lost_after());
        }
        desk.dispatch_all().await;
        let expected = if memory_bytes == 27 { 4 } else { 1 };
        assert_eq!(waiting(&desk).await, expected, "{memory_bytes}");
    }
    while let Some(lease) = desk.take().await {
        desk.answer_all(&lease).await;
        desk.collect_all().await;
        desk.clock.turn(Duration::MINUTE);
        desk.queue.announce(announcement(&desk, 27)).await.unwrap();
        register.step().await.unwrap();
        desk.dispatch_all().await;
    }
    assert_eq!(desk.read("acme", batch).await.jobs.answered, 6);
}
