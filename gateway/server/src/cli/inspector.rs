//! The demo's webhook inspector: a place to send webhooks to, and a page that shows them as they come.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use actix_web::http::header::CONTENT_SECURITY_POLICY;
use actix_web::web::{Bytes, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::Serialize;

/// How long the receiver that is down at times is down, in seconds of each minute.
const DOWN_S: i64 = 25;
/// Webhooks that are remembered.
const WEBHOOKS_MAX: usize = 100;
const PAGE: &str = include_str!("inspector.html");
const STYLE: &str = include_str!("inspector.css");
const SCRIPT: &str = include_str!("inspector.js");

static SEEN: Mutex<VecDeque<Seen>> = Mutex::new(VecDeque::new());

#[derive(Serialize, Clone)]
struct Seen {
    at: DateTime<Utc>,
    id: Option<String>,
    signature: Option<String>,
    body: String,
}

pub fn configure(config: &mut ServiceConfig) {
    config
        .route("/demo/webhook", web::post().to(receive))
        .route("/demo/flaky", web::post().to(receive_at_times))
        .route("/demo/webhooks", web::get().to(list))
        .route("/demo/inspector.css", web::get().to(style))
        .route("/demo/inspector.js", web::get().to(script))
        .route("/demo", web::get().to(page));
}

async fn receive(request: HttpRequest, body: Bytes) -> HttpResponse {
    let header = |name: &str| {
        request
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned)
    };
    let seen = Seen {
        at: Utc::now(),
        id: header("webhook-id"),
        signature: header("webhook-signature"),
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    let mut all = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    all.push_front(seen);
    all.truncate(WEBHOOKS_MAX);
    HttpResponse::Ok().finish()
}

/// A merchant's system that is down for a part of each minute.
async fn receive_at_times(request: HttpRequest, body: Bytes) -> HttpResponse {
    if Utc::now().timestamp() % 60 < DOWN_S {
        return HttpResponse::ServiceUnavailable().body("down for a moment");
    }
    receive(request, body).await
}

async fn list() -> HttpResponse {
    HttpResponse::Ok().json(&*SEEN.lock().unwrap_or_else(PoisonError::into_inner))
}

async fn page() -> HttpResponse {
    let policy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; base-uri 'none'; \
                  form-action 'none'; frame-ancestors 'none'";
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((CONTENT_SECURITY_POLICY, policy))
        .body(PAGE)
}

async fn style() -> HttpResponse {
    HttpResponse::Ok().content_type("text/css; charset=utf-8").body(STYLE)
}

async fn script() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/javascript; charset=utf-8")
        .body(SCRIPT)
}

/// How many webhooks have come.
pub fn count() -> usize {
    SEEN.lock().unwrap_or_else(PoisonError::into_inner).len()
}
