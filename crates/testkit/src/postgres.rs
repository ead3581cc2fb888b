//! Throw-away databases on the real server.

use std::hash::{BuildHasher as _, RandomState};
use std::str::FromStr as _;
use std::time::Duration;

use ledger::Ledger;
use secret::Secret;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _, PgConnection, PgPool};

use crate::required_url;

/// The server that `DATABASE_URL` names. Its user must be allowed to create databases.
#[derive(Clone, Copy, Debug)]
pub struct Postgres;

impl Postgres {
    /// A new database with the ledger's schema.
    ///
    /// # Panics
    /// When there is no server, or it does not let us create a database.
    pub async fn database() -> Database {
        let database = Self::empty_database().await;
        database.ledger.migrate().await.expect("migrations apply");
        database
    }

    /// A new database without any tables.
    ///
    /// # Panics
    /// When there is no server, or it does not let us create a database.
    pub async fn empty_database() -> Database {
        let server = PgConnectOptions::from_str(&required_url("DATABASE_URL"))
            .expect("DATABASE_URL is a URL of PostgreSQL")
            .disable_statement_logging();
        // Random, because test programs of several machines may share a server.
        let name = format!("testkit_{:016x}", RandomState::new().hash_one(()));
        // template0 has no sessions that could hold up the copy.
        let create = format!("CREATE DATABASE {name} TEMPLATE template0");
        execute(&server, create)
            .await
            .expect("the server of DATABASE_URL runs and lets its user create databases");
        let options = server.clone().database(&name);
        let url = options.to_url_lossy().to_string();
        let ledger = Ledger::open(&config(&url)).expect("the URL is one");
        let pool = PgPoolOptions::new()
            .max_connections(4)
            .acquire_timeout(PATIENCE)
            .connect_lazy_with(options);
        Database {
            server,
            name,
            url,
            ledger,
            pool,
        }
    }
}

/// A database of one test. Dropped with all its sessions when this is dropped.
#[derive(Debug)]
pub struct Database {
    server: PgConnectOptions,
    name: String,
    url: String,
    ledger: Ledger,
    pool: PgPool,
}

impl Database {
    /// Its URL, with user and password.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The section `[ledger]` for it, with time-outs that a loaded machine can keep.
    #[must_use]
    pub fn config(&self) -> ledger::Config {
        config(&self.url)
    }

    /// The ledger in it. Every call gives the same one.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        self.ledger.clone()
    }

    /// Gives it another epoch, as a restore from a snapshot does.
    ///
    /// # Panics
    /// When the database does not answer.
    pub async fn new_epoch(&self) {
        let drawn = "UPDATE identity SET id = substr(md5(gen_random_uuid()::text), 1, 12)";
        self.pool.execute(drawn).await.expect("a migrated database");
    }

    /// For looking at its tables past the ledger.
    #[must_use]
    pub const fn pool(&self) -> &PgPool {
        &self.pool
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), std::mem::take(&mut self.name));
        // A thread, because nobody waits for a future that is spawned while a runtime ends.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            let drop_database = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
            runtime.block_on(execute(&server, drop_database))?;
            anyhow::Ok(())
        });
        if let Ok(Err(fault)) = dropping.join() {
            tracing::warn!(fault = %format_args!("{fault:#}"), "A test's database stays behind");
        }
    }
}

const PATIENCE: Duration = Duration::from_mins(1);

fn config(url: &str) -> ledger::Config {
    ledger::Config {
        acquire_timeout: PATIENCE,
        lock_timeout: PATIENCE,
        statement_timeout: PATIENCE,
        ..ledger::Config::at(Secret::inline(url).expect("a URL is not empty"))
    }
}

async fn execute(server: &PgConnectOptions, statement: String) -> Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect_with(server).await?;
    // The one text that comes in is our own database name.
    connection.execute(sqlx::AssertSqlSafe(statement)).await?;
    connection.close().await
}
