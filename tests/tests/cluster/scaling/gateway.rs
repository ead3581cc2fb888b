//! What stands in front of the ingress in a cluster: each request, not each connection, goes to
//! the next copy. Xsolla keeps its connections, and a new copy behind a balancer of TCP would
//! get nothing to do.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use tokio_util::task::TaskTracker;

/// Ends when dropped.
pub(super) struct Gateway {
    pub(super) at: SocketAddr,
    copies: Copies,
    accepting: AbortHandle,
}

type Copies = Arc<Mutex<Vec<Upstream>>>;
type Onward = Client<HttpConnector, Full<Bytes>>;

/// Where a copy listens, and the requests it has.
struct Upstream {
    at: SocketAddr,
    requests: TaskTracker,
}

impl Gateway {
    pub(super) async fn before(copy: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let copies = Arc::new(Mutex::new(vec![Upstream::new(copy)]));
        Self {
            at: listener.local_addr().unwrap(),
            accepting: tokio::spawn(accept(listener, Arc::clone(&copies))).abort_handle(),
            copies,
        }
    }

    pub(super) fn add(&self, copy: SocketAddr) {
        self.copies.lock().unwrap().push(Upstream::new(copy));
    }

    /// Gives this copy no more requests, and waits until it has answered those it has: one
    /// chosen for it may not have reached it yet.
    pub(super) async fn remove(&self, copy: SocketAddr) {
        let removed = {
            let mut copies = self.copies.lock().unwrap();
            let place = copies.iter().position(|it| it.at == copy).unwrap();
            copies.remove(place)
        };
        removed.requests.close();
        removed.requests.wait().await;
    }
}

impl Upstream {
    fn new(at: SocketAddr) -> Self {
        Self {
            at,
            requests: TaskTracker::new(),
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, copies: Copies) {
    let onward: Onward = Client::builder(TokioExecutor::new()).build_http();
    while let Ok((client, _)) = listener.accept().await {
        let _ = client.set_nodelay(true);
        let (copies, onward) = (Arc::clone(&copies), onward.clone());
        let hand_on = service_fn(move |request| {
            let mut copies = copies.lock().unwrap();
            copies.rotate_left(1);
            let Upstream { at, requests } = &copies[0];
            requests.track_future(hand_on(request, *at, onward.clone()))
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(client), hand_on));
    }
}

/// A copy that does not answer is a 502, which nobody is to see.
async fn hand_on(
    request: Request<Incoming>,
    copy: SocketAddr,
    onward: Onward,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let answered = async {
        let (mut head, body) = request.into_parts();
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        head.uri = format!("http://{copy}{path}").parse::<Uri>()?;
        let body = Full::new(body.collect().await?.to_bytes());
        let (head, body) = onward
            .request(Request::from_parts(head, body))
            .await?
            .into_parts();
        let body = Full::new(body.collect().await?.to_bytes());
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(Response::from_parts(head, body))
    };
    Ok(answered.await.unwrap_or_else(|_| {
        let mut answer = Response::default();
        *answer.status_mut() = StatusCode::BAD_GATEWAY;
        answer
    }))
}
