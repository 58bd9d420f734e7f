//! A session is opened: by a link, or after a sign-in at an issuer.

use super::visitor::{cookie, session};
use crate::{dashboard_settings::DashboardSettings, randomness::Randomness};
use actix_web::cookie::Cookie;
use domain::{access::Caller, digest::Sha256, id::IdMaker};
use records::{
    Db, RecordsError, Stamp,
    sessions::{self, NewSession, OpenedBy},
};
use time::OffsetDateTime;

/// What opens one session.
pub struct Opener<'a> {
    /// Its digest.
    pub sha256: Sha256,
    /// What it is.
    pub by: OpenedBy<'a>,
    /// When it is no good any more.
    pub ends_at: OffsetDateTime,
}

/// What sessions are opened with.
pub struct Opening<'a> {
    /// Where they are kept.
    pub db: &'a Db,
    /// Makes ids.
    pub ids: &'a IdMaker,
    /// How long they last.
    pub settings: &'a DashboardSettings,
    /// Where their secrets come from.
    pub randomness: &'a Randomness,
    /// The present moment.
    pub now: OffsetDateTime,
}

impl Opening<'_> {
    /// Opens one for `caller`: the cookie that carries it. None if `opener` has opened one before.
    pub async fn open(
        &self,
        caller: &Caller,
        opener: Opener<'_>,
    ) -> Result<Option<Cookie<'static>>, RecordsError> {
        let bytes: [u8; 32] = self.randomness.bytes();
        let secret: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let new = NewSession {
            sha256: session(&secret),
            opener_sha256: opener.sha256,
            by: opener.by,
            caller,
            ends_at: self.now + self.settings.longest(),
            opener_ends_at: opener.ends_at,
        };
        let opened = sessions::open(self.db, Stamp::of(self.ids, self.now, caller), new).await?;
        Ok(opened.then(|| cookie(self.settings, secret)))
    }
}
