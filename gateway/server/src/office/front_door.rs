//! Asks the gateway's own front door as a terminal of the network would: through the same guards, rules and ledger.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::kiosk::Move;

/// A network waits so long for an answer.
const TIMEOUT: Duration = Duration::from_secs(60);

/// One connection's door.
pub struct FrontDoor {
    url: Url,
    client: reqwest::Client,
    login: Option<(String, SecretString)>,
}

/// What went over the wire, both ways.
#[derive(Debug, Clone)]
pub struct Heard {
    pub url: String,
    pub status: u16,
    pub body: String,
    pub took: Duration,
}

#[derive(Debug, thiserror::Error)]
#[error("the front door did not answer: {0}")]
pub struct Unheard(String);

impl FrontDoor {
    /// `address` is where this node's plain listener is.
    pub fn new(
        address: SocketAddr,
        merchant: &str,
        connection: &str,
        login: Option<(String, SecretString)>,
    ) -> Result<Self, Unheard> {
        let ip = match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
            ip => ip,
        };
        let url = format!(
            "http://{}/in/{merchant}/{connection}",
            SocketAddr::new(ip, address.port())
        );
        let client = reqwest::Client::builder().timeout(TIMEOUT).no_proxy().build();
        Ok(Self {
            url: Url::parse(&url).map_err(|error| Unheard(error.to_string()))?,
            client: client.map_err(|error| Unheard(error.to_string()))?,
            login,
        })
    }

    pub async fn ask(&self, asked: &Move, now: DateTime<Utc>) -> Result<Heard, Unheard> {
        let mut url = self.url.clone();
        url.query_pairs_mut().extend_pairs(asked.parameters(now));
        let mut call = self.client.get(url.clone());
        if let Some((login, password)) = &self.login {
            call = call.basic_auth(login, Some(password.expose_secret()));
        }
        let started = Instant::now();
        let answer = call.send().await.map_err(|error| Unheard(error.to_string()))?;
        let status = answer.status().as_u16();
        let body = answer.text().await.map_err(|error| Unheard(error.to_string()))?;
        Ok(Heard {
            url: url.to_string(),
            status,
            body,
            took: started.elapsed(),
        })
    }
}

impl Heard {
    /// The number in the answer's `<result>`.
    #[must_use]
    pub fn result(&self) -> Option<i64> {
        let (_, rest) = self.body.split_once("<result")?;
        let (_, rest) = rest.split_once('>')?;
        rest.split('<').next()?.trim().parse().ok()
    }

    #[must_use]
    pub fn took_ms(&self) -> u64 {
        u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX)
    }

    /// Whether this machine is not let in at all.
    #[must_use]
    pub fn is_shut(&self) -> bool {
        matches!(self.status, 401 | 403)
    }

    /// The beginning of the answer, for people.
    #[must_use]
    pub fn head(&self) -> String {
        const SHOWN: usize = 120;
        self.body.chars().take(SHOWN).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_read_from_the_answer() {
        let told = |body: &str| {
            let heard = Heard {
                url: String::new(),
                status: 200,
                body: body.to_owned(),
                took: Duration::ZERO,
            };
            heard.result()
        };
        assert_eq!(told("<response><result>0</result></response>"), Some(0));
        assert_eq!(
            told("<response><result fatal=\"true\"> 5 </result></response>"),
            Some(5)
        );
        assert_eq!(told("<response/>"), None);
    }
}
