//! How long the gate and an act's permission take: a lineage of 50 models, 200 rules of an organisation's own.
//!
//! `cargo bench -p domain` prints criterion's estimates and the medians.
#![expect(
    clippy::unwrap_used,
    reason = "a measurement that cannot go on says so by panicking"
)]

use criterion::Criterion;
use domain::{
    acceptance::{Acceptance, Signer, Standing, State},
    access::{Act, Caller, Role},
    batch::Metadata,
    digest::Sha256,
    gate::{self, Decision, Facts, Request},
    lineage::Licensed,
    policy::{Policies, PolicyFile},
    purpose::Purpose,
};
use std::{
    collections::BTreeSet,
    fmt::Write as _,
    hint::black_box,
    io::{self, Write as _},
    time::Instant,
};
use time::OffsetDateTime;

/// The program's own allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const MODELS: usize = 50;
const RULES: usize = 200;
/// Medians are of this many decisions each.
const SAMPLES: usize = 5000;

/// 200 rules as organisations write them: about tenants, licences, ancestors, metadata, sites and days.
fn own_rules() -> PolicyFile {
    let mut text = String::new();
    for number in 0..RULES {
        let (scope, condition) = match number % 5 {
            0 => (
                format!("principal in Tenant::\"t{number}\""),
                "context.site != \"on-premises\"".to_owned(),
            ),
            1 => (
                "principal".into(),
                format!("context.metadata.contains(\"kind={number}\")"),
            ),
            2 => (
                "principal".into(),
                format!("resource in Model::\"m/x{number}\" && context.purpose == \"commercial\""),
            ),
            3 => (
                "principal".into(),
                format!("resource in License::\"l{number}\" || resource.name == \"x{number}\""),
            ),
            _ => ("principal".into(), "context.at > datetime(\"2999-01-01\")".into()),
        };
        writeln!(
            text,
            "@code(\"own_{number}\") @cure(\"ask {{tenant}}\")\nforbid ({scope}, action == Action::\"use\", resource)\n\
             when {{ {condition} }};"
        )
        .unwrap();
    }
    PolicyFile::new("rules/own.cedar", text)
}

fn request(purpose: Purpose) -> Request {
    Request {
        tenant: "acme".parse().unwrap(),
        member: "li".parse().unwrap(),
        model: "m/0".parse().unwrap(),
        revision_sha256: Sha256::of(b"revision"),
        purpose,
        metadata: Metadata::from([("kind".to_owned(), "invoice".to_owned())]),
        site: "cloud".into(),
        at: OffsetDateTime::UNIX_EPOCH,
    }
}

/// A chain of models, every tenth under glm-4, and an acceptance that covers them.
fn facts() -> Facts {
    let license = |number: usize| match number % 10 {
        0 => "glm-4",
        place if place % 2 == 0 => "mit",
        _ => "apache-2.0",
    };
    let text = Sha256::of(b"text");
    let lineage = (0..MODELS).map(|number| Licensed {
        model: format!("m/{number}").parse().unwrap(),
        license: Some(license(number).parse().unwrap()),
        terms_sha256: (number == 0).then_some(text),
        through: number.checked_sub(1),
    });
    let acceptance = Acceptance {
        id: uuid::Uuid::from_u128(1).into(),
        tenant: "acme".parse().unwrap(),
        requested_by: "li".parse().unwrap(),
        requested_at: OffsetDateTime::UNIX_EPOCH,
        license: "glm-4".parse().unwrap(),
        terms_sha256: text,
        purposes: BTreeSet::from([Purpose::Evaluation]),
        signer: Signer {
            name: "the signatory".into(),
            title: "Counsel".into(),
        },
        registration_number: None,
        territory: None,
        evidence: None,
        valid_until: None,
        state: State::Active(Standing {
            since: OffsetDateTime::UNIX_EPOCH,
            approved: None,
        }),
    };
    Facts {
        lineage: lineage.collect(),
        acceptances: vec![acceptance],
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
    let policies = Policies::with_own(vec![own_rules()]).unwrap();
    let (facts, id) = (facts(), uuid::Uuid::from_u128(1));
    let (allowed, refused) = (request(Purpose::Evaluation), request(Purpose::Commercial));
    let decide =
        |request: &Request| gate::decide(id.into(), &policies, black_box(request), black_box(&facts));
    assert!(matches!(decide(&allowed), Decision::Allowed(_)));
    assert!(matches!(decide(&refused), Decision::Refused(_)));
    let caller = Caller {
        tenant: "acme".parse().unwrap(),
        member: "li".parse().unwrap(),
        roles: BTreeSet::from([Role::Submitter, Role::Signatory]),
    };
    let shipped = Policies::shipped().unwrap();
    let plain = || {
        drop(black_box(gate::decide(
            id.into(),
            &shipped,
            black_box(&allowed),
            black_box(&facts),
        )))
    };
    let may = |act| drop(black_box(black_box(&caller).may(&policies, act)));
    let mut criterion = Criterion::default().configure_from_args();
    criterion.bench_function("decide/allowed", |bench| bench.iter(|| decide(&allowed)));
    criterion.bench_function("decide/refused", |bench| bench.iter(|| decide(&refused)));
    criterion.bench_function("may/allowed", |bench| bench.iter(|| may(Act::SubmitBatch)));
    criterion.bench_function("may/refused", |bench| bench.iter(|| may(Act::ReviewAcceptance)));
    let mut out = io::stdout().lock();
    for (name, p50) in [
        ("decide, allowed", median(|| drop(black_box(decide(&allowed))))),
        ("decide, refused", median(|| drop(black_box(decide(&refused))))),
        ("decide, allowed, without the own rules", median(plain)),
        ("may, allowed", median(|| may(Act::SubmitBatch))),
        ("may, refused", median(|| may(Act::ReviewAcceptance))),
    ] {
        writeln!(
            out,
            "p50 of {name}: {p50:.1} microseconds ({MODELS} models, {RULES} own rules)"
        )
        .unwrap();
    }
}
