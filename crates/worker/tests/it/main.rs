//! Lanes against real servers.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bench;
mod booking;
mod ear;
mod outage;
mod parking;
mod watching;
