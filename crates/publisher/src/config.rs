//! The `[publisher]` section, and what a project tells this role.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use httpd::Limits;
use schemars::JsonSchema;
use secret::Secret;
use serde::{Deserialize, Serialize};

/// The listener that game clients connect to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Address and port to listen on; port 0 takes a free one.
    #[schemars(with = "String")]
    pub listen: SocketAddr,
    /// Web origins that may connect and ask, such as `https://game.example`. Empty allows
    /// every origin: what counts is the player's token, and no cookie is ever read.
    pub allowed_origins: Vec<String>,
    /// The most open WebSocket connections of this process; more are answered 503.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_sockets: usize,
    /// The most open WebSocket connections of one player; one more closes the oldest.
    #[schemars(range(min = 1, max = 1_000))]
    pub max_sockets_per_player: usize,
    /// How often a client is pinged.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub ping_interval: Duration,
    /// How long a client may take to answer a ping before its connection is closed. Shorter
    /// than `ping_interval`.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub pong_timeout: Duration,
    /// How long a new connection may take to send its connect command, and then how long
    /// its answer may take. Clients give up after five seconds by themselves.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub connect_timeout: Duration,
    /// The largest frame a client may send, in bytes.
    #[schemars(range(min = 1_024, max = 1_048_576))]
    pub max_frame_bytes: usize,
    /// How long one message may wait until a client takes it. A client that reads more
    /// slowly is closed and catches up when it comes back.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub write_timeout: Duration,
    /// Reads of the ledger under way at once, of all clients together. Further ones wait.
    /// Keep it below `ledger.max_connections`, or other roles of the process wait too.
    #[schemars(range(min = 1, max = 500))]
    pub ledger_reads: usize,
    /// How often the positions of connected players are compared with the ledger. Repairs
    /// what a lost hint left out.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub position_check: Duration,
    /// Time over which connections are closed when the process drains, so that clients do
    /// not all reconnect at once.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub drain_spread: Duration,
    /// Limits of the listener.
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8081)),
            allowed_origins: Vec::new(),
            max_sockets: 50_000,
            max_sockets_per_player: 8,
            ping_interval: Duration::from_secs(25),
            pong_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(5),
            max_frame_bytes: 64 * 1024,
            write_timeout: Duration::from_secs(5),
            ledger_reads: 8,
            position_check: Duration::from_secs(30),
            drain_spread: Duration::from_secs(5),
            limits: Limits::default(),
        }
    }
}

/// How player tokens of one project are signed. One family per project: a token's own
/// header never chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum Algorithm {
    /// A secret shared with Xsolla Login: the default of a new Login project.
    HS256,
    /// An RSA key pair.
    RS256,
    /// An elliptic-curve key pair on P-256.
    ES256,
}

/// Whose tokens of a project are believed, and who the player is in them.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Project {
    /// How tokens are signed: `HS256`, `RS256` or `ES256`, as set in the Login project.
    pub algorithm: Algorithm,
    /// The shared secret of `HS256`.
    #[serde(default)]
    pub secret: Option<Secret>,
    /// The shared secret of `HS256` before it was exchanged, as long as players come with
    /// tokens of it: a day, where nobody has changed how long a token lives.
    #[serde(default)]
    pub previous_secret: Option<Secret>,
    /// Public keys of `RS256` or `ES256`, each in PEM form or as the JSON that Xsolla Login
    /// serves under `/api/projects/{login_project_id}/keys`; several while keys are
    /// exchanged.
    #[serde(default)]
    pub keys: Vec<Secret>,
    /// The issuer a token must name. It is shared by all studios, so it proves little
    /// without `login_project_id`.
    #[serde(default = "Project::issuer")]
    #[schemars(length(min = 1))]
    pub issuer: String,
    /// The Login project (a UUID) a token must name in `xsolla_login_project_id`.
    #[schemars(length(min = 1))]
    pub login_project_id: String,
    /// The claim that equals `user.external_id` in Xsolla's notices.
    #[serde(default = "Project::player_claim")]
    #[schemars(length(min = 1))]
    pub player_claim: String,
    /// How far clocks may differ when a token's times are checked.
    #[serde(default = "Project::leeway", with = "humantime_serde")]
    #[schemars(with = "String")]
    pub leeway: Duration,
}

impl Project {
    fn issuer() -> String {
        "https://login.xsolla.com".to_owned()
    }

    fn player_claim() -> String {
        "sub".to_owned()
    }

    const fn leeway() -> Duration {
        Duration::from_secs(30)
    }
}
