//! The interface of game servers and operators.
//!
//! A game server registers its players and the orders it creates, and reads what became of
//! them; an operator finds what was booked or parked and sends a parked notice through the
//! line again. Everything is below `/v1`, in JSON, for callers with a key of `[api.keys]`.
//!
//! Invariants: before a key holds, nothing is answered but the description of the paths; a
//! key that is restricted to projects never sees another one's rows; no player and no key
//! stands in a log line or a metric.

mod config;
mod fault;
mod keyring;
mod metrics;
mod openapi;
mod orders;
mod parked;
mod players;
mod projects;
mod query;
mod route;
mod run;
mod serve;
mod show;
mod spans;

pub use config::{Config, Key, Right};
pub use openapi::describe;
pub use parked::ParkedPage;
pub use projects::Project;
pub use run::{Deps, StartError, run};
pub use show::OrderDetail;
