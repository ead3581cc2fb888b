//! The whole line, over HTTP and WebSocket, on real servers.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod harness;
mod oracle;

mod clients;
mod hard_cases;
mod notices;
mod openapi;
mod operators;
mod outages;
mod samples;
mod sequences;
