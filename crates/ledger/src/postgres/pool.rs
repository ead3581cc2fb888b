//! The connections to PostgreSQL, and a bound on how long anybody waits for one.
//!
//! A server that vanishes without closing its connections is noticed by nobody: sqlx 0.9
//! waits for its answer for ever, even when it only rolls back a connection on the way
//! back to the pool. So every operation has a deadline, and when the server has been
//! silent for that long, all connections are given up for new ones.
//!
//! Invariant: connections are given up no sooner than one deadline after they were.

use std::io::ErrorKind;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use opentelemetry::metrics::Histogram;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Executor as _, PgPool, Postgres};
use tokio::time::{Instant, timeout};

use super::address::Address;
use crate::metrics::{PoolUse, pool_labels};
use crate::{Config, LedgerError, StoreError};

/// How many statements at their time limit fit into the deadline of an operation.
const STATEMENTS: u32 = 3;

/// Ends whatever transaction a connection is in. Where it is in none, a `ROLLBACK` alone
/// would have the server log a warning each time; in an aborted one `BEGIN` fails, and the
/// connection is closed.
const END_TRANSACTION: &str = "BEGIN; ROLLBACK";

/// How long closing waits for what is under way.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// As the metrics name it.
pub(super) const POOL: &str = "ledger";

/// A connection, for one operation.
pub(super) type Lent = PoolConnection<Postgres>;

#[derive(Debug)]
pub(super) struct Pool {
    options: PgPoolOptions,
    server: Address,
    deadline: Duration,
    current: Mutex<Current>,
    /// Told how long each operation waited for its connection.
    waits: OnceLock<Histogram<f64>>,
}

/// The connections in use.
#[derive(Clone, Debug)]
struct Current {
    pool: PgPool,
    /// How often all connections were given up before these.
    renewals: u64,
    /// When the server last answered on one of them, at first when they were made.
    heard_at: Instant,
}

impl Pool {
    /// Connects lazily: the server may be away.
    pub(super) fn new(config: &Config, server: Address) -> Self {
        let statements = config.statement_timeout.saturating_mul(STATEMENTS);
        let deadline = config.acquire_timeout.saturating_add(statements);
        let options = PgPoolOptions::new()
            .max_connections(config.max_connections)
            .acquire_timeout(config.acquire_timeout)
            // sqlx 0.9.0 can return a connection with an open transaction to the pool when
            // `begin` is cancelled; the next user would then never commit.
            .after_release(move |connection, _| {
                Box::pin(async move {
                    let rolled_back = timeout(deadline, connection.execute(END_TRANSACTION)).await;
                    rolled_back.map_err(|_| silence())??;
                    Ok(true)
                })
            });
        let pool = options.clone().connect_lazy_with(server.options());
        Self {
            options,
            server,
            deadline,
            current: Mutex::new(Current {
                pool,
                renewals: 0,
                heard_at: Instant::now(),
            }),
            waits: OnceLock::new(),
        }
    }

    /// Tells `waits` from now on how long operations wait for their connection. The first one
    /// to be given stays.
    pub(super) fn measure(&self, waits: Histogram<f64>) {
        let _ = self.waits.set(waits);
    }

    /// How many connections there are.
    pub(super) fn in_use(&self) -> PoolUse {
        let pool = self.current().pool.clone();
        let idle = pool.num_idle() as u64;
        PoolUse {
            idle,
            used: u64::from(pool.size()).saturating_sub(idle),
            max: u64::from(self.options.get_max_connections()),
        }
    }

    async fn lend(&self, pool: PgPool) -> Result<Lent, sqlx::Error> {
        let asked = Instant::now();
        let lent = pool.acquire().await;
        if let Some(waits) = self.waits.get() {
            waits.record(asked.elapsed().as_secs_f64(), &pool_labels(POOL));
        }
        lent
    }

    /// How to reach the server now.
    pub(super) fn server(&self) -> PgConnectOptions {
        let _current = self.refreshed();
        self.server.options()
    }

