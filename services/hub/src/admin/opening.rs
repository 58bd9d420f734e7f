//! A session is opened: by a link, or after a sign-in at an issuer.

use super::{
    sign_in_failure::Failure,
    visitor::{cookie, session},
};
use crate::{caller::Door, dashboard_settings::DashboardSettings, problem::Problem, randomness::Randomness};
use actix_web::{FromRequest, HttpRequest, cookie::Cookie, dev::Payload, web::Data};
use domain::{access::Caller, digest::Sha256, id::IdMaker};
use records::{
    Db, RecordsError, Stamp,
    sessions::{self, NewSession, OpenedBy},
};
use std::future::{Ready, ready};
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

/// What sessions are opened with: a handler that takes one can open them.
pub struct Opening {
    db: Data<Db>,
    ids: Data<IdMaker>,
    /// How long they last, and the cookies that carry them.
    pub settings: Data<DashboardSettings>,
    randomness: Data<Randomness>,
    /// Whose keys and issuers vouch for those who open them.
    pub door: Data<Door>,
    /// The moment of the request.
    pub now: OffsetDateTime,
}

impl FromRequest for Opening {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let opening = || {
            let door = request.app_data::<Data<Door>>()?.clone();
            Some(Self {
                db: request.app_data::<Data<Db>>()?.clone(),
                ids: request.app_data::<Data<IdMaker>>()?.clone(),
                settings: request.app_data::<Data<DashboardSettings>>()?.clone(),
                randomness: request.app_data::<Data<Randomness>>()?.clone(),
                now: door.clock.now(),
                door,
            })
        };
        ready(opening().ok_or_else(Problem::lacking))
    }
}

impl Opening {
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
        let opened = sessions::open(&self.db, Stamp::of(&self.ids, self.now, caller), new).await?;
        Ok(opened.then(|| cookie(&self.settings, secret)))
    }

    /// Writes down that `caller` got none, though what should open one has told of it.
    pub async fn refuse(
        &self,
        caller: &Caller,
        by: OpenedBy<'_>,
        failure: &Failure,
    ) -> Result<(), RecordsError> {
        let stamp = Stamp::of(&self.ids, self.now, caller);
        sessions::refused(&self.db, stamp, caller, by, failure.code()).await
    }
}
