//! Reading a request's body, bounded in size and time, alone and together with all others.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::StatusCode;
use hyper::body::{Body as _, Frame, Incoming, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::Limits;

/// Why a request's body could not be read.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The body is, or announces to be, larger than `max_body_bytes`.
    #[error("the body is larger than {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The body was not complete within `body_timeout`.
    #[error("the body was not complete after {limit:?}")]
    TooSlow {
        /// The limit.
        limit: Duration,
    },
    /// The bodies of other requests fill `max_held_body_bytes`.
    #[error("the bodies held at once fill {limit} bytes")]
    NoRoom {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The client went away or broke the protocol.
    #[error("the body broke off")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl BodyError {
    /// What plain HTTP would answer. Webhook routes answer 503 in its place, because
    /// Xsolla takes some 4xx as final.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow { .. } => StatusCode::REQUEST_TIMEOUT,
            Self::NoRoom { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::Broken(_) => StatusCode::BAD_REQUEST,
        }
    }

    /// A name for a metric's label.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "body_too_large",
            Self::TooSlow { .. } => "body_too_slow",
            Self::NoRoom { .. } => "body_no_room",
            Self::Broken(_) => "body_broken",
        }
    }
}

/// The body of a request, for [`read_body`].
#[derive(Debug)]
pub struct Body {
    incoming: Incoming,
    room: Room,
}

impl Body {
    pub(crate) fn new(incoming: Incoming, room: Room) -> Self {
        Self { incoming, room }
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.incoming).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

/// What the bodies of a listener may fill together, a place per byte.
#[derive(Clone, Debug)]
pub(crate) struct Room(Arc<Semaphore>);

impl Room {
    pub(crate) fn of(limits: &Limits) -> Self {
        let bytes = limits.held_body_bytes().min(Semaphore::MAX_PERMITS);
        Self(Arc::new(Semaphore::new(bytes)))
    }

    /// Never waits: bodies that each hold a part and wait for more would wait for ever.
    fn take(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let bytes = u32::try_from(bytes).ok()?;
        Arc::clone(&self.0).try_acquire_many_owned(bytes).ok()
    }
}

/// A body's bytes with the places they fill. Those are free again when the last reference
/// to the bytes is gone, in whatever queue that may be.
struct Held {
    bytes: Vec<u8>,
    places: Option<OwnedSemaphorePermit>,
}

impl Held {
    fn extend(&mut self, data: &[u8], places: OwnedSemaphorePermit) {
        self.bytes.extend_from_slice(data);
        match &mut self.places {
            Some(held) => held.merge(places),
            none => *none = Some(places),
        }
    }
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Reads a whole body, holding at most `limits.max_body_bytes` and one chunk more. Its bytes
/// count against `limits.max_held_body_bytes` for as long as anybody has them.
///
/// # Errors
/// See [`BodyError`]. The connection is closed after the answer, for what is left of the
/// body cannot be skipped.
pub async fn read_body(body: Body, limits: &Limits) -> Result<Bytes, BodyError> {
    // Refused before a byte is read: a client that waits for `100 Continue` sends none.
    let announced = body.size_hint().lower();
    let limit = limits.max_body_bytes;
    let capacity = usize::try_from(announced).ok().filter(|it| *it <= limit);
    let capacity = capacity.ok_or(BodyError::TooLarge { limit })?;
    tokio::time::timeout(limits.body_timeout, collect(body, capacity, limits))
        .await
        .unwrap_or(Err(BodyError::TooSlow {
            limit: limits.body_timeout,
        }))
}

async fn collect(mut body: Body, capacity: usize, limits: &Limits) -> Result<Bytes, BodyError> {
    let limit = limits.max_body_bytes;
    let mut held = Held {
        bytes: Vec::new(),
        places: None,
    };
    while let Some(frame) = body.frame().await {
        // Trailers say nothing.
        let Ok(data) = frame.map_err(broken)?.into_data() else {
            continue;
        };
        if held.bytes.len() + data.len() > limit {
            return Err(BodyError::TooLarge { limit });
        }
        let places = body.room.take(data.len()).ok_or(BodyError::NoRoom {
            limit: limits.held_body_bytes(),
        })?;
        if held.bytes.is_empty() {
            held.bytes.reserve_exact(capacity.max(data.len()));
        }
        held.extend(&data, places);
    }
    Ok(Bytes::from_owner(held))
}

fn broken(error: hyper::Error) -> BodyError {
    BodyError::Broken(error.into())
}
