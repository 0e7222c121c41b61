//! What the bank says of a card (§12.1).

use chrono::{DateTime, Duration, Utc};

use super::stamp;

/// How long a slow bank takes.
const SLOW: Duration = Duration::seconds(3);
/// The CVV that starts 3-D Secure.
const CVV_3DS: &str = "849";

/// First digits and the last four of the published test cards.
const LISTED: [(&str, [&str; 12]); 4] = [
    (
        "220000000000",
        [
            "0004", "0012", "0020", "0038", "0046", "0053", "0061", "0079", "0087", "0095", "0103", "0111",
        ],
    ),
    (
        "425600000000",
        [
            "0003", "0011", "0029", "0037", "0045", "0052", "0060", "0078", "0086", "0094", "0102", "0110",
        ],
    ),
    (
        "523600000000",
        [
            "0005", "0013", "0021", "0039", "0047", "0054", "0062", "0088", "0096", "0104", "0112", "0120",
        ],
    ),
    (
        "605600000000",
        [
            "0000", "0018", "0026", "0034", "0042", "0059", "0067", "0075", "0083", "0091", "0109", "0117",
        ],
    ),
];

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    pub pan: String,
    pub month: u32,
    /// Four digits.
    pub year: i32,
    pub holder: Option<String>,
    pub cvv: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    pub three_ds: bool,
    /// When it is known; at once when `None`.
    pub after: Option<Duration>,
    pub refused: Option<(&'static str, &'static str)>,
}

impl Card {
    /// Field and text of what is wrong with it.
    pub fn read(
        pan: Option<&str>,
        expiry: Option<&str>,
        cvv: Option<&str>,
        holder: Option<&str>,
        strict: bool,
    ) -> Result<Self, (&'static str, &'static str)> {
        let pan: String = pan.unwrap_or_default().chars().filter(|digit| *digit != ' ').collect();
        let is_number = (12..=19).contains(&pan.len()) && pan.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number || !luhn(&pan) {
            return Err(("pan", "Invalid card number"));
        }
        if strict && !is_listed(&pan) {
            return Err(("pan", "Only test cards are accepted in test mode"));
        }
        let (month, year) = expiry
            .and_then(expiry_of)
            .ok_or(("expiryDate", "Invalid format. Should be MM/YY"))?;
        if cvv.is_some_and(|cvv| !(3..=4).contains(&cvv.len()) || !cvv.bytes().all(|byte| byte.is_ascii_digit())) {
            return Err(("cvv2", "Invalid format"));
        }
        Ok(Self {
            pan,
            month,
            year,
            holder: holder.filter(|holder| !holder.is_empty()).map(str::to_owned),
            cvv: cvv.map(str::to_owned),
        })
    }

    pub fn masked(&self) -> String {
        let (head, rest) = self.pan.split_at_checked(6).unwrap_or((&self.pan, ""));
        let (_, tail) = rest.split_at_checked(rest.len().saturating_sub(4)).unwrap_or(("", ""));
        format!("{head}******{tail}")
    }

    pub fn system(&self) -> &'static str {
        match self.pan.as_bytes() {
            [b'2', ..] => "MIR",
            [b'4', ..] => "VISA",
            [b'5', ..] => "MASTERCARD",
            [b'6', ..] => "UNION_PAY",
            _ => "UNKNOWN",
        }
    }

    pub fn judge(&self, now: DateTime<Utc>) -> Verdict {
        let holder = self.holder.as_deref().unwrap_or_default().to_lowercase();
        let three_ds = self.cvv.as_deref() == Some(CVV_3DS) || holder.contains("3ds") || holder == "unknown name";
        let refused = match self.month {
            _ if stamp::card_is_over(self.month, self.year, now) => Some(("ACQUIRING_EXPIRED_CARD", "54")),
            2 | 4 => Some(("ACQUIRING_NOT_PERMITTED", "05")),
            _ => None,
        };
        Verdict {
            three_ds,
            after: matches!(self.month, 3 | 4).then_some(SLOW),
            refused,
        }
    }
}

fn expiry_of(text: &str) -> Option<(u32, i32)> {
    let (month, year) = text.split_once('/')?;
    let two = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
    if !two(month) || !two(year) {
        return None;
    }
    let month: u32 = month.parse().ok()?;
    let year: i32 = year.parse().ok()?;
    (1..=12).contains(&month).then_some((month, 2000 + year))
}

fn is_listed(pan: &str) -> bool {
    LISTED
        .iter()
        .any(|(head, tails)| pan.strip_prefix(head).is_some_and(|tail| tails.contains(&tail)))
}

fn luhn(pan: &str) -> bool {
    let digits = pan.bytes().rev().map(|byte| u32::from(byte.wrapping_sub(b'0')));
    let sum: u32 = digits
        .enumerate()
        .map(|(at, digit)| match (at % 2, digit * 2) {
            (0, _) => digit,
            (_, double) if double > 9 => double - 9,
            (_, double) => double,
        })
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_card_of_the_list_passes_luhn() {
        for (head, tails) in LISTED {
            for tail in tails {
                assert!(luhn(&format!("{head}{tail}")), "{head}{tail}");
            }
        }
    }

    #[test]
    fn the_month_decides() {
        let now = "2026-11-22T12:00:00Z".parse().unwrap();
        let judged = |expiry, cvv, holder| {
            let card = Card::read(Some("4256000000000003"), Some(expiry), Some(cvv), holder, true).unwrap();
            card.judge(now)
        };
        assert_eq!(judged("12/30", "123", None).refused, None);
        assert_eq!(
            judged("02/30", "123", None).refused,
            Some(("ACQUIRING_NOT_PERMITTED", "05"))
        );
        assert_eq!(judged("03/30", "123", None).after, Some(SLOW));
        assert!(judged("04/30", "123", None).after.is_some() && judged("04/30", "123", None).refused.is_some());
        assert!(judged("12/30", "849", None).three_ds);
        assert!(judged("12/30", "123", Some("Ivan 3DS")).three_ds);
        assert!(judged("12/30", "123", Some("unknown name")).three_ds);
        assert_eq!(
            judged("10/26", "123", None).refused,
            Some(("ACQUIRING_EXPIRED_CARD", "54"))
        );
    }

    #[test]
    fn a_number_that_is_no_cards_is_refused() {
        let read = |pan, strict| Card::read(Some(pan), Some("12/30"), Some("123"), None, strict).map(|_| ());
        assert!(read("4256000000000004", false).is_err());
        assert!(read("4111111111111111", false).is_ok());
        assert!(read("4111111111111111", true).is_err());
        assert!(read("", false).is_err());
    }
}
