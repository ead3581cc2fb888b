//! The `[ingress]` section, and what a project tells this role.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::time::Duration;

use httpd::Limits;
use schemars::JsonSchema;
use secret::Secret;
use serde::{Deserialize, Serialize};

use crate::quarantine::KeyFault;
use crate::{Network, quarantine};

/// The listener that takes Xsolla's webhooks.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Address and port to listen on; port 0 takes a free one.
    #[schemars(with = "String")]
    pub listen: SocketAddr,
    /// How many proxies of your own stand in front and append to `X-Forwarded-For`. The
    /// sender's address is that many entries from the right; with 0 it is the connection's
    /// other end, and the header is ignored.
    #[schemars(range(max = 8))]
    pub proxies: u8,
    /// Networks webhooks are taken from, such as `185.30.20.0/24`; empty takes them from
    /// anywhere, the signature decides.
    pub sources: Vec<Network>,
    /// Longest time from a request's head to its answer. Xsolla advises less than three
    /// seconds; what is not done by then is answered 503 and comes again.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub deadline: Duration,
    /// Most requests a second that this process looks at, and as many at once; the others are
    /// answered 503 and come again. Without it the number of connections and what the broker
    /// takes are the limit.
    pub requests_per_second: Option<NonZeroU32>,
    /// Limits of the listener.
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8080)),
            proxies: 0,
            sources: Vec::new(),
            deadline: Duration::from_millis(2_500),
            requests_per_second: None,
            limits: Limits::default(),
        }
    }
}

/// What this role knows of one project. `app` composes it from the project's table.
#[derive(Clone, Debug)]
pub struct Project {
    /// Secrets that sign webhooks, in the order they are tried: never empty.
    pub webhook_secrets: Vec<Secret>,
    /// Secrets that sign order events where they differ; empty where they do not.
    pub order_webhook_secrets: Vec<Secret>,
    /// Who knows the players.
    pub players: Players,
    /// The studio's own HTTP service, where there is one.
    pub studio: Option<Studio>,
    /// The unsigned check of the Web Shop.
    pub web_shop: WebShop,
    /// What becomes of webhooks that no secret fits.
    pub quarantine: Quarantine,
}

/// Who says whether a player exists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PlayersSource {
    /// The ledger: players that game servers registered over the api.
    #[default]
    Ledger,
    /// The project's `studio` service.
    Studio,
}

/// What a question is answered while nobody can say whether the player exists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum WhenDown {
    /// 503: the player sees an error, the purchase does not start.
    #[default]
    Unavailable,
    /// Yes, with a warning in the log and a metric: whoever pays for a player that does
    /// not exist is granted something nobody can use.
    Allow,
}

/// Whom a project asks about its players, and how long an answer is good for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Players {
    /// Who says whether a player exists: `ledger`, or `studio` for the studio's service.
    pub source: PlayersSource,
    /// How long the source may take before it counts as down.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub deadline: Duration,
    /// How long a player that was found is remembered, to bridge an outage of the source.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub remember_for: Duration,
    /// The most players remembered; 0 remembers none.
    #[schemars(range(max = 10_000_000))]
    pub remember_max: u64,
    /// The answer while the source is down and the player is not remembered:
    /// `unavailable` (503), or `allow` (yes, with a warning).
    pub when_down: WhenDown,
}

impl Default for Players {
    fn default() -> Self {
        Self {
            source: PlayersSource::Ledger,
            deadline: Duration::from_millis(800),
            remember_for: Duration::from_hours(24),
            remember_max: 100_000,
            when_down: WhenDown::Unavailable,
        }
    }
}

/// The studio's own HTTP service: it answers questions that Grantline cannot.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Studio {
    /// Base address, `https://…` or `http://…`, without a query, user or password. Below it
    /// the body of each question is posted as it came from Xsolla: to `/players` (200 or 204
    /// for a known player, 404 or 400 for an unknown one), to `/catalogue` (200 and the
    /// list, 404 for an unknown player) and to `/pincode` (200 and the key).
    #[schemars(regex(pattern = r"^https?://[^?#@]+$"))]
    pub url: String,
    /// Value of the `Authorization` header that is sent along.
    #[serde(default)]
    pub authorization: Option<Secret>,
    /// How long an answer for the catalogue or a pin code may take. Below
    /// `ingress.deadline`.
    #[serde(default = "Studio::deadline", with = "humantime_serde")]
    #[schemars(with = "String")]
    pub deadline: Duration,
    /// The largest answer taken, in bytes.
    #[serde(default = "Studio::max_answer_bytes")]
    #[schemars(range(min = 1_024, max = 16_777_216))]
    pub max_answer_bytes: usize,
    /// The most requests of one process that are under way at once; more of them wait, and
    /// are answered 503 when their time is over.
    #[serde(default = "Studio::in_flight")]
    #[schemars(range(min = 1, max = 10_000))]
    pub in_flight: usize,
}

impl Studio {
    const fn deadline() -> Duration {
        Duration::from_secs(2)
    }

    const fn max_answer_bytes() -> usize {
        256 * 1024
    }

    const fn in_flight() -> usize {
        256
    }
}

/// The Web Shop asks without a signature whether a player exists.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WebShop {
    /// Whether the unsigned check is answered at all.
    pub enabled: bool,
    /// Networks it is answered to, such as `34.102.38.178`; needed when it is enabled.
    pub sources: Vec<Network>,
}

/// Grace for a secret that was exchanged at Xsolla and not here: what becomes of a webhook
/// from `ingress.sources` that no secret of the project fits.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Quarantine {
    /// Whether the body of a webhook from `ingress.sources` that no secret fits is kept,
    /// encrypted, until one does, and answered 503. Otherwise the answer is 400, which Xsolla
    /// takes as final. Needs `key` and `ingress.sources`. Off with a key set takes nothing
    /// new and still replays what is there.
    #[serde(default)]
    pub enabled: bool,
    /// Encrypts the bodies: 32 random bytes, as 64 hexadecimal digits or as base64. What
    /// another key has encrypted waits until that one is back, or expires.
    #[serde(default)]
    pub key: Option<Secret>,
    /// How long a body waits for its secret before it is given up.
    #[serde(default = "Quarantine::keep_for", with = "humantime_serde")]
    #[schemars(with = "String")]
    pub keep_for: Duration,
    /// The most bodies kept; more are answered 503 and not kept.
    #[serde(default = "Quarantine::max_bodies")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_bodies: u32,
    /// The most bytes kept, of all bodies together.
    #[serde(default = "Quarantine::max_bytes")]
    #[schemars(range(min = 1_024, max = 1_073_741_824))]
    pub max_bytes: u64,
}

impl Default for Quarantine {
    fn default() -> Self {
        Self {
            enabled: false,
            key: None,
            keep_for: Self::keep_for(),
            max_bodies: Self::max_bodies(),
            max_bytes: Self::max_bytes(),
        }
    }
}

impl Quarantine {
    /// Checks that there is a key where one is needed, and that it is one.
    ///
    /// # Errors
    /// When it is missing, or no 32 bytes.
    pub fn check(&self) -> Result<(), KeyFault> {
        match &self.key {
            Some(key) => quarantine::check_key(key),
            None if self.enabled => Err(KeyFault::Missing),
            None => Ok(()),
        }
    }

    const fn keep_for() -> Duration {
        Duration::from_hours(72)
    }

    const fn max_bodies() -> u32 {
        10_000
    }

    const fn max_bytes() -> u64 {
        64 * 1024 * 1024
    }
}
