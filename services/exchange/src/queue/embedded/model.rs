//! Random sequences of calls against a model that is too simple to be wrong: which orders were offered and not
//! ended, and which leases stand.

use super::*;
use crate::fixtures::Desk;
use proptest::prelude::*;
use std::collections::BTreeMap;

const LEASE_SECONDS: i64 = 30;

#[derive(Debug, Clone)]
enum Call {
    Offer,
    Take,
    /// The number names one of the leases given so far, good or not.
    Extend(usize),
    Settle(usize),
    /// The number names one of the orders offered so far.
    Withdraw(usize),
    Turn(i64),
}

fn call() -> impl Strategy<Value = Call> {
    prop_oneof![
        3 => Just(Call::Offer),
        4 => Just(Call::Take),
        2 => (0usize..64).prop_map(Call::Extend),
        2 => (0usize..64).prop_map(Call::Settle),
        1 => (0usize..64).prop_map(Call::Withdraw),
        2 => (1i64..2 * LEASE_SECONDS).prop_map(Call::Turn),
    ]
}

/// The model beside the queue: what must be true of it after every call.
struct Watch {
    desk: Desk,
    queue: EmbeddedQueue,
    offered: Vec<OrderId>,
    leases: Vec<Lease>,
    /// Orders neither settled nor withdrawn, with the lease that stands and its end, if one does.
    alive: BTreeMap<OrderId, Option<(u64, OffsetDateTime)>>,
}

impl Watch {
    fn new() -> Self {
        let desk = Desk::new();
        let settings = EmbeddedSettings {
            lease: Duration::from_secs(LEASE_SECONDS as u64),
            most_orders: usize::MAX / 128,
        };
        let queue = EmbeddedQueue::new(desk.clock.clone(), settings);
        Self {
            desk,
            queue,
            offered: vec![],
            leases: vec![],
            alive: BTreeMap::new(),
        }
    }

    fn now(&self) -> OffsetDateTime {
        domain::clock::Clock::now(&*self.desk.clock)
    }

    fn stands(&self, lease: &Lease) -> bool {
        let hold = self.alive.get(&lease.order.id).copied().flatten();
        hold.is_some_and(|(delivery, until)| delivery == lease.delivery && until > self.now())
    }

    fn end_of_lease(&self) -> OffsetDateTime {
        self.now() + time::Duration::seconds(LEASE_SECONDS)
    }

    async fn does(&mut self, call: Call) {
        match call {
            Call::Offer => self.offers().await,
            Call::Take => self.takes().await,
            Call::Extend(number) => self.extends(number).await,
            Call::Settle(number) => self.settles(number).await,
            Call::Withdraw(number) => {
                if let Some(&order) = self.offered.get(number) {
                    self.queue.withdraw(order).await.unwrap();
                    self.alive.remove(&order);
                }
            }
            Call::Turn(seconds) => self.desk.clock.turn(time::Duration::seconds(seconds)),
        }
    }

    async fn offers(&mut self) {
        let order = self.desk.order();
        self.offered.push(order.id);
        self.alive.insert(order.id, None);
        self.queue.offer(order).await.unwrap();
    }

    async fn takes(&mut self) {
        let (now, end) = (self.now(), self.end_of_lease());
        let free = |hold: &Option<(u64, OffsetDateTime)>| hold.is_none_or(|(_, until)| until <= now);
        let oldest = self
            .offered
            .iter()
            .copied()
            .find(|order| self.alive.get(order).is_some_and(free));
        let lease = self
            .queue
            .take(&Taker::of_anything(self.desk.ids.make()), Duration::ZERO)
            .await
            .unwrap();
        assert_eq!(
            lease.as_ref().map(|lease| lease.order.id),
            oldest,
            "the oldest free order, and no other"
        );
        if let Some(lease) = lease {
            self.alive.insert(lease.order.id, Some((lease.delivery, end)));
            self.leases.push(lease);
        }
    }

    async fn extends(&mut self, number: usize) {
        let Some(lease) = self.leases.get(number).cloned() else {
            return;
        };
        let standing = self.queue.extend(&lease).await.unwrap();
        assert_eq!(standing == Standing::Held, self.stands(&lease));
        if standing == Standing::Held {
            self.alive
                .insert(lease.order.id, Some((lease.delivery, self.end_of_lease())));
        }
        if standing == Standing::Withdrawn {
            assert!(!self.alive.contains_key(&lease.order.id));
        }
    }

    async fn settles(&mut self, number: usize) {
        let Some(lease) = self.leases.get(number).cloned() else {
            return;
        };
        let stood = self.queue.settle(&lease).await.unwrap() == Standing::Held;
        assert_eq!(stood, self.stands(&lease));
        if stood {
            self.alive.remove(&lease.order.id);
        }
    }

    async fn checks(&self) {
        let mut held = self.queue.held(&self.offered).await.unwrap();
        held.sort();
        assert_eq!(
            held,
            self.alive.keys().copied().collect::<Vec<_>>(),
            "no order is lost and none comes back"
        );
        let depth = self.queue.depth().await.unwrap();
        let standing = self
            .alive
            .values()
            .flatten()
            .filter(|(_, until)| *until > self.now())
            .count();
        assert_eq!(
            (depth.leased, depth.waiting),
            (standing as u64, (held.len() - standing) as u64)
        );
    }
}

proptest! {
    #[test]
    fn no_order_is_lost_or_handed_to_two_workers_at_once(calls in proptest::collection::vec(call(), 1..120)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let mut watch = Watch::new();
            for call in calls {
                watch.does(call).await;
                watch.checks().await;
            }
        });
    }
}
