//! The two stores. What the ledger promises it promises on both, so a test takes a store
//! and is run once on each.

use ledger::{Config, Ledger, LedgerError};
use rusqlite::Connection;
use sqlx::{AssertSqlSafe, Executor as _};
use testkit::{Database, Embedded, Postgres};

/// A store of one test, new and empty.
pub(crate) enum Store {
    Postgres(Box<Database>),
    Sqlite(Embedded),
}

/// Makes two tests of each function: one on PostgreSQL, one on the embedded file.
macro_rules! on_both_stores {
    (multi_thread: $($test:ident),+ $(,)?) => {
        on_both_stores!((flavor = "multi_thread") $($test),+);
    };
    ($($test:ident),+ $(,)?) => {
        on_both_stores!(() $($test),+);
    };
    ($runtime:tt $($test:ident),+) => {
        mod postgres {
            $(#[tokio::test $runtime]
            async fn $test() {
                super::$test($crate::stores::Store::postgres().await).await;
            })+
        }
        mod sqlite {
            $(#[tokio::test $runtime]
            async fn $test() {
                super::$test($crate::stores::Store::sqlite()).await;
            })+
        }
    };
}
pub(crate) use on_both_stores;

impl Store {
    pub(crate) async fn postgres() -> Self {
        Self::Postgres(Box::new(Postgres::database().await))
    }

    pub(crate) fn sqlite() -> Self {
        Self::Sqlite(Embedded::new())
    }

    pub(crate) fn ledger(&self) -> Ledger {
        match self {
            Self::Postgres(database) => database.ledger(),
            Self::Sqlite(file) => file.ledger(),
        }
    }

    /// A ledger of its own, with so many connections where there are any to count.
    pub(crate) fn ledger_with(&self, connections: u32) -> Ledger {
        match self {
            Self::Postgres(database) => Ledger::open(&Config {
                max_connections: connections,
                ..database.config()
            })
            .unwrap(),
            Self::Sqlite(file) => file.ledger(),
        }
    }

    /// A ledger that keeps so many rows of a stream.
    pub(crate) fn trimmed_to(&self, history_rows: u32) -> Ledger {
        match self {
            Self::Postgres(database) => Ledger::open(&Config {
                history_rows,
                ..database.config()
            })
            .unwrap(),
            Self::Sqlite(file) => Ledger::embedded(file.file(), history_rows),
        }
    }

    /// Writes past the ledger.
    pub(crate) async fn run(&self, sql: String) {
        self.try_to_run(sql).await.unwrap();
    }

    /// Writes past the ledger, where the store takes it.
    pub(crate) async fn try_to_run(&self, sql: String) -> Result<(), LedgerError> {
        match self {
            Self::Postgres(database) => {
                database.pool().execute(AssertSqlSafe(sql)).await?;
                Ok(())
            }
            Self::Sqlite(file) => {
                let run = move |connection: &Connection| Ok(connection.execute_batch(&sql)?);
                file.file().write(run).await
            }
        }
    }

    /// Reads one number past the ledger.
    pub(crate) async fn number(&self, sql: String) -> i64 {
        match self {
            Self::Postgres(database) => {
                let number = sqlx::query_scalar(AssertSqlSafe(sql));
                number.fetch_one(database.pool()).await.unwrap()
            }
            Self::Sqlite(file) => {
                let read = move |connection: &Connection| {
                    let number = connection.query_row(&sql, [], |row| row.get(0));
                    Ok::<_, LedgerError>(number?)
                };
                file.file().read(read).await.unwrap()
            }
        }
    }

    /// From now on refuses to tell anybody of this order: the last statement of a booking.
    pub(crate) async fn refuse(&self, order: i64) {
        let trigger = match self {
            Self::Postgres(_) => format!(
                "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
                     $$ BEGIN RAISE EXCEPTION 'not this order'; END $$;
                 CREATE TRIGGER refuse BEFORE INSERT ON stream_rows
                     FOR EACH ROW WHEN (NEW.order_id = {order}) EXECUTE FUNCTION refuse()"
            ),
            Self::Sqlite(_) => format!(
                "CREATE TRIGGER refuse BEFORE INSERT ON stream_rows WHEN NEW.order_id = {order}
                 BEGIN SELECT RAISE(ABORT, 'not this order'); END"
            ),
        };
        self.run(trigger).await;
    }
}
