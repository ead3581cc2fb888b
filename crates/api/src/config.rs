//! The `[api]` section.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};

use httpd::Limits;
use schemars::JsonSchema;
use secret::Secret;
use serde::{Deserialize, Serialize};

/// The listener of game servers and operators.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Address and port to listen on; port 0 takes a free one.
    #[schemars(with = "String")]
    pub listen: SocketAddr,
    /// Who may call, by name. Names stand in the logs; without a key nobody gets in.
    pub keys: BTreeMap<String, Key>,
    /// The most rows of one answer; the rest is read page by page.
    #[schemars(range(min = 1, max = 200))]
    pub max_page_rows: u32,
    /// Limits of the listener.
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8082)),
            keys: BTreeMap::new(),
            max_page_rows: 100,
            limits: Limits::default(),
        }
    }
}

/// One caller of the api.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// What the caller sends as `Authorization: Bearer …`.
    pub secret: Secret,
    /// What the caller may do: any of `register`, `read`, `bodies` and `replay`.
    #[schemars(length(min = 1))]
    pub rights: BTreeSet<Right>,
    /// Ids of the projects the caller may see; empty means all of them.
    #[serde(default)]
    pub projects: BTreeSet<i64>,
}

/// What a caller of the api may do.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Right {
    /// Register players and created orders: a game server.
    Register,
    /// Read orders, bookings, inventories and parked entries.
    Read,
    /// Read the bodies of parked entries too: they hold emails, addresses and names.
    Bodies,
    /// Replay parked entries: an operator.
    Replay,
}

impl Right {
    /// As in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::Read => "read",
            Self::Bodies => "bodies",
            Self::Replay => "replay",
        }
    }
}
