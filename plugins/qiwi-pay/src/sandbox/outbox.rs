//! Callbacks on their way (§7): at once, then again with growing pauses for a day.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, Utc};
use plugin_sdk::SandboxNotification;

/// D-9: pauses between tries, in seconds.
const PAUSES_S: [i64; 8] = [10, 60, 300, 900, 3_600, 10_800, 21_600, 43_200];

struct Message {
    url: String,
    body: String,
    tries: usize,
    /// `None` when there is no try left.
    next: Option<DateTime<Utc>>,
    until: DateTime<Utc>,
}

#[derive(Default)]
pub struct Outbox {
    messages: BTreeMap<u64, Message>,
    serial: u64,
}

impl Outbox {
    pub fn put(&mut self, url: String, body: String, now: DateTime<Utc>) {
        self.serial += 1;
        let message = Message {
            url,
            body,
            tries: 0,
            next: Some(now),
            until: super::after(now, Duration::hours(24)),
        };
        self.messages.insert(self.serial, message);
    }

    pub fn due(&mut self, now: DateTime<Utc>) -> Vec<SandboxNotification> {
        let mut due = Vec::new();
        for (id, message) in &mut self.messages {
            if message.next.is_none_or(|next| next > now) {
                continue;
            }
            let pause = PAUSES_S.get(message.tries).map(|pause| Duration::seconds(*pause));
            let next = pause.map(|pause| super::after(now, pause));
            message.next = next.filter(|next| *next <= message.until);
            message.tries += 1;
            due.push(SandboxNotification {
                id: *id,
                method: "POST",
                url: message.url.clone(),
                headers: vec![("content-type", "application/json".to_owned())],
                body: message.body.clone().into_bytes(),
            });
        }
        due
    }

    pub fn done(&mut self, id: u64) {
        self.messages.remove(&id);
    }

    pub fn next_due(&self) -> Option<DateTime<Utc>> {
        self.messages.values().filter_map(|message| message.next).min()
    }

    /// Address, tries and body of what was not taken yet.
    pub fn waiting(&self) -> impl Iterator<Item = (&str, usize, &str)> {
        let messages = self.messages.values();
        messages.map(|message| (message.url.as_str(), message.tries, message.body.as_str()))
    }
}
