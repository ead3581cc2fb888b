//! The routes of the listener.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use centrifuge::Close;
use httpd::{Reply, Request, Service, empty, take_over};
use hyper::header::{AUTHORIZATION, HeaderValue, ORIGIN, RETRY_AFTER};
use hyper::upgrade::OnUpgrade;
use hyper::{HeaderMap, Method, StatusCode};
use lifecycle::Lifecycle;
use order::{OrderId, ProjectId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_util::task::TaskTracker;

use crate::handshake::{Encoding, shake_hands};
use crate::order_status::{self, Refusal};
use crate::origins::Origins;
use crate::shared::Shared;
use crate::socket::Socket;
use crate::token::{TokenFault, Verified};

/// Where clients of the Centrifuge protocol expect it.
const SOCKET_PATH: &str = "/connection/websocket";

/// Allocated for each connection: a command of any client in use fits.
const READ_BUFFER_BYTES: usize = 1024;

/// How long an order's status may take to be read.
const POLL_DEADLINE: Duration = Duration::from_secs(3);

pub(crate) struct Publisher {
    pub(crate) shared: Arc<Shared>,
    pub(crate) origins: Origins,
    pub(crate) max_frame_bytes: usize,
    /// One permit for each connection that may still be opened.
    pub(crate) free_sockets: Arc<Semaphore>,
    pub(crate) sockets: TaskTracker,
    pub(crate) lifecycle: Lifecycle,
}

impl Service for Publisher {
    async fn answer(&self, request: Request, _peer: SocketAddr) -> Reply {
        if request.uri().path() == SOCKET_PATH {
            return self.open(request);
        }
        let origin = request.headers().get(ORIGIN).cloned();
        let mut reply = self.order(&request).await;
        self.origins.share(origin.as_ref(), &mut reply);
        reply
    }
}

impl Publisher {
    /// Completes the handshake and leaves the rest to the connection's own task.
    fn open(&self, mut request: Request) -> Reply {
        let handshake = shake_hands(request.method(), request.uri(), request.headers());
        let (reply, encoding) = match handshake {
            Ok(agreed) => agreed,
            Err(fault) => return fault.reply(),
        };
        let Ok(slot) = Arc::clone(&self.free_sockets).try_acquire_owned() else {
            return self.turn_away();
        };
        let refusal = if !self.origins.allow(request.headers()) {
            Some(Close::PermissionDenied)
        } else if encoding == Encoding::Protobuf {
            Some(Close::InappropriateProtocol)
        } else {
            None
        };
        let upgrade = hyper::upgrade::on(&mut request);
        let task = serve(
            Arc::clone(&self.shared),
            upgrade,
            self.websocket(),
            refusal,
            slot,
        );
        self.lifecycle.track(self.sockets.track_future(task));
        reply
    }

    /// 503 is what clients try again, with growing pauses.
    fn turn_away(&self) -> Reply {
        self.shared.metrics.refused();
        let mut reply = empty(StatusCode::SERVICE_UNAVAILABLE);
        reply
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from_static("5"));
        reply
    }

    /// The defaults would allocate a quarter of a megabyte for each connection. Writes are
    /// awaited one by one, so what waits in the library is one message at most.
    fn websocket(&self) -> WebSocketConfig {
        WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            .write_buffer_size(0)
            .max_message_size(Some(self.max_frame_bytes))
            .max_frame_size(Some(self.max_frame_bytes))
    }

    /// Answers everything but the socket's path.
    async fn order(&self, request: &Request) -> Reply {
        let Some((project, order)) = order_path(request.uri().path()) else {
            return Refusal::NoRoute.reply();
        };
        if request.method() == Method::OPTIONS {
            let mut reply = empty(StatusCode::NO_CONTENT);
            Origins::permit(&mut reply);
            return reply;
        }
        let reply = match self.poll(request, project, order).await {
            Ok(reply) => reply,
            Err(refusal) => refusal.reply(),
        };
        self.shared.metrics.polled(reply.status().as_u16());
        reply
    }

    async fn poll(&self, request: &Request, project: &str, order: &str) -> Result<Reply, Refusal> {
        // hyper leaves the body out of an answer to HEAD.
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return Err(Refusal::Method);
        }
        let (project, player) = self.bearer(request.headers(), project).map_err(|fault| {
            self.shared.metrics.bad_token("poll", fault);
            Refusal::Unauthorized
        })?;
        let order = order.parse::<OrderId>().map_err(|_| Refusal::NotFound)?;
        let asked = self.shared.reader.order(project, order, &player.player);
        match timeout(POLL_DEADLINE, asked).await {
            Ok(Ok(Some(found))) => Ok(order_status::reply(&found, request.headers())),
            Ok(Ok(None)) => Err(Refusal::NotFound),
            Ok(Err(error)) => {
                tracing::debug!(
                    order.id = order.get(),
                    error = &error as &dyn std::error::Error,
                    "Cannot read an order's status"
                );
                Err(Refusal::Unavailable)
            }
            Err(_) => Err(Refusal::Unavailable),
        }
    }

    fn bearer(
        &self,
        headers: &HeaderMap,
        project: &str,
    ) -> Result<(ProjectId, Verified), TokenFault> {
        let project = project
            .parse::<ProjectId>()
            .map_err(|_| TokenFault::UnknownProject)?;
        let verifier = self.shared.verifiers.get(&project);
        let verifier = verifier.ok_or(TokenFault::UnknownProject)?;
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return Err(TokenFault::Missing);
        };
        let value = value.to_str().map_err(|_| TokenFault::Malformed)?;
        let (scheme, token) = value.split_once(' ').ok_or(TokenFault::Missing)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(TokenFault::Missing);
        }
        Ok((project, verifier.verify(token.trim(), task::now())?))
    }
}

/// Takes the connection over from HTTP and serves it to its end.
async fn serve(
    shared: Arc<Shared>,
    upgrade: OnUpgrade,
    config: WebSocketConfig,
    refusal: Option<Close>,
    slot: OwnedSemaphorePermit,
) {
    let _slot = slot;
    let Ok(Ok(upgraded)) = timeout(shared.settings.connect_timeout, upgrade).await else {
        return;
    };
    let (tcp, early) = match take_over(upgraded) {
        Ok(parts) => parts,
        Err(error) => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "Cannot serve a WebSocket"
            );
            return;
        }
    };
    // Copied, because the original keeps hyper's whole buffer alive.
    let early_bytes = early.to_vec();
    drop(early);
    let stream =
        WebSocketStream::from_partially_read(tcp, early_bytes, Role::Server, Some(config)).await;
    let socket = Socket::new(shared, stream);
    // In a box of its own, or the room for it is taken twice over while the task is built.
    match refusal {
        None => Box::pin(socket.run()).await,
        Some(close) => Box::pin(socket.refuse(close)).await,
    }
}

/// Project and order of `/api/v2/project/{project_id}/order/{order_id}`.
pub(crate) fn order_path(path: &str) -> Option<(&str, &str)> {
    let (project, order) = path
        .strip_prefix("/api/v2/project/")?
        .split_once("/order/")?;
    (!project.contains('/') && !order.contains('/')).then_some((project, order))
}
