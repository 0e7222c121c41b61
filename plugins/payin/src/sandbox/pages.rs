//! Pages that a person sees: self-contained, without scripts.

use plugin_sdk::SandboxAnswer;

use super::model::{Bill, BillState, StoredCard};
use super::money::two_decimals;

const STYLE: &str = include_str!("page.css");

pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(letter),
        }
    }
    escaped
}

pub fn page(status: u16, title: &str, class: &str, inner: &str) -> SandboxAnswer {
    let title = escape(title);
    SandboxAnswer::html(
        status,
        format!(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{title}</title>\
             <style>{STYLE}</style></head><body><main class=\"{class}\">{inner}\
             <p class=\"dim\">QIWI Payin simulator: no money moves here.</p></main></body></html>"
        ),
    )
    .header("cache-control", "no-store")
    .header("referrer-policy", "no-referrer")
}

pub fn message(status: u16, title: &str, text: &str) -> SandboxAnswer {
    let inner = format!("<h1>{}</h1><p>{}</p>", escape(title), escape(text));
    page(status, title, "", &inner)
}

/// What the payment form knows.
pub struct Form<'a> {
    pub bill: &'a Bill,
    /// Path with query that it is posted to.
    pub action: &'a str,
    pub methods: &'a [&'static str],
    pub cards: &'a [&'a StoredCard],
    /// What came of the attempt before.
    pub error: Option<&'a str>,
}

fn heading(bill: &Bill) -> String {
    let sum = match &bill.amount {
        Some(amount) => format!("{} {}", two_decimals(amount.cents), escape(&amount.currency)),
        None => "Card verification".to_owned(),
    };
    let comment = bill.comment.as_deref().map(|text| format!("<p>{}</p>", escape(text)));
    format!(
        "<h1>Payment</h1><p class=\"dim\">Bill <code>{}</code></p><p class=\"sum\">{sum}</p>{}",
        escape(&bill.id),
        comment.unwrap_or_default()
    )
}

/// The state of a bill that cannot be paid any more.
pub fn closed(bill: &Bill, success_url: Option<&str>) -> SandboxAnswer {
    let text = match bill.state {
        BillState::Paid => "<p class=\"good\">Paid. Thank you.</p>",
        BillState::Expired | BillState::Created => "<p class=\"error\">The time to pay this bill is over.</p>",
    };
    let back = success_url
        .filter(|_| bill.state == BillState::Paid)
        .map(|url| format!("<p><a href=\"{}\">Return to the shop</a></p>", escape(url)));
    let inner = format!("{}{text}{}", heading(bill), back.unwrap_or_default());
    page(200, "Payment", "", &inner)
}

pub fn waiting(bill: &Bill, action: &str) -> SandboxAnswer {
    let inner = format!(
        "{}<p>The bank is thinking. This takes a few seconds.</p><p><a href=\"{}\">Look again</a></p>",
        heading(bill),
        escape(action)
    );
    page(200, "Payment", "", &inner)
}

pub fn form(form: &Form<'_>) -> SandboxAnswer {
    let action = escape(form.action);
    let mut inner = heading(form.bill);
    if let Some(error) = form.error {
        inner.push_str(&format!("<p class=\"error\" role=\"alert\">{}</p>", escape(error)));
    }
    if form.methods.contains(&"CARD") {
        inner.push_str(&card_form(&action));
        for card in form.cards {
            inner.push_str(&format!(
                "<form method=\"post\" action=\"{action}\"><input type=\"hidden\" name=\"action\" value=\"token\">\
                 <input type=\"hidden\" name=\"token\" value=\"{}\"><div class=\"acts\">\
                 <button class=\"plain\">Pay with {}</button></div></form>",
                escape(&card.token),
                escape(&card.card.masked())
            ));
        }
    }
    if form.methods.contains(&"SBP") {
        inner.push_str(&format!(
            "<form method=\"post\" action=\"{action}\"><input type=\"hidden\" name=\"action\" value=\"sbp\">\
             <div class=\"acts\"><button class=\"plain\">Pay by SBP</button></div></form>"
        ));
    }
    inner.push_str(HINTS);
    page(200, "Payment", "", &inner)
}

fn card_form(action: &str) -> String {
    format!(
        "<form method=\"post\" action=\"{action}\" autocomplete=\"off\">\
         <label>Card number<input name=\"pan\" inputmode=\"numeric\" value=\"4256000000000003\"></label>\
         <div class=\"row\"><label>Expires<input name=\"expiry\" placeholder=\"MM/YY\" value=\"12/30\"></label>\
         <label>CVV<input name=\"cvv\" inputmode=\"numeric\" value=\"123\"></label></div>\
         <label>Name on the card<input name=\"holder\"></label><div class=\"acts\">\
         <button name=\"action\" value=\"pay\">Pay</button>\
         <button name=\"action\" value=\"decline\" class=\"no\">Decline</button></div></form>"
    )
}

const HINTS: &str = "<hr><p class=\"dim\">Expiry month 02 is declined, 03 succeeds after three seconds, 04 is declined \
after three seconds, any other succeeds at once. CVV 849 or a name with <code>3ds</code> starts 3-D Secure.</p>";

/// The issuer's page.
pub fn three_ds(pareq: &str, md: &str, term_url: &str) -> SandboxAnswer {
    let inner = format!(
        "<h1>3-D Secure</h1><p>Your bank asks you to confirm the payment.</p>\
         <form method=\"post\" action=\"/sandbox/payin/acs/decide\">\
         <input type=\"hidden\" name=\"PaReq\" value=\"{}\"><input type=\"hidden\" name=\"MD\" value=\"{}\">\
         <input type=\"hidden\" name=\"TermUrl\" value=\"{}\"><div class=\"acts\">\
         <button name=\"decision\" value=\"confirm\">Confirm</button>\
         <button name=\"decision\" value=\"decline\" class=\"no\">Decline</button></div></form>",
        escape(pareq),
        escape(md),
        escape(term_url)
    );
    page(200, "3-D Secure", "", &inner)
}

/// The way back to the shop, which a browser posts.
pub fn three_ds_back(pares: &str, md: &str, term_url: &str) -> SandboxAnswer {
    let inner = format!(
        "<h1>3-D Secure</h1><p>Done. Go on to the shop.</p><form method=\"post\" action=\"{}\">\
         <input type=\"hidden\" name=\"PaRes\" value=\"{}\"><input type=\"hidden\" name=\"MD\" value=\"{}\">\
         <div class=\"acts\"><button>Continue</button></div></form>",
        escape(term_url),
        escape(pares),
        escape(md)
    );
    page(200, "3-D Secure", "", &inner)
}
