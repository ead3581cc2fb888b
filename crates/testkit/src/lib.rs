//! Throw-away servers' corners, signer and clients for the tests

mod binary;
mod jwt;
mod postgres;
mod proxy;
mod rabbitmq;
mod redis;
mod studio;
mod websocket;

pub use binary::fresh_binary;
pub use jwt::{EC_PUBLIC, Jwt, RSA_PUBLIC};
pub use postgres::{Database, Postgres};
pub use proxy::CuttingProxy;
pub use rabbitmq::{RabbitMq, Vhost};
pub use redis::{KeySpace, Redis};
pub use studio::{Asked, StudioService};
pub use websocket::{Heard, WebSocket, WebSocketOptions};

/// The URL of a server that the tests need.
///
/// # Panics
/// When it is not set: a test that cannot run has not passed.
#[expect(
    clippy::disallowed_methods,
    reason = "the tests' servers are named by their environment"
)]
pub(crate) fn required_url(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!(
            "{name} is not set: run `make test`, or `make stack-up` and `source .stack/env` first"
        )
    })
}
