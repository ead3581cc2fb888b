//! The role over HTTP, with the real broker and the real ledger behind it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod accept;
mod line;
mod logs;
mod quarantine;
mod questions;
mod refusals;
mod run;
