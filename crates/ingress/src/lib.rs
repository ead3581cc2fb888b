//! The webhook role: verify, answer questions, enqueue.

mod config;
mod network;

pub use config::{Config, Players, PlayersSource, Project, Studio, WebShop, WhenDown};
pub use network::{Network, NetworkError};
