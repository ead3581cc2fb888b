//! The HTTP client of the exporters. The one that `opentelemetry-http` offers links HTTP/2,
//! which is a megabyte of a program that speaks HTTP/1.1 alone.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::Connect;
use hyper_util::rt::TokioExecutor;
use opentelemetry_http::{HttpClient, HttpError, Request, Response};
use tokio::time::timeout;

/// A collector answers in a few words.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// Speaks HTTP/1.1, and keeps its connections. Needs a Tokio runtime around it.
#[derive(Debug)]
pub(crate) struct Http1<C> {
    client: Client<C, Full<Bytes>>,
    limit: Duration,
}

impl<C: Connect + Clone> Http1<C> {
    /// `limit` bounds each exchange.
    pub(crate) fn new(connector: C, limit: Duration) -> Self {
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Self { client, limit }
    }
}

#[async_trait]
impl<C> HttpClient for Http1<C>
where
    C: Connect + Clone + Debug + Send + Sync + 'static,
{
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let exchange = async {
            let answer = self.client.request(request.map(Full::new)).await?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await?;
            Ok(Response::from_parts(head, body.to_bytes()))
        };
        timeout(self.limit, exchange).await?
    }
}
