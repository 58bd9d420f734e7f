//! What a handler is told about its request's key.

use super::{reading::Said, settings::Until};
use actix_web::{FromRequest, HttpMessage as _, HttpRequest, dev::Payload};
use domain::{
    digest::Sha256,
    id::{ClaimId, JobId},
};
use records::claims::{Claim, ClaimKind};
use std::{
    convert::Infallible,
    future::{Ready, ready},
};

/// A request that may make something once, as a handler's argument.
#[derive(Clone)]
pub struct Once(Kind);

#[derive(Clone)]
enum Kind {
    /// It came without a key.
    AnyTime,
    First(First),
    /// It made this job before.
    Again(JobId),
    /// It is no request of a client's.
    Under(Claim),
}

#[derive(Clone)]
struct First {
    said: Said,
    head: Sha256,
    key: Sha256,
    id: ClaimId,
    kind: ClaimKind,
    until: Until,
}

impl Once {
    pub(super) fn first(
        said: Said,
        head: Sha256,
        (key, id): (Sha256, ClaimId),
        kind: ClaimKind,
        until: Until,
    ) -> Self {
        Self(Kind::First(First {
            said,
            head,
            key,
            id,
            kind,
            until,
        }))
    }

    /// Something that is done under a claim of the hub's own.
    pub fn under(claim: Claim) -> Self {
        Self(Kind::Under(claim))
    }

    pub(super) fn again(job: JobId) -> Self {
        Self(Kind::Again(job))
    }

    /// The job that the request has made before: then nothing is made, and it is answered from that.
    pub fn job(&self) -> Option<JobId> {
        match &self.0 {
            Kind::Again(job) => Some(*job),
            _ => None,
        }
    }

    /// What the stamp of whatever is made must carry. The body has been read.
    pub fn claim(&self) -> Option<Claim> {
        let first = match &self.0 {
            Kind::First(first) => first,
            Kind::Under(claim) => return Some(*claim),
            Kind::AnyTime | Kind::Again(_) => return None,
        };
        Some(Claim {
            key: first.key,
            id: first.id,
            request: first.said.digest(first.head),
            held_until: first.until.held,
            forget_at: first.until.kept,
            kind: first.kind,
        })
    }
}

impl FromRequest for Once {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let known = request.extensions().get::<Self>().cloned();
        ready(Ok(known.unwrap_or(Self(Kind::AnyTime))))
    }
}
