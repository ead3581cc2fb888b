//! The ledger on both of its stores: a real PostgreSQL and a real file.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod alike;
mod atomic;
mod concurrent;
mod dice;
mod moving;
mod notices;
mod orders;
mod parked;
mod postgres;
mod quarantine;
mod random;
mod sqlite;
mod stores;
mod streams;
mod survey;
mod traces;
mod transactions;
