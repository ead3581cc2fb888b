//! What Xsolla sends and what it expects back: notices ⇄ values, signature, error bodies.
//!
//! Nothing here knows HTTP, a queue or the ledger. Three rules shape the reading:
//!
//! * The signature stands over the raw bytes, so nothing here ever re-writes a body.
//! * Ids may come as numbers or as text, and everything but the keys of a notice may be
//!   missing, `null`, or an empty list in place of an object. A value we do not need is
//!   absent when it cannot be read; only a key makes a notice unreadable.
//! * Errors name the path and what was expected there, never the value: bodies hold
//!   personal data.

pub mod answer;
mod document;
mod error;
pub mod fixtures;
mod glance;
pub mod notice;
mod scalar;
pub mod signature;

pub use error::ReadError;
pub use glance::Glance;
pub use notice::Notice;
pub use signature::Digest;
