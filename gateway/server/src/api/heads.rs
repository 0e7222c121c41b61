//! How long the head of a request may be: longer than any network or tenant system sends, and far below what the HTTP
//! library would take.

use actix_web::Error;
use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;

use crate::api::problem::Problem;

/// Longest path with its query, in bytes.
const URI_BYTES_MAX: usize = 16 * 1024;
/// Longest names and values of all headers together, in bytes.
const HEADER_BYTES_MAX: usize = 32 * 1024;

pub async fn refuse_long_heads<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let Some(problem) = too_long(&request) else {
        return Ok(next.call(request).await?.map_into_left_body());
    };
    metrics::counter!("tollgate_refused_total", "guard" => "head").increment(1);
    let response = actix_web::ResponseError::error_response(&problem);
    Ok(request.into_response(response).map_into_right_body())
}

fn too_long(request: &ServiceRequest) -> Option<Problem> {
    let uri = request.uri().path_and_query().map_or(0, |uri| uri.as_str().len());
    if uri > URI_BYTES_MAX {
        return Some(Problem::uri_too_long(URI_BYTES_MAX));
    }
    let headers = request.headers().iter();
    let bytes: usize = headers.map(|(name, value)| name.as_str().len() + value.len()).sum();
    (bytes > HEADER_BYTES_MAX).then(|| Problem::headers_too_large(HEADER_BYTES_MAX))
}
