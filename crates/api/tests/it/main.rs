//! The api on real servers.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bench;
mod faults;
mod keys;
mod orders;
mod parked;
mod players;
mod silence;
