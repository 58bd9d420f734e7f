//! Connections between two requests.
//!
//! The server looks after the first head of a connection and after a connection on which nothing comes. One on which a
//! second head dribbles, or the rest of a body that was refused, it would bear for ever: it is ended from here, by a
//! second handle on its socket.

use super::settings::ConnectionSettings;
use actix_web::{
    body::{BodySize, BoxBody, MessageBody},
    dev::{Extensions, ServiceRequest, ServiceResponse},
    rt::{self, net::TcpStream, time::sleep_until},
    web::Bytes,
};
use std::{
    any::Any,
    cell::Cell,
    error::Error,
    net::{self, Shutdown},
    os::fd::AsFd as _,
    pin::Pin,
    rc::{Rc, Weak},
    task::{Context, Poll},
    time::{Duration, Instant},
};

/// A connection of the server. Its handle on the socket goes when the server's does.
struct Connection {
    socket: net::TcpStream,
    /// Since when it has no request; nothing while it has one, and before its first.
    resting: Cell<Option<Instant>>,
}

/// What the server does with each connection that it takes.
pub fn watching(settings: &ConnectionSettings) -> impl Fn(&dyn Any, &mut Extensions) + Send + Sync + use<> {
    let longest = settings.keep_alive() + settings.head();
    move |io, extensions| {
        let Some(stream) = io.downcast_ref::<TcpStream>() else {
            return;
        };
        match stream.as_fd().try_clone_to_owned() {
            Ok(socket) => {
                let connection = Rc::new(Connection {
                    socket: socket.into(),
                    resting: Cell::new(None),
                });
                rt::spawn(watch(Rc::downgrade(&connection), longest));
                extensions.insert(connection);
            }
            Err(error) => tracing::warn!(cause = %error, "a connection goes unwatched"),
        }
    }
}

/// Ends the connection when it has rested for `longest`.
async fn watch(connection: Weak<Connection>, longest: Duration) {
    while let Some(connection) = connection.upgrade() {
        let now = Instant::now();
        let until = connection.resting.get().unwrap_or(now) + longest;
        if until <= now {
            // It may have ended by itself.
            let _ = connection.socket.shutdown(Shutdown::Both);
            return;
        }
        drop(connection);
        sleep_until(until.into()).await;
    }
}

/// A request in work; its connection rests again when this is dropped.
pub(super) struct Busy(Option<Rc<Connection>>);

impl Busy {
    pub(super) fn with(request: &ServiceRequest) -> Self {
        let connection = request.conn_data::<Rc<Connection>>().cloned();
        if let Some(connection) = &connection {
            connection.resting.set(None);
        }
        Self(connection)
    }

    /// The response, with which the connection stays busy until the last of it is handed over.
    pub(super) fn until_sent(self, response: ServiceResponse<BoxBody>) -> ServiceResponse<Sent> {
        response.map_body(|_, body| Sent { body, busy: self })
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        if let Some(connection) = &self.0 {
            connection.resting.set(Some(Instant::now()));
        }
    }
}

/// The body of a response that keeps its connection busy.
pub struct Sent {
    body: BoxBody,
    busy: Busy,
}

impl MessageBody for Sent {
    type Error = Box<dyn Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(context)
    }

    fn try_into_bytes(self) -> Result<Bytes, Self> {
        let Self { body, busy } = self;
        body.try_into_bytes().map_err(|body| Self { body, busy })
    }
}
