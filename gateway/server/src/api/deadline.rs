//! What only reads is answered in time: a database that hangs leaves nobody waiting.

use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::Method;
use actix_web::http::header::HeaderValue;
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, ResponseError};
use store::Origin;

use super::problem::Problem;
use super::request_id::REQUEST_ID;

/// What networks are asked for takes as long as they do; each of those operations has a time limit of its own.
const OF_NETWORKS: &str = "/v1/connections/";

/// How long it may take until the answer begins; one for each listener.
#[derive(Debug, Clone, Copy)]
pub struct ReadDeadline(pub Duration);

/// Gives up a request that only reads. What changes something is not given up: whoever asked would not know whether it
/// happened.
pub async fn bound_reads<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD) && !request.path().starts_with(OF_NETWORKS);
    let deadline = request.app_data::<Data<ReadDeadline>>().map(|deadline| deadline.0);
    let Some(deadline) = deadline.filter(|_| reads) else {
        return next.call(request).await;
    };
    tokio::time::timeout(deadline, next.call(request))
        .await
        .unwrap_or_else(|_| Err(given_up()))
}

fn given_up() -> Error {
    metrics::counter!("tollgate_reads_given_up_total").increment(1);
    let problem = Problem::unavailable("the database did not answer in time; nothing was changed");
    let mut response = problem.error_response();
    let id = Origin::current().and_then(|origin| HeaderValue::from_str(&origin.request_id).ok());
    if let Some(id) = id {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    InternalError::from_response(problem, response).into()
}
