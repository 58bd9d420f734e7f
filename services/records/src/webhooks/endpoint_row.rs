//! A row of `webhook_endpoints`, and what it means.

use crate::{At, RecordsError, read::Reading};
use domain::{
    id::WebhookEndpointId,
    names::{MemberName, TenantName},
    webhook::{EndpointSeed, EndpointState, EventForm, EventTypes, SignatureChoice},
};
use sqlx::types::Json;
use time::OffsetDateTime;

/// What an endpoint chose of what it is sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Choices {
    /// How webhooks are signed.
    pub signature: SignatureChoice,
    /// In which form they come.
    pub form: EventForm,
}

/// A private key with its public half.
#[derive(Debug)]
pub struct NewKey {
    /// The private key.
    pub seed: EndpointSeed,
    /// What receivers verify with.
    pub public: String,
}

/// What was used before keys were changed, for as long as it is used too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Previous {
    /// The public half of the key, if there was one.
    pub public_key: Option<String>,
    /// Until when.
    pub until: OffsetDateTime,
}

/// An endpoint as it is shown: without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Its id.
    pub id: WebhookEndpointId,
    /// Whose it is.
    pub tenant: TenantName,
    /// Who made it.
    pub member: MemberName,
    /// Where its webhooks go.
    pub url: String,
    /// The tenant's own words.
    pub description: Option<String>,
    /// What it asked for.
    pub event_types: EventTypes,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// What is true of it now.
    pub state: EndpointState,
    /// Since when every attempt to reach it has failed, while it is enabled.
    pub failing_since: Option<OffsetDateTime>,
    /// How its webhooks are signed, and in which form they come.
    pub choices: Choices,
    /// What receivers verify with, if it has such a key.
    pub public_key: Option<String>,
    /// What was used before.
    pub previous: Option<Previous>,
}

#[derive(sqlx::FromRow)]
pub(super) struct EndpointRow {
    id: String,
    tenant: String,
    member: String,
    url: String,
    description: Option<String>,
    event_types: Json<EventTypes>,
    created_at: At,
    disabled_at: Option<At>,
    disabled_code: Option<String>,
    failing_since: Option<At>,
    signature: String,
    form: String,
    public_key: Option<String>,
    previous_public_key: Option<String>,
    previous_until: Option<At>,
}

impl EndpointRow {
    pub(super) fn read(self) -> Result<Endpoint, RecordsError> {
        let reading = Reading {
            table: "webhook_endpoints",
            id: &self.id,
        };
        let state = match self.disabled_at {
            None => EndpointState::Enabled,
            Some(at) => {
                let code = reading.required(self.disabled_code.clone(), "disabled_code")?;
                EndpointState::Disabled { at: at.0, code }
            }
        };
        Ok(Endpoint {
            id: reading.parsed(&self.id)?,
            tenant: reading.parsed(&self.tenant)?,
            member: reading.parsed(&self.member)?,
            created_at: self.created_at.0,
            state,
            failing_since: self.failing_since.map(|since| since.0),
            choices: Choices {
                signature: reading.parsed(&self.signature)?,
                form: reading.parsed(&self.form)?,
            },
            public_key: self.public_key,
            previous: self.previous_until.map(|until| Previous {
                public_key: self.previous_public_key,
                until: until.0,
            }),
            url: self.url,
            description: self.description,
            event_types: self.event_types.0,
        })
    }
}
