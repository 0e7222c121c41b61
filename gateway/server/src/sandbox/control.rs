//! What a person or a test tells the host: its pages and its controls, under `/sandbox`.

use actix_web::web::{Data, Json, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, delete, get, post};
use chrono::Duration;
use plugin_sdk::Clock;
use serde::Deserialize;
use serde_json::json;

use super::Host;
use super::faults::FaultOrder;

/// The clock is moved by a year at most at once, in seconds.
const ADVANCE_S_MAX: i64 = 366 * 24 * 3_600;

pub fn configure(config: &mut ServiceConfig) {
    config
        .service(index)
        .service(clock)
        .service(advance)
        .service(connect)
        .service(order_faults)
        .service(count_faults)
        .service(clear_faults)
        .service(notifications);
}

/// What there is.
#[get("/")]
async fn index(host: Data<Host>) -> HttpResponse {
    let mut sections = String::new();
    for network in &host.networks {
        let links: String = (network.lock().pages().iter())
            .map(|(label, path)| format!("<li><a href=\"{}\">{}</a></li>", escaped(path), escaped(label)))
            .collect();
        sections.push_str(&format!(
            "<section><h2>{}</h2><ul>{links}</ul></section>",
            escaped(network.title)
        ));
    }
    let page = include_str!("index.html")
        .replace("{{networks}}", &sections)
        .replace("{{now}}", &host.clock.now().format("%Y-%m-%d %H:%M:%S UTC").to_string());
    HttpResponse::Ok().content_type("text/html; charset=utf-8").body(page)
}

#[get("/sandbox/clock")]
async fn clock(host: Data<Host>) -> HttpResponse {
    HttpResponse::Ok().json(json!({ "now": host.clock.now() }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    seconds: i64,
}

/// Moves the clock forward: holds end, bills expire, retries fall due.
#[post("/sandbox/clock")]
async fn advance(host: Data<Host>, body: Json<Advance>) -> HttpResponse {
    host.clock
        .advance(Duration::seconds(body.seconds.clamp(0, ADVANCE_S_MAX)));
    HttpResponse::Ok().json(json!({ "now": host.clock.now() }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Connect {
    /// Where notifications go: the gateway's `/in/{merchant}`; the plugin's name follows it.
    notify: String,
}

/// The configs of connections that work here, by plugin; and from now on the networks notify them.
#[post("/sandbox/connect")]
async fn connect(host: Data<Host>, request: HttpRequest, body: Json<Connect>) -> HttpResponse {
    let base_url = format!("http://{}", request.connection_info().host());
    let notify = body.notify.trim_end_matches('/');
    let configs = host.connect(&base_url, |plugin| format!("{notify}/{plugin}"));
    HttpResponse::Ok().json(configs.into_iter().collect::<std::collections::BTreeMap<_, _>>())
}

#[post("/sandbox/faults")]
async fn order_faults(host: Data<Host>, body: Json<FaultOrder>) -> HttpResponse {
    match host.faults.order(&body) {
        Ok(()) => HttpResponse::NoContent().finish(),
        Err(error) => HttpResponse::UnprocessableEntity().json(json!({ "error": error.to_string() })),
    }
}

/// How many ordered faults no request has met yet.
#[get("/sandbox/faults")]
async fn count_faults(host: Data<Host>) -> HttpResponse {
    HttpResponse::Ok().json(json!({ "waiting": host.faults.waiting() }))
}

#[delete("/sandbox/faults")]
async fn clear_faults(host: Data<Host>) -> HttpResponse {
    host.faults.clear();
    HttpResponse::NoContent().finish()
}

/// What the networks sent, newest first.
#[get("/sandbox/notifications")]
async fn notifications(host: Data<Host>) -> HttpResponse {
    HttpResponse::Ok().json(host.journal.newest())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
