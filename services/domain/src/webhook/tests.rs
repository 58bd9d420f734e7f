use super::*;
use crate::{clock::HandClock, id::IdMaker};
use std::sync::Arc;

fn ids() -> IdMaker {
    IdMaker::new(Arc::new(HandClock::at(OffsetDateTime::UNIX_EPOCH)))
}

#[test]
fn the_signature_is_that_of_the_published_example() {
    // The example of the Standard Webhooks libraries' own tests.
    let secret: EndpointSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse().unwrap();
    let signature = secret.sign(
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1_614_265_330,
        br#"{"test": 2432232314}"#,
    );
    assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

#[test]
fn a_secret_reads_back_as_itself_and_does_not_print() {
    let secret = EndpointSecret::of([7; SECRET_BYTES]);
    let again: EndpointSecret = secret.reveal().parse().unwrap();
    assert_eq!(again.reveal(), secret.reveal());
    assert!(!format!("{secret:?}").contains(&secret.reveal()[6..]));
    assert_eq!("whsec_c2hvcnQ=".parse::<EndpointSecret>().unwrap_err(), BadSecret);
    assert_eq!(
        secret.reveal()[6..].parse::<EndpointSecret>().unwrap_err(),
        BadSecret
    );
}

#[test]
fn every_type_reads_back_as_itself() {
    for one in EventType::SUBSCRIBABLE
        .into_iter()
        .chain([EventType::EndpointTest])
    {
        assert_eq!(one.as_str().parse(), Ok(one));
        assert_eq!(serde_json::to_value(one).unwrap(), one.as_str());
    }
}

#[test]
fn an_endpoint_asks_for_one_type_at_least_and_for_no_test() {
    assert_eq!(EventTypes::new([]), Err(BadTarget::NoTypes));
    let test = EventTypes::new([EventType::JobFailed, EventType::EndpointTest]);
    assert_eq!(test, Err(BadTarget::NotSubscribable(EventType::EndpointTest)));
    let one = EventTypes::new([EventType::JobFailed, EventType::JobFailed]).unwrap();
    assert!(one.contains(EventType::JobFailed) && !one.contains(EventType::JobAnswered));
}

#[test]
fn a_held_batch_is_told_with_the_decision_against_it() {
    let (batch, decision) = (ids().make(), ids().make());
    let kind = EventKind::BatchHeld {
        batch,
        decision,
        code: "acceptance_revoked".into(),
    };
    assert_eq!(kind.path(), format!("/v1/batches/{batch}"));
    assert_eq!(
        Value::Object(kind.data(None)),
        json!({ "decision_id": decision, "code": "acceptance_revoked" })
    );
}

#[test]
fn a_failed_job_is_told_with_its_code_and_path() {
    let (job, batch) = (ids().make(), ids().make());
    let kind = EventKind::JobFailed {
        job,
        batch,
        code: "page_unreadable".into(),
    };
    assert_eq!(kind.path(), format!("/v1/jobs/{job}"));
    assert_eq!(
        Value::Object(kind.data(None)),
        json!({ "job": job, "code": "page_unreadable" })
    );
}

#[test]
fn a_disabled_endpoint_is_told_with_its_code_and_path() {
    let endpoint = ids().make();
    let kind = EventKind::EndpointDisabled {
        endpoint,
        code: "failing",
    };
    assert_eq!(kind.path(), format!("/v1/webhook-endpoints/{endpoint}"));
    assert_eq!(
        Value::Object(kind.data(None)),
        json!({ "webhook_endpoint": endpoint, "code": "failing" })
    );
}

#[test]
fn the_end_of_a_batch_of_requests_has_openais_word() {
    let batch = ids().make();
    let words = [
        (Ending::Completed, "batch.completed"),
        (Ending::Failed, "batch.failed"),
        (Ending::Expired, "batch.expired"),
        (Ending::Cancelled, "batch.cancelled"),
    ];
    for (ending, word) in words {
        let kind = EventKind::OpenaiBatch { batch, ending };
        assert_eq!(kind.event_type().in_openai_words(), Some(word));
        assert_eq!(kind.event_type().as_str(), format!("openai.{word}"));
        assert_eq!(kind.path(), format!("/openai/v1/batches/{batch}"));
        assert_eq!(Value::Object(kind.data(None)), json!({ "id": batch }));
    }
    assert_eq!(EventType::BatchCompleted.in_openai_words(), None);
}
