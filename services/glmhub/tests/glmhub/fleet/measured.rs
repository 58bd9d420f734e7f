//! `glmhub bench queue`: what it measures and what it refuses. How fast it is, no test judges.

use super::{database::new_database, redis::Redis};
use crate::{
    jobs::tiny,
    process::{Ended, perform},
};
use serde_json::Value;

/// Measures on servers of its own. `None` where they are not to be had, which is said.
fn measured(options: &[&str]) -> Option<Value> {
    let (Some(database), Some(redis)) = (new_database(), Redis::start()) else {
        eprintln!(
            "GLMHUB_TEST_POSTGRES_URL is not set, or there is no redis-server: the queue was not measured"
        );
        return None;
    };
    let ended = bench(&database, &format!("redis://{}", redis.address()), options);
    Some(serde_json::from_str(ended.stdout.trim()).unwrap_or_else(|_| panic!("{ended:?}")))
}

fn bench(database: &str, redis: &str, options: &[&str]) -> Ended {
    let folder = tiny();
    let places = [
        "--model",
        folder.to_str().unwrap(),
        "--postgres",
        database,
        "--redis",
        redis,
    ];
    perform(&[&["bench", "queue", "--json"][..], &places, options].concat())
}

#[test]
fn a_measurement_answers_every_job_and_tells_its_figures() {
    let options = [
        "--jobs",
        "12",
        "--questions",
        "3",
        "--calls",
        "2",
        "--workers",
        "2",
    ];
    let Some(told) = measured(&options) else { return };
    assert_eq!(
        (&told["jobs"], &told["pages"], &told["questions"], &told["calls"]),
        (&12.into(), &4.into(), &3.into(), &2.into())
    );
    let per_second = told["jobs_a_second"].as_f64().unwrap();
    let seconds = told["seconds"].as_f64().unwrap();
    assert!((per_second * seconds - 12.0).abs() < 0.01, "{told}");
    assert!(told["taken_in_seconds"].as_f64().unwrap() <= seconds, "{told}");
    let idle = &told["idle_ms"];
    assert!(0.0 < idle["p50"].as_f64().unwrap(), "{told}");
    assert!(idle["p50"].as_f64() <= idle["p99"].as_f64(), "{told}");
}

#[test]
fn a_backlog_still_waits_when_it_has_been_measured_beside_it() {
    let Some(told) = measured(&["--backlog", "4096", "--calls", "2"]) else {
        return;
    };
    assert!(told["waiting"].as_u64() > Some(0), "{told}");
    for moment in ["empty", "full"] {
        let moment = &told[moment];
        for figures in ["submit_ms", "answered_ms", "list_ms"] {
            assert!(moment[figures]["p50"].as_f64() > Some(0.0), "{told}");
        }
        assert!(moment["redis_bytes"].as_u64() > Some(0), "{told}");
    }
}

#[test]
fn tenants_are_answered_beside_one_that_floods() {
    let Some(told) = measured(&["--tenants", "5", "--flood"]) else {
        return;
    };
    assert_eq!(told["tenants"], 5);
    assert!(told["flood_left"].as_u64() > Some(0), "{told}");
    assert!(
        told["flooded_ms"]["p99"].as_f64() >= told["flooded_ms"]["p50"].as_f64(),
        "{told}"
    );
}

#[test]
fn nothing_cannot_be_measured() {
    for option in [
        "--jobs",
        "--questions",
        "--calls",
        "--workers",
        "--backlog",
        "--tenants",
    ] {
        let told = bench("postgres://nobody", "redis://nobody", &[option, "0"]).badly(2);
        assert!(told.contains(option), "{told}");
    }
}
