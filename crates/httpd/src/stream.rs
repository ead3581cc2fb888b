//! The connection under HTTP, with the clock that hyper does not keep.
//!
//! hyper has one time-out for "waiting for a head", which counts an idle connection and a
//! head that trickles in alike. A gateway wants the first to be long, and an attacker
//! wants the second to be long, so the two are told apart here: by the first byte.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use crate::Limits;

/// Whether a request of the connection is in its handler. While it is, no clock runs here:
/// the body has a time-out of its own and the handler is ours.
#[derive(Clone, Debug, Default)]
pub(crate) struct Busy(Arc<AtomicBool>);

impl Busy {
    pub(crate) fn set(&self, busy: bool) {
        self.0.store(busy, Ordering::Release);
    }

    fn get(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The head has begun, or is the first of its connection.
    Head,
    /// In a handler.
    Handler,
    /// Between two requests, the rest of an answer included.
    Idle,
}

/// The IO that hyper drives: a TCP stream that fails with
/// [`io::ErrorKind::TimedOut`] when its client is too slow.
pub struct Stream {
    tcp: TokioIo<TcpStream>,
    busy: Busy,
    phase: Phase,
    deadline: Pin<Box<Sleep>>,
    head: Duration,
    idle: Duration,
}

impl Stream {
    pub(crate) fn new(tcp: TcpStream, limits: &Limits, busy: Busy) -> Self {
        Self {
            tcp: TokioIo::new(tcp),
            busy,
            phase: Phase::Head,
            deadline: Box::pin(tokio::time::sleep(limits.header_read_timeout)),
            head: limits.header_read_timeout,
            idle: limits.keep_alive,
        }
    }

    /// Follows the handler's comings and goings.
    fn turn(&mut self) {
        match (self.busy.get(), self.phase) {
            (true, _) => self.phase = Phase::Handler,
            (false, Phase::Handler) => self.enter(Phase::Idle, self.idle),
            (false, Phase::Head | Phase::Idle) => {}
        }
    }

    fn enter(&mut self, phase: Phase, limit: Duration) {
        self.phase = phase;
        self.deadline.as_mut().reset(Instant::now() + limit);
    }

    /// Turns "nothing yet" into an error once the time is over.
    fn patience<T>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if self.phase != Phase::Handler && self.deadline.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Poll::Pending
    }

    fn writing<T>(
        &mut self,
        cx: &mut Context<'_>,
        step: impl FnOnce(Pin<&mut TokioIo<TcpStream>>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        self.turn();
        match step(Pin::new(&mut self.tcp), cx) {
            Poll::Pending => self.patience(cx),
            ready @ Poll::Ready(_) => ready,
        }
    }
}

impl Read for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        this.turn();
        match Pin::new(&mut this.tcp).poll_read(cx, buf) {
            Poll::Pending => this.patience(cx),
            Poll::Ready(outcome) => {
                if this.phase == Phase::Idle {
                    this.enter(Phase::Head, this.head);
                }
                Poll::Ready(outcome)
            }
        }
    }
}

impl Write for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.writing(cx, |tcp, cx| tcp.poll_write(cx, buf))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writing(cx, hyper::rt::Write::poll_flush)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writing(cx, hyper::rt::Write::poll_shutdown)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.writing(cx, |tcp, cx| tcp.poll_write_vectored(cx, bufs))
    }
}

/// The upgrade does not come from a [`Listener`](crate::Listener).
#[derive(Debug, thiserror::Error)]
#[error("the upgraded connection is not one of this server")]
pub struct NotOurs;

/// Takes the bare TCP stream out of an upgraded connection, with what was read beyond the
/// request. Nothing of HTTP is left behind it: no buffer, no clock, no connection slot.
///
/// Copy the bytes before use and drop them: they hold hyper's whole read buffer.
///
/// # Errors
/// The connection was not accepted by this crate.
pub fn take_over(upgraded: Upgraded) -> Result<(TcpStream, Bytes), NotOurs> {
    let parts = upgraded.downcast::<Stream>().map_err(|_| NotOurs)?;
    Ok((parts.io.tcp.into_inner(), parts.read_buf))
}
