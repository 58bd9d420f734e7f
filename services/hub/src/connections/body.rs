//! Bodies that dribble.
//!
//! Time counts only while the hub waits for the client: a store that is slow itself is no fault of whoever sends.

use super::settings::ConnectionSettings;
use actix_web::{
    HttpMessage as _,
    dev::{Payload, ServiceRequest},
    error::PayloadError,
    rt::time::{Sleep, sleep},
    web::Bytes,
};
use futures_util::Stream;
use std::{
    cell::Cell,
    io::ErrorKind,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

/// Whether a body came too slowly.
pub(super) struct Lateness(Rc<Cell<bool>>);

impl Lateness {
    /// Whether it did.
    pub(super) fn came_to_pass(&self) -> bool {
        self.0.get()
    }
}

/// Has the body of `request` break off when it comes too slowly.
pub(super) fn watch(request: &mut ServiceRequest, settings: &ConnectionSettings) -> Lateness {
    let late = Rc::new(Cell::new(false));
    let payload = match request.take_payload() {
        Payload::None => Payload::None,
        rest => {
            let body: Pin<Box<dyn Stream<Item = Result<Bytes, PayloadError>>>> = Box::pin(Watched {
                rest,
                late: late.clone(),
                patience: settings.body(),
                least: settings.least_body_bytes,
                waiting: None,
                came: 0,
            });
            Payload::from(body)
        }
    };
    request.set_payload(payload);
    Lateness(late)
}

struct Watched {
    rest: Payload,
    late: Rc<Cell<bool>>,
    patience: Duration,
    least: u64,
    /// Runs from when the hub first waited until `least` bytes have come.
    waiting: Option<Pin<Box<Sleep>>>,
    /// Bytes since then.
    came: u64,
}

impl Stream for Watched {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if let Poll::Ready(piece) = Pin::new(&mut this.rest).poll_next(context) {
            this.came += piece
                .iter()
                .flatten()
                .map(|bytes| bytes.len() as u64)
                .sum::<u64>();
            if this.came >= this.least {
                (this.waiting, this.came) = (None, 0);
            }
            return Poll::Ready(piece);
        }
        let patience = this.patience;
        let waiting = this.waiting.get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(waiting.as_mut().poll(context));
        this.late.set(true);
        Poll::Ready(Some(Err(PayloadError::Io(ErrorKind::TimedOut.into()))))
    }
}
