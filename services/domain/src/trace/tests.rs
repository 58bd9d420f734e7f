use super::*;
use rand::{SeedableRng as _, rngs::StdRng};
use serde_json::json;

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn read(traceparent: &str) -> Option<String> {
    Trace::read(traceparent, None).map(|trace| trace.traceparent())
}

fn state(text: &str) -> Option<String> {
    Trace::read(PARENT, Some(text))
        .unwrap()
        .tracestate()
        .map(str::to_owned)
}

#[test]
fn a_traceparent_of_version_00_is_read_whole_or_not_at_all() {
    assert_eq!(read(PARENT).as_deref(), Some(PARENT));
    let trace = Trace::read(PARENT, None).unwrap();
    assert_eq!(trace.id(), 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
    assert_eq!(trace.span(), 0x00f0_67aa_0ba9_02b7);
    assert!(trace.is_sampled());
    let bad = [
        "",
        "00",
        "00-1-1-1",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0g",
        "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7x-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        "00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01",
        "+0-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902bé-01",
    ];
    for text in bad {
        assert_eq!(read(text), None, "{text}");
    }
}

#[test]
fn of_a_later_version_the_known_fields_are_read() {
    let fields = "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    for text in [
        format!("cc-{fields}"),
        format!("cc-{fields}-what-the-future-holds"),
    ] {
        assert_eq!(read(&text).as_deref(), Some(PARENT), "{text}");
    }
    for text in [
        format!("ff-{fields}"),
        format!("cc-{fields}."),
        format!("cc-{fields}0"),
    ] {
        assert_eq!(read(&text), None, "{text}");
    }
}

#[test]
fn flags_that_are_not_known_are_not_handed_on() {
    let with = |flags| {
        read(&format!(
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-{flags}"
        ))
    };
    for (flags, kept) in [
        ("00", "-00"),
        ("02", "-02"),
        ("03", "-03"),
        ("ff", "-03"),
        ("f8", "-00"),
    ] {
        assert!(with(flags).unwrap().ends_with(kept), "{flags}");
    }
}

#[test]
fn a_tracestate_is_a_list_of_at_most_32_members() {
    assert_eq!(
        state("rojo=1, congo=t61 ,,\tx@y= 2").as_deref(),
        Some("rojo=1,congo=t61,x@y= 2")
    );
    let many = |count: usize| {
        (0..count)
            .map(|n| format!("k{n}=v"))
            .collect::<Vec<_>>()
            .join(",")
    };
    assert_eq!(state(&many(32)), Some(many(32)));
    let bad = [
        many(33),
        "rojo".into(),
        "rojo=".into(),
        "Rojo=1".into(),
        "a=1,a=2".into(),
        "a=1=2".into(),
        " ".into(),
    ];
    for text in bad {
        assert_eq!(state(&text), None, "{text}");
        assert!(read(PARENT).is_some());
    }
    let (long, longer) = ("v".repeat(256), "v".repeat(257));
    assert_eq!(state(&format!("a={long}")), Some(format!("a={long}")));
    assert_eq!(state(&format!("a={longer}")), None);
}

#[test]
fn of_a_long_tracestate_the_long_members_go_first_and_then_the_last() {
    let short = |n: usize| format!("k{n}={}", "v".repeat(97));
    let long = format!("long={}", "v".repeat(200));
    // Five of 100 bytes and four commas are 504; the long one is one too many.
    let five: Vec<String> = (0..5).map(short).collect();
    assert_eq!(state(&format!("{long},{}", five.join(","))), Some(five.join(",")));
    assert_eq!(
        state(&(0..6).map(short).collect::<Vec<_>>().join(",")),
        Some(five.join(","))
    );
}

#[test]
fn a_new_trace_is_random_and_unsampled_and_goes_on_under_its_id() {
    let mut chance = StdRng::seed_from_u64(7);
    let trace = Trace::begin(&mut chance);
    assert!(trace.traceparent().ends_with("-02") && !trace.is_sampled());
    let further = trace.further(&mut chance);
    assert!(further.id() == trace.id() && further.span() != trace.span());
    let within = trace.within(NonZeroU64::MIN, true);
    assert_eq!(within.traceparent(), format!("00-{trace}-0000000000000001-03"));
}

#[test]
fn what_is_no_trace_does_no_harm_to_what_it_came_with() {
    #[derive(Deserialize)]
    struct Letter {
        #[serde(default, deserialize_with = "if_readable")]
        trace: Option<Trace>,
    }
    let open = |trace| {
        serde_json::from_value::<Letter>(json!({ "trace": trace }))
            .unwrap()
            .trace
    };
    let trace = Trace::read(PARENT, Some("a=1")).unwrap();
    assert_eq!(open(json!(trace)), Some(trace));
    let nonsense = [
        json!(7),
        json!(null),
        json!({}),
        json!({ "traceparent": "00-x" }),
        json!(["00-x"]),
    ];
    for text in nonsense {
        assert_eq!(open(text.clone()), None, "{text}");
    }
    assert!(serde_json::from_str::<Letter>("{}").unwrap().trace.is_none());
}
