//! Status pushes, history and the order-status endpoint.

mod config;

pub use config::{Algorithm, Config, Project};