    /// The connections in use, of which new ones are made as the configuration has it now.
    /// Looked at under the lock that `give_up` holds: one that began with the options before
    /// would keep them for good.
    fn refreshed(&self) -> MutexGuard<'_, Current> {
        let current = self.current();
        if let Some(exchanged) = self.server.exchanged() {
            // Those that are open go on: the server has let them in.
            current.pool.set_connect_options(exchanged);
        }
        current
    }

    /// Runs an operation on a connection of its own, for as long as the configuration allows at most. What is then
    /// still under way is dropped, and may or may not be committed.
    pub(super) async fn within<T, F>(
        &self,
        operation: impl FnOnce(Lent) -> F,
    ) -> Result<T, LedgerError>
    where
        F: Future<Output = Result<T, LedgerError>>,
    {
        let Current { pool, renewals, .. } = self.refreshed().clone();
        let ending = async { operation(self.lend(pool).await?).await };
        let Ok(ended) = timeout(self.deadline, ending).await else {
            self.give_up(renewals);
            return Err(LedgerError::Unavailable(silence().into()));
        };
        if !ended.as_ref().is_err_and(is_silence) {
            self.heard(renewals);
        } else if self.is_silent() {
            // Nothing of it waited for long: every connection may be held by a reader that
            // has given up, and cannot be rolled back.
            self.give_up(renewals);
        }
        ended
    }

    /// Waits a little for what is under way, then closes every connection.
    pub(super) async fn close(&self) {
        let pool = self.current().pool.clone();
        if timeout(CLOSE_TIMEOUT, pool.close()).await.is_err() {
            tracing::warn!("The database does not answer: its connections are left open");
        }
    }

    fn heard(&self, renewals: u64) {
        let mut current = self.current();
        if current.renewals == renewals {
            current.heard_at = Instant::now();
        }
    }

    fn is_silent(&self) -> bool {
        self.current().heard_at.elapsed() > self.deadline
    }

    /// Replaces the connections that were in use after so many renewals, unless somebody
    /// else has. Operations that are still on them go on; nobody waits for them to close.
    fn give_up(&self, renewals: u64) {
        let mut current = self.current();
        if current.renewals != renewals || current.pool.is_closed() {
            return;
        }
        let pool = self
            .options
            .clone()
            .connect_lazy_with(self.server.options());
        let old = std::mem::replace(
            &mut *current,
            Current {
                pool,
                renewals: renewals + 1,
                heard_at: Instant::now(),
            },
        );
        drop(current);
        tracing::warn!(
            connections = old.pool.size(),
            "The database does not answer: its connections are given up"
        );
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        // Nothing is left half done under the lock.
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn silence() -> sqlx::Error {
    std::io::Error::from(ErrorKind::TimedOut).into()
}

/// Whether the server, as far as one operation can tell, said nothing at all.
const fn is_silence(error: &LedgerError) -> bool {
    matches!(
        error,
        LedgerError::Unavailable(StoreError::Server(
            sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::PoolTimedOut
        ))
    )
}

#[cfg(test)]
mod tests {
    use std::fs;

    use secret::Secret;
    use sqlx::{Connection as _, PgConnection};

    use super::*;

    #[tokio::test]
    async fn whoever_began_with_the_wrong_user_is_let_in_once_the_file_is_corrected() {
        let database = testkit::Postgres::empty_database().await;
        let (scheme, rest) = database.url().split_once("://").unwrap();
        let (_, at) = rest.split_once('@').unwrap();
        let folder = testkit::Folder::new();
        let file = folder.join("url");
        fs::write(&file, format!("{scheme}://nobody-at-all:wrong@{at}")).unwrap();
        let config = Config::at(Secret::from_file(&file).unwrap());
        let pool = Pool::new(&config, Address::read(&config, &[]).unwrap());
        let refused = PgConnection::connect_with(&pool.server()).await;
        assert!(refused.is_err(), "the wrong user is let in");

        fs::write(&file, database.url()).unwrap();
        // A file is looked at once a second.
        let deadline = Instant::now() + Duration::from_secs(30);
        while let Err(error) = PgConnection::connect_with(&pool.server()).await {
            assert!(Instant::now() < deadline, "{error}");
        }
        let ask = |mut connection: Lent| async move { Ok(connection.execute("SELECT 1").await?) };
        pool.within(ask).await.unwrap();
    }

    #[tokio::test]
    async fn a_connection_is_in_no_transaction_when_the_next_one_gets_it() {
        let database = testkit::Postgres::empty_database().await;
        let mut config = Config::at(Secret::inline(database.url()).unwrap());
        config.max_connections = 1;
        let pool = Pool::new(&config, Address::read(&config, &[]).unwrap());
        let create = |mut connection: Lent| async move {
            Ok(connection.execute("CREATE TABLE t (n int)").await?)
        };
        pool.within(create).await.unwrap();
        let connections = pool.current().pool.clone();
        let mut witness = PgConnection::connect(database.url()).await.unwrap();
        let leftovers = [
            "BEGIN; INSERT INTO t VALUES (1)",
            "BEGIN; SELECT 1 / 0",
            "SELECT 1",
        ];
        for (committed, leftover) in (1_i64..).zip(leftovers) {
            let mut connection = connections.acquire().await.unwrap();
            // The second one fails: that is how a transaction is aborted.
            let _ = connection.execute(leftover).await;
            drop(connection);
            let insert = |mut connection: Lent| async move {
                Ok(connection.execute("INSERT INTO t VALUES (2)").await?)
            };
            pool.within(insert).await.unwrap();
            let rows = "SELECT count(*) FROM t";
            let seen: i64 = sqlx::query_scalar(rows)
                .fetch_one(&mut witness)
                .await
                .unwrap();
            assert_eq!(seen, committed, "after {leftover:?}");
        }
    }
}
