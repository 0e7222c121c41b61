//! How clients call: with patience that ends, on connections that break.

use std::net::SocketAddr;
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;

/// After this a client hangs up and asks again.
const PATIENCE: Duration = Duration::from_secs(6);

/// What came back, if anything did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    pub status: u16,
    pub body: String,
}

#[must_use]
pub fn client() -> reqwest::Client {
    reqwest::Client::builder().timeout(PATIENCE).no_proxy().build().unwrap()
}

pub async fn send(request: reqwest::RequestBuilder) -> Option<Heard> {
    let answer = request.send().await.ok()?;
    let status = answer.status().as_u16();
    let body = answer.text().await.ok()?;
    Some(Heard { status, body })
}

/// Any of the nodes.
pub fn any(ways: &[SocketAddr], chance: &mut StdRng) -> SocketAddr {
    ways[chance.random_range(0..ways.len())]
}

/// Between two tries of a client.
pub async fn pause(chance: &mut StdRng) {
    let pause = Duration::from_millis(chance.random_range(50..400));
    tokio::time::sleep(pause).await;
}
