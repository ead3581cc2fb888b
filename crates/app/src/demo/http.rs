//! A plain HTTP client for the demo's own loopback addresses.

use std::net::SocketAddr;

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Method, Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// Keeps its connections, as Xsolla does.
pub(crate) struct Http(Client<HttpConnector, Full<Bytes>>);

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// The body where it is JSON; `null` otherwise.
    pub(crate) body: Value,
}

impl Http {
    pub(crate) fn new() -> Self {
        Self(Client::builder(TokioExecutor::new()).build_http())
    }

    /// Sends one request with the `Authorization` header.
    pub(crate) async fn send(
        &self,
        method: Method,
        at: SocketAddr,
        path: &str,
        authorization: &str,
        body: impl Into<Bytes>,
    ) -> anyhow::Result<Answer> {
        let url = format!("http://{at}{path}");
        let request = Request::builder()
            .method(method)
            .uri(&url)
            .header("authorization", authorization)
            .header("content-type", "application/json")
            .body(Full::new(body.into()))?;
        let answer = self
            .0
            .request(request)
            .await
            .with_context(|| format!("no answer from {url}"))?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        Ok(Answer {
            status,
            body: serde_json::from_slice(&body).unwrap_or_default(),
        })
    }
}
