//! What a PostgreSQL server says of itself, for whoever looks for what is wrong with it.

use std::collections::BTreeSet;

use task::Role;
use time::{Duration, OffsetDateTime};

use crate::{Config, SchemaError, postgres};

/// A server as it answered once. Nothing in it is judged.
#[derive(Clone, Debug)]
pub struct Server {
    /// Host, port and database, without user and password.
    pub at: String,
    /// Whom it takes us for.
    pub user: String,
    /// Its version as one number: 150018 is 15.18.
    pub version: i32,
    /// Whether it only follows another server, and takes no writes.
    pub is_standby: bool,
    /// The version of TLS on this connection; none where it is in the clear.
    pub tls: Option<String>,
    /// Whether a server that shows another certificate would be refused.
    pub is_verified: bool,
    /// How far its clock is ahead of ours, to the half of a round trip.
    pub clock_ahead: Duration,
    /// When it counts something as written.
    pub durability: Durability,
    /// What the user may not do and has to. Of tables that are missing nothing is said.
    pub lacking: Vec<Lacking>,
}

/// The settings that decide what a commit survives, as the server spells their values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Durability {
    /// Whether a commit waits for the disk.
    pub fsync: String,
    /// Whether a page that was half written can be mended.
    pub full_page_writes: String,
    /// What a commit waits for.
    pub synchronous_commit: String,
    /// Which standbys it waits for; empty for none.
    pub synchronous_standby_names: String,
    /// The standbys that are connected, where this user may see them.
    pub standbys: Option<Standbys>,
}

/// Connected standbys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standbys {
    /// All of them.
    pub all: i64,
    /// Those that commits wait for.
    pub synchronous: i64,
}

/// A privilege that is needed and not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lacking {
    /// As `GRANT` names it: `SELECT`.
    pub privilege: String,
    /// As `GRANT` names it: `orders`, or `FUNCTION ledger_epoch()`.
    pub object: String,
}

impl Server {
    /// Asks the server of `config` about itself and about what these roles need of it.
    /// Changes nothing. `now` reads our clock.
    ///
    /// # Errors
    /// When it cannot be reached, or refuses the user.
    pub async fn examine(
        config: &Config,
        roles: &BTreeSet<Role>,
        now: fn() -> OffsetDateTime,
    ) -> Result<Self, SchemaError> {
        postgres::Ledger::open_to_read(config)?
            .examine(config, roles, now)
            .await
    }
}
