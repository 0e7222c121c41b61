//! A request on a connection with a client certificate goes to the host that the certificate was shown to: who was
//! verified for one merchant's name must not speak to another's.

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::HOST;
use actix_web::middleware::Next;
use actix_web::{Error, HttpRequest};

use crate::api::problem::Problem;
use crate::edge::listener::Caller;

pub async fn refuse_misdirected<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    if is_misdirected(&request) {
        metrics::counter!("tollgate_refused_total", "guard" => "host").increment(1);
        let response = actix_web::ResponseError::error_response(&Problem::misdirected());
        return Ok(request.into_response(response).map_into_right_body());
    }
    Ok(next.call(request).await?.map_into_left_body())
}

fn is_misdirected(request: &ServiceRequest) -> bool {
    let tls = request.conn_data::<Caller>().and_then(|caller| caller.tls.as_ref());
    let Some(tls) = tls.filter(|tls| tls.proof.is_some()) else {
        return false;
    };
    !host(request.request()).is_some_and(|host| host.eq_ignore_ascii_case(&tls.name))
}

/// The name of the host that a request is for.
pub fn host(request: &HttpRequest) -> Option<&str> {
    let authority = request.uri().authority().map(|authority| authority.as_str());
    let header = || request.headers().get(HOST)?.to_str().ok();
    authority.or_else(header).map(host_of)
}

/// Without the port.
fn host_of(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::host_of;

    #[test]
    fn a_port_is_no_part_of_a_host() {
        for (authority, host) in [
            ("pay.example.com", "pay.example.com"),
            ("pay.example.com:8443", "pay.example.com"),
            ("pay.example.com:", "pay.example.com"),
            ("[::1]:443", "[::1]"),
            ("a:b", "a:b"),
        ] {
            assert_eq!(host_of(authority), host);
        }
    }
}
