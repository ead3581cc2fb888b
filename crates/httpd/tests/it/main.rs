//! The server as its clients see it: raw bytes over real sockets.

mod admin;
mod drain;
mod limits;
mod peer;
mod service;
