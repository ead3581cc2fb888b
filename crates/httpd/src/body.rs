//! Reading a request's body, bounded in size and time.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::StatusCode;
use hyper::body::{Body, Incoming};

use crate::Limits;

/// Why a request's body could not be read.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The body is, or announces to be, larger than `max_body_bytes`.
    #[error("the body is larger than {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The body was not complete within `body_timeout`.
    #[error("the body was not complete after {limit:?}")]
    TooSlow {
        /// The limit.
        limit: Duration,
    },
    /// The client went away or broke the protocol.
    #[error("the body broke off")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl BodyError {
    /// What plain HTTP would answer. Webhook routes answer 503 in its place, because
    /// Xsolla takes some 4xx as final.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow { .. } => StatusCode::REQUEST_TIMEOUT,
            Self::Broken(_) => StatusCode::BAD_REQUEST,
        }
    }

    /// A name for a metric's label.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "body_too_large",
            Self::TooSlow { .. } => "body_too_slow",
            Self::Broken(_) => "body_broken",
        }
    }
}

/// Reads a whole body, holding at most `limits.max_body_bytes` and one chunk more.
///
/// # Errors
/// See [`BodyError`]. The connection is closed after the answer, for what is left of the
/// body cannot be skipped.
pub async fn read_body(body: Incoming, limits: &Limits) -> Result<Bytes, BodyError> {
    let limit = limits.max_body_bytes;
    // Refused before a byte is read: a client that waits for `100 Continue` sends none.
    if body.size_hint().lower() > limit as u64 {
        return Err(BodyError::TooLarge { limit });
    }
    match tokio::time::timeout(limits.body_timeout, Limited::new(body, limit).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(BodyError::TooLarge { limit }),
        Ok(Err(error)) => Err(BodyError::Broken(error)),
        Err(_) => Err(BodyError::TooSlow {
            limit: limits.body_timeout,
        }),
    }
}
