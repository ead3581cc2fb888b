//! What one client, and all of them together, may take.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The smallest read buffer hyper works with.
const MIN_HEAD_BYTES: usize = 8 * 1024;

/// Limits of one HTTP listener.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Time for a request's head, from its first byte to its last; a new connection has
    /// as long to begin one. The connection is closed when it is over.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub header_read_timeout: Duration,
    /// Time for a request's body, from the end of its head.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub body_timeout: Duration,
    /// How long a connection may stay silent between two requests, and how long a client
    /// may take to accept an answer. Keep it above the idle time-out of the gateway in
    /// front, or the gateway sends requests into connections that are being closed.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub keep_alive: Duration,
    /// Largest request body, in bytes.
    pub max_body_bytes: usize,
    /// Most bytes of request bodies that this listener holds at once, from their arrival
    /// until they are answered and, for a webhook, on the broker. Requests beyond it are
    /// answered 503. Never less than `max_body_bytes`.
    pub max_held_body_bytes: usize,
    /// Largest request head (request line and headers), in bytes; at least 8192.
    #[schemars(range(min = 8192))]
    pub max_head_bytes: usize,
    /// Most headers of one request.
    pub max_headers: usize,
    /// Most open HTTP connections of this listener. Further clients wait in the kernel's
    /// queue until one closes. A connection that became a WebSocket no longer counts.
    #[schemars(range(min = 1))]
    pub max_connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_read_timeout: Duration::from_secs(5),
            body_timeout: Duration::from_secs(2),
            keep_alive: Duration::from_secs(75),
            max_body_bytes: 256 * 1024,
            max_held_body_bytes: 64 * 1024 * 1024,
            max_head_bytes: 16 * 1024,
            max_headers: 64,
            max_connections: 4096,
        }
    }
}

impl Limits {
    /// One body has to fit.
    pub(crate) fn held_body_bytes(&self) -> usize {
        self.max_held_body_bytes.max(self.max_body_bytes)
    }

    /// The head limit as hyper accepts it: less than its minimum would panic.
    pub(crate) fn head_bytes(&self) -> usize {
        self.max_head_bytes.max(MIN_HEAD_BYTES)
    }
}
