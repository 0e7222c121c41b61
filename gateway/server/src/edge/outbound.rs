//! HTTP to URLs that a merchant typed. One pooled client for all of them: addresses are refused *after* DNS has
//! answered, so a name cannot point elsewhere between check and use; redirects are not followed; answers are read to a
//! limit.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use reqwest::Method;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::HeaderMap;
use tokio::net::TcpStream;
use url::{Host, Url};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Idle connections kept to one host.
const IDLE_PER_HOST_MAX: usize = 16;
const USER_AGENT: &str = concat!("Tollgate/", env!("CARGO_PKG_VERSION"));

#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    #[error("only http and https URLs are called")]
    Scheme,
    #[error(
        "{0} is a private, loopback, link-local or metadata address; the operator may allow it in webhooks.allow_networks"
    )]
    Forbidden(String),
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
    #[error("{0}")]
    Transport(String),
}

#[derive(Debug, Clone)]
pub struct OutboundAnswer {
    pub status: u16,
    pub headers: HeaderMap,
    /// Cut at the caller's limit.
    pub body: Vec<u8>,
}

#[derive(Clone)]
pub struct Outbound {
    client: reqwest::Client,
    allowed: AllowedNetworks,
}

impl Outbound {
    pub fn new(allow_networks: Vec<IpNet>) -> Result<Self, OutboundError> {
        let allowed = AllowedNetworks(allow_networks.into());
        let client = guarded_builder(&allowed).build();
        let client = client.map_err(|error| OutboundError::Transport(cause(&error)))?;
        Ok(Self { client, allowed })
    }

    /// A client of its own pool, under the same guard: it shows `identity`, and believes `roots` beside the system's.
    pub fn dedicated_client(
        &self,
        identity: Option<reqwest::Identity>,
        roots: Vec<reqwest::Certificate>,
    ) -> Result<reqwest::Client, OutboundError> {
        let mut builder = guarded_builder(&self.allowed).tls_certs_merge(roots);
        if let Some(identity) = identity {
            builder = builder.identity(identity);
        }
        builder.build().map_err(|error| OutboundError::Transport(cause(&error)))
    }

