//! The attacker here can write the queue: every order below is one that it could put there.

use super::*;
use crate::fixtures::Desk;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::{clock::Clock, digest::Sha256, trace::Trace};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

const EPOCH: u64 = 3;

fn seen(desk: &Desk, order: &WorkOrder) -> Result<Grant, GrantError> {
    verify(&desk.key.public(), &order.grant, order, desk.clock.now(), EPOCH)
}

fn mismatch(field: &'static str) -> Result<Grant, GrantError> {
    Err(GrantError::Mismatch { field })
}

/// The claims of a token, with or without a right to them.
fn claims_of(token: &str) -> Value {
    let body = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body).unwrap()).unwrap()
}

/// `token` with another part in the place of part `at`.
fn with_part(token: &str, at: usize, part: &Value) -> String {
    let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    parts[at] = URL_SAFE_NO_PAD.encode(part.to_string());
    parts.join(".")
}

#[test]
fn an_honest_order_carries_its_grant() {
    let desk = Desk::new();
    let order = desk.order();
    let grant = seen(&desk, &order).unwrap();
    assert_eq!((grant.order, grant.attempt, grant.jobs.len()), (order.id, 2, 2));
    assert_eq!(grant.tenant.as_str(), "acme");
}

#[test]
fn a_swapped_page_model_or_revision_is_refused() {
    let desk = Desk::new();
    let order = desk.order();
    let page = WorkOrder {
        page_sha256: Sha256::of(b"another page"),
        ..order.clone()
    };
    assert_eq!(seen(&desk, &page), mismatch("page_sha256"));
    let revision = WorkOrder {
        revision_sha256: Sha256::of(b"another revision"),
        ..order.clone()
    };
    assert_eq!(seen(&desk, &revision), mismatch("revision_sha256"));
    let model = WorkOrder {
        model: "THUDM/glm-4-9b".parse().unwrap(),
        ..order
    };
    assert_eq!(seen(&desk, &model), mismatch("model"));
}

#[test]
fn another_attempt_than_the_granted_one_is_refused() {
    let desk = Desk::new();
    let order = WorkOrder {
        attempt: 3,
        ..desk.order()
    };
    assert_eq!(seen(&desk, &order), mismatch("attempt"));
}

#[test]
fn a_trace_is_no_part_of_what_was_granted() {
    let desk = Desk::new();
    let plain = desk.order();
    let trace = Trace::read("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", None);
    assert!(trace.is_some() && seen(&desk, &plain).is_ok());
    let traced = plain.clone().with_trace(trace);
    assert_eq!(seen(&desk, &traced), seen(&desk, &plain));
}

#[test]
fn a_changed_question_is_refused() {
    let desk = Desk::new();
    let mut text = desk.order();
    text.questions[1].text.push('!');
    assert_eq!(seen(&desk, &text), mismatch("questions_sha256"));
    let mut parameters = desk.order();
    parameters.questions[0].parameters.max_new_tokens = Some(8000);
    assert_eq!(seen(&desk, &parameters), mismatch("questions_sha256"));
}

#[test]
fn questions_cannot_be_added_dropped_or_turned_round() {
    let desk = Desk::new();
    let mut more = desk.order();
    more.questions.push(desk.question("And the bank account?"));
    assert_eq!(seen(&desk, &more), mismatch("jobs"));
    let mut fewer = desk.order();
    fewer.questions.pop();
    assert_eq!(seen(&desk, &fewer), mismatch("jobs"));
    let mut turned = desk.order();
    turned.questions.swap(0, 1);
    assert_eq!(seen(&desk, &turned), mismatch("jobs"));
}

#[test]
fn a_grant_replayed_on_another_order_is_refused() {
    let desk = Desk::new();
    let (first, second) = (desk.order(), desk.order());
    let same_contents = WorkOrder {
        id: second.id,
        ..first.clone()
    };
    assert_eq!(seen(&desk, &same_contents), mismatch("order"));
    let foreign_grant = WorkOrder {
        grant: first.grant,
        ..second
    };
    assert_eq!(seen(&desk, &foreign_grant), mismatch("order"));
}

#[test]
fn an_order_that_says_it_is_another_tenants_is_refused_and_one_that_says_nothing_is_not() {
    let desk = Desk::new();
    let order = desk.order();
    let of = |tenant: Option<&str>| WorkOrder {
        tenant: tenant.map(|name| name.parse().unwrap()),
        ..order.clone()
    };
    assert_eq!(seen(&desk, &of(Some("rival"))), mismatch("tenant"));
    assert!(seen(&desk, &of(None)).is_ok());
    assert!(seen(&desk, &order).is_ok());
}

#[test]
fn an_expired_grant_is_refused_when_the_leeway_is_over() {
    let desk = Desk::new();
    let order = desk.order();
    desk.clock.turn(Duration::seconds(3599) + LEEWAY);
    assert!(seen(&desk, &order).is_ok());
    desk.clock.turn(Duration::seconds(1));
    assert_eq!(seen(&desk, &order), Err(GrantError::Expired { seconds: 900 }));
}

#[test]
fn a_grant_of_the_future_is_refused_beyond_the_leeway() {
    let desk = Desk::new();
    let order = desk.order();
    desk.clock.turn(-LEEWAY);
    assert!(seen(&desk, &order).is_ok());
    desk.clock.turn(Duration::seconds(-1));
    assert_eq!(seen(&desk, &order), Err(GrantError::NotYet { seconds: 901 }));
}

