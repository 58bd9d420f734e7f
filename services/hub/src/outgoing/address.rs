//! Which addresses belong to the public internet.

use ipnet::IpNet;
use std::{net::IpAddr, sync::LazyLock};

/// What an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// One of the public internet.
    Public,
    /// Something else, in a few words.
    Special(&'static str),
}

/// Everything that is not the public internet, of the registries of special-purpose addresses. The first network that
/// holds an address names it.
const SPECIAL: &[(&str, &str)] = &[
    ("0.0.0.0/8", "one of this host"),
    ("10.0.0.0/8", "private"),
    ("100.64.0.0/10", "one of a provider's inner network"),
    ("127.0.0.0/8", "this machine itself"),
    ("169.254.0.0/16", "link-local"),
    ("172.16.0.0/12", "private"),
    ("192.0.0.0/24", "one of a protocol"),
    ("192.0.2.0/24", "one for documentation"),
    ("192.88.99.0/24", "one of a retired relay"),
    ("192.168.0.0/16", "private"),
    ("198.18.0.0/15", "one for measurements"),
    ("198.51.100.0/24", "one for documentation"),
    ("203.0.113.0/24", "one for documentation"),
    ("224.0.0.0/4", "multicast"),
    ("240.0.0.0/4", "reserved"),
    ("::/128", "one of this host"),
    ("::1/128", "this machine itself"),
    ("::ffff:0:0/96", "an IPv4 address written as IPv6"),
    ("::/96", "an IPv4 address written as IPv6"),
    ("64:ff9b::/96", "a translated IPv4 address"),
    ("64:ff9b:1::/48", "a translated IPv4 address"),
    ("2001::/23", "one of a protocol"),
    ("2001:db8::/32", "one for documentation"),
    ("2002::/16", "a tunnelled IPv4 address"),
    ("3fff::/20", "one for documentation"),
    ("fc00::/7", "private"),
    ("fe80::/10", "link-local"),
    ("fec0::/10", "private"),
    ("ff00::/8", "multicast"),
];

/// All that is handed out for the public internet so far.
const PUBLIC_V6: &str = "2000::/3";

static NETWORKS: LazyLock<Vec<(IpNet, &str)>> = LazyLock::new(|| {
    let read = |&(network, what): &(&str, &'static str)| Some((network.parse().ok()?, what));
    SPECIAL.iter().filter_map(read).collect()
});

static HANDED_OUT_V6: LazyLock<Option<IpNet>> = LazyLock::new(|| PUBLIC_V6.parse().ok());

/// What `ip` is.
pub(super) fn reach(ip: IpAddr) -> Reach {
    if let Some((_, what)) = NETWORKS.iter().find(|(network, _)| network.contains(&ip)) {
        return Reach::Special(what);
    }
    match ip {
        IpAddr::V6(_) if !HANDED_OUT_V6.is_some_and(|network| network.contains(&ip)) => {
            Reach::Special("reserved")
        }
        _ => Reach::Public,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(ip: &str) -> Reach {
        reach(ip.parse().unwrap())
    }

    #[test]
    fn every_network_of_the_table_can_be_read() {
        assert_eq!(NETWORKS.len(), SPECIAL.len());
        assert!(HANDED_OUT_V6.is_some());
    }

    #[test]
    fn the_first_and_the_last_address_of_every_special_network_is_special() {
        for (network, _) in NETWORKS.iter() {
            for ip in [network.network(), network.broadcast()] {
                assert_ne!(reach(ip), Reach::Public, "{ip} of {network}");
            }
        }
    }

    #[test]
    fn neighbours_of_special_networks_are_public() {
        for ip in [
            "1.0.0.0",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2000::1",
            "2001:200::1",
            "2003::1",
            "2606:4700::1111",
            "3ffe::1",
        ] {
            assert_eq!(of(ip), Reach::Public, "{ip}");
        }
    }

    #[test]
    fn addresses_are_called_what_they_are() {
        assert_eq!(of("127.0.0.1"), Reach::Special("this machine itself"));
        assert_eq!(of("::1"), Reach::Special("this machine itself"));
        assert_eq!(of("169.254.169.254"), Reach::Special("link-local"));
        assert_eq!(
            of("100.64.0.1"),
            Reach::Special("one of a provider's inner network")
        );
        assert_eq!(
            of("::ffff:8.8.8.8"),
            Reach::Special("an IPv4 address written as IPv6")
        );
        assert_eq!(of("255.255.255.255"), Reach::Special("reserved"));
        assert_eq!(of("4000::1"), Reach::Special("reserved"));
        assert_eq!(of("fd00::1"), Reach::Special("private"));
    }
}
