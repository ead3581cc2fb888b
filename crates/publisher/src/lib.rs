//! The publisher role: status pushes, history and the order-status endpoint. Read-only.
//!
//! Game clients connect by WebSocket with the Centrifuge protocol, are let in by their
//! player's token, hear of every new status of their own orders, and can ask for what was
//! before. Those who cannot keep a socket open poll one order at a time.
//!
//! The ledger is the truth. A hint from the broker only says that there is something new;
//! it may be lost, repeated or late, and a comparison of positions with the ledger finds
//! what it left out. All rules of order and recovery are in `centrifuge`, without I/O; here
//! is its I/O.
//!
//! Invariants: who is asking comes from the verified token alone; nobody is sent a row of
//! another player; no token, and no player, is logged.

mod config;
mod credentials;
mod handshake;
mod hints;
pub mod hub;
pub mod mailbox;
mod metrics;
mod openapi;
mod order_status;
mod origins;
mod positions;
pub mod publication;
mod reader;
mod run;
mod service;
mod shared;
mod socket;
mod spans;
mod token;

pub use config::{Algorithm, Config, Project};
pub use openapi::describe;
pub use run::{Deps, RunError, run};
pub use token::KeyFault;