#[test]
fn the_leeway_is_what_the_caller_says() {
    let desk = Desk::new();
    let order = desk.order();
    desk.clock.turn(Duration::seconds(3600 + 599));
    let checked = |leeway| check(&desk.key.public(), &order.grant, &order, desk.clock.now(), leeway);
    assert!(checked(Duration::minutes(10)).is_ok());
    assert_eq!(checked(Duration::ZERO).unwrap_err().code(), "grant_expired");
}

#[test]
fn a_grant_of_an_older_epoch_is_refused() {
    let desk = Desk::new();
    let order = desk.order();
    let at = |epoch| verify(&desk.key.public(), &order.grant, &order, desk.clock.now(), epoch);
    assert_eq!(
        at(4),
        Err(GrantError::Superseded {
            granted: 3,
            current: 4
        })
    );
    // A queue that lost its epochs says 0 for a while; the hub that minted knew better.
    assert!(at(0).is_ok());
}

#[test]
fn altered_claims_are_forged() {
    let desk = Desk::new();
    let order = desk.order();
    for (claim, value) in [
        ("tenant", json!("rival")),
        ("purpose", json!("research")),
        ("exp", json!(i64::MAX)),
        ("epoch", json!(99)),
        ("attempt", json!(3)),
        ("artifacts_sha256", json!(Sha256::of(b"other artifacts"))),
        ("policies_sha256", json!(Sha256::of(b"other policies"))),
        ("terms_sha256", json!(null)),
    ] {
        let mut claims = claims_of(&order.grant);
        claims[claim] = value;
        let order = WorkOrder {
            grant: with_part(&order.grant, 1, &claims),
            ..order.clone()
        };
        assert_eq!(seen(&desk, &order), Err(GrantError::Forged), "{claim}");
    }
}

#[test]
fn a_grant_of_a_foreign_key_is_refused_whatever_it_calls_itself() {
    let (desk, foreign) = (Desk::new(), Desk::new());
    let order = foreign.order();
    assert_eq!(seen(&desk, &order), Err(GrantError::ForeignKey));
    let header = json!({"alg": "EdDSA", "typ": KIND, "kid": desk.key.kid()});
    let renamed = WorkOrder {
        grant: with_part(&order.grant, 0, &header),
        ..order
    };
    assert_eq!(seen(&desk, &renamed), Err(GrantError::Forged));
}

#[test]
fn no_other_algorithm_is_believed() {
    let desk = Desk::new();
    let order = desk.order();
    let unsigned = json!({"alg": "none", "typ": KIND, "kid": desk.key.kid()});
    let mut parts = with_part(&order.grant, 0, &unsigned);
    parts.truncate(parts.rfind('.').unwrap() + 1);
    let order = WorkOrder {
        grant: parts,
        ..order
    };
    assert_eq!(seen(&desk, &order).unwrap_err().code(), "grant_malformed");
    for secret in public_key_spellings(&desk) {
        let mut header = Header::new(Algorithm::HS256);
        header.kid = Some(desk.key.kid().to_owned());
        header.typ = Some(KIND.to_owned());
        let claims = claims_of(&order.grant);
        let grant = encode(&header, &claims, &EncodingKey::from_secret(&secret)).unwrap();
        let order = WorkOrder {
            grant,
            ..order.clone()
        };
        assert_eq!(seen(&desk, &order).unwrap_err().code(), "grant_malformed");
    }
}

/// The public key as an attacker might use it for a shared secret: raw, and as written in the key set.
fn public_key_spellings(desk: &Desk) -> [Vec<u8>; 2] {
    let written = desk.key.public().jwks()["keys"][0]["x"]
        .as_str()
        .unwrap()
        .to_owned();
    [URL_SAFE_NO_PAD.decode(&written).unwrap(), written.into_bytes()]
}

#[test]
fn a_token_that_the_hub_signed_for_something_else_is_no_grant() {
    let desk = Desk::new();
    let order = desk.order();
    let access = desk.key.sign("at+jwt", &claims_of(&order.grant)).unwrap();
    let order = WorkOrder {
        grant: access,
        ..order
    };
    assert_eq!(seen(&desk, &order).unwrap_err().code(), "grant_malformed");
}

#[test]
fn a_grant_with_missing_or_unknown_claims_is_malformed() {
    let desk = Desk::new();
    let order = desk.order();
    let mut fewer = claims_of(&order.grant);
    fewer.as_object_mut().unwrap().remove("epoch");
    let mut more = claims_of(&order.grant);
    more["admin"] = json!(true);
    for claims in [fewer, more] {
        let order = WorkOrder {
            grant: desk.key.sign(KIND, &claims).unwrap(),
            ..order.clone()
        };
        assert_eq!(seen(&desk, &order).unwrap_err().code(), "grant_malformed");
    }
}

#[test]
fn rubbish_in_the_place_of_a_grant_is_malformed() {
    let desk = Desk::new();
    for rubbish in ["", ".", "..", "a.b.c", "\u{0}", &"x".repeat(100_000)] {
        let order = WorkOrder {
            grant: rubbish.to_owned(),
            ..desk.order()
        };
        assert_eq!(seen(&desk, &order).unwrap_err().code(), "grant_malformed");
    }
}
