//! A studio's HTTP service that does as it is told.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::AUTHORIZATION;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

/// The service, on a local port. Ends when dropped, its connections too.
#[derive(Debug)]
pub struct StudioService {
    address: SocketAddr,
    script: Arc<Script>,
    accepting: AbortHandle,
}

/// A question as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The path it came to.
    pub path: String,
    /// The `Authorization` header.
    pub authorization: Option<String>,
    /// The body, byte for byte.
    pub body: Bytes,
}

#[derive(Debug)]
struct Script {
    answers: Mutex<HashMap<&'static str, (StatusCode, Bytes)>>,
    asked: Mutex<Vec<Asked>>,
    held: watch::Sender<bool>,
    /// Questions being answered now, and the most there ever were.
    under_way: Mutex<(usize, usize)>,
}

impl StudioService {
    /// A service that answers 404 to everything.
    ///
    /// # Panics
    /// When no local port is free.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound listener");
        let script = Arc::new(Script {
            answers: Mutex::default(),
            asked: Mutex::default(),
            held: watch::Sender::new(false),
            under_way: Mutex::default(),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&script))).abort_handle();
        Self {
            address,
            script,
            accepting,
        }
    }

    /// Its base address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on answers so at `path`.
    pub fn answer(&self, path: &'static str, status: StatusCode, body: impl Into<Bytes>) {
        lock(&self.script.answers).insert(path, (status, body.into()));
    }

    /// From now on takes questions and answers none.
    pub fn hold(&self) {
        self.script.held.send_replace(true);
    }

    /// Answers again, what was held back included.
    pub fn release(&self) {
        self.script.held.send_replace(false);
    }

    /// Every question so far.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        lock(&self.script.asked).clone()
    }

    /// The most questions that were under way at one time.
    #[must_use]
    pub fn busiest(&self) -> usize {
        lock(&self.script.under_way).1
    }
}

impl Drop for StudioService {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, script: Arc<Script>) {
    // Ends the connections with the service.
    let mut connections = JoinSet::new();
    while let Ok((tcp, _)) = listener.accept().await {
        connections.spawn(converse(tcp, Arc::clone(&script)));
    }
}

async fn converse(tcp: TcpStream, script: Arc<Script>) {
    let service = service_fn(|request| {
        let script = Arc::clone(&script);
        async move { Ok::<_, Infallible>(script.answer(request).await) }
    });
    // A client that leaves is part of many tests.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(tcp), service)
        .await;
}

impl Script {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let _under_way = UnderWay::enter(self);
        let (head, body) = request.into_parts();
        let path = head.uri.path().to_owned();
        let authorization = head.headers.get(AUTHORIZATION);
        let authorization = authorization.and_then(|value| value.to_str().ok().map(str::to_owned));
        let body = match body.collect().await {
            Ok(collected) => collected.to_bytes(),
            Err(_) => Bytes::new(),
        };
        lock(&self.asked).push(Asked {
            path: path.clone(),
            authorization,
            body,
        });
        // Fails only if the service is gone, and then nobody waits for the answer.
        let _ = self.held.subscribe().wait_for(|held| !held).await;
        let answer = lock(&self.answers).get(path.as_str()).cloned();
        let (status, body) = answer.unwrap_or((StatusCode::NOT_FOUND, Bytes::new()));
        let mut response = Response::new(Full::new(body));
        *response.status_mut() = status;
        response
    }
}

/// Counts a question for as long as somebody waits for its answer.
struct UnderWay<'a>(&'a Script);

impl<'a> UnderWay<'a> {
    fn enter(script: &'a Script) -> Self {
        let mut under_way = lock(&script.under_way);
        under_way.0 += 1;
        under_way.1 = under_way.1.max(under_way.0);
        Self(script)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        lock(&self.0.under_way).0 -= 1;
    }
}
