//! The ledger on a real PostgreSQL.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod atomic;
mod concurrent;
mod notices;
mod orders;
mod outages;
mod parked;
mod random;
mod schema;
mod streams;
mod transactions;
