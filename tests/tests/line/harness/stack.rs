//! What a line works on: servers behind proxies that can be cut, or one file.

use broker::{Broker, EmbeddedConfig};
use claim::Claims;
use ledger::{Ledger, LedgerError};
use rusqlite::types::Value;
use secret::Secret;
use sqlx::{AssertSqlSafe, Executor as _};
use telemetry::Telemetry;
use testkit::{CuttingProxy, Database, KeySpace, Postgres, RabbitMq, Redis, Vhost};

use super::eventually;

/// Which of the two.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Stack {
    #[default]
    Cluster,
    Embedded,
}

/// Makes two tests of each function, one on each stack.
macro_rules! on_both_stacks {
    ($($test:ident),+ $(,)?) => {
        mod on_servers {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test($crate::harness::Stack::Cluster).await;
            })+
        }
        mod on_one_file {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test($crate::harness::Stack::Embedded).await;
            })+
        }
    };
}
pub(crate) use on_both_stacks;

pub(crate) enum Servers {
    Cluster(Box<Cluster>),
    Embedded(Box<Embedded>),
}

/// A throw-away database, a throw-away virtual host, keys of its own.
pub(crate) struct Cluster {
    pub(crate) database: Database,
    pub(crate) vhost: Vhost,
    pub(crate) keys: KeySpace,
    pub(crate) to_database: CuttingProxy,
    pub(crate) to_broker: CuttingProxy,
    pub(crate) to_redis: CuttingProxy,
}

/// A throw-away file, and the one broker on it.
pub(crate) struct Embedded {
    broker: Broker,
    file: testkit::Embedded,
}

impl Servers {
    pub(crate) async fn start(stack: Stack, telemetry: &Telemetry) -> Self {
        match stack {
            Stack::Cluster => Self::Cluster(Box::new(Cluster::start().await)),
            Stack::Embedded => {
                let file = testkit::Embedded::new();
                let meter = telemetry.meter("broker");
                let broker = Broker::embedded(file.file(), EmbeddedConfig::default(), &meter);
                let broker = broker.await.unwrap();
                Self::Embedded(Box::new(Embedded { broker, file }))
            }
        }
    }

    /// A role's own ledger.
    pub(super) fn ledger_of_a_role(&self) -> Ledger {
        match self {
            Self::Cluster(cluster) => Ledger::open(&ledger::Config {
                url: Secret::inline(cluster.to_database.url(cluster.database.url())).unwrap(),
                ..cluster.database.config()
            })
            .unwrap(),
            Self::Embedded(embedded) => embedded.file.ledger(),
        }
    }

    /// A role's own connections, as separate processes have them; on a file the one there is.
    pub(super) fn broker_of_a_role(&self, role: &str, telemetry: &Telemetry) -> Broker {
        match self {
            Self::Cluster(cluster) => {
                let config = cluster.vhost.config_through(&cluster.to_broker);
                Broker::connect(config, role, &telemetry.meter("broker"))
            }
            Self::Embedded(embedded) => embedded.broker.clone(),
        }
    }

    pub(super) fn claims_of_a_role(&self, telemetry: &Telemetry) -> Claims {
        let config = match self {
            Self::Cluster(cluster) => {
                let url = cluster.to_redis.url(&cluster.keys.url);
                claim::Config {
                    key_prefix: cluster.keys.prefix.clone(),
                    ..claim::Config::at(Some(Secret::inline(url).unwrap()))
                }
            }
            Self::Embedded(_) => claim::Config::at(None),
        };
        Claims::connect(config, &telemetry.meter("claim"))
    }

    /// The ledger, past the proxy.
    pub(crate) fn ledger(&self) -> Ledger {
        match self {
            Self::Cluster(cluster) => cluster.database.ledger(),
            Self::Embedded(embedded) => embedded.file.ledger(),
        }
    }

    /// Waits until no message is left on any queue, held or waiting.
    pub(crate) async fn queues_are_empty(&self) {
        const QUEUES: [&str; 7] = [
            "grant", "revoke", "record", "retry.5s", "retry.1m", "parked", "unrouted",
        ];
        match self {
            Self::Cluster(cluster) => {
                for queue in QUEUES {
                    let queue = format!("grantline.{queue}.v1");
                    cluster.vhost.wait_for_messages(&queue, 0).await;
                }
            }
            Self::Embedded(_) => {
                eventually("the queues are empty", async || {
                    self.rows("queue_places").await.is_empty()
                })
                .await;
            }
        }
    }

    /// Writes past the ledger, in the words of each store.
    pub(crate) async fn run(&self, postgres: &'static str, sqlite: &'static str) {
        match self {
            Self::Cluster(cluster) => {
                cluster.database.pool().execute(postgres).await.unwrap();
            }
            Self::Embedded(embedded) => {
                let run = |connection: &rusqlite::Connection| Ok(connection.execute_batch(sqlite)?);
                let ran: Result<(), LedgerError> = embedded.file.file().write(run).await;
                ran.unwrap();
            }
        }
    }

    /// Every row of a table, in some words that are equal for equal rows, sorted.
    pub(crate) async fn rows(&self, table: &str) -> Vec<String> {
        let mut rows = match self {
            Self::Cluster(cluster) => {
                let rows = AssertSqlSafe(format!("SELECT to_jsonb(t)::text FROM {table} t"));
                let rows = sqlx::query_scalar(rows).fetch_all(cluster.database.pool());
                rows.await.unwrap()
            }
            Self::Embedded(embedded) => {
                let sql = format!("SELECT * FROM {table}");
                let read = move |connection: &rusqlite::Connection| -> Result<_, LedgerError> {
                    let mut statement = connection.prepare(&sql)?;
                    let columns = statement.column_count();
                    let row = |row: &rusqlite::Row<'_>| {
                        let values: rusqlite::Result<Vec<Value>> =
                            (0..columns).map(|column| row.get(column)).collect();
                        Ok(format!("{:?}", values?))
                    };
                    let rows = statement.query_map([], row)?;
                    Ok(rows.collect::<Result<Vec<String>, _>>()?)
                };
                embedded.file.file().read(read).await.unwrap()
            }
        };
        rows.sort();
        rows
    }

    /// Kind and reference of every notice that has ended.
    pub(crate) async fn ended(&self) -> Vec<(String, String)> {
        const ENDED: &str = "SELECT kind, ref FROM notices WHERE outcome IS NOT NULL";
        match self {
            Self::Cluster(cluster) => {
                let ended = sqlx::query_as(ENDED).fetch_all(cluster.database.pool());
                ended.await.unwrap()
            }
            Self::Embedded(embedded) => {
                let read = |connection: &rusqlite::Connection| -> Result<_, LedgerError> {
                    let mut statement = connection.prepare(ENDED)?;
                    let ended = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
                    Ok(ended.collect::<Result<Vec<_>, _>>()?)
                };
                embedded.file.file().read(read).await.unwrap()
            }
        }
    }
}

impl Cluster {
    async fn start() -> Self {
        let (database, vhost) = tokio::join!(Postgres::database(), RabbitMq::vhost());
        let keys = Redis::key_space();
        Self {
            to_database: CuttingProxy::before(database.url()).await,
            to_broker: CuttingProxy::before(vhost.url()).await,
            to_redis: CuttingProxy::before(&keys.url).await,
            database,
            vhost,
            keys,
        }
    }
}
