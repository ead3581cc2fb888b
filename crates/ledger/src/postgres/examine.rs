//! The server's own word on itself.

use std::collections::BTreeSet;

use secret::Endpoint;
use sqlx::PgConnection;
use sqlx::postgres::PgSslMode;
use task::Role;
use time::OffsetDateTime;

use super::{Ledger, in_time, options};
use crate::{Config, Durability, Lacking, SchemaError, Server, Standbys};

/// What each role does with each table. Locking rows takes `UPDATE`.
const READS: &str = "SELECT";
const APPENDS: &str = "SELECT, INSERT";
const WRITES: &str = "SELECT, INSERT, UPDATE";

/// Whatever uses the ledger looks at its version first.
const EVERYBODY: [(&str, &str); 2] = [("_sqlx_migrations", READS), ("move", READS)];
const INGRESS: [(&str, &str); 2] = [
    ("players", READS),
    ("quarantine", "SELECT, INSERT, UPDATE, DELETE"),
];
const BOOKS: [(&str, &str); 12] = [
    ("identity", READS),
    ("notices", WRITES),
    ("transactions", WRITES),
    ("orders", WRITES),
    ("bookings", WRITES),
    ("booking_lines", APPENDS),
    ("obligations", WRITES),
    ("balances", WRITES),
    ("streams", WRITES),
    ("stream_rows", APPENDS),
    ("conflicts", APPENDS),
    ("parked", WRITES),
];
/// Workers look at queues and ledger for all the others.
const WATCHES: [(&str, &str); 2] = [("queue_heads", WRITES), ("queue_watch", "SELECT, UPDATE")];
const PUBLISHER: [(&str, &str); 4] = [
    ("identity", READS),
    ("orders", READS),
    ("streams", READS),
    ("stream_rows", READS),
];
const API: [(&str, &str); 1] = [("players", APPENDS)];

const EPOCH: &str = "ledger_epoch()";

#[derive(sqlx::FromRow)]
struct Facts {
    user: String,
    version: i32,
    is_standby: bool,
    tls: Option<String>,
    fsync: String,
    full_page_writes: String,
    synchronous_commit: String,
    synchronous_standby_names: String,
    sees_standbys: bool,
}

impl Ledger {
    pub(crate) async fn examine(
        &self,
        config: &Config,
        roles: &BTreeSet<Role>,
        now: fn() -> OffsetDateTime,
    ) -> Result<Server, SchemaError> {
        let mut connection = self.connect().await?;
        let looked = in_time(look(&mut connection, roles, now)).await;
        let (facts, clock_ahead, standbys, lacking) =
            looked.map_err(|source| self.unusable(source))?;
        let mode = options(config)?.get_ssl_mode();
        let is_verified =
            facts.tls.is_some() && matches!(mode, PgSslMode::VerifyCa | PgSslMode::VerifyFull);
        Ok(Server {
            at: self.at.clone(),
            user: facts.user,
            version: facts.version,
            is_standby: facts.is_standby,
            tls: facts.tls,
            is_verified,
            clock_ahead,
            durability: Durability {
                fsync: facts.fsync,
                full_page_writes: facts.full_page_writes,
                synchronous_commit: facts.synchronous_commit,
                synchronous_standby_names: facts.synchronous_standby_names,
                standbys,
            },
            lacking,
        })
    }
}

/// Where the server is, unless `ledger.url` is none or names a socket.
pub(crate) fn endpoint(config: &Config) -> Option<Endpoint> {
    let options = options(config).ok()?;
    let encrypted = match options.get_ssl_mode() {
        PgSslMode::Disable | PgSslMode::Allow | PgSslMode::Prefer => false,
        PgSslMode::Require | PgSslMode::VerifyCa | PgSslMode::VerifyFull => true,
    };
    let host = options.get_host();
    let is_socket = host.starts_with('/') || options.get_socket().is_some();
    (!is_socket).then(|| Endpoint {
        host: host.to_owned(),
        port: options.get_port(),
        encrypted,
    })
}

type Looked = (Facts, time::Duration, Option<Standbys>, Vec<Lacking>);

async fn look(
    connection: &mut PgConnection,
    roles: &BTreeSet<Role>,
    now: fn() -> OffsetDateTime,
) -> Result<Looked, sqlx::Error> {
    let facts: Facts = sqlx::query_as(
        "SELECT current_user::text AS user,
                current_setting('server_version_num')::int AS version,
                pg_is_in_recovery() AS is_standby,
                (SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl) AS tls,
                current_setting('fsync') AS fsync,
                current_setting('full_page_writes') AS full_page_writes,
                current_setting('synchronous_commit') AS synchronous_commit,
                current_setting('synchronous_standby_names') AS synchronous_standby_names,
                pg_has_role('pg_read_all_stats', 'USAGE') AS sees_standbys",
    )
    .fetch_one(&mut *connection)
    .await?;
    let asked_at = now();
    let theirs: OffsetDateTime = sqlx::query_scalar("SELECT clock_timestamp()")
        .fetch_one(&mut *connection)
        .await?;
    let clock_ahead = theirs - (asked_at + (now() - asked_at) / 2);
    let standbys = if facts.sees_standbys {
        Some(standbys(connection).await?)
    } else {
        None
    };
    let lacking = lacking(connection, roles).await?;
    Ok((facts, clock_ahead, standbys, lacking))
}

async fn standbys(connection: &mut PgConnection) -> Result<Standbys, sqlx::Error> {
    let (all, synchronous) = sqlx::query_as(
        "SELECT count(*), count(*) FILTER (WHERE sync_state IN ('sync', 'quorum'))
         FROM pg_stat_replication",
    )
    .fetch_one(connection)
    .await?;
    Ok(Standbys { all, synchronous })
}

/// The privileges that these roles need, table by table.
fn needed(roles: &BTreeSet<Role>) -> BTreeSet<(&'static str, &'static str)> {
    let tables = roles.iter().flat_map(|role| match role {
        Role::Ingress => INGRESS.to_vec(),
        Role::Worker => [&BOOKS[..], &WATCHES].concat(),
        Role::Publisher => PUBLISHER.to_vec(),
        // It books what a game server says of an order.
        Role::Api => [&BOOKS[..], &API].concat(),
    });
    let each = |(table, privileges): (&'static str, &'static str)| {
        privileges
            .split(", ")
            .map(move |privilege| (table, privilege))
    };
    tables.chain(EVERYBODY).flat_map(each).collect()
}

async fn lacking(
    connection: &mut PgConnection,
    roles: &BTreeSet<Role>,
) -> Result<Vec<Lacking>, sqlx::Error> {
    let (tables, privileges): (Vec<_>, Vec<_>) = needed(roles).into_iter().unzip();
    let mut lacking: Vec<Lacking> = sqlx::query_as(
        "SELECT privilege, name FROM unnest($1::text[], $2::text[]) AS needed (name, privilege)
         WHERE NOT has_table_privilege(to_regclass(name), privilege)
         ORDER BY name, privilege",
    )
    .bind(tables)
    .bind(privileges)
    .fetch_all(&mut *connection)
    .await?
    .into_iter()
    .map(|(privilege, object)| Lacking { privilege, object })
    .collect();
    let epoch = "SELECT coalesce(has_function_privilege(to_regprocedure($1), 'EXECUTE'), true)";
    let may_execute: bool = sqlx::query_scalar(epoch)
        .bind(EPOCH)
        .fetch_one(connection)
        .await?;
    if !may_execute {
        lacking.push(Lacking {
            privilege: "EXECUTE".to_owned(),
            object: format!("FUNCTION {EPOCH}"),
        });
    }
    Ok(lacking)
}
