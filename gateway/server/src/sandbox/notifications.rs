//! Sends what the networks tell, when it falls due, and remembers it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use plugin_sdk::{Clock, SandboxNotification};
use serde::Serialize;

use super::faults::NotificationFault;
use super::{Host, Network};

/// How often the simulators are asked whether something is due.
const POLL: Duration = Duration::from_millis(50);
/// How long a receiver may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Notifications that are remembered.
const REMEMBERED_MAX: usize = 500;
/// Of a body this much is remembered, in bytes.
const BODY_BYTES_MAX: usize = 4_096;

/// One that was sent, and what came of it.
#[derive(Debug, Clone, Serialize)]
pub struct Sent {
    pub network: &'static str,
    pub at: DateTime<Utc>,
    pub url: String,
    pub body: String,
    /// Absent when nobody answered.
    pub status: Option<u16>,
}

/// The newest notifications.
#[derive(Default)]
pub struct Journal {
    sent: Mutex<VecDeque<Sent>>,
}

impl Journal {
    fn add(&self, sent: Sent) {
        let mut known = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() == REMEMBERED_MAX {
            known.pop_front();
        }
        known.push_back(sent);
    }

    /// Newest first.
    pub fn newest(&self) -> Vec<Sent> {
        let known = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().rev().cloned().collect()
    }
}

/// Until the task is ended.
pub async fn send_due(host: Arc<Host>, client: reqwest::Client) {
    let mut ticks = tokio::time::interval(POLL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        for network in &host.networks {
            let mut due = network.lock().due(host.clock.now());
            if host.faults.of_notifications() == NotificationFault::Reverse {
                due.reverse();
            }
            for notification in due {
                send(&host, network, &client, notification).await;
            }
        }
    }
}

async fn send(host: &Host, network: &Network, client: &reqwest::Client, notification: SandboxNotification) {
    let fault = host.faults.of_notifications();
    let times = match fault {
        NotificationFault::Duplicate => 2,
        NotificationFault::Drop => 0,
        NotificationFault::None | NotificationFault::Reverse => 1,
    };
    let mut answer = None;
    for _ in 0..times {
        answer = post(client, &notification).await;
    }
    let told = answer.as_ref().map(|(status, body)| (*status, body.as_slice()));
    network.lock().delivered(notification.id, told, host.clock.now());
    let mut body = String::from_utf8_lossy(&notification.body).into_owned();
    body.truncate(body.floor_char_boundary(BODY_BYTES_MAX));
    host.journal.add(Sent {
        network: network.name,
        at: host.clock.now(),
        url: notification.url,
        body,
        status: answer.map(|(status, _)| status),
    });
}

async fn post(client: &reqwest::Client, notification: &SandboxNotification) -> Option<(u16, Vec<u8>)> {
    let method = reqwest::Method::from_bytes(notification.method.as_bytes()).ok()?;
    let mut request = client.request(method, &notification.url).timeout(TIMEOUT);
    for (name, value) in &notification.headers {
        request = request.header(*name, value);
    }
    let answer = request.body(notification.body.clone()).send().await.ok()?;
    let status = answer.status().as_u16();
    Some((status, answer.bytes().await.ok()?.to_vec()))
}