    /// Whether a URL may be called at all, as far as can be said without DNS.
    pub fn check(&self, url: &Url) -> Result<(), OutboundError> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(OutboundError::Scheme);
        }
        let address = match url.host() {
            Some(Host::Ipv4(address)) => IpAddr::V4(address),
            Some(Host::Ipv6(address)) => IpAddr::V6(address),
            Some(Host::Domain(_)) => return Ok(()),
            None => return Err(OutboundError::Scheme),
        };
        if self.allowed.allows(address) {
            Ok(())
        } else {
            Err(OutboundError::Forbidden(address.to_string()))
        }
    }

    /// A connection to a URL's host, under the same guard.
    pub async fn connect(&self, url: &Url, port: u16) -> Result<TcpStream, OutboundError> {
        self.check(url)?;
        let connecting = async {
            let addresses: Vec<SocketAddr> = match url.host() {
                Some(Host::Ipv4(address)) => vec![(address, port).into()],
                Some(Host::Ipv6(address)) => vec![(address, port).into()],
                Some(Host::Domain(name)) => {
                    let found = tokio::net::lookup_host((name, port)).await;
                    let found = found.map_err(|error| OutboundError::Transport(error.to_string()))?;
                    found.filter(|address| self.allowed.allows(address.ip())).collect()
                }
                None => return Err(OutboundError::Scheme),
            };
            if addresses.is_empty() {
                return Err(OutboundError::Forbidden(url.host_str().unwrap_or_default().to_owned()));
            }
            let stream = TcpStream::connect(addresses.as_slice()).await;
            stream.map_err(|error| OutboundError::Transport(error.to_string()))
        };
        let connected = tokio::time::timeout(CONNECT_TIMEOUT, connecting).await;
        connected.unwrap_or(Err(OutboundError::TimedOut(CONNECT_TIMEOUT)))
    }

    pub async fn get_status(&self, url: Url, timeout: Duration) -> Result<u16, OutboundError> {
        self.check(&url)?;
        let answer = self
            .client
            .get(url)
            .timeout(timeout)
            .send()
            .await
            .map_err(|error| explain(&error, timeout))?;
        Ok(answer.status().as_u16())
    }

    pub async fn post(
        &self,
        url: Url,
        headers: HeaderMap,
        body: Vec<u8>,
        answer_bytes_max: usize,
        timeout: Duration,
    ) -> Result<OutboundAnswer, OutboundError> {
        self.check(&url)?;
        let request = self.client.post(url).headers(headers).body(body).timeout(timeout);
        let mut answer = request.send().await.map_err(|error| explain(&error, timeout))?;
        let mut body = Vec::new();
        while body.len() < answer_bytes_max {
            // The status is the answer; a body that breaks off changes nothing.
            let Ok(Some(chunk)) = answer.chunk().await else { break };
            body.extend_from_slice(chunk.get(..answer_bytes_max - body.len()).unwrap_or(&chunk));
        }
        Ok(OutboundAnswer {
            status: answer.status().as_u16(),
            headers: answer.headers().clone(),
            body,
        })
    }

    /// The whole answer, or none: one that breaks off or is longer than `answer_bytes_max` is an error.
    pub async fn fetch(
        &self,
        method: Method,
        url: Url,
        headers: HeaderMap,
        body: Option<Vec<u8>>,
        answer_bytes_max: usize,
        timeout: Duration,
    ) -> Result<OutboundAnswer, OutboundError> {
        self.check(&url)?;
        let mut request = self.client.request(method, url).headers(headers).timeout(timeout);
        if let Some(body) = body {
            request = request.body(body);
        }
        let mut answer = request.send().await.map_err(|error| explain(&error, timeout))?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| explain(&error, timeout))? {
            if body.len() + chunk.len() > answer_bytes_max {
                return Err(OutboundError::TooLong(answer_bytes_max));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(OutboundAnswer {
            status: answer.status().as_u16(),
            headers: answer.headers().clone(),
            body,
        })
    }
}

fn guarded_builder(allowed: &AllowedNetworks) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .dns_resolver(GuardedResolver {
            allowed: allowed.clone(),
        })
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_max_idle_per_host(IDLE_PER_HOST_MAX)
        .user_agent(USER_AGENT)
        // A proxy from the environment would resolve names itself and so undo the guard.
        .no_proxy()
}

fn explain(error: &reqwest::Error, timeout: Duration) -> OutboundError {
    if error.is_timeout() {
        return OutboundError::TimedOut(timeout);
    }
    OutboundError::Transport(cause(error))
}

/// The innermost cause says what a person can mend; the URL in reqwest's own text may hold a secret.
#[must_use]
pub fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[derive(Clone)]
struct AllowedNetworks(Arc<[IpNet]>);

impl AllowedNetworks {
    fn allows(&self, address: IpAddr) -> bool {
        is_public(address) || self.0.iter().any(|network| network.contains(&address))
    }
}

struct GuardedResolver {
    allowed: AllowedNetworks,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let allowed = self.allowed.clone();
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let found = tokio::net::lookup_host((host.as_str(), 0)).await?;
            let addresses: Vec<SocketAddr> = found.filter(|address| allowed.allows(address.ip())).collect();
            if addresses.is_empty() {
                return Err(OutboundError::Forbidden(host).into());
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// Addresses of the open internet. Everything with a special meaning is not: IANA's special-purpose registries.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = match (a, b, c) {
        (0 | 10 | 127 | 240..=255, _, _) => true,
        // Carrier-grade NAT; also where some clouds keep their metadata service.
        (100, 64..=127, _) => true,
        (169, 254, _) => true,
        (172, 16..=31, _) => true,
        (192, 0, 0 | 2) => true,
        (192, 88, 99) => true,
        (192, 168, _) => true,
        (198, 18 | 19, _) => true,
        (198, 51, 100) | (203, 0, 113) => true,
        (224..=239, _, _) => true,
        _ => false,
    };
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(inner) = embedded_v4(address) {
        return is_public_v4(inner);
    }
    let [first, second, ..] = address.segments();
    // Only 2000::/3 is global unicast; documentation, Teredo and ORCHID lie inside it.
    let global = first & 0xe000 == 0x2000;
    let documentation = (first == 0x2001 && second == 0x0db8) || first == 0x3fff;
    let protocol_assignments = first == 0x2001 && second < 0x0200;
    global && !documentation && !protocol_assignments
}

