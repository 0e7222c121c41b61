//! What reads bytes of strangers. Each target takes any bytes, and panics only when a promise is broken.
//!
//! `make fuzz` looks for such bytes, led by the code that they reach; what it found on its way is kept in `corpus/`, and
//! `make test` gives it to each target again.

mod edge;
mod networks;
mod requests;

/// A function that may be given any bytes.
#[derive(Clone, Copy)]
pub struct Target {
    /// Also the name of its folder in `corpus/`.
    pub name: &'static str,
    pub run: fn(&[u8]),
}

const fn target(name: &'static str, run: fn(&[u8])) -> Target {
    Target { name, run }
}

pub const TARGETS: [Target; 13] = [
    target("terminal", networks::terminal),
    target("settlement", networks::settlement),
    target("payin_notification", networks::payin_notification),
    target("qiwi_pay_notification", networks::qiwi_pay_notification),
    target("wallet_notification", networks::wallet_notification),
    target("money", requests::money),
    target("dates", requests::dates),
    target("requests", requests::requests),
    target("rules", requests::rules),
    target("masking", requests::masking),
    target("pkcs12", edge::pkcs12),
    target("proxies", edge::proxies),
    target("urls", edge::urls),
];

/// The part before the first such byte, and the rest.
fn split(bytes: &[u8], at: u8) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| *byte == at).unwrap_or(bytes.len());
    (&bytes[..end], bytes.get(end + 1..).unwrap_or_default())
}
