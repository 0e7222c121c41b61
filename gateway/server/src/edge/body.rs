//! Reading a request's body within bounds of size and time.

use std::time::Duration;

use actix_web::error::PayloadError;
use actix_web::web::{BytesMut, Payload};
use futures_util::StreamExt;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    #[error("the body did not arrive within {0:?}")]
    TooSlow(Duration),
    #[error("the body broke off or is not encoded as its headers say")]
    Broken,
}

#[derive(Debug, Clone, Copy)]
pub struct BodyLimits {
    pub bytes_max: usize,
    pub timeout: Duration,
}

/// The whole body, or why there is none. Stops reading as soon as a bound is passed.
pub async fn read(mut payload: Payload, limits: BodyLimits) -> Result<Vec<u8>, BodyError> {
    let all = async {
        let mut body = BytesMut::new();
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(|error| match error {
                PayloadError::Overflow => BodyError::TooLarge(limits.bytes_max),
                _ => BodyError::Broken,
            })?;
            if body.len() + chunk.len() > limits.bytes_max {
                return Err(BodyError::TooLarge(limits.bytes_max));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.to_vec())
    };
    tokio::time::timeout(limits.timeout, all)
        .await
        .unwrap_or(Err(BodyError::TooSlow(limits.timeout)))
}
