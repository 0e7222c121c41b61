//! One transaction and how it is written in answers, in the status list and in callbacks.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};

use super::site::Site;
use super::wire::{Object, hmac_hex, join, name_of, roubles};

/// Fields of a purchase that the status list and callbacks give back (§6.6, §7.1).
pub const ECHOED: [&str; 13] = [
    "ip",
    "email",
    "country",
    "city",
    "region",
    "address",
    "phone",
    "cf1",
    "cf2",
    "cf3",
    "cf4",
    "cf5",
    "product_name",
];

#[derive(Debug, Clone)]
pub struct Transaction {
    pub id: i64,
    pub site: u64,
    /// §2: 1 sale, 2 auth, 3 refund, 4 reversal, 8 payout.
    pub kind: u8,
    /// §2: 0 to 5.
    pub status: u8,
    pub error: i64,
    pub at: DateTime<Utc>,
    pub kopecks: i64,
    pub currency: i64,
    pub parent: Option<i64>,
    pub order_id: Option<String>,
    pub echo: BTreeMap<String, String>,
    pub merchant_uid: Option<String>,
    pub callback_url: Option<String>,
    pub card: Card,
    pub card_token: Option<String>,
    /// Sub-sums of a safe deal: payout and commission.
    pub deal: Option<(i64, i64)>,
    /// What the issuer's page must answer with, while it is waited for.
    pub three_ds: Option<String>,
}

/// A payment card as its holder types it. Of its number no more than the mask and a fingerprint is kept.
#[derive(Debug, Clone, Default)]
pub struct Card {
    pub mask: String,
    pub expiry: String,
    pub name: String,
    /// A token of a phone's wallet without a cryptogram.
    pub pan_only: bool,
}

impl Card {
    pub fn new(pan: &str, expiry: &str, name: &str) -> Self {
        let head: String = pan.chars().take(6).collect();
        let tail: String = pan.chars().skip(pan.chars().count().saturating_sub(4)).collect();
        let stars = "*".repeat(pan.chars().count().saturating_sub(10));
        Self {
            mask: format!("{head}{stars}{tail}"),
            expiry: expiry.to_owned(),
            name: name.to_owned(),
            pan_only: false,
        }
    }

    /// §12: the month of the expiry says how it ends.
    pub fn month(&self) -> &str {
        self.expiry.get(..2).unwrap_or_default()
    }
}

pub fn date(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, false)
}

impl Transaction {
    pub const fn is_purchase(&self) -> bool {
        matches!(self.kind, 1 | 2)
    }

    fn head(&self, object: Object, site: &Site) -> Object {
        let object = object
            .raw("txn_id", self.id)
            .raw("txn_status", self.status)
            .raw("txn_type", self.kind)
            .text("txn_date", &date(self.at));
        if site.test_mode {
            object.text("is_test", "true")
        } else {
            object
        }
    }

    fn outcome(&self, object: Object) -> Object {
        let object = object.raw("error_code", self.error);
        if self.error == 0 {
            object
        } else {
            object.text("error_message", name_of(self.error))
        }
    }

    /// §5.1, §6.5.
    pub fn answer(&self, site: &Site) -> String {
        let object = self.outcome(self.head(Object::default(), site));
        let object = object
            .text("pan", &self.card.mask)
            .text("issuer_name", "QIWI BANK (JSC)")
            .text("issuer_country", "RUS")
            .raw("amount", roubles(self.kopecks))
            .raw("currency", self.currency);
        self.approval(object).done()
    }

    fn approval(&self, object: Object) -> Object {
        if self.status < 2 {
            return object;
        }
        let object = object.text("auth_code", "181218");
        let object = if self.kind == 8 {
            object
        } else {
            object.text("eci", "5")
        };
        let expires = self
            .card_token
            .as_ref()
            .map(|_| date(self.at + chrono::Duration::days(365)));
        object
            .maybe("card_token", self.card_token.as_deref())
            .maybe("card_token_expire", expires.as_deref())
    }

    /// §5.2.
    pub fn answer_three_ds(&self, site: &Site, acs_url: &str, pareq: &str) -> String {
        let object = self.outcome(self.head(Object::default(), site));
        object.text("acs_url", acs_url).text("pareq", pareq).done()
    }

    /// §6.2 to §6.4.
    pub fn answer_step(&self, site: &Site) -> String {
        let object = self.outcome(self.head(Object::default(), site));
        if matches!(self.kind, 3 | 4) {
            return object.raw("amount", roubles(self.kopecks)).done();
        }
        object.done()
    }

    /// §6.6.
    pub fn element(&self, site: &Site) -> String {
        let object = self.head(Object::default().raw("error_code", self.error), site);
        let object = object
            .text("pan", &self.card.mask)
            .raw("amount", roubles(self.kopecks))
            .raw("currency", self.currency)
            .raw("merchant_site", self.site)
            .text("card_name", &self.card.name)
            .text("card_bank", "");
        let object = if self.status >= 2 {
            object.text("auth_code", "181218")
        } else {
            object
        };
        let object = object.maybe("order_id", self.order_id.as_deref());
        let echo = self.echo.iter();
        echo.fold(object, |object, (name, value)| object.text(name, value))
            .done()
    }

    /// §7.1, signed by §7.2.
    pub fn callback(&self, site: &Site, request_id: &str) -> String {
        let amount = roubles(self.kopecks);
        let texts = [self.currency.to_string(), self.error.to_string(), self.id.to_string()];
        let [currency, error, id] = &texts;
        let (status, kind) = (self.status.to_string(), self.kind.to_string());
        let echoed = |name: &str| self.echo.get(name).map_or("", String::as_str);
        let covered = [
            &amount,
            currency,
            echoed("email"),
            error,
            echoed("ip"),
            id,
            &status,
            &kind,
        ];
        let sign = hmac_hex(&site.secret, &join(covered.into_iter())).to_uppercase();
        let object = self.head(Object::default().text("request_id", request_id), site);
        let object = object
            .raw("error_code", self.error)
            .text("issuer_name", "QIWI BANK (JSC)")
            .text("issuer_country", "RUS")
            .text("card_name", &self.card.name.replace(' ', "+"))
            .text("pan", &self.card.mask)
            .raw("amount", &amount)
            .raw("currency", self.currency)
            .raw("merchant_site", self.site);
        let object = self.approval(object).maybe("order_id", self.order_id.as_deref());
        let echo = self.echo.iter();
        let object = echo.fold(object, |object, (name, value)| object.text(name, value));
        object.text("sign", &sign).done()
    }
}
