//! Names of the public internet. A name is looked up once, the addresses are
//! judged, and just these are connected to: a name that changes between the look
//! and the connection gains nothing.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Finds the addresses of a name, unless one of them is not public.
pub(super) struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found: Vec<SocketAddr> =
                tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            if let Some(inner) = found.iter().find(|address| !is_public(address.ip())) {
                let why = format!(
                    "{} leads to {}, which is not on the public internet",
                    name.as_str(),
                    inner.ip()
                );
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, why).into());
            }
            let found: Addrs = Box::new(found.into_iter());
            Ok(found)
        })
    }
}

/// Whether an address is one of the public internet (IANA's registries of
/// special-purpose addresses; RFC 6890).
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    // This network, shared address space, protocol assignments, 6to4 relays,
    // benchmarks, and all from multicast on.
    let special = match (a, b, c) {
        (0 | 224.., ..) | (100, 64..=127, _) | (198, 18..=19, _) => true,
        (192, second, third) => matches!((second, third), (0, 0) | (88, 99)),
        _ => false,
    };
    !(special || ip.is_loopback() || ip.is_private() || ip.is_link_local() || ip.is_documentation())
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let segments = ip.segments();
    // Global unicast, without documentation, protocol assignments and the ranges
    // that have an IPv4 address inside.
    let global = segments[0] & 0xe000 == 0x2000;
    let special = match (segments[0], segments[1]) {
        (0x2001, 0x0000..=0x01ff | 0x0db8) | (0x2002, _) => true,
        (0x3fff, second) => second < 0x1000,
        _ => false,
    };
    global && !special
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_inside_is_not_public() {
        for inside in [
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "64:ff9b::7f00:1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "ff02::1",
        ] {
            assert!(!is_public(inside.parse().expect(inside)), "{inside}");
        }
    }

    #[test]
    fn an_address_of_the_internet_is_public() {
        for outside in [
            "8.8.8.8",
            "20.190.128.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.167.1.1",
            "100.128.0.1",
            "2603:1030:20e::1",
            "2a00:1450:4001::1",
        ] {
            assert!(is_public(outside.parse().expect(outside)), "{outside}");
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_inside_is_not_followed() {
        let name: Name = "localhost".parse().expect("a name");
        let refused = PublicOnly
            .resolve(name)
            .await
            .err()
            .expect("it is loopback");

        let why = refused.to_string();
        assert!(why.starts_with("localhost leads to "), "{why}");
        assert!(
            why.ends_with(", which is not on the public internet"),
            "{why}"
        );
    }
}
