//! Answers with a body that is already in memory.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use serde::Serialize;

/// What a handler returns.
pub type Reply = Response<Full<Bytes>>;

/// An answer without a body.
#[must_use]
pub fn empty(status: StatusCode) -> Reply {
    let mut reply = Reply::default();
    *reply.status_mut() = status;
    reply
}

/// An answer with `body` as it is.
pub fn bytes(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Reply::new(Full::new(body.into()));
    *reply.status_mut() = status;
    reply
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply
}

/// An answer in plain text.
pub fn text(status: StatusCode, body: impl Into<Bytes>) -> Reply {
    bytes(status, "text/plain; charset=utf-8", body)
}

/// An answer in JSON. A value that JSON cannot express, such as a map whose keys are not
/// strings, is a fault of ours: it is logged and answered with an empty 500.
pub fn json<T: Serialize + ?Sized>(status: StatusCode, value: &T) -> Reply {
    match serde_json::to_vec(value) {
        Ok(body) => bytes(status, "application/json", body),
        Err(error) => {
            tracing::error!(%error, "Answer is not expressible in JSON");
            empty(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}
