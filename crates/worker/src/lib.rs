//! Take, claim, book, acknowledge.

mod handler;

pub use handler::{Handler, Reading};
