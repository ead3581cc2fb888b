//! What the machine and its driver hand each other.

use std::time::Instant;

use crate::{
    code::Close,
    message::{Credentials, Publication},
};

/// What the driver has to do, in the order given.
#[derive(Debug)]
pub enum Action {
    /// Write one WebSocket text message. Never join two into one.
    Send(String),
    /// Find out who this is; answer with [`authenticated`] or [`close`].
    ///
    /// [`authenticated`]: super::Connection::authenticated
    /// [`close`]: super::Connection::close
    Authenticate(Credentials),
    /// Read the stream; answer with [`loaded`] or [`load_failed`]. At most one is
    /// ever unanswered.
    ///
    /// [`loaded`]: super::Connection::loaded
    /// [`load_failed`]: super::Connection::load_failed
    Load(LoadRequest),
    /// Close the socket with this code and reason. The last action there is.
    Close(Close),
}

/// What to read from the client's stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadRequest {
    /// Rows with a higher offset are wanted; `None` asks for top and epoch alone.
    pub after: Option<u64>,
    /// How many rows at most. If there are more, the newest are wanted.
    pub rows_max: u32,
}

/// What a read has found. All of it must come from one snapshot of the store, taken
/// no earlier than the [`LoadRequest`] was handed out.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The epoch of the stream.
    pub epoch: String,
    /// The highest offset ever given in this epoch; 0 for an empty stream.
    pub top: u64,
    /// The rows asked for that are still kept, by ascending offset.
    pub rows: Vec<Publication>,
}

/// Who the client is and what it may hear.
#[derive(Clone, Debug)]
pub struct Identity {
    /// This connection's own id, told to the client.
    pub client: String,
    /// The one channel the client is subscribed to.
    pub channel: String,
    /// When the credentials cease to be valid.
    pub expires_at: Option<Instant>,
}

impl Loaded {
    /// Whether the rows ascend and end no later than the top they were read with.
    pub(super) fn in_order(&self) -> bool {
        self.rows.is_sorted_by(|a, b| a.offset < b.offset)
            && self.rows.last().is_none_or(|last| last.offset <= self.top)
    }

    /// Every row from `offset + 1` to the top, or `None` if one of them is not there or
    /// the top lies before `offset`.
    pub(super) fn all_after(&self, offset: u64) -> Option<&[Publication]> {
        let start = self.rows.partition_point(|row| row.offset <= offset);
        let rows = &self.rows[start..];
        // The rows ascend strictly between the two, so their number decides.
        (u64::try_from(rows.len()).ok() == self.top.checked_sub(offset)).then_some(rows)
    }
}

/// What a connection has given its client, for metrics and logs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Rows pushed after the connect reply.
    pub pushes: u64,
    /// Whether the client got back everything it had missed; `None` if it asked for
    /// nothing.
    pub recovered: Option<bool>,
}
