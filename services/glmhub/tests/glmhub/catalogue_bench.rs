//! `glmhub bench catalogue`: what it measures and what it refuses. How fast it is, no test judges.

use crate::{
    hub::Hub,
    process::{Ended, perform},
};
use serde_json::Value;

fn bench(options: &[&str]) -> Ended {
    perform(&[&["bench", "catalogue", "--json"][..], options].concat())
}

#[test]
fn every_page_and_every_fact_is_asked_for_on_both_sides_and_the_figures_told() {
    // Another hub is as good a peer as any registry: it has no language of that name, and tells of GLM-4V.
    let peer = Hub::start();
    let address = format!("{}/models/THUDM/glm-4v-9b?lang={{number}}", peer.url());
    let options = [
        "--models",
        "45",
        "--rate",
        "100",
        "--seconds",
        "1",
        "--rounds",
        "2",
        "--callers",
        "3",
        "--peer",
        &address,
    ];
    let ended = bench(&options);
    let told: Value = serde_json::from_str(ended.stdout.trim()).unwrap_or_else(|_| panic!("{ended:?}"));
    assert_eq!(
        (&told["models"], &told["records"]),
        (&45.into(), &"sqlite".into())
    );
    assert_eq!(told["first"]["answers"], 45);
    let at_rate = told["pages"]["answers"].as_u64().unwrap();
    assert!((90..=110).contains(&at_rate), "{told}");
    let rounds = told["json"].as_array().unwrap();
    assert_eq!(rounds.len(), 2);
    for side in rounds.iter().flat_map(|round| [&round["glmhub"], &round["peer"]]) {
        let figures = &side["figures"];
        assert!(
            side["answers"].as_u64() > Some(0) && side["a_second"].as_f64() > Some(0.0),
            "{told}"
        );
        assert!(figures["p50"].as_f64() <= figures["p99"].as_f64(), "{told}");
        assert!(figures["p99"].as_f64() <= figures["max"].as_f64(), "{told}");
    }
    // The promise is broken or kept, and the exit code says which.
    let kept = told["pages"]["figures"]["p99"].as_f64() <= told["bound_p99_ms"].as_f64();
    assert_eq!(ended.code, Some(i32::from(!kept)), "{ended:?}");
}

#[test]
fn what_cannot_be_measured_is_refused_with_a_cure() {
    for (options, cure) in [
        (["--models", "0"], "at least 1"),
        (["--models", "100001"], "at most 100000"),
        (["--rate", "0"], "at least 1"),
        (["--peer", "http://127.0.0.1/any"], "{number}"),
    ] {
        let ended = bench(&options);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.stderr.contains(cure), "{ended:?}");
    }
    // A peer that does not answer ends it.
    let gone = [
        "--models",
        "1",
        "--rate",
        "1",
        "--seconds",
        "1",
        "--peer",
        "http://127.0.0.1:1/{number}",
    ];
    let ended = bench(&gone);
    assert!(
        ended.code == Some(1) && ended.stderr.contains("was not answered"),
        "{ended:?}"
    );
}
