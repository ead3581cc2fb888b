//! Centrifuge client protocol v2, server side, without I/O.
//!
//! [`Connection`] is one client's connection as a machine: it takes events and
//! hands out [`Action`]s, and it knows neither sockets nor a store nor a clock. It
//! serves exactly one server-side channel per client, whose rows are numbered from
//! 1 without gaps and kept by a store that can be read again.
//!
//! # What the client can rely on
//! - Nothing is pushed before the connect reply; pushes ascend by one from the
//!   position the reply names.
//! - A history reply contains everything pushed before it that is still kept, and
//!   whatever is pushed later has a higher offset.
//! - A row is recovered completely or not at all; where rows are missing the client
//!   is told so (`recovered` absent, or close 3010).
//!
//! # How to drive it
//! One task owns a connection. After each event it carries out every action, in
//! order, before it feeds the next event; waiting on a slow socket therefore slows
//! the client's own commands down and nothing piles up in the machine. Events come
//! from:
//!
//! | source | event |
//! |---|---|
//! | the socket: a text message | [`receive`](Connection::receive) |
//! | a timer at [`next_deadline`](Connection::next_deadline), after the socket | [`tick`](Connection::tick) |
//! | the answer to [`Action::Authenticate`] | [`authenticated`](Connection::authenticated), or [`close`](Connection::close) with [`Close::InvalidToken`] |
//! | the answer to [`Action::Load`] | [`loaded`](Connection::loaded) or [`load_failed`](Connection::load_failed) |
//! | the hint channel | [`advance`](Connection::advance) |
//! | the periodic comparison of positions | [`top`](Connection::top) |
//! | the drain of the process, a failed write | [`close`](Connection::close) |
//!
//! Three duties keep the promises above:
//! - Register for hints before `authenticated`, since rows committed after the first
//!   read are otherwise unknown until the next comparison of positions.
//! - Keep reading the socket and the hints while a read or an authentication is
//!   under way; the machine holds back what must wait.
//! - Read rows, top and epoch in one snapshot, begun after the `Load` was handed out.
//!
//! ```
//! use std::{sync::Arc, time::Instant};
//!
//! use centrifuge::{Action, Connection, Identity, Loaded, Payload, Publication, Settings};
//!
//! fn main() -> Result<(), centrifuge::NotJson> {
//!     let row = |offset, json: &str| Ok(Publication { offset, data: Payload::parse(json)? });
//!     let mut store = vec![row(1, r#"{"level":1}"#)?];
//!
//!     // Carries out all actions and returns what went to the client.
//!     let perform = |connection: &mut Connection, store: &[Publication], now| {
//!         let mut sent = Vec::new();
//!         while let Some(action) = connection.next_action() {
//!             match action {
//!                 Action::Send(frame) => sent.push(frame),
//!                 Action::Authenticate(_credentials) => {
//!                     let (client, channel) = ("c-1".to_owned(), "news#ann".to_owned());
//!                     connection.authenticated(Identity { client, channel, expires_at: None }, now);
//!                 }
//!                 Action::Load(request) => {
//!                     let after = request.after.unwrap_or(u64::MAX);
//!                     let rows = store.iter().filter(|row| row.offset > after).cloned().collect();
//!                     let top = store.last().map_or(0, |row| row.offset);
//!                     connection.loaded(&Loaded { epoch: "e1".to_owned(), top, rows }, now);
//!                 }
//!                 Action::Close(close) => sent.push(format!("{} {}", close.code(), close.reason())),
//!             }
//!         }
//!         sent
//!     };
//!
//!     let now = Instant::now();
//!     let mut connection = Connection::new(Arc::new(Settings::default()), 0.5, now);
//!     connection.receive(br#"{"id":1,"connect":{"name":"js"}}"#, now);
//!     let reply = r#"{"id":1,"connect":{"client":"c-1","subs":{"news#ann":{"recoverable":true,"positioned":true,"epoch":"e1","offset":1}},"ping":25,"pong":true}}"#;
//!     assert_eq!(perform(&mut connection, &store, now), [reply]);
//!
//!     store.push(row(2, r#"{"level":2}"#)?);
//!     connection.advance("e1", &store[1..], now);
//!     let push = r#"{"push":{"channel":"news#ann","pub":{"data":{"level":2},"offset":2}}}"#;
//!     assert_eq!(perform(&mut connection, &store, now), [push]);
//!     Ok(())
//! }
//! ```

mod code;
mod connection;
mod json;
mod message;

pub use crate::{
    code::{Close, ErrorCode},
    connection::{Action, Connection, Identity, LoadRequest, Loaded, Settings, Tally},
    message::{Credentials, NotJson, Payload, Publication},
};
