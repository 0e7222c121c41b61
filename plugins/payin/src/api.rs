//! One call of the API (§1): headers, the one repeat that the network asks for, and what its answer means.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use plugin_sdk::connector::{ConnectorError, Context, HttpMethod, HttpRequest, HttpResponse};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::config::Site;
use crate::fault::{self, Fault};

const JSON: &str = "application/json";
/// Left as they are in a path.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// What nobody may read in the log, of requests and of answers.
pub const SENSITIVE: &[&str] = &[
    "authorization",
    "x-digital-sign",
    "pan",
    "cvv2",
    "expiryDate",
    "holderName",
    "paymentToken",
    "createdToken",
    "tokenData",
    "token",
    "paymentData",
    "cryptogram",
    "pareq",
    "pares",
];

/// An id as a segment of a path.
pub fn segment(id: &str) -> String {
    utf8_percent_encode(id, SEGMENT).to_string()
}

pub struct Call<'a> {
    pub method: HttpMethod,
    /// After the site: `/bills/1`.
    pub path: String,
    pub body: Option<Vec<u8>>,
    pub digital_sign: Option<String>,
    site: &'a Site,
}

impl<'a> Call<'a> {
    pub fn get(site: &'a Site, path: String) -> Self {
        Self::new(site, HttpMethod::Get, path, None)
    }

    pub fn put(site: &'a Site, path: String, body: &Value) -> Self {
        Self::new(site, HttpMethod::Put, path, Some(body.to_string().into_bytes()))
    }

    pub fn post(site: &'a Site, path: String, body: &Value) -> Self {
        Self::new(site, HttpMethod::Post, path, Some(body.to_string().into_bytes()))
    }

    pub fn new(site: &'a Site, method: HttpMethod, path: String, body: Option<Vec<u8>>) -> Self {
        Self {
            method,
            path,
            body,
            digital_sign: None,
            site,
        }
    }

    fn request(&self) -> HttpRequest {
        let mut request = HttpRequest::new(self.method, format!("{}{}", self.site.root, self.path))
            .header("authorization", format!("Bearer {}", self.site.config.api_key.expose()))
            .header("accept", JSON)
            .sensitive(SENSITIVE);
        if let Some(body) = &self.body {
            request = request.body(JSON, body.clone());
        }
        if let Some(signature) = &self.digital_sign {
            request = request.header("x-digital-sign", signature.clone());
        }
        request
    }

    /// §9.1: on an empty 500, a 502 or a 503 the same request once more. Every call has an id of ours or changes
    /// nothing, so that a repeat moves no money twice (§10).
    pub async fn send(&self, context: &Context<'_>) -> Result<HttpResponse, Fault> {
        let lost = |failure| Fault::Error(ConnectorError::from(failure));
        let mut response = context.http.send(self.request()).await.map_err(lost)?;
        if fault::wants_repeat(&response) {
            // That the second try did not leave says nothing of the first.
            response = match context.http.send(self.request()).await {
                // Turned away at the door: that says nothing of the first either.
                Ok(again) if matches!(again.status, 401 | 403 | 429) => response,
                Ok(again) => again,
                Err(_) => response,
            };
        }
        fault::of(&response).map_or(Ok(response), Err)
    }

    /// The object that the network answers with.
    pub async fn ask<T: DeserializeOwned>(&self, context: &Context<'_>) -> Result<T, Fault> {
        let response = self.send(context).await?;
        let read = fault::is_object(&response.body).then(|| serde_json::from_slice(&response.body));
        match read {
            Some(Ok(read)) => Ok(read),
            _ => Err(Fault::Error(fault::unreadable(&response))),
        }
    }

    /// `None` when the network says that it knows no such object.
    pub async fn find<T: DeserializeOwned>(&self, context: &Context<'_>) -> Result<Option<T>, ConnectorError> {
        match self.ask(context).await {
            Ok(found) => Ok(Some(found)),
            Err(Fault::NotFound(_)) => Ok(None),
            Err(Fault::Error(error)) => Err(error),
        }
    }

    /// The list that the network answers with.
    pub async fn list<T: DeserializeOwned>(&self, context: &Context<'_>) -> Result<Vec<T>, ConnectorError> {
        let response = self.send(context).await?;
        serde_json::from_slice(&response.body).map_err(|_| fault::unreadable(&response))
    }
}
