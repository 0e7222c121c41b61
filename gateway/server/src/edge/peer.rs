//! Who is at the other end.

use std::net::{IpAddr, Ipv4Addr};

use actix_web::HttpRequest;
use ipnet::IpNet;

/// Entries of `X-Forwarded-For` that are looked at.
const FORWARDED_HOPS_MAX: usize = 16;

/// The caller's address: of the connection, or, when that is a trusted proxy, the nearest address before it that is
/// not one. A header from a stranger says nothing.
#[must_use]
pub fn address(request: &HttpRequest, trusted_proxies: &[IpNet]) -> IpAddr {
    let connection = request
        .peer_addr()
        .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip().to_canonical());
    let forwarded = request
        .headers()
        .get_all("x-forwarded-for")
        .filter_map(|value| value.to_str().ok());
    let hops: Vec<&str> = forwarded.flat_map(|value| value.split(',')).collect();
    nearest_stranger(connection, &hops, trusted_proxies)
}

fn nearest_stranger(connection: IpAddr, hops: &[&str], trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(&address));
    let mut nearest = connection;
    for hop in hops.iter().rev().take(FORWARDED_HOPS_MAX) {
        if !is_trusted(nearest) {
            break;
        }
        // What a trusted proxy wrote wrongly ends the chain at that proxy.
        let Ok(address) = hop.trim().parse::<IpAddr>() else {
            break;
        };
        nearest = address.to_canonical();
    }
    nearest
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("9.9.9.9", &["1.1.1.1"], "9.9.9.9")]
    #[case("10.0.0.1", &["1.1.1.1"], "1.1.1.1")]
    #[case("10.0.0.1", &["6.6.6.6", "1.1.1.1"], "1.1.1.1")]
    #[case("10.0.0.1", &["1.1.1.1", "10.0.0.2"], "1.1.1.1")]
    #[case("10.0.0.1", &[], "10.0.0.1")]
    #[case("10.0.0.1", &["nonsense"], "10.0.0.1")]
    #[case("10.0.0.1", &["1.1.1.1", "nonsense"], "10.0.0.1")]
    fn only_trusted_proxies_are_believed(#[case] connection: &str, #[case] hops: &[&str], #[case] expected: &str) {
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        let found = nearest_stranger(connection.parse().unwrap(), hops, &trusted);
        assert_eq!(found, expected.parse::<IpAddr>().unwrap());
    }
}
