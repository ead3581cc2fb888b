//! Whole-line tests live in `tests/`; here is what they share.

mod chance;
mod http;
mod program;

pub use chance::Chance;
pub use http::{Answer, Http};
pub use program::{LISTENERS, ahead_binary, fresh_binary, grantline, serve, static_binary};
