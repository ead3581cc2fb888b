//! The interface of game servers and operators.

mod config;

pub use config::{Config, Key, Right};
