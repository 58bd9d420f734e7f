//! Workers in processes of their own, as every hub hears of them.

use super::{EACH, Fleet};
use crate::hub::eventually;

#[tokio::test]
async fn every_hub_hears_of_all_workers_and_one_that_is_killed_is_soon_gone() {
    let Some(mut fleet) = Fleet::start().await else {
        return;
    };
    for hub in 0..EACH {
        listed(&fleet, hub, EACH).await;
    }
    fleet.workers[0].kill9();
    for hub in 0..EACH {
        listed(&fleet, hub, EACH - 1).await;
    }
    fleet.begin_worker(0);
    listed(&fleet, 0, EACH).await;
}

/// Waits until a hub lists so many workers.
async fn listed(fleet: &Fleet, hub: usize, count: usize) {
    let client = fleet.caller(hub, "acme", &["operator"]);
    let look = || async {
        let listed = client.get("/v1/workers").await.expect(200).json();
        (listed["data"].as_array()?.len() == count).then_some(())
    };
    eventually("as many workers as there are to be listed", look).await;
}
