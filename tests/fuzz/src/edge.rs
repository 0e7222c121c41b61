//! What comes before anybody is known: files of certificates, proxies' words, URLs that we are to call.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::test::TestRequest;
use chrono::Utc;
use gateway::edge::certificates::pkcs12::{self, Pkcs12Policy};
use gateway::edge::listener::proxy;
use gateway::edge::outbound::Outbound;
use gateway::edge::peer::{self, ForwardedHeader, Proxies};
use secrecy::SecretString;
use url::{Host, Url};

/// Few rounds of hashing, so that a case takes no longer than its parsing.
pub fn pkcs12(bytes: &[u8]) {
    let policy = Pkcs12Policy {
        rounds_max: 10,
        allow_unprotected: bytes.first().is_some_and(|byte| byte & 1 == 1),
    };
    let _ = pkcs12::read(bytes, &SecretString::from("password"), policy, Utc::now());
}

/// The PROXY protocol's header, and the two headers of HTTP. A stranger's header is never believed.
pub fn proxies(bytes: &[u8]) {
    static RUNTIME: LazyLock<tokio::runtime::Runtime> =
        LazyLock::new(|| tokio::runtime::Builder::new_current_thread().build().unwrap());
    let _ = RUNTIME.block_on(proxy::read_header(&mut &*bytes));
    let Ok(value) = HeaderValue::from_bytes(bytes) else {
        return;
    };
    for (name, header) in [
        ("x-forwarded-for", ForwardedHeader::XForwardedFor),
        ("forwarded", ForwardedHeader::Forwarded),
    ] {
        let name = HeaderName::from_static(name);
        let request = |peer: [u8; 4]| {
            let request = TestRequest::default().insert_header((name.clone(), value.clone()));
            request.peer_addr((peer, 1).into()).to_http_request()
        };
        let proxies = Proxies {
            trusted: vec!["10.0.0.0/8".parse().unwrap()],
            header,
        };
        let _ = peer::address(&request([10, 0, 0, 1]), &proxies);
        let stranger = [9, 9, 9, 9];
        assert_eq!(peer::address(&request(stranger), &proxies), IpAddr::V4(stranger.into()));
    }
}

/// No URL whose host is an address of a private network passes.
pub fn urls(bytes: &[u8]) {
    static OUTBOUND: LazyLock<Outbound> = LazyLock::new(|| Outbound::new(Vec::new()).unwrap());
    let Ok(url) = Url::parse(&String::from_utf8_lossy(bytes)) else {
        return;
    };
    if OUTBOUND.check(&url).is_err() {
        return;
    }
    assert!(["http", "https"].contains(&url.scheme()), "{url}");
    match url.host() {
        Some(Host::Ipv4(address)) => assert!(is_public(address), "{url}"),
        Some(Host::Ipv6(address)) => {
            let inner = address.to_ipv4();
            assert!(inner.is_none_or(is_public), "{url}");
            let local = address.is_loopback() || address.is_unspecified() || address.is_multicast();
            let private = address.is_unique_local() || address.is_unicast_link_local();
            assert!(!local && !private, "{url}");
        }
        Some(Host::Domain(_)) | None => {}
    }
}

fn is_public(address: Ipv4Addr) -> bool {
    let local = address.is_loopback() || address.is_unspecified() || address.is_link_local();
    let other = address.is_private() || address.is_multicast() || address.is_broadcast();
    !local && !other
}
