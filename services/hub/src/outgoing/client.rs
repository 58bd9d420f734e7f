//! The client behind the guard.

use super::{Guard, OutgoingRefusal, OutgoingSettings, is_plain};
use reqwest::{
    Client, ClientBuilder, Method, RequestBuilder,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect::Policy,
};
use std::{error::Error, net::SocketAddr, sync::Arc, time::Duration};
use url::{Host, Url};

const USER_AGENT: &str = concat!("glmhub/", env!("CARGO_PKG_VERSION"));

/// Sends what the guard lets out.
#[derive(Clone)]
pub struct Outgoing {
    guard: Guard,
    http: Client,
    /// Absent on a machine that knows no certificate authority.
    https: Option<Client>,
    fetch_time: Duration,
}

/// Why nothing was sent to a URL.
#[derive(Debug, thiserror::Error)]
pub enum NotSent {
    /// The guard says no.
    #[error(transparent)]
    Refused(#[from] OutgoingRefusal),
    /// The machine cannot check certificates.
    #[error("this machine knows no certificate authority, so https cannot be sent: install ca-certificates")]
    NoAuthorities,
}

impl Outgoing {
    /// A client with these settings. Without certificate authorities it can still send http.
    pub fn new(settings: &OutgoingSettings) -> reqwest::Result<Self> {
        let guard = Guard::new(settings);
        let build = |plain_http: bool| {
            let resolver = GuardedResolver {
                guard: guard.clone(),
                plain_http,
            };
            builder(settings).dns_resolver(Arc::new(resolver))
        };
        let https = build(false).https_only(true).build();
        if let Err(error) = &https {
            tracing::warn!(cause = chain(error), "https cannot be sent from this machine");
        }
        // Of its own it never speaks TLS, so it needs no authorities.
        let http = build(true).tls_certs_only([]).build()?;
        Ok(Self {
            guard,
            http,
            https: https.ok(),
            fetch_time: Duration::from_secs(settings.fetch_seconds),
        })
    }

    /// Checks a URL that is about to be kept: all that is in it, and where its name leads now. A name that leads nowhere
    /// is let through; it may lead somewhere when it is sent to.
    pub async fn check(&self, text: &str) -> Result<Url, OutgoingRefusal> {
        let url = self.guard.check_url(text)?;
        if let Some(Host::Domain(name)) = url.host()
            && let Ok(addresses) = tokio::net::lookup_host((name, 0)).await
        {
            let addresses: Vec<SocketAddr> = addresses.collect();
            let _allowed = passing(&self.guard, addresses, is_plain(&url))?;
        }
        Ok(url)
    }

    /// A POST to `url`, checked now and again while connecting.
    pub fn post(&self, url: &str) -> Result<RequestBuilder, NotSent> {
        self.request(Method::POST, url)
    }

    /// As [`Outgoing::post`], to fetch what lies there within the time of the settings.
    pub fn get(&self, url: &str) -> Result<RequestBuilder, NotSent> {
        Ok(self.request(Method::GET, url)?.timeout(self.fetch_time))
    }

    fn request(&self, method: Method, url: &str) -> Result<RequestBuilder, NotSent> {
        let url = self.guard.check_url(url)?;
        let client = match is_plain(&url) {
            true => &self.http,
            false => self.https.as_ref().ok_or(NotSent::NoAuthorities)?,
        };
        Ok(client.request(method, url))
    }
}

/// The guard's refusal among the causes of a failed request.
pub fn refusal_in<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a OutgoingRefusal> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(refusal) = error.downcast_ref() {
            return Some(refusal);
        }
        cause = error.source();
    }
    None
}

/// An error with all its causes, in one line. reqwest's own text names only the outermost.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}

fn builder(settings: &OutgoingSettings) -> ClientBuilder {
    Client::builder()
        .user_agent(USER_AGENT)
        .redirect(Policy::none())
        .no_proxy()
        .referer(false)
        .connect_timeout(Duration::from_secs(settings.connect_seconds))
}

/// Gives only addresses that the guard lets through, to the connection that asked.
struct GuardedResolver {
    guard: Guard,
    plain_http: bool,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (guard, plain_http) = (self.guard.clone(), self.plain_http);
        Box::pin(async move {
            let addresses: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let addrs: Addrs = Box::new(passing(&guard, addresses, plain_http)?.into_iter());
            Ok(addrs)
        })
    }
}

/// The addresses that pass; the first refusal if none does.
fn passing(
    guard: &Guard,
    addresses: Vec<SocketAddr>,
    plain_http: bool,
) -> Result<Vec<SocketAddr>, OutgoingRefusal> {
    let mut refusal = None;
    let mut pass = Vec::with_capacity(addresses.len());
    for address in addresses {
        match guard.check_address(address.ip(), plain_http) {
            Ok(()) => pass.push(address),
            Err(refused) => refusal = refusal.or(Some(refused)),
        }
    }
    match refusal {
        Some(refused) if pass.is_empty() => Err(refused),
        _ => Ok(pass),
    }
}
