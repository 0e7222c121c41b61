//! Notifications: signed, sent again until they are taken, and remembered (§11.1, §11.2).

use std::collections::VecDeque;

use aws_lc_rs::hmac;
use chrono::{DateTime, Duration, Utc};
use plugin_sdk::SandboxNotification;
use serde_json::{Value, json};

use super::stamp;

/// D-25: pauses before each further attempt.
const PAUSES_S: [i64; 5] = [5, 60, 300, 300, 300];
/// How many are remembered.
const KEPT_MAX: usize = 1_000;

pub struct Notice {
    pub id: u64,
    pub kind: &'static str,
    pub url: Option<String>,
    body: Vec<u8>,
    signature: String,
    /// When, and what was answered.
    pub attempts: Vec<(DateTime<Utc>, Option<u16>)>,
    pub next: Option<DateTime<Utc>>,
}

#[derive(Default)]
pub struct Outbox {
    last: u64,
    notices: VecDeque<Notice>,
}

impl Outbox {
    /// `signed` are the values that the signature covers, in their order.
    pub fn add(
        &mut self,
        kind: &'static str,
        url: Option<String>,
        key: &str,
        signed: &[&str],
        body: &Value,
        now: DateTime<Utc>,
    ) {
        self.last += 1;
        if self.notices.len() >= KEPT_MAX {
            self.notices.pop_front();
        }
        self.notices.push_back(Notice {
            id: self.last,
            kind,
            next: url.as_ref().map(|_| now),
            url,
            body: body.to_string().into_bytes(),
            signature: sign(key, &signed.join("|")),
            attempts: Vec::new(),
        });
    }

    pub fn due(&mut self, now: DateTime<Utc>) -> Vec<SandboxNotification> {
        let due = self
            .notices
            .iter_mut()
            .filter(|notice| notice.next.is_some_and(|at| at <= now));
        due.filter_map(|notice| {
            // Sent again unless the receiver is heard to have taken it.
            notice.next = PAUSES_S
                .get(notice.attempts.len())
                .map(|pause| now + Duration::seconds(*pause));
            notice.attempts.push((now, None));
            Some(SandboxNotification {
                id: notice.id,
                method: "POST",
                url: notice.url.clone()?,
                headers: vec![
                    ("signature", notice.signature.clone()),
                    ("accept", "application/json".to_owned()),
                    ("content-type", "application/json".to_owned()),
                ],
                body: notice.body.clone(),
            })
        })
        .collect()
    }

    pub fn delivered(&mut self, id: u64, status: Option<u16>) {
        if let Some(notice) = self.notices.iter_mut().find(|notice| notice.id == id) {
            if let Some(attempt) = notice.attempts.last_mut() {
                attempt.1 = status;
            }
            if status == Some(200) {
                notice.next = None;
            }
        }
    }

    pub fn next(&self) -> Option<DateTime<Utc>> {
        self.notices.iter().filter_map(|notice| notice.next).min()
    }

    /// Sends it once more, now; or never again.
    pub fn again(&mut self, id: u64, now: DateTime<Utc>) -> bool {
        let found = self
            .notices
            .iter_mut()
            .find(|notice| notice.id == id && notice.url.is_some());
        found.is_some_and(|notice| {
            notice.next = Some(now);
            true
        })
    }

    pub fn drop(&mut self, id: u64) -> bool {
        let found = self.notices.iter_mut().find(|notice| notice.id == id);
        found.is_some_and(|notice| {
            notice.next = None;
            true
        })
    }

    /// Newest first.
    pub fn json(&self) -> Value {
        let notices = self.notices.iter().rev().map(|notice| {
            let attempts = notice.attempts.iter();
            let attempts = attempts.map(|(at, status)| json!({ "at": stamp::date(*at), "status": status }));
            json!({
                "id": notice.id,
                "type": notice.kind,
                "url": notice.url,
                "signature": notice.signature,
                "body": serde_json::from_slice::<Value>(&notice.body).unwrap_or_default(),
                "attempts": attempts.collect::<Vec<_>>(),
                "next": notice.next.map(stamp::date),
            })
        });
        Value::Array(notices.collect())
    }
}

/// §11.2, D-14: lower-case hexadecimal digits.
pub fn sign(key: &str, message: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    let tag = hmac::sign(&key, message.as_bytes());
    tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(
        "skey",
        "4226144|2019-10-02T18:10:12+03:00|2.00",
        "0572c2153b1b57b1eddb9124ca6b8868e57eb3dce29220417922f18e7788285c"
    )]
    #[case(
        "TOKEN",
        "4504758|2019-10-08T11:31:37+03:00|2211.24",
        "5167b2bd0b07957e11686552ff40e3df688478f660c871f4257becdebd3acca5"
    )]
    #[case(
        "TOKEN",
        "4504759|2019-10-08T11:31:37+03:00|2211.24",
        "f3db008ae056f18d3066f0cc8b3f1725af70da8e8a0924759f57d9db6412d659"
    )]
    #[case(
        "skey",
        "uuid1-uuid2-uuid3-uuid4|2021-08-16T14:15:07+03:00",
        "6b7489473e7e9db378b41b4af968ea7090e1c080c25c94f60cafa21eef226a96"
    )]
    #[case(
        "skey",
        "test-00|test|CREATED|2023-01-01T10:00:00+03:00",
        "49c389dd17c75998aca66ab6822d9cdfcfbe1177a0224a83bedeeb672525590c"
    )]
    #[case(
        "skey",
        "kxnawm631754|2022-12-22T16:20:30+03:00|200.00",
        "ad6af48895680fa94066faf570b0822a4429fc07ccaa33884a4bae5152888754"
    )]
    fn the_printed_signatures_are_made(#[case] key: &str, #[case] message: &str, #[case] signature: &str) {
        assert_eq!(sign(key, message), signature);
    }

    #[test]
    fn six_attempts_at_the_documented_pauses() {
        let start: DateTime<Utc> = "2026-11-22T12:00:00Z".parse().unwrap();
        let mut outbox = Outbox::default();
        outbox.add(
            "PAYMENT",
            Some("https://shop.test".to_owned()),
            "k",
            &["a"],
            &json!({}),
            start,
        );
        let mut at = Vec::new();
        while let Some(next) = outbox.next() {
            assert_eq!(outbox.due(next).len(), 1);
            outbox.delivered(1, Some(500));
            at.push((next - start).num_seconds());
        }
        assert_eq!(at, [0, 5, 65, 365, 665, 965]);
    }

    #[test]
    fn what_was_taken_is_not_sent_again() {
        let now = "2026-11-22T12:00:00Z".parse().unwrap();
        let mut outbox = Outbox::default();
        outbox.add(
            "PAYMENT",
            Some("https://shop.test".to_owned()),
            "k",
            &["a"],
            &json!({}),
            now,
        );
        outbox.due(now);
        outbox.delivered(1, Some(200));
        assert_eq!(outbox.next(), None);
        assert!(outbox.again(1, now) && outbox.next().is_some());
    }
}
