//! Pages that go on telling: pieces of a page, sent as server-sent events whenever they are no longer as they were told.
//!
//! What is told rests on the session as a request does: when that is over, or its member may no longer look, nothing
//! more is told. Being told things does not keep a session alive; only requests do.

use super::{refused::Refused, visitor::Visitor};
use crate::{
    caller::Door,
    dashboard_settings::DashboardSettings,
    event_stream::{self, SIGN_OF_LIFE},
    problem::Problem,
    signals::Signals,
};
use actix_web::{
    FromRequest, HttpRequest, HttpResponse,
    dev::Payload,
    web::{Bytes, Data},
};
use domain::{access::Act, digest::Sha256};
use futures_util::{
    future::{FutureExt as _, LocalBoxFuture},
    stream,
};
use records::{Db, sessions};
use std::{collections::HashMap, convert::Infallible, time::Duration};
use tokio::time::Instant;

/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// After so long without an event there is a sign of life.
const SILENCE: Duration = Duration::from_secs(15);

/// A part of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The event's name; the page's element with this name in `sse-swap` takes the text.
    pub name: String,
    /// What stands in it, as HTML.
    pub html: String,
}

/// What a page has to tell now.
#[derive(Debug, Default)]
pub struct Look {
    /// All parts that may change.
    pub pieces: Vec<Piece>,
    /// Whether nothing will change any more.
    pub over: bool,
}

/// The pieces that a stream of a session works with.
pub struct Live {
    /// Who looks.
    pub visitor: Visitor,
    /// The records.
    pub db: Data<Db>,
    door: Data<Door>,
    settings: Data<DashboardSettings>,
    signals: Data<Signals>,
}

impl FromRequest for Live {
    type Error = Refused;
    type Future = LocalBoxFuture<'static, Result<Self, Refused>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let visitor = Visitor::from_request(request, payload);
        let pieces = || {
            Some((
                request.app_data::<Data<Db>>()?.clone(),
                request.app_data::<Data<Door>>()?.clone(),
                request.app_data::<Data<DashboardSettings>>()?.clone(),
                request.app_data::<Data<Signals>>()?.clone(),
            ))
        };
        let pieces = pieces().ok_or_else(Problem::lacking);
        async move {
            let (db, door, settings, signals) = pieces?;
            let visitor = visitor.await?;
            Ok(Self {
                visitor,
                db,
                door,
                settings,
                signals,
            })
        }
        .boxed_local()
    }
}

impl Live {
    /// Whether the session still lets its member do `act`.
    async fn is_welcome(&self, act: Act) -> Result<bool, Problem> {
        let now = self.door.clock.now();
        let idle_since = now - self.settings.idle();
        let alive = sessions::is_alive(&self.db, &self.visitor.session, now, idle_since).await?;
        let policies = self.door.policies.get();
        Ok(alive && self.visitor.caller.itself().may(&policies, act).is_ok())
    }
}

/// A stream that is told.
struct Telling<L> {
    with: Live,
    act: Act,
    look: L,
    told: HashMap<String, Sha256>,
    spoke: Instant,
    over: bool,
}

/// Tells what `look` sees, as long as the visitor may do `act`. What is in `told` already is on the page as it was made.
pub fn tell<L>(with: Live, act: Act, told: Vec<(String, Sha256)>, look: L) -> Result<HttpResponse, Refused>
where
    L: AsyncFn(&Live) -> Result<Look, Problem> + 'static,
{
    let telling = Telling {
        with,
        act,
        look,
        told: told.into_iter().collect(),
        spoke: Instant::now(),
        over: false,
    };
    let events = stream::unfold(telling, |mut telling| async move {
        let bytes = telling.next().await?;
        Some((Ok::<_, Infallible>(bytes), telling))
    });
    Ok(event_stream::response()?.streaming(events))
}

impl<L: AsyncFn(&Live) -> Result<Look, Problem>> Telling<L> {
    /// What is to be sent next. Nothing after the last event, or when the hub ends.
    async fn next(&mut self) -> Option<Bytes> {
        while !self.over {
            let events = self.events().await;
            if !events.is_empty() {
                self.spoke = Instant::now();
                return Some(events.into());
            }
            if self.spoke.elapsed() >= SILENCE {
                self.spoke = Instant::now();
                return Some(SIGN_OF_LIFE);
            }
            tokio::select! {
                () = self.with.signals.ending.cancelled() => return None,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
        None
    }

    /// What is new.
    async fn events(&mut self) -> String {
        let look = match self.look().await {
            Ok(look) => look,
            Err(problem) => {
                let cause = problem.cause().map(|cause| format!("{cause:#}"));
                tracing::warn!(code = problem.code(), cause, "a page can tell no more");
                Look {
                    over: true,
                    ..Look::default()
                }
            }
        };
        let mut events = String::new();
        for piece in look.pieces {
            let digest = Sha256::of(piece.html.as_bytes());
            if self.told.insert(piece.name.clone(), digest) != Some(digest) {
                events.push_str(&event(&piece.name, &piece.html));
            }
        }
        self.over = look.over;
        if self.over {
            events.push_str(&event("over", ""));
        }
        events
    }

    async fn look(&self) -> Result<Look, Problem> {
        match self.with.is_welcome(self.act).await? {
            true => (self.look)(&self.with).await,
            false => Ok(Look {
                over: true,
                ..Look::default()
            }),
        }
    }
}

/// An event with a text of any number of lines.
fn event(name: &str, text: &str) -> String {
    let mut event = format!("event: {name}\n");
    for line in text.split(['\n', '\r']) {
        event.push_str("data: ");
        event.push_str(line);
        event.push('\n');
    }
    event.push('\n');
    event
}

#[cfg(test)]
mod tests {
    use super::event;

    #[test]
    fn a_text_of_many_lines_is_one_event() {
        assert_eq!(
            event("a", "x\ny\r\nz"),
            "event: a\ndata: x\ndata: y\ndata: \ndata: z\n\n"
        );
        assert_eq!(event("over", ""), "event: over\ndata: \n\n");
    }
}
