//! The role over WebSocket and HTTP, with the real broker and the real ledger behind it.
//!
//! Tests run on a runtime with a worker of its own: dropping a virtual host blocks the
//! test's thread until the broker's connections are closed, and somebody has to close them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod clients;
mod connect;
mod drain;
mod entries;
mod line;
mod logs;
mod outages;
mod polls;
mod statuses;
