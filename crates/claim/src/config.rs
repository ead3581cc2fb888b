//! The `[claim]` section.

use std::time::Duration;

use redis::ConnectionAddr;
use schemars::JsonSchema;
use secret::{Endpoint, Secret, Tls};
use serde::Deserialize;

/// Marks in Redis, which spare the ledger the common duplicate.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Address of a Redis of version 7 or later: `redis://user:password@host:6379/0`, or
    /// `rediss://` for TLS. Without it every notice goes to the ledger.
    #[serde(default)]
    pub url: Option<Secret>,
    /// Certificates for TLS; they need a `rediss://` address.
    #[serde(default)]
    pub tls: Tls,
    /// How long a worker may hold a notice before another one may claim it. Longer than
    /// the worst batch takes.
    #[serde(default = "Config::lease", with = "humantime_serde")]
    #[schemars(with = "String")]
    pub lease: Duration,
    /// How long a booked notice is remembered. Longer than Xsolla repeats one.
    #[serde(default = "Config::done_ttl", with = "humantime_serde")]
    #[schemars(with = "String")]
    pub done_ttl: Duration,
    /// Longest wait for an answer. After it Redis is passed over until it answers again.
    #[serde(default = "Config::timeout", with = "humantime_serde")]
    #[schemars(with = "String")]
    pub timeout: Duration,
    /// Put before every key, for a Redis that others use too.
    #[serde(default)]
    pub key_prefix: String,
}

impl Config {
    /// Everything at its default but the URL.
    #[must_use]
    pub fn at(url: Option<Secret>) -> Self {
        Self {
            url,
            tls: Tls::default(),
            lease: Self::lease(),
            done_ttl: Self::done_ttl(),
            timeout: Self::timeout(),
            key_prefix: String::new(),
        }
    }

    /// Where Redis is. `None` where there is no URL, or one that names a socket of this machine.
    #[must_use]
    pub fn endpoint(&self) -> Option<Endpoint> {
        let url = self.url.as_ref()?.reveal();
        let info = redis::IntoConnectionInfo::into_connection_info(&*url).ok()?;
        if let ConnectionAddr::Tcp(host, port) = info.addr() {
            return Some(Endpoint {
                host: host.clone(),
                port: *port,
                encrypted: false,
            });
        }
        if let ConnectionAddr::TcpTls { host, port, .. } = info.addr() {
            return Some(Endpoint {
                host: host.clone(),
                port: *port,
                encrypted: true,
            });
        }
        None
    }

    const fn lease() -> Duration {
        Duration::from_secs(30)
    }

    const fn done_ttl() -> Duration {
        Duration::from_hours(72)
    }

    const fn timeout() -> Duration {
        Duration::from_millis(250)
    }
}

impl Default for Config {
    /// Without Redis.
    fn default() -> Self {
        Self::at(None)
    }
}
