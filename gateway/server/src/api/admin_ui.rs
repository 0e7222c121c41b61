//! The admin UI, served from the binary: what `admin-ui/` builds, and one page for every address within it.

use actix_web::http::Method;
use actix_web::http::header::{
    ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderName,
    IF_NONE_MATCH, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use rust_embed::{Embed, EmbeddedFile};

use crate::api::problem::Problem;

#[derive(Embed)]
#[folder = "../../admin-ui/dist"]
struct Built;

const PAGE: &str = "index.html";
/// Where the page wants its nonce; see admin-ui/index.html.
const NONCE_PLACE: &str = "TOLLGATE-CSP-NONCE";
const NONCE_BYTES: usize = 16;
/// Files whose names carry a hash of what they hold never change.
const HASHED: &str = "assets/";
const FOR_EVER: &str = "public, max-age=31536000, immutable";
const ASK_AGAIN: &str = "no-cache";
const NOT_BUILT: &str = include_str!("admin_ui_not_built.html");

/// Every path of the admin listener that belongs to nobody else.
pub async fn serve(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let path = request.path().trim_start_matches('/');
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if reads && path != PAGE && !path.ends_with(".gz") {
        if let Some(file) = Built::get(path) {
            return Ok(asset(&request, path, file));
        }
        if path.is_empty() || wants_page(&request) {
            return page();
        }
    }
    Err(Problem::not_found("this path"))
}

/// A browser that was given an address within the UI. Programs ask for other things and are told 404.
fn wants_page(request: &HttpRequest) -> bool {
    let last = request.path().rsplit('/').next().unwrap_or_default();
    !request.path().starts_with("/admin/") && !last.contains('.') && header(request, &ACCEPT).contains("text/html")
}

fn header<'a>(request: &'a HttpRequest, name: &HeaderName) -> &'a str {
    request
        .headers()
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

fn asset(request: &HttpRequest, path: &str, file: EmbeddedFile) -> HttpResponse {
    let packed = header(request, &ACCEPT_ENCODING)
        .contains("gzip")
        .then(|| Built::get(&format!("{path}.gz")))
        .flatten();
    let (file, packed) = packed.map_or((file, false), |packed| (packed, true));
    let tag = format!("\"{}\"", BASE64.encode(file.metadata.sha256_hash()));
    let caching = if path.starts_with(HASHED) { FOR_EVER } else { ASK_AGAIN };
    let fresh = header(request, &IF_NONE_MATCH)
        .split(',')
        .any(|known| known.trim() == tag);
    let mut response = if fresh {
        HttpResponse::NotModified()
    } else {
        HttpResponse::Ok()
    };
    response
        .insert_header((ETAG, tag))
        .insert_header((CACHE_CONTROL, caching))
        .insert_header((VARY, "accept-encoding"))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"));
    if fresh {
        return response.finish();
    }
    if packed {
        response.insert_header((CONTENT_ENCODING, "gzip"));
    }
    response
        .insert_header((CONTENT_TYPE, content_type(path)))
        .body(file.data.into_owned())
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("woff2") => "font/woff2",
        Some("json") => "application/json",
        _ => "application/octet-stream",
    }
}

fn page() -> Result<HttpResponse, Problem> {
    let Some(file) = Built::get(PAGE) else {
        return Ok(guarded(&mut HttpResponse::ServiceUnavailable(), "'unsafe-inline'").body(NOT_BUILT));
    };
    let mut random = [0; NONCE_BYTES];
    aws_lc_rs::rand::fill(&mut random).map_err(|_| Problem::internal("the system gives no random bytes"))?;
    let nonce = BASE64.encode(random);
    let text = String::from_utf8_lossy(&file.data).replace(NONCE_PLACE, &nonce);
    Ok(guarded(&mut HttpResponse::Ok(), &format!("'self' 'nonce-{nonce}'")).body(text))
}

/// Scripts come from files of ours alone; so do styles, but for those that scripts add under the nonce.
fn guarded<'a>(response: &'a mut HttpResponseBuilder, styles: &str) -> &'a mut HttpResponseBuilder {
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src {styles}; img-src 'self' data:; font-src 'self'; connect-src \
         'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    response
        .insert_header((CONTENT_TYPE, "text/html; charset=utf-8"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((CONTENT_SECURITY_POLICY, policy))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        // Addresses of invitations are secrets.
        .insert_header((REFERRER_POLICY, "no-referrer"))
        .insert_header(("cross-origin-opener-policy", "same-origin"))
}
