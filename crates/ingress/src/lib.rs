//! The webhook role: verify, answer questions, enqueue.
//!
//! `POST /webhooks/xsolla/{project}` is the one route. A notice is answered 204 once the
//! broker has confirmed it, and is never judged here: what it means is the worker's
//! business. A question is answered from the players' source at once, for a buyer waits.
//! All answers stand in one table in `answer`.
//!
//! Invariants: nothing is parsed before its signature holds, but for the type of what may go
//! into quarantine; no 2xx for a notice before
//! the broker's confirm; no 4xx for anything signed but a question about a player who does
//! not exist.

mod address;
mod answer;
mod config;
mod keyring;
mod metrics;
mod network;
mod openapi;
mod players;
mod project;
mod quarantine;
mod rate;
mod receive;
mod report;
mod run;
mod spans;
mod studio;
mod web_shop;

pub use address::sender;
pub use config::{Config, Players, PlayersSource, Project, Quarantine, Studio, WebShop, WhenDown};
pub use network::{Network, NetworkError};
pub use openapi::describe;
pub use quarantine::KeyFault;
pub use run::{Deps, StartError, run};
