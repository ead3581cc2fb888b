//! Take, claim, book, acknowledge.

mod handler;
mod record;

pub use handler::{Handler, Reading};
pub use record::Record;
