//! Who is at the other end.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use actix_web::HttpRequest;
use ipnet::IpNet;
use serde::Deserialize;

/// Hops of a forwarded request that are looked at.
const FORWARDED_HOPS_MAX: usize = 16;

/// The proxies before us, and how they say for whom they call.
#[derive(Debug, Clone)]
pub struct Proxies {
    pub trusted: Vec<IpNet>,
    pub header: ForwardedHeader,
}

/// One of them and never both: a proxy that writes one lets pass what a stranger wrote into the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardedHeader {
    XForwardedFor,
    /// RFC 7239.
    Forwarded,
}

impl ForwardedHeader {
    const fn name(self) -> &'static str {
        match self {
            Self::XForwardedFor => "x-forwarded-for",
            Self::Forwarded => "forwarded",
        }
    }

    /// The address of one hop. What cannot be read ends the chain.
    fn read(self, hop: &str) -> Option<IpAddr> {
        match self {
            Self::XForwardedFor => address_of(hop),
            Self::Forwarded => hop
                .split(';')
                .filter_map(|pair| pair.split_once('='))
                .find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))
                .and_then(|(_, node)| address_of(node.trim().trim_matches('"'))),
        }
    }
}

/// An address with or without a port; IPv6 in brackets when there is a port.
fn address_of(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let address = bare.unwrap_or(text).parse::<IpAddr>().ok();
    let address = address.or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()));
    address.map(|address| address.to_canonical())
}

/// The caller's address: of the connection, or, when that is a trusted proxy, the nearest address before it that is
/// not one. A header from a stranger says nothing.
#[must_use]
pub fn address(request: &HttpRequest, proxies: &Proxies) -> IpAddr {
    let connection = request
        .peer_addr()
        .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip().to_canonical());
    let forwarded = request
        .headers()
        .get_all(proxies.header.name())
        .filter_map(|value| value.to_str().ok());
    let hops: Vec<&str> = forwarded.flat_map(|value| value.split(',')).collect();
    nearest_stranger(connection, &hops, proxies)
}

fn nearest_stranger(connection: IpAddr, hops: &[&str], proxies: &Proxies) -> IpAddr {
    let is_trusted = |address: IpAddr| proxies.trusted.iter().any(|network| network.contains(&address));
    let mut nearest = connection;
    for hop in hops.iter().rev().take(FORWARDED_HOPS_MAX) {
        if !is_trusted(nearest) {
            break;
        }
        // What a trusted proxy wrote wrongly ends the chain at that proxy.
        let Some(address) = proxies.header.read(hop) else {
            break;
        };
        nearest = address;
    }
    nearest
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn found(connection: &str, hops: &[&str], header: ForwardedHeader) -> String {
        let proxies = Proxies {
            trusted: vec!["10.0.0.0/8".parse().unwrap()],
            header,
        };
        nearest_stranger(connection.parse().unwrap(), hops, &proxies).to_string()
    }

    #[rstest]
    #[case("9.9.9.9", &["1.1.1.1"], "9.9.9.9")]
    #[case("10.0.0.1", &["1.1.1.1"], "1.1.1.1")]
    #[case("10.0.0.1", &["6.6.6.6", "1.1.1.1"], "1.1.1.1")]
    #[case("10.0.0.1", &["1.1.1.1", "10.0.0.2"], "1.1.1.1")]
    #[case("10.0.0.1", &["[2001:db8::7]:443"], "2001:db8::7")]
    #[case("10.0.0.1", &["1.1.1.1:5000"], "1.1.1.1")]
    #[case("10.0.0.1", &[], "10.0.0.1")]
    #[case("10.0.0.1", &["nonsense"], "10.0.0.1")]
    #[case("10.0.0.1", &["1.1.1.1", "nonsense"], "10.0.0.1")]
    fn only_trusted_proxies_are_believed(#[case] connection: &str, #[case] hops: &[&str], #[case] expected: &str) {
        assert_eq!(found(connection, hops, ForwardedHeader::XForwardedFor), expected);
    }

    #[rstest]
    #[case("9.9.9.9", &["for=1.1.1.1"], "9.9.9.9")]
    #[case("10.0.0.1", &["For=1.1.1.1;proto=https"], "1.1.1.1")]
    #[case("10.0.0.1", &["for=6.6.6.6", " by=10.0.0.1;for=\"[2001:db8::7]:4711\""], "2001:db8::7")]
    #[case("10.0.0.1", &["for=6.6.6.6", "for=10.0.0.2", "for=10.0.0.3"], "6.6.6.6")]
    #[case("10.0.0.1", &["for=1.1.1.1", "for=unknown"], "10.0.0.1")]
    #[case("10.0.0.1", &["for=1.1.1.1", "for=_hidden"], "10.0.0.1")]
    #[case("10.0.0.1", &["1.1.1.1"], "10.0.0.1")]
    fn forwarded_is_read_as_rfc_7239_says(#[case] connection: &str, #[case] hops: &[&str], #[case] expected: &str) {
        assert_eq!(found(connection, hops, ForwardedHeader::Forwarded), expected);
    }
}
