//! Marks in Redis that spare the ledger the common duplicate.
//!
//! A hint and nothing more: the ledger's unique keys decide, and everything here may be
//! lost, late or wrong at any time without harm. Two rules keep it so. A mark is set only
//! after the commit it speaks of, and only a mark that equals the notice in fingerprint
//! and epoch lets the ledger be skipped; everything else goes to the ledger.

mod config;
mod diary;
mod keeper;
pub mod key;
mod metrics;
mod server;
mod store;

pub use config::Config;
pub use key::{Claimed, Key, Mark};
pub use server::{Server, Unusable};
pub use store::{Claims, State};
