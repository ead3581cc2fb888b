//! The role over WebSocket and HTTP, with the real broker and the real ledger behind it.

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
