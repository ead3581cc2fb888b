//! The two back ends, as the claims about both of them see them.

use std::time::Duration;

use broker::{Broker, EmbeddedConfig, Tier};
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use serde_json::{Map, Value, json};
use sqlite::{File, ReadError, WriteError};
use testkit::{Folder, RabbitMq, Vhost};
use tokio::sync::Mutex;

use crate::connect;

/// A throw-away broker.
pub(crate) enum Stack {
    RabbitMq(Vhost),
    Embedded(Embedded),
}

/// A file of one test.
pub(crate) struct Embedded {
    pub(crate) file: File,
    pub(crate) config: EmbeddedConfig,
    _folder: Folder,
    /// One process has one broker on the file; it is opened anew after it was closed.
    broker: Mutex<Option<Broker>>,
}

impl Stack {
    pub(crate) async fn rabbitmq() -> Self {
        Self::RabbitMq(RabbitMq::vhost().await)
    }

    pub(crate) fn embedded() -> Self {
        Self::Embedded(Embedded::new())
    }

    /// A handle on it: on RabbitMQ a new one each time, on the file the one there is.
    pub(crate) async fn broker(&self) -> Broker {
        match self {
            Self::RabbitMq(vhost) => connect(vhost.config()).await,
            Self::Embedded(embedded) => embedded.broker().await,
        }
    }

    /// A tier, and how long a task really waits in it here.
    pub(crate) async fn short_tier(&self) -> (Tier, Duration) {
        match self {
            Self::RabbitMq(vhost) => {
                let short = json!({
                    "message-ttl": 1_500,
                    "dead-letter-exchange": "grantline.tasks.v1",
                    "dead-letter-strategy": "at-least-once",
                    "overflow": "reject-publish",
                });
                vhost
                    .set_policy("short", "^grantline.retry.1m", short)
                    .await;
                (Tier::OneMinute, Duration::from_millis(1_500))
            }
            Self::Embedded(_) => (Tier::FiveSeconds, Duration::from_secs(5)),
        }
    }

    pub(crate) async fn with_delivery_limit(self, limit: u32) -> Self {
        let mut limited = self;
        match &mut limited {
            Self::RabbitMq(vhost) => work_policy(vhost, "delivery-limit", limit.into()).await,
            Self::Embedded(embedded) => {
                embedded.config.delivery_limit = limit.try_into().unwrap();
            }
        }
        limited
    }

    pub(crate) async fn with_queue_bytes(self, bytes: u64) -> Self {
        let mut limited = self;
        match &mut limited {
            Self::RabbitMq(vhost) => work_policy(vhost, "max-length-bytes", bytes.into()).await,
            Self::Embedded(embedded) => {
                embedded.config.work_queue_bytes = bytes.try_into().unwrap();
            }
        }
        limited
    }

    /// Puts a message on a lane's queue that is no task.
    pub(crate) async fn put_foreign(&self, lane: &'static str, body: &'static [u8]) {
        match self {
            Self::RabbitMq(vhost) => {
                let properties = lapin::ConnectionProperties::default();
                let stranger = lapin::Connection::connect(vhost.url(), properties);
                let channel = stranger.await.unwrap().create_channel().await.unwrap();
                channel
                    .confirm_select(ConfirmSelectOptions::default())
                    .await
                    .unwrap();
                let confirm = channel.basic_publish(
                    "grantline.tasks.v1".into(),
                    lane.into(),
                    BasicPublishOptions::default(),
                    body,
                    lapin::BasicProperties::default(),
                );
                assert!(confirm.await.unwrap().await.unwrap().is_ack());
            }
            Self::Embedded(embedded) => {
                // Its broker counts its messages when it begins.
                embedded.broker().await.close().await;
                embedded.put(lane, body).await;
            }
        }
    }

    /// Waits until a queue holds exactly this many messages, unfinished ones included.
    pub(crate) async fn wait_for_messages(&self, queue: &'static str, count: u64) {
        match self {
            Self::RabbitMq(vhost) => vhost.wait_for_messages(queue, count).await,
            Self::Embedded(embedded) => {
                assert_eq!(embedded.messages(queue).await, count, "in {queue}");
            }
        }
    }
}

/// RabbitMQ counts bodies alone; both limits stand for the same claim.
async fn work_policy(vhost: &Vhost, key: &str, value: Value) {
    let mut policy = Map::new();
    policy.insert(key.to_owned(), value);
    policy.insert("dead-letter-exchange".into(), "grantline.parked.v1".into());
    policy.insert("dead-letter-strategy".into(), "at-least-once".into());
    policy.insert("overflow".into(), "reject-publish".into());
    vhost
        .set_policy("limited", "^grantline.grant", policy.into())
        .await;
}

impl Embedded {
    pub(crate) fn new() -> Self {
        let folder = Folder::new();
        Self {
            file: File::open(&folder.join("line.db")).unwrap(),
            config: EmbeddedConfig::default(),
            _folder: folder,
            broker: Mutex::default(),
        }
    }

    pub(crate) async fn broker(&self) -> Broker {
        let mut broker = self.broker.lock().await;
        if let Some(open) = broker
            .as_ref()
            .filter(|open| open.state().borrow().is_healthy())
        {
            return open.clone();
        }
        let meter = telemetry::Telemetry::quiet().meter("broker");
        let opened = Broker::embedded(self.file.clone(), self.config.clone(), &meter);
        let opened = opened.await.unwrap();
        *broker = Some(opened.clone());
        opened
    }

    /// Changes the file behind the broker's back.
    pub(crate) async fn tamper(&self, sql: &'static str) {
        let changed = self
            .file
            .write(move |connection| -> Result<(), WriteError> {
                connection.execute_batch(sql).map_err(WriteError::from)
            });
        changed.await.unwrap();
    }

    async fn put(&self, lane: &'static str, body: &'static [u8]) {
        let put = self
            .file
            .write(move |connection| -> Result<(), WriteError> {
                let queue = format!("grantline.{lane}.v1");
                connection.execute(
                    "INSERT INTO queue_messages VALUES (1000, ?1, '{}', ?2)",
                    (lane, body),
                )?;
                connection.execute(
                    "INSERT INTO queue_places VALUES (?1, 1000, 1000, 12, 0, NULL)",
                    [&queue],
                )?;
                let sql = "UPDATE queue_sizes SET messages = messages + 1, bytes = bytes + 12
                       WHERE queue = ?1";
                connection.execute(sql, [&queue])?;
                Ok(())
            });
        put.await.unwrap();
    }

    /// Messages of a queue: counted, and as the sums have it.
    pub(crate) async fn messages(&self, queue: &'static str) -> u64 {
        let read = self.file.read(move |connection| -> Result<_, ReadError> {
            let sql = "SELECT count(*), coalesce(sum(bytes), 0) FROM queue_places
                       WHERE queue = ?1";
            let counted: (i64, i64) =
                connection.query_row(sql, [queue], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let sql = "SELECT messages, bytes FROM queue_sizes WHERE queue = ?1";
            let known = connection.query_row(sql, [queue], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok((counted, known))
        });
        let (counted, known): ((i64, i64), (i64, i64)) = read.await.unwrap();
        assert_eq!(counted, known, "the sums of {queue}");
        counted.0.try_into().unwrap()
    }
}
