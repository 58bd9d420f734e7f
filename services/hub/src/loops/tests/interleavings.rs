//! Whatever happens in whatever order, counters add up and no job is answered twice.

use super::desk::{Desk, answered, failed};
use domain::{
    id::{BatchId, JobId},
    job::JobPhase,
    names::TenantName,
    order::{ReportKind, WorkOrder},
};
use exchange::queue::{Lease, Queue as _};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};
use records::{
    backlog::{self, Bounds, Full},
    batches, jobs,
};
use std::collections::BTreeMap;
use time::Duration;

const SEEDS: u64 = 12;
const STEPS: usize = 150;

/// What is remembered from outside: answers that were seen may never change.
struct Story {
    desk: Desk,
    random: StdRng,
    batch: BatchId,
    leases: Vec<Lease>,
    /// Every order that was ever taken: old ones report again at any time.
    orders: Vec<WorkOrder>,
    answers: BTreeMap<JobId, String>,
}

fn acme() -> TenantName {
    "acme".parse().unwrap()
}

impl Story {
    async fn begin(seed: u64) -> Self {
        let desk = Desk::new().await;
        // Every third batch ends in the middle of its story.
        let end = desk.stamp().at + Duration::minutes(if seed.is_multiple_of(3) { 4 } else { 600 });
        let batch = desk
            .submitted_as("acme", 2, |batch| batch.with_end(Some(end)))
            .await;
        let taken = desk.take_document().await.unwrap();
        assert!(desk.split(&taken, 2).await);
        let random = StdRng::seed_from_u64(seed);
        Self {
            desk,
            random,
            batch,
            leases: vec![],
            orders: vec![],
            answers: BTreeMap::new(),
        }
    }

    async fn happen(&mut self) {
        match self.random.random_range(0..100) {
            0..25 => self.desk.dispatch_all().await,
            25..40 => {
                if let Some(lease) = self.desk.take().await {
                    self.orders.push(lease.order.clone());
                    self.leases.push(lease);
                }
            }
            40..65 => self.say_something().await,
            65..80 => self.desk.collect_all().await,
            80..84 => self.desk.clock.turn(Duration::seconds(45)),
            84..88 => drop(self.desk.sweep.step().await.unwrap()),
            88..91 => self.desk.restart().await,
            91..94 => self.settle_a_lease().await,
            94..95 => drop(self.desk.expire().step().await.unwrap()),
            95..98 => self.requeue_or_cancel_a_job().await,
            _ => {
                let stamp = self.desk.stamp();
                let jobs = &self.desk.read("acme", self.batch).await.jobs;
                // A batch is cancelled late in its life, or its story would be a short one.
                if jobs.answered >= 3 {
                    batches::cancel(&self.desk.db, stamp, &acme(), self.batch)
                        .await
                        .unwrap()
                        .unwrap()
                        .ok();
                }
            }
        }
        self.look().await;
    }

    async fn say_something(&mut self) {
        // The newest order is mostly the one that is out; an older one tries to break in.
        let newest = self.random.random_bool(0.6).then(|| self.orders.last()).flatten();
        let Some(order) = newest.or_else(|| self.orders.choose(&mut self.random)).cloned() else {
            return;
        };
        let job = order.questions.choose(&mut self.random).unwrap().job;
        let number: u32 = self.random.random();
        let kind = match number % 8 {
            0 => ReportKind::Started,
            1 => failed(job, true),
            2 if number.is_multiple_of(3) => failed(job, false),
            3 => ReportKind::HandedBack,
            _ => answered(job, &number.to_string()),
        };
        self.desk.report(&order, kind).await;
    }

    async fn settle_a_lease(&mut self) {
        if let Some(lease) = self.leases.pop() {
            self.desk.queue.settle(&lease).await.unwrap();
        }
    }

    async fn requeue_or_cancel_a_job(&mut self) {
        let all = self.desk.jobs("acme", self.batch).await;
        let job = all.choose(&mut self.random).unwrap().id;
        let (db, stamp) = (&self.desk.db, self.desk.stamp());
        if self.random.random_bool(0.7) {
            jobs::requeue(db, stamp, &acme(), job)
                .await
                .unwrap()
                .unwrap()
                .ok();
        } else if let Ok(Some(order)) = jobs::cancel(db, stamp, &acme(), job).await.unwrap().unwrap() {
            self.desk.queue.withdraw(order).await.unwrap();
        }
    }

    /// The counters are those of the jobs, and an answer that was there is there unchanged.
    async fn look(&mut self) {
        let stored = self.desk.read("acme", self.batch).await;
        let jobs = self.desk.jobs("acme", self.batch).await;
        for phase in JobPhase::ALL {
            let counted = jobs.iter().filter(|job| job.state.phase() == phase).count() as u64;
            assert_eq!(stored.jobs.of(phase), counted, "{phase}");
        }
        assert_eq!(stored.jobs.total(), 4);
        self.look_at_backlog(stored.jobs.unsettled()).await;
        if matches!(stored.state.as_str(), "completed" | "expired") {
            assert_eq!(stored.jobs.unsettled(), 0);
        }
        for job in jobs {
            let whole = self.desk.job("acme", job.id).await;
            assert_eq!(whole.answer.is_some(), job.state.phase() == JobPhase::Answered);
            let text = whole.answer.map(|answer| answer.report.text);
            match (self.answers.get(&job.id), text) {
                (Some(seen), now) => assert_eq!(Some(seen), now.as_ref()),
                (None, Some(new)) => drop(self.answers.insert(job.id, new)),
                (None, None) => {}
            }
        }
    }
}

impl Story {
    /// Exactly so much waits.
    async fn look_at_backlog(&self, waiting: u64) {
        let room = async |most| {
            let bounds = Bounds {
                of_tenant: None,
                of_all: Some(most),
            };
            backlog::room(&self.desk.db, &acme(), bounds).await.unwrap()
        };
        assert_eq!(room(waiting).await, Err(Full::OfAll { most: waiting }));
        assert_eq!(room(waiting + 1).await, Ok(()));
    }
}

#[tokio::test]
async fn counters_add_up_and_no_job_is_answered_twice_whatever_happens() {
    let mut answered = 0;
    for seed in 0..SEEDS {
        let mut story = Story::begin(seed).await;
        for _ in 0..STEPS {
            story.happen().await;
        }
        answered += story.answers.len();
    }
    assert!(
        answered >= SEEDS as usize,
        "stories in which little is answered prove little: {answered}"
    );
}
