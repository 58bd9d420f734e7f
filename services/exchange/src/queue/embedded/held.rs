//! What the embedded queue holds, and the moves between waiting, leased and gone. No waiting, no clock.

use super::{
    Announcement, Depth, Lease, OffsetDateTime, OrderId, Received, Report, Standing, Taker, TenantName,
    WorkOrder, WorkerId,
};
use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

/// Orders keep the place in the line that they got when they came, also after a lease that ended.
type Place = u64;

#[derive(Default)]
pub(super) struct Held {
    /// Counts everything that needs a number of its own: places, deliveries, receipts.
    last_number: u64,
    waiting: BTreeMap<Place, WorkOrder>,
    leased: HashMap<OrderId, Hold>,
    places: HashMap<OrderId, Place>,
    /// Holds that the hub ended, kept until they would have ended anyway, so that their workers learn of it.
    withdrawn: HashMap<OrderId, Hold>,
    reports: BTreeMap<u64, HeldReport>,
    epochs: HashMap<TenantName, u64>,
    /// What workers said of themselves, until a hub reads it.
    announced: HashMap<WorkerId, Announcement>,
}

struct Hold {
    order: WorkOrder,
    delivery: u64,
    lasts: Duration,
    until: OffsetDateTime,
}

struct HeldReport {
    report: Report,
    /// Given to a collector and not to be given again before this moment.
    hidden_until: Option<OffsetDateTime>,
}

impl Held {
    fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    /// Puts back the orders whose lease has ended, and shows the reports again that nobody acknowledged in
    /// time. Tells whether there was anything.
    pub(super) fn come_due(&mut self, now: OffsetDateTime) -> bool {
        self.withdrawn.retain(|_, hold| hold.until > now);
        let mut any = false;
        for (id, hold) in self.leased.extract_if(|_, hold| hold.until <= now) {
            if let Some(&place) = self.places.get(&id) {
                self.waiting.insert(place, hold.order);
                any = true;
            }
        }
        for held in self.reports.values_mut() {
            if held.hidden_until.is_some_and(|until| until <= now) {
                held.hidden_until = None;
                any = true;
            }
        }
        any
    }

    /// When [`Held::come_due`] will next have something to do.
    pub(super) fn next_due(&self) -> Option<OffsetDateTime> {
        let leases = self.leased.values().map(|hold| hold.until);
        leases
            .chain(self.reports.values().filter_map(|held| held.hidden_until))
            .min()
    }

    pub(super) fn holds(&self, order: OrderId) -> bool {
        self.places.contains_key(&order)
    }

    pub(super) fn offer(&mut self, order: WorkOrder) {
        let place = self.next_number();
        self.places.insert(order.id, place);
        self.waiting.insert(place, order);
    }

    pub(super) fn take(&mut self, taker: &Taker, now: OffsetDateTime, lasts: Duration) -> Option<Lease> {
        let fitting = self
            .waiting
            .iter()
            .filter(|(_, order)| taker.can_hold(order.need));
        let ranked = fitting.filter_map(|(place, order)| Some((taker.rank(&order.revision_sha256)?, *place)));
        let (_, place) = ranked.min()?;
        let order = self.waiting.remove(&place)?;
        let delivery = self.next_number();
        let hold = Hold {
            order: order.clone(),
            delivery,
            lasts,
            until: now + lasts,
        };
        self.leased.insert(order.id, hold);
        let epoch = order.tenant.as_ref().map(|tenant| self.epoch(tenant));
        Some(Lease {
            epoch,
            order,
            worker: taker.worker,
            delivery,
            lasts,
        })
    }

    fn standing(&self, lease: &Lease) -> Standing {
        let is_of = |holds: &HashMap<OrderId, Hold>| {
            let hold = holds.get(&lease.order.id);
            hold.is_some_and(|hold| hold.delivery == lease.delivery)
        };
        match (is_of(&self.leased), is_of(&self.withdrawn)) {
            (true, _) => Standing::Held,
            (false, true) => Standing::Withdrawn,
            (false, false) => Standing::Lost,
        }
    }

    pub(super) fn extend(&mut self, lease: &Lease, now: OffsetDateTime) -> Standing {
        let standing = self.standing(lease);
        if let (Standing::Held, Some(hold)) = (standing, self.leased.get_mut(&lease.order.id)) {
            hold.until = now + hold.lasts;
        }
        standing
    }

    pub(super) fn settle(&mut self, lease: &Lease) -> Standing {
        let standing = self.standing(lease);
        if standing == Standing::Held {
            self.leased.remove(&lease.order.id);
            self.places.remove(&lease.order.id);
        }
        standing
    }

    pub(super) fn withdraw(&mut self, order: OrderId) {
        if let Some(place) = self.places.remove(&order) {
            self.waiting.remove(&place);
        }
        if let Some(hold) = self.leased.remove(&order) {
            self.withdrawn.insert(order, hold);
        }
    }

    pub(super) fn report(&mut self, report: Report) {
        let receipt = self.next_number();
        self.reports.insert(
            receipt,
            HeldReport {
                report,
                hidden_until: None,
            },
        );
    }

    pub(super) fn collect(&mut self, most: usize, now: OffsetDateTime, hidden: Duration) -> Vec<Received> {
        let shown = self
            .reports
            .iter_mut()
            .filter(|(_, held)| held.hidden_until.is_none());
        let receive = |(receipt, held): (&u64, &mut HeldReport)| {
            held.hidden_until = Some(now + hidden);
            Received {
                report: held.report.clone(),
                receipt: receipt.to_string(),
            }
        };
        shown.take(most).map(receive).collect()
    }

    /// A receipt that is not known was acknowledged before.
    pub(super) fn acknowledge(&mut self, receipt: &str) {
        if let Ok(receipt) = receipt.parse::<u64>() {
            self.reports.remove(&receipt);
        }
    }

    pub(super) fn epoch(&self, tenant: &TenantName) -> u64 {
        self.epochs.get(tenant).copied().unwrap_or(0)
    }

    pub(super) fn announce_epoch(&mut self, tenant: &TenantName, epoch: u64) {
        let known = self.epochs.entry(tenant.clone()).or_default();
        *known = epoch.max(*known);
    }

    pub(super) fn announce(&mut self, announcement: Announcement) {
        self.announced.insert(announcement.worker, announcement);
    }

    pub(super) fn announced(&mut self) -> Vec<Announcement> {
        self.announced
            .drain()
            .map(|(_, announcement)| announcement)
            .collect()
    }

    pub(super) fn depth(&self) -> Depth {
        Depth {
            waiting: self.waiting.len() as u64,
            leased: self.leased.len() as u64,
            reports: self.reports.len() as u64,
        }
    }
}
