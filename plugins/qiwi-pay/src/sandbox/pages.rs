//! What a payer sees (§4, §5.2): the payment form, the issuer's 3-D Secure page, and how it ended. Plain HTML that works
//! without scripts; every button is a form that a test can post.

use chrono::{DateTime, Utc};
use plugin_sdk::{SandboxAnswer, SandboxRequest};

use super::transaction::Transaction;
use super::wire::{Fields, Refusal, kopecks, name_of, roubles, uuid_of};
use super::{Form, OWN, QiwiPaySandbox, validation};

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;background:#f4f5f7;color:#1c1e21;margin:0}\
main{max-width:30rem;margin:3rem auto;background:#fff;padding:2rem;border-radius:8px;box-shadow:0 1px 4px #0002}\
main.wide{max-width:70rem}h1{font-size:1.3rem;margin:0 0 1rem}label{display:block;margin:.7rem 0}\
input,select{font:inherit;display:block;width:100%;box-sizing:border-box;padding:.5rem;border:1px solid #bbb;border-radius:4px}\
button{font:inherit;padding:.6rem 1.4rem;margin:1rem .6rem 0 0;border:0;border-radius:4px;background:#0b6e4f;color:#fff;cursor:pointer}\
button.no{background:#777}table{border-collapse:collapse;width:100%;font-size:.9rem}td,th{text-align:left;padding:.3rem .5rem;\
border-bottom:1px solid #ddd}.wrong{color:#a11}p.note{color:#666;font-size:.85rem}";

pub fn html(title: &str, class: &str, body: &str) -> SandboxAnswer {
    let page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>{title}</title><style>{STYLE}</style></head><body>\
         <main class=\"{class}\"><h1>{title}</h1>{body}<p class=\"note\">Simulator of QIWI PAY. No money moves.</p>\
         </main></body></html>"
    );
    SandboxAnswer::html(200, page).header(
        "content-security-policy",
        "default-src 'none'; style-src 'unsafe-inline'",
    )
}

pub fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

fn hidden(name: &str, value: &str) -> String {
    format!("<input type=\"hidden\" name=\"{name}\" value=\"{}\">", escape(value))
}

/// Only addresses that a browser may be sent to.
fn link(url: &str) -> Option<String> {
    let web = url.starts_with("https://") || url.starts_with("http://");
    web.then(|| escape(url))
}

fn posted(request: &SandboxRequest) -> Fields {
    Fields::from_form(&String::from_utf8_lossy(&request.body))
}

impl QiwiPaySandbox {
    /// Where the merchant sends the payer.
    pub(super) fn page(&mut self, request: &SandboxRequest) -> SandboxAnswer {
        let fields = match request.method.as_str() {
            "GET" => Fields::from_form(&request.query),
            "POST" => posted(request),
            _ => return SandboxAnswer::empty(405),
        };
        match self.admit_page(&fields) {
            Ok(site) => {
                let token = uuid_of(&format!("form {}", self.next()));
                let form = Form {
                    site,
                    fields,
                    transaction: None,
                };
                self.forms.insert(token.clone(), form);
                let location = format!("{}{OWN}/form?token={token}", request.base_url);
                SandboxAnswer::empty(302)
                    .header("location", location)
                    .header("set-cookie", format!("JSESSIONID={token}; HttpOnly; Path=/"))
            }
            Err(refusal) => refused(&refusal),
        }
    }

    fn admit_page(&self, fields: &Fields) -> Result<u64, Refusal> {
        let opcode = fields.number("opcode").filter(|opcode| matches!(opcode, 1 | 3));
        let opcode = opcode.ok_or(Refusal::code(8002))?;
        let number = fields.get("merchant_site").and_then(|text| text.parse().ok());
        let site = number
            .and_then(|number: u64| self.sites.get(&number))
            .ok_or(Refusal::code(8021))?;
        if !site.enabled {
            return Err(Refusal::code(8051));
        }
        validation::check(fields, opcode, true, DateTime::UNIX_EPOCH)?;
        if !fields.is_signed_with(&site.secret) {
            return Err(Refusal::code(8054));
        }
        if fields.get("currency") != Some("643") {
            return Err(Refusal::code(8059));
        }
        self.check_order(site.number, fields.get("order_id"), false)?;
        Ok(site.number)
    }

    /// The form: asked for, or filled in.
    pub(super) fn form(&mut self, request: &SandboxRequest, now: DateTime<Utc>) -> SandboxAnswer {
        let typed = posted(request);
        let query = Fields::from_form(&request.query);
        let token = typed.get("token").or(query.get("token")).unwrap_or_default().to_owned();
        let Some(form) = self.forms.get(&token) else {
            return refused(&Refusal::code(8022));
        };
        let (number, known) = (form.site, form.transaction);
        if let Some(id) = known
            && self.transactions.get(&id).is_some_and(|known| known.status != 1)
        {
            return self.form_ended(&token, id, &request.base_url);
        }
        let over = form
            .fields
            .get("order_expire")
            .and_then(|text| DateTime::parse_from_rfc3339(text).ok());
        if over.is_some_and(|over| over < now) {
            return refused(&Refusal::code(8023));
        }
        if request.method != "POST" {
            return self.form_page(&token, "");
        }
        if typed.get("action") == Some("decline") {
            let url = form.fields.get("decline_url").and_then(link);
            return html("Not paid", "", &back(url.as_deref()));
        }
        let mut fields = form.fields.clone();
        if let Err(wrong) = fill(&mut fields, &typed, now) {
            return self.form_page(&token, &wrong);
        }
        let paid = self.check_limits(number, &fields, now);
        match paid.and_then(|()| self.purchase(number, &fields, now)) {
            Ok(id) => {
                if let Some(form) = self.forms.get_mut(&token) {
                    form.transaction = Some(id);
                }
                self.form_ended(&token, id, &request.base_url)
            }
            Err(refusal) => self.form_page(&token, name_of(refusal.code)),
        }
    }

    fn form_page(&self, token: &str, wrong: &str) -> SandboxAnswer {
        let Some(form) = self.forms.get(token) else {
            return refused(&Refusal::code(8022));
        };
        let amount = match form.fields.get("amount") {
            Some(amount) => format!("<p><strong>{} RUB</strong></p>", escape(amount)),
            None => "<label>Amount, RUB<input name=\"amount\" inputmode=\"decimal\" required></label>".to_owned(),
        };
        let card = if form.fields.get("card_token").is_some() {
            "<p>With your stored card.</p>"
        } else {
            "<label>Card number<input name=\"pan\" value=\"4111111111111111\" autocomplete=\"off\" required></label>\
             <label>Valid until (MMYY)<input name=\"expiry\" value=\"1230\" required></label>\
             <label>CVV<input name=\"cvv2\" value=\"123\" required></label>\
             <label>Name on the card<input name=\"card_name\" value=\"CARD HOLDER\"></label>\
             <p class=\"note\">Month 02 is declined, 03 pays after three seconds, 04 is declined after three, any other \
             pays. The name <em>unknown name</em> asks for 3-D Secure.</p>"
        };
        let body = format!(
            "<p>{}</p><p class=\"wrong\">{}</p><form method=\"post\" action=\"{OWN}/form\" autocomplete=\"off\">\
             {}{amount}{card}<button name=\"action\" value=\"pay\">Pay</button>\
             <button class=\"no\" name=\"action\" value=\"decline\" formnovalidate>Cancel</button></form>",
            escape(form.fields.get("product_name").unwrap_or("Payment")),
            escape(wrong),
            hidden("token", token),
        );
        html("Pay by card", "", &body)
    }

    fn form_ended(&self, token: &str, id: i64, base: &str) -> SandboxAnswer {
        let Some((form, known)) = self.forms.get(token).zip(self.transactions.get(&id)) else {
            return refused(&Refusal::code(8022));
        };
        if known.three_ds.is_some() {
            let return_to = format!("{base}{OWN}/form/returned");
            let body = format!(
                "<p>Your bank wants to know that it is you.</p><form method=\"post\" action=\"{OWN}/acs\">{}{}{}\
                 <button>Continue</button></form>",
                hidden("PaReq", &id.to_string()),
                hidden("MD", token),
                hidden("TermUrl", &return_to),
            );
            return html("3-D Secure", "", &body);
        }
        let (title, url) = match known.status {
            0 => ("In process", None),
            1 => ("Declined", form.fields.get("decline_url")),
            _ => ("Paid", form.fields.get("success_url")),
        };
        html(
            title,
            "",
            &format!("{}{}", summary(known), back(url.and_then(link).as_deref())),
        )
    }

    /// The issuer's page, from the merchant's side or from our own form.
    pub(super) fn acs(&self, request: &SandboxRequest) -> SandboxAnswer {
        let fields = posted(request);
        let text = |name: &str| fields.get(name).unwrap_or_default();
        let known = text("PaReq")
            .parse()
            .ok()
            .and_then(|id: i64| self.transactions.get(&id));
        let Some(known) = known.filter(|known| known.three_ds.is_some()) else {
            return refused(&Refusal::code(8022));
        };
        let body = format!(
            "<p>Your bank asks whether you are paying this.</p>{}<form method=\"post\" action=\"{OWN}/acs/answer\">\
             {}{}{}<button name=\"result\" value=\"Y\">Yes, it is me</button>\
             <button class=\"no\" name=\"result\" value=\"N\">No</button></form>",
            summary(known),
            hidden("PaReq", text("PaReq")),
            hidden("MD", text("MD")),
            hidden("TermUrl", text("TermUrl")),
        );
        html("3-D Secure", "", &body)
    }

    /// What the issuer posts back, as a form that the payer's browser carries.
    pub(super) fn acs_answer(&self, request: &SandboxRequest) -> SandboxAnswer {
        let fields = posted(request);
        let text = |name: &str| fields.get(name).unwrap_or_default();
        let known = text("PaReq")
            .parse()
            .ok()
            .and_then(|id: i64| self.transactions.get(&id));
        let secret = known.and_then(|known| known.three_ds.as_deref());
        let (Some(secret), Some(url)) = (secret, link(text("TermUrl"))) else {
            return refused(&Refusal::code(8022));
        };
        let result = if text("result") == "Y" { "Y" } else { "N" };
        let body = format!(
            "<p>Back to the shop.</p><form method=\"post\" action=\"{url}\">{}{}<button>Continue</button></form>",
            hidden("PaRes", &format!("{secret}:{result}")),
            hidden("MD", text("MD")),
        );
        html("3-D Secure", "", &body)
    }

    /// Back from the issuer to our own form.
    pub(super) fn form_returned(&mut self, request: &SandboxRequest, now: DateTime<Utc>) -> SandboxAnswer {
        let fields = posted(request);
        let token = fields.get("MD").unwrap_or_default();
        let Some(id) = self.forms.get(token).and_then(|form| form.transaction) else {
            return refused(&Refusal::code(8022));
        };
        // Whatever it says, the page then shows what became of the payment.
        let _ = self.finish(id, fields.get("PaRes").unwrap_or_default(), now);
        self.form_ended(token, id, &request.base_url)
    }
}

/// What the payer typed, in the places of an order to the API.
fn fill(fields: &mut Fields, typed: &Fields, now: DateTime<Utc>) -> Result<(), String> {
    for name in ["amount", "pan", "expiry", "cvv2", "card_name"] {
        if let Some(value) = typed.get(name)
            && fields.get(name).is_none()
        {
            fields.texts.insert(name.to_owned(), value.trim().to_owned());
        }
    }
    if fields.get("amount").and_then(kopecks).unwrap_or_default() == 0 {
        return Err("the amount must be a positive number".to_owned());
    }
    if fields.get("card_token").is_some() {
        return Ok(());
    }
    let pan = fields.get("pan").unwrap_or_default();
    let cvv = fields.get("cvv2").unwrap_or_default();
    match validation::card(pan, fields.get("expiry"), Some(cvv), false, now).first() {
        Some((_, message)) => Err((*message).to_owned()),
        None => Ok(()),
    }
}

fn summary(known: &Transaction) -> String {
    let wrong = if known.error == 0 { "" } else { name_of(known.error) };
    format!(
        "<p><strong>{} RUB</strong>, card {}</p><p class=\"wrong\">{wrong}</p><p class=\"note\">Transaction {}</p>",
        roubles(known.kopecks),
        escape(&known.card.mask),
        known.id,
    )
}

fn back(url: Option<&str>) -> String {
    url.map_or_else(String::new, |url| {
        format!("<p><a href=\"{url}\">Back to the shop</a></p>")
    })
}

/// D-5.
fn refused(refusal: &Refusal) -> SandboxAnswer {
    let errors = refusal.errors.iter();
    let errors: String = errors
        .map(|(field, message)| format!("<li>{}: {}</li>", escape(field), escape(message)))
        .collect();
    let body = format!(
        "<p class=\"wrong\">error_code {}: {}</p><ul>{errors}</ul>",
        refusal.code,
        name_of(refusal.code),
    );
    html("This cannot be paid", "", &body)
}
