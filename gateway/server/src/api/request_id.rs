//! Every request of the REST interfaces has an id: in its answer, in problems, in the audit trail.

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;
use store::Origin;
use ulid::Ulid;

use crate::api::admin::caller;

pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

pub async fn identify<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let origin = Origin {
        address: caller::address(request.request()).to_string(),
        request_id: Ulid::generate().to_string(),
    };
    let id = HeaderValue::from_str(&origin.request_id);
    let mut response = origin.scope(next.call(request)).await?;
    if let Ok(id) = id {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    Ok(response)
}
