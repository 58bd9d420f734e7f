//! What is sent to an endpoint: the body in the form that it chose, and its signatures.

use domain::webhook::{EndpointSecret, EventForm};
use exchange::webhook_key::{UnusableKey, WebhookKey};
use records::webhooks::{
    endpoints::Choices,
    sending::{Claimed, EndpointKeys},
};
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;

/// See the module's text. Of what it signs with, what is used now comes first, and then what was used before.
pub(super) struct Signer {
    form: EventForm,
    secrets: Vec<EndpointSecret>,
    keys: Vec<WebhookKey>,
}

impl Signer {
    /// For an endpoint with these choices.
    pub(super) fn of(choices: Choices, given: Vec<EndpointKeys>) -> Result<Self, UnusableKey> {
        let (mut secrets, mut keys) = (Vec::new(), Vec::new());
        for EndpointKeys { secret, seed } in given {
            if choices.signature.has_v1() {
                secrets.push(secret);
            }
            if let Some(seed) = seed.filter(|_| choices.signature.has_v1a()) {
                keys.push(WebhookKey::of(&seed)?);
            }
        }
        Ok(Self {
            form: choices.form,
            secrets,
            keys,
        })
    }

    /// The `webhook-signature` of `body`, sent as message `id` at `timestamp` (seconds since 1970).
    pub(super) fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let symmetric = self.secrets.iter().map(|secret| secret.sign(id, timestamp, body));
        let asymmetric = self.keys.iter().map(|key| key.sign(id, timestamp, body));
        symmetric.chain(asymmetric).collect::<Vec<_>>().join(" ")
    }

    /// The media type of a body.
    pub(super) fn media_type(&self) -> &'static str {
        self.form.media_type()
    }

    /// The bytes that are sent, the same at every attempt.
    pub(super) fn body(&self, claimed: &Claimed, base_url: &str) -> String {
        let mut data = claimed.data.clone();
        data.insert("url".into(), format!("{base_url}{}", claimed.path).into());
        let data = Value::Object(data);
        let in_openai_words = claimed.event_type.in_openai_words();
        if let (EventForm::Standard, Some(kind)) = (self.form, in_openai_words) {
            let at = claimed.at.unix_timestamp();
            return json!({ "id": claimed.event, "object": "event", "created_at": at, "type": kind, "data": data })
                .to_string();
        }
        let at = claimed.at.format(&Rfc3339).unwrap_or_default();
        let body = match self.form {
            EventForm::Standard => json!({ "type": claimed.event_type, "timestamp": at, "data": data }),
            EventForm::CloudEvents => json!({
                "specversion": "1.0", "id": claimed.event, "source": base_url, "type": claimed.event_type,
                "subject": claimed.path, "time": at, "datacontenttype": "application/json", "data": data,
            }),
        };
        body.to_string()
    }
}
