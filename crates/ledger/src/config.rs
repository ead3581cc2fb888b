//! The section `[ledger]`.

use std::time::Duration;

use schemars::JsonSchema;
use secret::{Endpoint, Secret, Tls};
use serde::Deserialize;

/// The database that is the truth.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// URL of the PostgreSQL primary: `postgres://user:password@host:port/database`.
    /// With any certificate in `tls` the connection is encrypted and the server verified,
    /// whatever `sslmode` says; with none it is as `sslmode` says, which is `prefer` where it
    /// is not there: encrypted if the server can, and nobody verified.
    pub url: Secret,
    /// Certificates for TLS, read when the process starts. Beside `ca` the authorities of the Mozilla list are trusted,
    /// which the driver brings along.
    #[serde(default)]
    pub tls: Tls,
    /// The most connections one process opens.
    #[serde(default = "Config::max_connections")]
    #[schemars(range(min = 1, max = 500))]
    pub max_connections: u32,
    /// How long a request waits for a free connection.
    #[serde(default = "Config::acquire_timeout", with = "humantime_serde")]
    #[schemars(with = "String")]
    pub acquire_timeout: Duration,
    /// How long a statement may wait for a row that another one has locked.
    #[serde(default = "Config::lock_timeout", with = "humantime_serde")]
    #[schemars(with = "String")]
    pub lock_timeout: Duration,
    /// How long a statement may take.
    #[serde(default = "Config::statement_timeout", with = "humantime_serde")]
    #[schemars(with = "String")]
    pub statement_timeout: Duration,
    /// How many of a player's newest status rows can be read; older ones count as trimmed.
    #[serde(default = "Config::history_rows")]
    #[schemars(range(min = 1, max = 100_000))]
    pub history_rows: u32,
}

impl Config {
    /// Everything at its default but the URL.
    #[must_use]
    pub fn at(url: Secret) -> Self {
        Self {
            url,
            tls: Tls::default(),
            max_connections: Self::max_connections(),
            acquire_timeout: Self::acquire_timeout(),
            lock_timeout: Self::lock_timeout(),
            statement_timeout: Self::statement_timeout(),
            history_rows: Self::history_rows(),
        }
    }

    /// Where the server is. `None` where `url` is no URL, or names a socket of this machine.
    #[must_use]
    pub fn endpoint(&self) -> Option<Endpoint> {
        crate::postgres::endpoint(self)
    }

    const fn max_connections() -> u32 {
        10
    }

    const fn acquire_timeout() -> Duration {
        Duration::from_secs(2)
    }

    const fn lock_timeout() -> Duration {
        Duration::from_secs(2)
    }

    const fn statement_timeout() -> Duration {
        Duration::from_secs(10)
    }

    const fn history_rows() -> u32 {
        1_000
    }
}
