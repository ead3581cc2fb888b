//! HTTP as Xsolla, game clients and game servers speak it: connections are kept, and
//! everything ends within a time and a size.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error as ClientError};
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tokio::time::timeout;

/// The largest answer that is read, in bytes.
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;
/// The most characters shown of a body that is not JSON.
const MAX_SHOWN: usize = 120;

/// Keeps its connections, as Xsolla does.
#[derive(Debug)]
pub struct Http {
    transport: Transport,
    limit: Duration,
}

#[derive(Debug)]
enum Transport {
    Plain(Client<HttpConnector, Full<Bytes>>),
    Tls(Client<HttpsConnector<HttpConnector>, Full<Bytes>>),
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Whatever it is: a refusal is an answer.
    pub status: StatusCode,
    /// All of it.
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The machine has no root certificates, and a URL needs some.
    #[error(
        "no root certificates for `https`; install `ca-certificates`, or name a PEM file in the \
         variable SSL_CERT_FILE"
    )]
    Certificates(#[source] std::io::Error),
    /// Not a URL, or one that cannot be asked.
    #[error("`{url}` is no URL to send to")]
    Url {
        /// What was given.
        url: String,
        /// What is wrong with it.
        #[source]
        source: hyper::http::Error,
    },
    /// No connection could be opened.
    #[error("nobody can be reached at {url}: {}", innermost(source))]
    Unreachable {
        /// What was asked.
        url: String,
        /// Why not.
        source: ClientError,
    },
    /// The connection ended before the answer did.
    #[error("the connection to {url} broke: {}", innermost(source.as_ref()))]
    Broken {
        /// What was asked.
        url: String,
        /// How.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The answer took too long.
    #[error("no answer from {url} within {limit:?}")]
    TimedOut {
        /// What was asked.
        url: String,
        /// How long we waited.
        limit: Duration,
    },
}

/// The cause below all others, which says what to do: "Connection refused".
fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut at = error;
    while let Some(source) = at.source() {
        at = source;
    }
    at.to_string()
}

impl Http {
    /// A client for these URLs. `limit` bounds each exchange.
    ///
    /// # Errors
    /// When one of them is `https` and the machine has no root certificates.
    pub fn new<'a>(
        mut urls: impl Iterator<Item = &'a str>,
        limit: Duration,
    ) -> Result<Self, HttpError> {
        let transport = if urls.any(|url| url.starts_with("https:")) {
            let connector = HttpsConnectorBuilder::new()
                .with_native_roots()
                .map_err(HttpError::Certificates)?
                .https_or_http()
                .enable_http1()
                .build();
            Transport::Tls(Client::builder(TokioExecutor::new()).build(connector))
        } else {
            Transport::Plain(Client::builder(TokioExecutor::new()).build_http())
        };
        Ok(Self { transport, limit })
    }

    /// Sends one request and reads its answer to the end.
    pub(crate) async fn send(
        &self,
        url: &str,
        request: hyper::http::request::Builder,
        body: Bytes,
    ) -> Result<Answer, HttpError> {
        let read = async {
            let answer = self.head(url, request, body).await?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), MAX_ANSWER_BYTES).collect();
            let body = body.await.map_err(|source| HttpError::Broken {
                url: url.to_owned(),
                source,
            })?;
            Ok(Answer {
                status,
                body: body.to_bytes(),
            })
        };
        let limit = self.limit;
        timeout(limit, read).await.unwrap_or_else(|_| {
            Err(HttpError::TimedOut {
                url: url.to_owned(),
                limit,
            })
        })
    }

    /// Sends one request and returns when the head of its answer is there; without a limit
    /// in time.
    pub(crate) async fn head(
        &self,
        url: &str,
        request: hyper::http::request::Builder,
        body: Bytes,
    ) -> Result<Response<Incoming>, HttpError> {
        let request: Request<Full<Bytes>> = request
            .uri(url)
            .header(
                "user-agent",
                concat!("grantline/", env!("CARGO_PKG_VERSION")),
            )
            .body(Full::new(body))
            .map_err(|source| HttpError::Url {
                url: url.to_owned(),
                source,
            })?;
        let answer = match &self.transport {
            Transport::Plain(client) => client.request(request),
            Transport::Tls(client) => client.request(request),
        };
        answer.await.map_err(|source| {
            let url = url.to_owned();
            if source.is_connect() {
                HttpError::Unreachable { url, source }
            } else {
                let source = source.into();
                HttpError::Broken { url, source }
            }
        })
    }
}

impl Answer {
    /// The body where it is JSON; `null` otherwise.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The code of a refusal, in Xsolla's form.
    pub(crate) fn code(&self) -> Option<String> {
        Some(self.json()["error"]["code"].as_str()?.to_owned())
    }

    /// The status, and what the body says in short.
    pub(crate) fn summary(&self) -> String {
        let status = self.status.as_u16();
        let said = self.code();
        let said = said.unwrap_or_else(|| String::from_utf8_lossy(&self.body).into_owned());
        let shown: String = said.trim().chars().take(MAX_SHOWN).collect();
        // A stranger's answer goes to a terminal.
        let shown = shown.replace(char::is_control, " ");
        format!("{status} {shown}").trim_end().to_owned()
    }
}
