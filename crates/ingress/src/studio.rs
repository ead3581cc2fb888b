//! The studio's own HTTP service: questions are posted to it as they came.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::http::uri::InvalidUri;
use hyper::{Method, Request, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error as ClientError, ResponseFuture};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use secret::Secret;
use serde::de::IgnoredAny;
use tokio::sync::Semaphore;

use crate::config;

/// How long an unused connection to a studio is kept. Below the usual idle time-outs of
/// load balancers, so that a question is not sent into a closing connection.
const IDLE_LIMIT: Duration = Duration::from_secs(20);

/// The HTTP client of all projects.
#[derive(Clone, Debug)]
pub(crate) enum HttpClient {
    /// For `http` alone, where no root certificates may be.
    Plain(Client<HttpConnector, Full<Bytes>>),
    /// For `https` as well.
    Tls(Client<HttpsConnector<HttpConnector>, Full<Bytes>>),
}

impl HttpClient {
    /// A client for these services. Fails where one of them needs root certificates and the
    /// machine has none.
    pub(crate) fn new<'a>(
        studios: impl IntoIterator<Item = &'a config::Studio>,
    ) -> std::io::Result<Self> {
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        let mut builder = Client::builder(TokioExecutor::new());
        builder
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_LIMIT);
        let is_https = |studio: &config::Studio| {
            let scheme = studio.url.split(':').next();
            scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"))
        };
        if !studios.into_iter().any(is_https) {
            return Ok(Self::Plain(builder.build(tcp)));
        }
        tcp.enforce_http(false);
        let connector = HttpsConnectorBuilder::new()
            .with_native_roots()?
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        Ok(Self::Tls(builder.build(connector)))
    }

    fn request(&self, request: Request<Full<Bytes>>) -> ResponseFuture {
        match self {
            Self::Plain(client) => client.request(request),
            Self::Tls(client) => client.request(request),
        }
    }
}

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    #[error("no answer within {limit:?}")]
    TimedOut { limit: Duration },
    #[error("the ledger cannot be asked")]
    Ledger(#[source] ledger::LedgerError),
    #[error("`studio.authorization` holds control characters")]
    Authorization,
    #[error("the studio's service cannot be reached")]
    Unreachable(#[source] ClientError),
    #[error("the studio's service answered {0}")]
    Status(StatusCode),
    #[error("the answer of the studio's service is larger than {limit} bytes")]
    TooLarge { limit: usize },
    #[error("the answer of the studio's service broke off")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the answer of the studio's service is not JSON")]
    NotJson(#[source] serde_json::Error),
    #[error("the studio's service answered nothing where content was asked for")]
    Nothing,
}

/// What the studio's service says about a player.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// Yes.
    Known,
    /// Yes, and this JSON.
    Content(Bytes),
    /// No.
    Unknown,
}

/// The studio's service.
#[derive(Debug)]
pub(crate) struct Studio {
    client: HttpClient,
    players: Uri,
    catalogue: Uri,
    pincode: Uri,
    authorization: Option<Secret>,
    answer_bytes_max: usize,
    slots: Semaphore,
}

/// What the studio's service can be asked.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Route {
    Players,
    Catalogue,
    Pincode,
}

impl Studio {
    /// Fails where `studio.url` is no address to build upon.
    pub(crate) fn new(client: HttpClient, config: config::Studio) -> Result<Self, InvalidUri> {
        let below = |path: &str| -> Result<Uri, InvalidUri> {
            format!("{}{path}", config.url.trim_end_matches('/')).parse()
        };
        Ok(Self {
            client,
            players: below("/players")?,
            catalogue: below("/catalogue")?,
            pincode: below("/pincode")?,
            authorization: config.authorization,
            answer_bytes_max: config.max_answer_bytes,
            slots: Semaphore::new(config.in_flight.clamp(1, Semaphore::MAX_PERMITS)),
        })
    }

    /// Posts a question, byte for byte. Waits for its turn and the answer, at most `limit`.
    pub(crate) async fn ask(
        &self,
        route: Route,
        question: Bytes,
        limit: Duration,
    ) -> Result<Word, AskError> {
        within(limit, async {
            // Never closed, so this only waits.
            let _slot = self.slots.acquire().await;
            self.converse(route, question).await
        })
        .await
    }

    async fn converse(&self, route: Route, question: Bytes) -> Result<Word, AskError> {
        let response = self
            .client
            .request(self.request(route, question)?)
            .await
            .map_err(AskError::Unreachable)?;
        match response.status() {
            StatusCode::NO_CONTENT => Ok(Word::Known),
            StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST => Ok(Word::Unknown),
            StatusCode::OK => self.content(response.into_body()).await,
            other => Err(AskError::Status(other)),
        }
    }

    async fn content(&self, body: Incoming) -> Result<Word, AskError> {
        let limit = self.answer_bytes_max;
        let body = match Limited::new(body, limit).collect().await {
            Ok(collected) => collected.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => {
                return Err(AskError::TooLarge { limit });
            }
            Err(error) => return Err(AskError::Broken(error)),
        };
        if body.is_empty() {
            return Ok(Word::Known);
        }
        // An error page with status 200 is no answer.
        serde_json::from_slice::<IgnoredAny>(&body).map_err(AskError::NotJson)?;
        Ok(Word::Content(body))
    }

    fn request(&self, route: Route, question: Bytes) -> Result<Request<Full<Bytes>>, AskError> {
        let uri = match route {
            Route::Players => &self.players,
            Route::Catalogue => &self.catalogue,
            Route::Pincode => &self.pincode,
        };
        let mut request = Request::new(Full::new(question));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri.clone();
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(authorization) = &self.authorization {
            let mut value = HeaderValue::from_str(&authorization.reveal())
                .map_err(|_| AskError::Authorization)?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        if let Some(trace) = telemetry::current()
            && let Ok(parent) = HeaderValue::try_from(trace.traceparent)
        {
            headers.insert("traceparent", parent);
        }
        Ok(request)
    }
}

/// Gives a question no more than `limit`.
pub(crate) async fn within<T>(
    limit: Duration,
    question: impl Future<Output = Result<T, AskError>>,
) -> Result<T, AskError> {
    tokio::time::timeout(limit, question)
        .await
        .unwrap_or(Err(AskError::TimedOut { limit }))
}
