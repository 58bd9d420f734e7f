//! What came of everything, counted in the answers of the API, in the database and at the receiver of webhooks.

use super::{Fleet, psql};
use crate::{client::Client, jobs::completed, receiver::Receiver};
use std::collections::{BTreeMap, BTreeSet};

/// Attempts at one page that were out at the same time: each pair is a page that was dispatched twice. After a fault that
/// may pass, the jobs of a page wait each for a time of its own and rightly go out apart: such pages do not count.
const AT_ONCE: &str = "SELECT count(*) FROM attempts a JOIN attempts b ON a.page = b.page AND a.attempt < b.attempt \
    AND (a.closed_at IS NULL OR b.dispatched_at < a.closed_at) WHERE NOT EXISTS (SELECT 1 FROM job_faults f \
    JOIN jobs j ON j.id = f.job WHERE j.page = a.page AND f.code <> 'attempt_lost')";
const ATTEMPTS: &str = "SELECT outcome || ' ' || count(*) FROM attempts GROUP BY outcome ORDER BY outcome";
const OPEN: &str = "SELECT count(*) FROM attempts WHERE closed_at IS NULL";
const BY_HOW_MANY: &str = "SELECT count(DISTINCT worker) FROM answers";

/// The numbers of a test.
pub struct Count {
    pub jobs: usize,
    pub answers: usize,
    pub failed: u64,
    pub events: usize,
    pub webhooks: usize,
    pub at_once: String,
    pub open: String,
    pub attempts: String,
    pub workers: String,
}

impl Count {
    /// Waits until `batches` are done and every event of theirs has come, then counts.
    pub async fn of(fleet: &Fleet, client: &Client, batches: &[String], receiver: &Receiver) -> Self {
        let (mut jobs, mut failed) = (0, 0);
        let mut answered = BTreeSet::new();
        let mut answers = 0;
        for batch in batches {
            let seen = completed(client, batch).await;
            jobs += seen["jobs"]["total"].as_u64().unwrap() as usize;
            failed += seen["jobs"]["failed"].as_u64().unwrap();
            let rows = client
                .get(&format!("{batch}/answers?limit=100"))
                .await
                .expect(200)
                .json();
            for row in rows["data"].as_array().unwrap() {
                assert!(row["answer"]["text"].is_string(), "{row}");
                answers += 1;
                assert!(
                    answered.insert(row["job"].as_str().unwrap().to_owned()),
                    "answered twice: {row}"
                );
            }
        }
        let expected = answered.len() + batches.len();
        let came = crate::hub::eventually("every event to come", || async {
            Some(by_id(receiver)).filter(|came| came.len() >= expected)
        })
        .await;
        Self {
            jobs,
            answers,
            failed,
            events: came.len(),
            webhooks: came.values().sum(),
            at_once: psql(&fleet.database, AT_ONCE),
            open: psql(&fleet.database, OPEN),
            attempts: psql(&fleet.database, ATTEMPTS).replace('\n', ", "),
            workers: psql(&fleet.database, BY_HOW_MANY),
        }
    }

    /// Prints the numbers, and holds that every job has one answer, every event was told, and the audit log is whole.
    pub fn check(&self, fleet: &Fleet, batches: &[String]) {
        eprintln!("counted: {self}");
        assert_eq!((self.answers, self.failed), (self.jobs, 0));
        assert_eq!(self.events, self.jobs + batches.len());
        assert_eq!((self.at_once.as_str(), self.open.as_str()), ("0", "0"));
        eprintln!("the audit log: {}", fleet.perform(&["audit", "verify"]).trim());
    }
}

impl std::fmt::Display for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            jobs,
            answers,
            failed,
            events,
            webhooks,
            at_once,
            open,
            attempts,
            workers,
        } = self;
        write!(
            f,
            "{jobs} jobs, {answers} answers by {workers} workers, {failed} failed; "
        )?;
        write!(f, "{events} events told by {webhooks} webhooks; ")?;
        write!(
            f,
            "attempts: {attempts}, {open} open, {at_once} of a page at the same time"
        )
    }
}

/// How often each event came. What is said of one event is always the same.
fn by_id(receiver: &Receiver) -> BTreeMap<String, usize> {
    let (mut times, mut bodies) = (BTreeMap::new(), BTreeMap::new());
    for came in receiver.came() {
        let id = came.headers["webhook-id"].clone();
        *times.entry(id.clone()).or_insert(0) += 1;
        let body = bodies.entry(id).or_insert_with(|| came.body.clone());
        assert_eq!(*body, came.body);
    }
    times
}
