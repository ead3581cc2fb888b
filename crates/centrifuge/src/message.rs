//! What client and server say to each other, whatever the encoding.
//!
//! Only what this server acts on is kept: a request it does not offer is reduced
//! to the channel it names.

use std::{collections::HashMap, fmt, sync::Arc};

use serde_json::value::RawValue;

use crate::code::ErrorCode;

/// The JSON document a publication carries, opaque to the protocol.
///
/// Checked once, then shared: a clone is a reference count.
#[derive(Clone)]
pub struct Payload(Arc<RawValue>);

/// A publication's data was not one JSON document.
#[derive(Debug, thiserror::Error)]
#[error("publication data is not a JSON document")]
pub struct NotJson(#[source] serde_json::Error);

impl Payload {
    /// Takes one JSON document.
    ///
    /// Line breaks between its tokens are dropped, because a line break ends a
    /// message on the wire.
    ///
    /// # Errors
    /// [`NotJson`] when `text` is anything else.
    pub fn parse(text: &str) -> Result<Self, NotJson> {
        let mut raw: Box<RawValue> = serde_json::from_str(text).map_err(NotJson)?;
        // Within a string JSON allows no raw line break, so what is found is layout.
        if raw.get().contains(['\n', '\r']) {
            raw = RawValue::from_string(raw.get().replace(['\n', '\r'], "")).map_err(NotJson)?;
        }
        Ok(Self(Arc::from(raw)))
    }

    /// The document's text.
    #[must_use]
    pub fn get(&self) -> &str {
        self.0.get()
    }

    pub(crate) fn raw(&self) -> &RawValue {
        &self.0
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.get())
    }
}

/// One row of a stream.
#[derive(Clone, Debug)]
pub struct Publication {
    /// Place in the stream; the first row has 1, each next row one more.
    pub offset: u64,
    /// What the client is told.
    pub data: Payload,
}

/// What a client shows to be let in. `Debug` hides everything but the client's
/// own name and version.
pub struct Credentials {
    /// The connection token; empty when the client sent none.
    pub token: String,
    /// The JSON document the client's application sent along, unread.
    pub data: Option<Box<RawValue>>,
    /// The client library's name; empty for hand-written clients.
    pub name: String,
    /// The client library's or application's version; may be empty.
    pub version: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("name", &self.name)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// A place in a stream as a client remembers it. An empty epoch matches any.
#[derive(Debug, Default)]
pub(crate) struct Position {
    pub(crate) offset: u64,
    pub(crate) epoch: String,
}

impl Position {
    pub(crate) fn fits(&self, epoch: &str) -> bool {
        self.epoch.is_empty() || self.epoch == epoch
    }
}

/// One command of a client. Only [`Request::Send`] and [`Request::Pong`] go without an id.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) id: u32,
    pub(crate) request: Request,
}

#[derive(Debug)]
pub(crate) enum Request {
    Connect(Connect),
    History(History),
    Ping,
    /// The answer to a ping. Some clients send it unasked, as their own sign of life.
    Pong,
    /// A message to the server that expects no reply.
    Send,
    /// A request of the protocol that this server does not offer.
    NotOffered {
        channel: Option<String>,
    },
    /// Nothing of the protocol, or of a later one.
    Unknown,
}

#[derive(Debug)]
pub(crate) struct Connect {
    pub(crate) credentials: Credentials,
    /// The channels the client wants to go on with, and from where.
    pub(crate) recover: HashMap<String, Position>,
}

#[derive(Debug)]
pub(crate) struct History {
    pub(crate) channel: String,
    pub(crate) since: Option<Position>,
    /// Zero asks for the top alone, a negative number for everything.
    pub(crate) limit: i32,
    pub(crate) reverse: bool,
}

/// One message of the server. Each is a WebSocket message of its own, because
/// hand-written clients parse a message as a single document.
#[derive(Debug)]
pub(crate) enum Reply<'a> {
    Connect {
        id: u32,
        connected: Connected<'a>,
    },
    History {
        id: u32,
        publications: Vec<&'a Publication>,
        epoch: &'a str,
        top: u64,
    },
    Pong {
        id: u32,
    },
    Error {
        id: u32,
        error: ErrorCode,
    },
    Publication {
        channel: &'a str,
        publication: &'a Publication,
    },
    Ping,
}

#[derive(Debug)]
pub(crate) struct Connected<'a> {
    pub(crate) client: &'a str,
    pub(crate) version: &'a str,
    pub(crate) ping_seconds: u64,
    pub(crate) channel: &'a str,
    pub(crate) subscribed: Subscribed<'a>,
}

/// Where the client stands in its channel from now on.
#[derive(Debug)]
pub(crate) struct Subscribed<'a> {
    pub(crate) epoch: &'a str,
    /// After a recovery the offset asked for; the publications lead on from it.
    pub(crate) offset: u64,
    pub(crate) was_recovering: bool,
    pub(crate) recovered: bool,
    pub(crate) publications: &'a [Publication],
}
