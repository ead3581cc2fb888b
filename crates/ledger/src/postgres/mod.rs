//! The ledger on PostgreSQL: a file per table, `book` for the transaction over all of them.

mod address;
mod book;
mod bookings;
mod conflicts;
mod examine;
mod migrations;
mod moving;
mod notices;
mod orders;
mod parked;
mod players;
mod pool;
mod quarantine;
mod streams;
mod survey;
mod tls;
mod traces;
mod transactions;

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, Executor as _, PgConnection};
use telemetry::Meter;

use self::address::{Address, Settings};
use self::migrations::MIGRATIONS;
use self::pool::{Lent, POOL, Pool};
use crate::metrics::tell_pool;
use crate::{Config, LedgerError, SchemaError};

pub(crate) use examine::endpoint;

/// As the server's own views name our connections.
const NAME: &str = "grantline";

const SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];

/// How long the database may take to answer a new connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How to reach the server, with the certificates of the configuration.
fn options(config: &Config) -> Result<PgConnectOptions, SchemaError> {
    reaching(&config.url.reveal(), config)
}

fn reaching(url: &str, config: &Config) -> Result<PgConnectOptions, SchemaError> {
    // sqlx takes any scheme, and would look for PostgreSQL at a MySQL's address.
    if !SCHEMES.iter().any(|scheme| url.starts_with(scheme)) {
        let scheme = sqlx::Error::Configuration("another scheme".into());
        return Err(SchemaError::Url(scheme));
    }
    let options = PgConnectOptions::from_str(url).map_err(SchemaError::Url)?;
    Ok(tls::encrypted(options, &config.tls))
}

/// How to begin a session there with these settings.
fn session(
    url: &str,
    config: &Config,
    settings: Settings,
) -> Result<PgConnectOptions, SchemaError> {
    Ok(reaching(url, config)?
        .options(settings.iter().copied())
        .application_name(NAME)
        .options([
            ("lock_timeout", milliseconds(config.lock_timeout)),
            ("statement_timeout", milliseconds(config.statement_timeout)),
            ("idle_in_transaction_session_timeout", "15s".to_owned()),
        ]))
}

/// The ledger on a server. Clones share their connections.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    pool: Arc<Pool>,
    at: String,
    history_rows: i64,
}

impl Ledger {
    pub(crate) fn open(config: &Config) -> Result<Self, SchemaError> {
        Self::with(config, &[])
    }

    pub(crate) fn open_to_read(config: &Config) -> Result<Self, SchemaError> {
        Self::with(config, &[("default_transaction_read_only", "on")])
    }

    /// Every session begins with these settings.
    fn with(config: &Config, settings: Settings) -> Result<Self, SchemaError> {
        let address = Address::read(config, settings)?;
        Ok(Self {
            at: address.place(),
            pool: Arc::new(Pool::new(config, address)),
            history_rows: i64::from(config.history_rows),
        })
    }

    pub(crate) const fn history_rows(&self) -> i64 {
        self.history_rows
    }

    pub(crate) async fn migrate(&self) -> Result<(), SchemaError> {
        let mut connection = self.connect().await?;
        let migrate = |source| SchemaError::Migrate {
            at: self.at.clone(),
            source,
        };
        MIGRATIONS.run(&mut connection).await.map_err(migrate)
    }

    pub(crate) async fn check_schema(&self) -> Result<(), SchemaError> {
        let needed = MIGRATIONS
            .iter()
            .map(|migration| migration.version)
            .max()
            .unwrap_or(0);
        let mut connection = self.connect().await?;
        let applied = "SELECT coalesce(max(version), 0) FROM _sqlx_migrations WHERE success";
        let read = sqlx::query_scalar::<_, i64>(applied).fetch_one(&mut connection);
        let found = match in_time(read).await {
            Ok(found) => found,
            Err(error) if is_missing_table(&error) => 0,
            Err(source) => return Err(self.unusable(source)),
        };
        if found >= needed {
            let sql = "SELECT EXISTS (SELECT 1 FROM move WHERE finished_at IS NULL)";
            let read = sqlx::query_scalar::<_, bool>(sql).fetch_one(&mut connection);
            if in_time(read)
                .await
                .map_err(|source| self.unusable(source))?
            {
                let at = self.at.clone();
                return Err(SchemaError::Arriving { at });
            }
        }
        match found {
            found if found < needed => Err(SchemaError::Older {
                at: self.at.clone(),
                found,
                needed,
            }),
            found if found > needed => Err(SchemaError::Newer {
                at: self.at.clone(),
                found,
                known: needed,
            }),
            _ => Ok(()),
        }
    }

    /// A connection past the pool, which would only say that it has none; and without the
    /// pool's time-outs, for a migration may wait and work for long.
    async fn connect(&self) -> Result<PgConnection, SchemaError> {
        let unlimited = [("lock_timeout", "0"), ("statement_timeout", "0")];
        let options = self.pool.server().options(unlimited);
        let connected = in_time(PgConnection::connect_with(&options)).await;
        connected.map_err(|source| self.unusable(source))
    }

    fn unusable(&self, source: sqlx::Error) -> SchemaError {
        SchemaError::Connect {
            at: self.at.clone(),
            source,
        }
    }

    pub(crate) fn measure(&self, meter: &Meter) {
        self.pool.measure(telemetry::durations(
            meter,
            "db.client.connection.wait_time",
            "How long an operation on the ledger waited for a connection",
        ));
        let pool = Arc::clone(&self.pool);
        tell_pool(meter, POOL, move || pool.in_use());
    }

    pub(crate) async fn ping(&self) -> Result<(), LedgerError> {
        let answer =
            |mut connection: Lent| async move { Ok(connection.execute("SELECT 1").await?) };
        self.pool.within(answer).await?;
        Ok(())
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }
}

/// What a role does before it works has a bound of its own.
async fn in_time<T>(
    answer: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    let silence = |_| std::io::Error::from(std::io::ErrorKind::TimedOut).into();
    let answered = tokio::time::timeout(CONNECT_TIMEOUT, answer).await;
    answered.map_err(silence).flatten()
}

fn milliseconds(duration: Duration) -> String {
    format!("{}ms", duration.as_millis())
}

/// `undefined_table`
fn is_missing_table(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code)
        .is_some_and(|code| code == "42P01")
}
