//! What the gateway is told to hide, against what really travels.

use std::sync::Mutex;

use async_trait::async_trait;
use plugin_sdk::connector::{CardOrder, HttpClient, HttpFailure, HttpRequest, HttpResponse, OutboundConnection};
use plugin_sdk::{Secret, TestClock};
use plugin_wallet::HookDirection;

use crate::*;

/// Headers that the gateway hides by itself.
const HIDDEN_HEADERS: [&str; 3] = ["authorization", "cookie", "set-cookie"];

/// Passes everything on, and keeps what a log would show of it.
struct Log<'a> {
    wire: &'a Wire,
    shown: Mutex<Vec<String>>,
}

#[async_trait]
impl HttpClient for Log<'_> {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpFailure> {
        let names = request.sensitive;
        let mut shown = vec![shown_url(&request.url, names), shown_body(&request.body, names)];
        let headers = request.headers.iter().map(|(name, value)| (*name, value));
        shown.extend(
            headers
                .filter(|(name, _)| !HIDDEN_HEADERS.contains(name))
                .map(|(_, value)| value.clone()),
        );
        let answer = self.wire.send(request).await?;
        shown.push(shown_body(&answer.body, names));
        let headers = answer
            .headers
            .iter()
            .filter(|(name, _)| !HIDDEN_HEADERS.contains(&name.as_str()));
        shown.extend(headers.map(|(_, value)| value.clone()));
        self.shown.lock().unwrap().extend(shown);
        Ok(answer)
    }
}

fn is_named(name: &str, names: &[&str]) -> bool {
    names.iter().any(|known| known.eq_ignore_ascii_case(name))
}

fn shown_url(url: &str, names: &[&str]) -> String {
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    format!("{path}?{}", shown_form(query, names))
}

fn shown_form(form: &str, names: &[&str]) -> String {
    let fields = form
        .split('&')
        .filter(|field| !is_named(field.split('=').next().unwrap(), names));
    fields.collect::<Vec<_>>().join("&")
}

fn shown_body(body: &[u8], names: &[&str]) -> String {
    match serde_json::from_slice::<Value>(body) {
        Ok(mut value) => {
            hide(&mut value, names);
            value.to_string()
        }
        Err(_) => shown_form(&String::from_utf8_lossy(body), names),
    }
}

fn hide(value: &mut Value, names: &[&str]) {
    match value {
        Value::Object(members) => {
            members.retain(|name, _| !is_named(name, names));
            members.values_mut().for_each(|member| hide(member, names));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| hide(item, names)),
        _ => {}
    }
}

#[tokio::test]
async fn no_secret_is_left_to_the_log() {
    let wire = wire();
    let log = Log {
        wire: &wire,
        shown: Mutex::default(),
    };
    let clock = TestClock::starting_at(wire.now());
    let context = Context {
        http: &log,
        clock: &clock,
    };
    let mut secrets = vec!["demo-password-1".to_owned(), "demo-wallet-token-1".to_owned()];
    let cas = connection("cas");
    cas.payout(&context, &payout(&wire, 1, 10_000)).await.unwrap();
    cas.balances(&context).await.unwrap();
    cas.log_out(&context).await.unwrap();
    secrets.extend(["TGT-", "ST-", "CASTGC", "JSESSIONID"].map(str::to_owned));

    let token = connection("token");
    let step = payout(&wire, 2, 1).step;
    token.buy_master(&context, &step).await.unwrap();
    wire.advance(seconds(5));
    let order = CardOrder {
        step,
        product: "qvc-cpa".to_owned(),
        alias: None,
    };
    let issuer = OutboundConnection::cards(&token).unwrap();
    let card = issuer.issue(&context, &order).await.unwrap();
    let requisites = issuer.requisites(&context, &card.id, &step).await.unwrap();
    secrets.push(requisites.pan.expose().to_owned());
    secrets.push(format!("\"{}\"", requisites.cvv.expose()));
    let pan = Secret::new("4111111111111111");
    cas.provider_of_card(&context, &pan).await.unwrap();
    secrets.push("cardNumber=".to_owned());
    let hook = token
        .set_up_hook(&context, "http://merchant.test/hook", HookDirection::Both)
        .await
        .unwrap();
    secrets.push(hook.key.expose().to_owned());

    let shown = log.shown.into_inner().unwrap();
    assert!(shown.len() > 30);
    for text in shown {
        for secret in &secrets {
            assert!(!text.contains(secret.as_str()), "{secret} in {text}");
        }
    }
}
