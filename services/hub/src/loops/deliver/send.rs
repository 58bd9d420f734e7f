//! One attempt at one delivery.

use super::{DeliverParts, signer::Signer};
use crate::outgoing::{NotSent, chain, refusal_in};
use domain::{
    id::WebhookEndpointId,
    trace::Trace,
    webhook::delivery::{DeliveryPhase, Sent},
};
use exchange::spans::{Kind, Span};
use records::{
    Stamp,
    webhooks::{
        deliveries::AttemptEnding,
        sending::{self, Claimed},
    },
};
use reqwest::{
    Response, StatusCode,
    header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER},
};
use std::time::Instant;
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc2822};

/// How much of a response is read, in bytes.
const READ: usize = 4_096;
/// How much of what a receiver says is kept, in characters.
const KEPT: usize = 300;

/// How an attempt ended, before it is judged.
struct Ended {
    sent: Sent,
    status: Option<StatusCode>,
    error: Option<String>,
}

/// Sends a claimed delivery and stores what came of it.
pub(super) async fn deliver(
    parts: &DeliverParts,
    endpoint: WebhookEndpointId,
    signer: &Signer,
    claimed: Claimed,
) {
    let began = Instant::now();
    let mut span = Span::begin("delivery", Kind::Client, claimed.trace.as_ref());
    let ended = attempt(parts, signer, &claimed, &span.outgoing()).await;
    let took = began.elapsed();
    let now = parts.clock.now();
    let state = parts
        .settings
        .ladder()
        .after(ended.sent, claimed.tries, parts.randomness.part(), now);
    let outcome = match (ended.sent, state.phase()) {
        (_, DeliveryPhase::Pending) => "to_repeat",
        (_, phase) => phase.as_str(),
    };
    metrics::counter!("glmhub_webhook_attempts_total", "outcome" => outcome).increment(1);
    metrics::histogram!("glmhub_webhook_attempt_seconds").record(took.as_secs_f64());
    let ending = AttemptEnding {
        duration_ms: took.as_millis() as u64,
        status: ended.status.map(|status| status.as_u16()),
        error: ended.error,
    };
    tell(&mut span, &claimed, &ending, outcome);
    tracing::info!(
        delivery = %claimed.delivery,
        trace = %span.trace(),
        attempt = claimed.attempt,
        status = ending.status,
        milliseconds = ending.duration_ms,
        outcome,
        "webhook sent"
    );
    let stamp = Stamp::of_hub(&parts.ids, now);
    let too_long_ago = parts.settings.disable_after().map(|after| now - after);
    match sending::record(
        &parts.db,
        stamp,
        endpoint,
        &claimed,
        &ending,
        &state,
        too_long_ago,
    )
    .await
    {
        Ok(None) => {}
        Ok(Some(code)) => {
            metrics::counter!("glmhub_webhook_endpoints_disabled_total", "code" => code).increment(1);
            tracing::warn!(%endpoint, code, "a webhook endpoint was disabled");
        }
        Err(error) => {
            tracing::error!(delivery = %claimed.delivery, cause = %error, "a webhook was sent and that could not be stored");
        }
    }
}

fn tell(span: &mut Span, claimed: &Claimed, ending: &AttemptEnding, outcome: &'static str) {
    span.tell("messaging.message.id", claimed.event.to_string());
    span.tell("glmhub.event", claimed.event_type.as_str());
    if let Some(status) = ending.status {
        span.tell("http.response.status_code", i64::from(status));
    }
    if outcome != DeliveryPhase::Delivered.as_str() {
        span.failed(outcome);
    }
}

async fn attempt(parts: &DeliverParts, signer: &Signer, claimed: &Claimed, trace: &Trace) -> Ended {
    let now = parts.clock.now();
    let (id, timestamp, body) = (
        claimed.event.to_string(),
        now.unix_timestamp(),
        signer.body(claimed, &parts.base_url),
    );
    let request = match parts.outgoing.post(&claimed.url) {
        Ok(request) => request,
        Err(NotSent::Refused(refusal)) => return Ended::without_response(Sent::Refused, refusal.to_string()),
        Err(error @ NotSent::NoAuthorities) => return Ended::not_taken(error.to_string()),
    };
    let request = match trace.tracestate() {
        Some(tracestate) => request.header("tracestate", tracestate),
        None => request,
    };
    let response = request
        .timeout(parts.settings.timeout())
        .header("traceparent", trace.traceparent())
        .header("webhook-id", &id)
        .header("webhook-timestamp", timestamp.to_string())
        .header("webhook-signature", signer.sign(&id, timestamp, body.as_bytes()))
        .header(CONTENT_TYPE, signer.media_type())
        .body(body)
        .send()
        .await;
    match response {
        Ok(response) => judge(response, now).await,
        Err(error) => match refusal_in(&error) {
            Some(refusal) => Ended::without_response(Sent::Refused, refusal.to_string()),
            // Without the URL: it may hold what only its owner should read.
            None => Ended::not_taken(readable(&chain(&error.without_url()))),
        },
    }
}

async fn judge(mut response: Response, now: OffsetDateTime) -> Ended {
    let status = response.status();
    let sent = match status {
        _ if status.is_success() => Sent::Taken,
        StatusCode::GONE => Sent::Gone,
        _ => Sent::NotTaken {
            retry_after: retry_after(response.headers(), now),
        },
    };
    // What is left unread ends with the connection.
    let mut text = Vec::new();
    while let Ok(Some(piece)) = response.chunk().await {
        text.extend_from_slice(&piece[..piece.len().min(READ - text.len())]);
        if text.len() == READ {
            break;
        }
    }
    let error = match sent {
        Sent::Taken => None,
        _ if status.is_redirection() => Some("it answered with a redirect, which is not followed".to_owned()),
        _ => Some(readable(&String::from_utf8_lossy(&text))).filter(|text| !text.is_empty()),
    };
    Ended {
        sent,
        status: Some(status),
        error,
    }
}

/// How long the receiver asks to be left alone: in seconds, or until a date.
fn retry_after(headers: &HeaderMap, now: OffsetDateTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    match text.parse::<u32>() {
        Ok(seconds) => Some(Duration::seconds(seconds.into())),
        Err(_) => OffsetDateTime::parse(text, &Rfc2822).ok().map(|date| date - now),
    }
}

/// The beginning of a stranger's text, in one line and without control characters.
fn readable(text: &str) -> String {
    let plain = text.split_whitespace().collect::<Vec<_>>().join(" ");
    plain
        .chars()
        .filter(|letter| !letter.is_control())
        .take(KEPT)
        .collect()
}

impl Ended {
    fn without_response(sent: Sent, error: String) -> Self {
        Self {
            sent,
            status: None,
            error: Some(error),
        }
    }

    fn not_taken(error: String) -> Self {
        Self::without_response(Sent::NotTaken { retry_after: None }, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_asked_for_in_seconds_or_until_a_date() {
        let now = OffsetDateTime::UNIX_EPOCH;
        let asked = |text: &str| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]);
            retry_after(&headers, now)
        };
        assert_eq!(asked("120"), Some(Duration::seconds(120)));
        assert_eq!(asked("Thu, 01 Jan 1970 00:05:00 GMT"), Some(Duration::minutes(5)));
        assert_eq!(asked("soon"), None);
    }

    #[test]
    fn a_strangers_text_is_kept_short_and_in_one_line() {
        assert_eq!(readable("no\r\n\u{1b}[31m  room"), "no [31m room");
        assert_eq!(readable(&"好".repeat(1_000)).chars().count(), KEPT);
    }
}
