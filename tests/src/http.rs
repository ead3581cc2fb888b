//! HTTP as the tests speak it: any header, any body, and every answer looked at.

use std::error::Error;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{HeaderMap, Method, Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// A client that keeps its connections.
#[derive(Clone, Debug)]
pub struct Http(Client<HttpConnector, Full<Bytes>>);

/// What came back, whatever its status.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body; `null` where that is no JSON.
    pub body: Value,
    /// Its body as it came.
    pub bytes: Bytes,
}

impl Http {
    /// A client without connections yet.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "makes a client")]
    pub fn new() -> Self {
        Self(Client::builder(TokioExecutor::new()).build_http())
    }

    /// Sends one request and reads its answer to the end, however long that takes.
    ///
    /// # Errors
    /// When the connection could not be made or ended before the answer did: only a whole
    /// answer is one.
    ///
    /// # Panics
    /// When `url` is no URL or a header no header: then the test is wrong.
    pub async fn ask(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<Answer, Box<dyn Error + Send + Sync>> {
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = Full::new(Bytes::copy_from_slice(body.as_bytes()));
        let request = request.body(body).expect("the test's request is one");
        let (head, body) = self.0.request(request).await?.into_parts();
        let bytes = body.collect().await?.to_bytes();
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body: serde_json::from_slice(&bytes).unwrap_or_default(),
            bytes,
        })
    }
}
