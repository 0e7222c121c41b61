//! What all sites share while one request is served: the moment, ids, the outbox and the journal.

use std::collections::VecDeque;

use aws_lc_rs::digest;
use chrono::{DateTime, Utc};

use super::outbox::Outbox;

/// Warnings that are remembered.
const JOURNAL_MAX: usize = 500;

pub struct Desk {
    pub now: DateTime<Utc>,
    pub base_url: String,
    pub outbox: Outbox,
    pub journal: VecDeque<String>,
    ids: u64,
}

impl Desk {
    pub fn new() -> Self {
        Self {
            now: DateTime::UNIX_EPOCH,
            base_url: String::new(),
            outbox: Outbox::default(),
            journal: VecDeque::new(),
            ids: 0,
        }
    }

    pub fn number(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    /// In the form of a version 4; the same run gives the same ones.
    pub fn uuid(&mut self) -> String {
        let number = self.number();
        let hash = digest::digest(&digest::SHA256, format!("payin {number}").as_bytes());
        let hex: String = hash
            .as_ref()
            .iter()
            .take(16)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default().to_owned();
        format!(
            "{}-{}-4{}-a{}-{}",
            part(0, 8),
            part(8, 12),
            part(13, 16),
            part(17, 20),
            part(20, 32)
        )
    }

    pub fn warn(&mut self, warning: String) {
        if self.journal.len() >= JOURNAL_MAX {
            self.journal.pop_front();
        }
        self.journal.push_back(warning);
    }

    /// D-12: the stored object wins.
    pub fn compare(&mut self, what: &str, stored: &[u8], body: &[u8]) {
        if stored != body {
            self.warn(format!("{what} was sent again with another body; the stored one stays"));
        }
    }
}
