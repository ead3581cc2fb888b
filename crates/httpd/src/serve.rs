//! The accept loop and one connection's life.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue, TRANSFER_ENCODING};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use lifecycle::Lifecycle;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::body::{Body, Room};
use crate::stream::{Stream, Turns, Unasked};
use crate::{Limits, Listener, Reply, Request, empty};

/// How long accepting rests when the process is out of file descriptors or memory:
/// nothing tells us when there are some again.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// What answers the requests of a listener.
///
/// A closure `Fn(Request, SocketAddr) -> impl Future<Output = Reply>` is one too.
pub trait Service: Send + Sync + 'static {
    /// Answers one request of `peer`, the other end of the TCP connection.
    ///
    /// The future is dropped when the client goes away: work that must not be left half
    /// done belongs to another task. A body is read by [`read_body`](crate::read_body),
    /// which alone bounds it.
    fn answer(&self, request: Request, peer: SocketAddr) -> impl Future<Output = Reply> + Send;

    /// Whether a head that is no HTTP, or larger than the limits, is answered by 400, 414 or
    /// 431. Where not, its connection is closed without a word.
    fn answers_unreadable_heads(&self) -> bool {
        true
    }

    /// What the client gets in place of the answer when [`Service::answer`] panicked.
    fn after_panic(&self) -> Reply {
        empty(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl<F, A> Service for F
where
    F: Fn(Request, SocketAddr) -> A + Send + Sync + 'static,
    A: Future<Output = Reply> + Send,
{
    fn answer(&self, request: Request, peer: SocketAddr) -> impl Future<Output = Reply> + Send {
        self(request, peer)
    }
}

/// Serves `listener` until `lifecycle` drains; then accepts nothing more, closes idle
/// connections, and returns when the requests in flight are answered. Abort drops them.
///
/// At most `limits.max_connections` connections are held; further clients wait in the
/// kernel's queue. Meant for [`Lifecycle::supervise`].
pub async fn serve<S: Service>(
    listener: Listener,
    limits: Limits,
    service: S,
    lifecycle: &Lifecycle,
) {
    run(
        listener,
        limits,
        service,
        lifecycle.drain_token(),
        lifecycle.abort_token(),
    )
    .await;
}

/// [`serve`] with its stops apart.
pub(crate) async fn run<S: Service>(
    listener: Listener,
    limits: Limits,
    service: S,
    drain: &CancellationToken,
    abort: &CancellationToken,
) {
    let slots = Arc::new(Semaphore::new(
        limits.max_connections.clamp(1, Semaphore::MAX_PERMITS),
    ));
    let connections = TaskTracker::new();
    // Whoever drops this future cuts its connections too.
    let abort = abort.child_token();
    let _cut_on_drop = abort.clone().drop_guard();
    let host = Arc::new(Host {
        service,
        room: Room::of(&limits),
        limits,
        drain: drain.clone(),
        abort: abort.clone(),
    });
    while let Some((tcp, peer, slot)) = next(&listener, &slots, drain).await {
        let host = Arc::clone(&host);
        let counted = listener.connections().enter();
        connections.spawn(async move {
            let _held = (slot, counted);
            host.converse(tcp, peer).await;
        });
    }
    // Closed first, so that clients are refused and try elsewhere.
    drop(listener);
    connections.close();
    connections.wait().await;
}

/// The next connection and its slot, or `None` once the drain has begun.
async fn next(
    listener: &Listener,
    slots: &Arc<Semaphore>,
    drain: &CancellationToken,
) -> Option<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let slot = drain
        .run_until_cancelled(Arc::clone(slots).acquire_owned())
        .await?
        .ok()?;
    loop {
        match drain
            .run_until_cancelled(listener.socket().accept())
            .await?
        {
            Ok((tcp, peer)) => return Some((tcp, peer, slot)),
            Err(error) if of_one_client(&error) => {}
            Err(error) => {
                tracing::error!(%error, "Cannot accept connections");
                drain
                    .run_until_cancelled(tokio::time::sleep(ACCEPT_REST))
                    .await?;
            }
        }
    }
}

/// Whether an accept failed because its client has already left.
fn of_one_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
    )
}

/// What all connections of a listener share.
struct Host<S> {
    service: S,
    limits: Limits,
    room: Room,
    drain: CancellationToken,
    abort: CancellationToken,
}

impl<S: Service> Host<S> {
    /// Serves one connection to its end or its upgrade.
    async fn converse(&self, tcp: TcpStream, peer: SocketAddr) {
        // Answers are single writes; waiting to fill a segment only delays them.
        if let Err(error) = tcp.set_nodelay(true) {
            tracing::debug!(%error, "Client left before its connection began");
            return;
        }
        let turns = Turns::default();
        let unasked = if self.service.answers_unreadable_heads() {
            Unasked::Sent
        } else {
            Unasked::Cut
        };
        let stream = Stream::new(tcp, &self.limits, turns.clone(), unasked);
        let handler = service_fn(|request: hyper::Request<Incoming>| {
            turns.advance();
            // Whoever stands in front may have believed another length.
            let is_last = request.headers().contains_key(TRANSFER_ENCODING);
            let request = request.map(|body| Body::new(body, self.room.clone()));
            let reply = self.guarded(request, peer);
            let turns = turns.clone();
            async move {
                let mut reply = reply.await;
                if is_last {
                    let close = HeaderValue::from_static("close");
                    reply.headers_mut().insert(CONNECTION, close);
                }
                turns.advance();
                Ok::<Reply, Infallible>(reply)
            }
        });
        let connection = http1::Builder::new()
            // The stream keeps this clock, see there.
            .header_read_timeout(None)
            .max_headers(self.limits.max_headers)
            .max_header_size(self.limits.head_bytes())
            .max_buf_size(self.limits.head_bytes())
            .serve_connection(stream, handler)
            .with_upgrades();
        let mut connection = pin!(connection);
        let outcome = tokio::select! {
            biased;
            () = self.abort.cancelled() => return,
            outcome = connection.as_mut() => outcome,
            () = self.drain.cancelled() => {
                connection.as_mut().graceful_shutdown();
                match self.abort.run_until_cancelled(connection).await {
                    Some(outcome) => outcome,
                    None => return,
                }
            }
        };
        if let Err(error) = outcome {
            // Clients come and go as they like: not worth a line in production. hyper's
            // errors name the fault, never what the client sent.
            tracing::debug!(error = ?error, "Connection ended early");
        }
    }

    /// Asks the service, and survives its panic.
    async fn guarded(&self, request: Request, peer: SocketAddr) -> Reply {
        let mut answer = pin!(self.service.answer(request, peer));
        let outcome =
            poll_fn(
                |cx| match catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(cx))) {
                    Ok(poll) => poll.map(Some),
                    Err(_) => Poll::Ready(None),
                },
            )
            .await;
        outcome.unwrap_or_else(|| {
            tracing::error!("Handler panicked");
            self.service.after_panic()
        })
    }
}
