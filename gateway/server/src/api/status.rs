//! What monitoring asks: `/healthz`, `/readyz`, `/metrics`.

use actix_web::web::{Data, ServiceConfig};
use actix_web::{HttpResponse, web};
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use store::{PaymentWriter, Store};

use crate::edge::guards::Guards;
use crate::neighbours::Redis;

/// How long the database may take to say that it is there.
const PING_TIMEOUT: Duration = Duration::from_secs(1);

pub struct Status {
    pub store: Store,
    pub writer: PaymentWriter,
    pub redis: Option<Redis>,
    pub guards: Guards,
    pub metrics: PrometheusHandle,
    /// Set when the node stops: a balancer should send nothing more.
    pub stopping: Arc<AtomicBool>,
}

pub fn configure(config: &mut ServiceConfig) {
    config
        .route("/healthz", web::get().to(healthz))
        .route("/readyz", web::get().to(readyz))
        .route("/metrics", web::get().to(metrics));
}

/// The process runs.
async fn healthz() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "status": "ok" }))
}

/// The node can take payments. Without Redis it still can, only less well.
async fn readyz(status: Data<Status>) -> HttpResponse {
    if status.stopping.load(Ordering::SeqCst) {
        return HttpResponse::ServiceUnavailable().json(json!({ "status": "stopping" }));
    }
    match tokio::time::timeout(PING_TIMEOUT, status.store.ping()).await {
        Ok(Ok(())) => HttpResponse::Ok().json(ready(&status)),
        _ => HttpResponse::ServiceUnavailable().json(json!({ "status": "database unavailable" })),
    }
}

fn ready(status: &Status) -> Value {
    let database = status.store.backend_name();
    match status.redis.as_ref().map(Redis::answers) {
        None => json!({ "status": "ok", "database": database }),
        Some(true) => json!({ "status": "ok", "database": database, "redis": "ok" }),
        Some(false) => json!({ "status": "degraded", "database": database, "redis": "away" }),
    }
}

async fn metrics(status: Data<Status>) -> HttpResponse {
    let waiting = u32::try_from(status.writer.waiting()).unwrap_or(u32::MAX);
    metrics::gauge!("tollgate_payments_waiting").set(waiting);
    status.guards.tell_metrics();
    HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4")
        .body(status.metrics.render())
}