/// The IPv4 address that an IPv6 one stands for: mapped, NAT64, 6to4.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let segments = address.segments();
    let v4 = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match segments {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(v4(high, low)),
        [0x2002, high, low, ..] => Some(v4(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("127.0.0.1")]
    #[case("10.1.2.3")]
    #[case("172.16.0.1")]
    #[case("172.31.255.255")]
    #[case("192.168.1.1")]
    #[case("169.254.169.254")]
    #[case("100.100.100.200")]
    #[case("0.0.0.0")]
    #[case("255.255.255.255")]
    #[case("224.0.0.1")]
    #[case("198.18.0.1")]
    #[case("::1")]
    #[case("::")]
    #[case("fe80::1")]
    #[case("fd00::1")]
    #[case("ff02::1")]
    #[case("::ffff:127.0.0.1")]
    #[case("64:ff9b::a00:1")]
    #[case("2002:7f00:1::")]
    #[case("2001:db8::1")]
    #[case("2001::1")]
    fn special_addresses_are_not_public(#[case] address: &str) {
        assert!(!is_public(address.parse().unwrap()));
    }

    #[rstest]
    #[case("8.8.8.8")]
    #[case("172.32.0.1")]
    #[case("100.128.0.1")]
    #[case("2a00:1450::1")]
    #[case("64:ff9b::808:808")]
    fn the_open_internet_is_public(#[case] address: &str) {
        assert!(is_public(address.parse().unwrap()));
    }

    #[rstest]
    #[case("http://127.1/")]
    #[case("http://0x7f000001/")]
    #[case("http://2130706433/")]
    #[case("http://[::ffff:10.0.0.1]/")]
    #[case("http://169.254.169.254/latest/meta-data")]
    fn disguised_addresses_are_seen_through(#[case] url: &str) {
        let outbound = Outbound::new(Vec::new()).unwrap();
        assert!(
            matches!(
                outbound.check(&Url::parse(url).unwrap()),
                Err(OutboundError::Forbidden(_))
            ),
            "{url}"
        );
    }

    #[test]
    fn other_schemes_are_not_called() {
        let outbound = Outbound::new(Vec::new()).unwrap();
        for url in ["ftp://example.com/", "file:///etc/passwd", "gopher://example.com/"] {
            assert!(
                matches!(outbound.check(&Url::parse(url).unwrap()), Err(OutboundError::Scheme)),
                "{url}"
            );
        }
    }

    #[test]
    fn the_operator_may_allow_a_network() {
        let outbound = Outbound::new(vec!["127.0.0.0/8".parse().unwrap()]).unwrap();
        assert!(outbound.check(&Url::parse("http://127.0.0.1:9/").unwrap()).is_ok());
        assert!(outbound.check(&Url::parse("http://10.0.0.1/").unwrap()).is_err());
    }

    #[actix_web::test]
    async fn a_name_that_resolves_to_loopback_is_refused() {
        let outbound = Outbound::new(Vec::new()).unwrap();
        let url = Url::parse("http://localhost:9/").unwrap();
        let error = outbound
            .get_status(url, Duration::from_secs(5))
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains("localhost is a private"), "{error}");
    }
}
