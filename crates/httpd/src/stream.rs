//! The connection under HTTP, with the clock that hyper does not keep and without the answers
//! that hyper gives by itself.
//!
//! hyper has one time-out for "waiting for a head", which counts an idle connection and a
//! head that trickles in alike. A gateway wants the first to be long, and an attacker
//! wants the second to be long, so the two are told apart here: by the first byte.
//!
//! hyper answers a head that it cannot read by 400, 414 or 431, and asks nobody. Nothing else
//! is written while no answer of a handler is under way, which is how it is known.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use crate::Limits;

/// Counts a connection's handlers coming and going: odd while a request is in one. A count
/// and not a flag, because a quick handler comes and goes between two looks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Turns(Arc<AtomicU32>);

impl Turns {
    /// A request goes into its handler, or an answer comes out.
    pub(crate) fn advance(&self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }

    fn count(&self) -> u32 {
        self.0.load(Ordering::Acquire)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The head has begun, or is the first of its connection.
    Head,
    /// In a handler. No clock runs: the body has one of its own, and the handler is ours.
    Handler,
    /// Between two requests, the rest of an answer included.
    Idle,
}

/// What becomes of an answer that no handler has given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unasked {
    /// The client gets it.
    Sent,
    /// The connection ends in its place.
    Cut,
}

/// The IO that hyper drives: a TCP stream that fails with
/// [`io::ErrorKind::TimedOut`] when its client is too slow.
pub(crate) struct Stream {
    tcp: TokioIo<TcpStream>,
    unasked: Unasked,
    /// A handler has answered, and not all of it is sent.
    owes_answer: bool,
    turns: Turns,
    turns_seen: u32,
    phase: Phase,
    deadline: Pin<Box<Sleep>>,
    head: Duration,
    idle: Duration,
}

impl Stream {
    pub(crate) fn new(tcp: TcpStream, limits: &Limits, turns: Turns, unasked: Unasked) -> Self {
        Self {
            tcp: TokioIo::new(tcp),
            unasked,
            owes_answer: false,
            turns,
            turns_seen: 0,
            phase: Phase::Head,
            deadline: Box::pin(tokio::time::sleep(limits.header_read_timeout)),
            head: limits.header_read_timeout,
            idle: limits.keep_alive,
        }
    }

    /// Follows the handlers.
    fn turn(&mut self, cx: &mut Context<'_>) {
        let turns = self.turns.count();
        if turns == self.turns_seen {
            return;
        }
        self.turns_seen = turns;
        if turns.is_multiple_of(2) {
            self.owes_answer = true;
            self.enter(Phase::Idle, self.idle);
            // hyper may have begun to wait for the next head already, and then does not
            // ask again: the clock has to wake it by itself.
            let _ = self.deadline.as_mut().poll(cx);
        } else {
            self.phase = Phase::Handler;
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

    /// Refuses to write what nobody has answered.
    fn sending(
        &mut self,
        cx: &mut Context<'_>,
        step: impl FnOnce(Pin<&mut TokioIo<TcpStream>>, &mut Context<'_>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        self.turn(cx);
        let is_asked = self.owes_answer || !self.turns_seen.is_multiple_of(2);
        if self.unasked == Unasked::Cut && !is_asked {
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        self.writing(cx, step)
    }

    fn writing<T>(
        &mut self,
        cx: &mut Context<'_>,
        step: impl FnOnce(Pin<&mut TokioIo<TcpStream>>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        self.turn(cx);
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
        this.turn(cx);
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
        self.sending(cx, |tcp, cx| tcp.poll_write(cx, buf))
    }

    /// hyper flushes when it has nothing left to write.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = self.writing(cx, hyper::rt::Write::poll_flush);
        self.owes_answer &= !flushed.is_ready();
        flushed
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
        self.sending(cx, |tcp, cx| tcp.poll_write_vectored(cx, bufs))
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
