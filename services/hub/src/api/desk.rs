//! What acts need that are the same by the API and on the dashboard: the records, and whom to tell of what they say.

use crate::{problem::Problem, signals::Signals};
use actix_web::{FromRequest, HttpRequest, dev::Payload, web::Data};
use domain::{access::Caller, clock::SharedClock, id::IdMaker};
use exchange::queue::Queue;
use records::{Db, Stamp};
use std::future::{Ready, ready};

/// See the module's text.
pub struct Desk {
    pub(crate) db: Data<Db>,
    pub(crate) queue: Data<dyn Queue>,
    pub(crate) signals: Data<Signals>,
    pub(crate) ids: Data<IdMaker>,
    pub(crate) clock: Data<SharedClock>,
}

impl Desk {
    /// The stamp of what a member does for its own tenant.
    pub(crate) fn stamp_of<'a>(&'a self, caller: &'a Caller) -> Stamp<'a> {
        Stamp::of(&self.ids, self.clock.now(), caller)
    }
}

impl FromRequest for Desk {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let desk = || {
            Some(Self {
                db: request.app_data::<Data<Db>>()?.clone(),
                queue: request.app_data::<Data<dyn Queue>>()?.clone(),
                signals: request.app_data::<Data<Signals>>()?.clone(),
                ids: request.app_data::<Data<IdMaker>>()?.clone(),
                clock: request.app_data::<Data<SharedClock>>()?.clone(),
            })
        };
        ready(desk().ok_or_else(Problem::lacking))
    }
}
