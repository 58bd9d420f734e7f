//! How many grants one core signs and verifies in a second: what dispatch pays for an order, and a worker for believing
//! it.
//!
//! `cargo bench -p exchange --bench grants` prints criterion's estimates, the medians and the rates. Everything is on
//! one thread. An order of the benchmark has sixteen questions.
#![expect(
    clippy::unwrap_used,
    reason = "a measurement that cannot go on says so by panicking"
)]

use criterion::Criterion;
use domain::{
    clock::{Clock as _, HandClock},
    digest::Sha256,
    grant::Grant,
    id::IdMaker,
    order::{OrderQuestion, Parameters, WorkOrder, questions_digest},
    purpose::Purpose,
};
use exchange::{grant, signing::SigningKey};
use std::{
    hint::black_box,
    io::{self, Write as _},
    sync::Arc,
    time::Instant,
};
use time::{Duration, OffsetDateTime};

const QUESTIONS: usize = 16;
/// Medians are of this many grants each.
const SAMPLES: usize = 5000;
/// What one core must do in a second: sign a grant, and verify it as a worker does.
const LEAST: f64 = 5000.0;

fn questions(ids: &IdMaker) -> Vec<OrderQuestion> {
    let question = |number| OrderQuestion {
        job: ids.make(),
        text: format!("What is the total of position {number}, with tax and in which currency?"),
        parameters: Parameters::default(),
    };
    (0..QUESTIONS).map(question).collect()
}

fn grant_over(ids: &IdMaker, questions: &[OrderQuestion], now: OffsetDateTime) -> Grant {
    Grant {
        order: ids.make(),
        tenant: "acme".parse().unwrap(),
        jobs: questions.iter().map(|question| question.job).collect(),
        purpose: Purpose::Commercial,
        page_sha256: Sha256::of(b"a page"),
        questions_sha256: questions_digest(questions),
        model: "THUDM/glm-4v-9b".parse().unwrap(),
        revision_sha256: Sha256::of(b"a revision"),
        artifacts_sha256: Sha256::of(b"its artifacts"),
        policies_sha256: Sha256::of(b"the policies"),
        terms_sha256: Some(Sha256::of(b"terms")),
        decision: ids.make(),
        attempt: 1,
        epoch: 3,
        iat: now.unix_timestamp(),
        exp: now.unix_timestamp() + 3600,
    }
}

/// The middle one of many single times, in microseconds.
fn median(mut once: impl FnMut()) -> f64 {
    let mut times: Vec<u128> = (0..SAMPLES)
        .map(|_| {
            let start = Instant::now();
            once();
            start.elapsed().as_nanos()
        })
        .collect();
    times.sort_unstable();
    times[SAMPLES / 2] as f64 / 1000.0
}

fn main() {
    let clock = Arc::new(HandClock::at(OffsetDateTime::UNIX_EPOCH + Duration::days(20_000)));
    let (ids, now) = (IdMaker::new(clock.clone()), clock.now());
    let (key, questions) = (SigningKey::ephemeral().unwrap(), questions(&ids));
    let keys = key.public();
    let granted = grant_over(&ids, &questions, now);
    let order = WorkOrder::new(&granted, grant::mint(&key, &granted).unwrap(), questions);
    let sign = || grant::mint(&key, black_box(&granted)).unwrap();
    let verify = |token: &str| grant::verify(&keys, black_box(token), &order, now, 3).unwrap();
    assert_eq!(verify(&order.grant), granted);
    let mut criterion = Criterion::default().configure_from_args();
    criterion.bench_function("grant/sign", |bench| bench.iter(sign));
    criterion.bench_function("grant/verify", |bench| bench.iter(|| verify(&order.grant)));
    criterion.bench_function("grant/sign and verify", |bench| bench.iter(|| verify(&sign())));
    let both = median(|| drop(black_box(verify(&sign()))));
    let mut out = io::stdout().lock();
    for (name, p50) in [
        ("signing", median(|| drop(black_box(sign())))),
        ("verifying", median(|| drop(black_box(verify(&order.grant))))),
        ("signing and verifying", both),
    ] {
        let rate = 1e6 / p50;
        writeln!(
            out,
            "p50 of {name}: {p50:.1} microseconds, {rate:.0} a second ({QUESTIONS} questions)"
        )
        .unwrap();
    }
    writeln!(
        out,
        "at least {LEAST:.0} a second are signed and verified: {}",
        1e6 / both >= LEAST
    )
    .unwrap();
}
