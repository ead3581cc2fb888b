//! Throw-away servers' corners, signer and clients for the tests

mod postgres;
mod proxy;
mod rabbitmq;
mod redis;
mod studio;

pub use postgres::{Database, Postgres};
pub use proxy::CuttingProxy;
pub use rabbitmq::{RabbitMq, Vhost};
pub use redis::{KeySpace, Redis};
pub use studio::{Asked, StudioService};

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
