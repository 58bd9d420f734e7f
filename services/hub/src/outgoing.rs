//! The guard of requests that tenants make the hub send: it must not become their way into its network.
//!
//! A URL is http or https, on a port of the web or one that needs no privilege, without credentials. An address is one
//! of the public internet, or of a network that the operator allowed; plain http goes only to the latter. Names are
//! resolved by the guard itself while connecting, and only addresses that it let through are connected to: a name that
//! changes its address between check and connection gains nothing. Redirects are not followed; proxies of the
//! environment are not used, for they would do the resolving.

mod address;
mod client;

pub use client::{NotSent, Outgoing, chain, refusal_in};

use address::Reach;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use url::{Host, Url};

/// The most characters of a URL.
pub const MOST_URL_CHARACTERS: usize = 2_000;
/// Ports below this need a privilege to listen on; what listens there is rarely meant for strangers.
const FIRST_FREE_PORT: u16 = 1_024;

/// The section `[outgoing]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutgoingSettings {
    /// Networks that may be sent to although they are not public, also by plain http.
    pub allowed_networks: Vec<IpNet>,
    /// Ports below 1024 that may be sent to.
    pub low_ports: Vec<u16>,
    /// How long connecting may take, in seconds.
    pub connect_seconds: u64,
    /// How long fetching a document may take, in seconds.
    pub fetch_seconds: u64,
}

/// Why the guard lets nothing out to a URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutgoingRefusal {
    /// It cannot be read.
    #[error("it is not an absolute URL: {0}")]
    Malformed(String),
    /// It is too long.
    #[error("it has more than {MOST_URL_CHARACTERS} characters")]
    Long,
    /// Another scheme.
    #[error("{0} URLs are not sent to; use https")]
    Scheme(String),
    /// It has a user name or a password.
    #[error("it carries a user name or a password; verify the signature instead")]
    Credentials,
    /// It has a fragment.
    #[error("it has a fragment, which is never sent")]
    Fragment,
    /// A port that is not for the web.
    #[error("port {0} is not sent to; use 443, or a port from {FIRST_FREE_PORT} on")]
    Port(u16),
    /// An address that is not public.
    #[error("its address is {0}; the operator can allow networks with outgoing.allowed_networks")]
    Address(&'static str),
    /// Plain http to the public internet.
    #[error("http is only sent to networks that the operator allowed; use https")]
    PlainHttp,
}

/// The rules, without a network.
#[derive(Debug, Clone)]
pub struct Guard {
    allowed: Vec<IpNet>,
    low_ports: Vec<u16>,
}

impl Guard {
    /// The guard of these settings.
    pub fn new(settings: &OutgoingSettings) -> Self {
        let allowed = settings.allowed_networks.iter().map(IpNet::trunc).collect();
        Self {
            allowed,
            low_ports: settings.low_ports.clone(),
        }
    }

    /// Checks all of a URL that can be checked without resolving its name.
    pub fn check_url(&self, text: &str) -> Result<Url, OutgoingRefusal> {
        if text.chars().count() > MOST_URL_CHARACTERS {
            return Err(OutgoingRefusal::Long);
        }
        let url = Url::parse(text).map_err(|error| OutgoingRefusal::Malformed(error.to_string()))?;
        if !matches!(url.scheme(), "https" | "http") {
            return Err(OutgoingRefusal::Scheme(url.scheme().to_owned()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(OutgoingRefusal::Credentials);
        }
        if url.fragment().is_some() {
            return Err(OutgoingRefusal::Fragment);
        }
        let port = url.port_or_known_default().unwrap_or(0);
        if port < FIRST_FREE_PORT && !self.low_ports.contains(&port) {
            return Err(OutgoingRefusal::Port(port));
        }
        match url.host() {
            Some(Host::Ipv4(ip)) => self.check_address(IpAddr::V4(ip), is_plain(&url))?,
            Some(Host::Ipv6(ip)) => self.check_address(IpAddr::V6(ip), is_plain(&url))?,
            Some(Host::Domain(_)) => {}
            None => return Err(OutgoingRefusal::Malformed("it has no host".into())),
        }
        Ok(url)
    }

    /// Checks an address that is about to be connected to.
    pub fn check_address(&self, ip: IpAddr, plain_http: bool) -> Result<(), OutgoingRefusal> {
        if self
            .allowed
            .iter()
            .any(|network| network.contains(&ip.to_canonical()))
        {
            return Ok(());
        }
        match address::reach(ip) {
            Reach::Special(what) => Err(OutgoingRefusal::Address(what)),
            Reach::Public if plain_http => Err(OutgoingRefusal::PlainHttp),
            Reach::Public => Ok(()),
        }
    }
}

fn is_plain(url: &Url) -> bool {
    url.scheme() == "http"
}

#[cfg(test)]
mod tests;
