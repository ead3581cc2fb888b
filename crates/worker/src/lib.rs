//! Take, claim, book, acknowledge.
//!
//! A lane takes deliveries from one work queue, asks Redis which of them are known to be
//! done, books the rest in one ledger transaction, and only then acknowledges. Whatever
//! ends it in between leaves deliveries unacknowledged: they come again, and the ledger's
//! keys make the second time a no-op.
//!
//! What a kind of notice means is the business of a [`Handler`].

pub mod batch;
mod claims;
mod config;
mod entry;
mod epoch;
mod handler;
mod lane;
mod metrics;
mod parking;
mod record;
mod report;
mod run;
mod salvage;
mod settle;
mod spans;
mod watching;

pub use config::Config;
pub use handler::{Handler, Reading};
pub use record::Record;
pub use run::{Deps, run};
