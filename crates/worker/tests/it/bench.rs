//! One worker on servers of its own, with a handler whose notices are three words long.

use std::sync::Arc;
use std::time::Duration;

use broker::Broker;
use bytes::Bytes;
use claim::Claims;
use ledger::Ledger;
use lifecycle::Lifecycle;
use order::{Assertion, Content, Grant, Kind, Line, OrderId, Plan, PlayerId, ProjectId, Reference};
use secret::Secret;
use task::{Lane, MessageId, Task};
use telemetry::Telemetry;
use testkit::{Database, KeySpace, Postgres, RabbitMq, Redis, Vhost};
use worker::{Config, Deps, Handler, Reading};

const PATIENCE: Duration = Duration::from_secs(30);

/// Reads `ORDER PLAYER SKU` as a paid order for one such item.
#[derive(Clone, Copy, Debug)]
struct ThreeWords;

impl Handler for ThreeWords {
    fn lane(&self) -> Lane {
        Lane::Grant
    }

    fn read(&self, task: &Task) -> Reading {
        let text = std::str::from_utf8(&task.body).unwrap();
        let [order, player, sku] = text.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let line = Line {
            sku: sku.parse().unwrap(),
            quantity: 1,
        };
        let order: OrderId = order.parse().unwrap();
        Reading {
            reference: Reference::order(order),
            assertion: Assertion::Paid {
                order,
                player: player.parse().unwrap(),
                transaction: None,
                payment: false,
                sandbox: false,
                content: Content::default(),
                grant: Grant::Lines(Plan::new([line]).unwrap()),
            },
        }
    }
}

/// Servers and, once started, a worker on them.
pub(crate) struct Bench {
    pub(crate) database: Database,
    pub(crate) vhost: Vhost,
    pub(crate) keys: KeySpace,
    pub(crate) broker: Broker,
    pub(crate) telemetry: Telemetry,
    pub(crate) lifecycle: Lifecycle,
}

impl Bench {
    pub(crate) async fn new() -> Self {
        let (database, vhost) = tokio::join!(Postgres::database(), RabbitMq::vhost());
        let telemetry = Telemetry::quiet();
        let broker = Broker::connect(vhost.config(), "test", &telemetry.meter("test_broker"));
        let connected = |state: &broker::State| state.publishing == broker::Link::Connected;
        let state = broker.state().wait_for(connected).await.map(drop);
        assert!(state.is_ok(), "the broker was closed");
        let lifecycle = Lifecycle::new();
        Self {
            database,
            vhost,
            keys: Redis::key_space(),
            broker,
            telemetry,
            lifecycle,
        }
    }

    /// A worker on this bench's own servers.
    pub(crate) fn start(&self) {
        let claims = Claims::connect(self.claims(), &self.telemetry.meter("claim"));
        self.start_on(self.database.ledger(), claims, &config());
    }

    /// The section `[claim]` for keys of this bench alone.
    pub(crate) fn claims(&self) -> claim::Config {
        let url = Secret::inline(self.keys.url.as_str()).unwrap();
        claim::Config {
            key_prefix: self.keys.prefix.clone(),
            ..claim::Config::at(Some(url))
        }
    }

    pub(crate) fn start_on(&self, ledger: Ledger, claims: Claims, config: &Config) {
        let meter = self.telemetry.meter("worker");
        let broker = Broker::connect(
            self.vhost.config(),
            "worker",
            &self.telemetry.meter("broker"),
        );
        let deps = Deps {
            ledger,
            broker,
            claims,
            meter,
        };
        worker::run(config, deps, &[Arc::new(ThreeWords)], &self.lifecycle);
    }

    pub(crate) async fn publish(&self, words: &str) {
        self.broker.publish(&task(words)).await.unwrap();
    }

    /// What the player holds, as `SKU×QUANTITY`.
    pub(crate) async fn inventory(&self, player: &str) -> Vec<String> {
        let player: PlayerId = player.parse().unwrap();
        let lines = self
            .database
            .ledger()
            .inventory(project(), &player)
            .await
            .unwrap();
        lines
            .iter()
            .map(|line| format!("{}×{}", line.sku, line.quantity))
            .collect()
    }

    /// How many deliveries of an order's notice the worker has counted, in the ledger or by
    /// marks in Redis.
    pub(crate) async fn seen(&self, order: &str) -> i64 {
        let order = self
            .database
            .ledger()
            .order(project(), order.parse().unwrap())
            .await
            .unwrap();
        let booked: i64 = order
            .iter()
            .flat_map(|order| &order.notices)
            .map(|notice| notice.seen)
            .sum();
        #[expect(clippy::cast_possible_truncation, reason = "a small count")]
        let spared = self.counted("grantline_worker_spared_total") as i64;
        booked + spared
    }

    /// Waits until nothing is left on any queue, held or waiting.
    pub(crate) async fn drained(&self) {
        self.vhost.wait_for_messages("grantline.grant.v1", 0).await;
    }

    pub(crate) async fn stop(&self) {
        self.lifecycle.drain();
        let verdict = self.lifecycle.wait(PATIENCE).await;
        assert_eq!(verdict, lifecycle::Verdict::Finished);
    }

    /// The value of a counter, summed over its labels.
    pub(crate) fn counted(&self, name: &str) -> f64 {
        let text = self.telemetry.metrics_text();
        let values = text.lines().filter(|line| line.starts_with(name));
        values
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }
}

pub(crate) fn config() -> Config {
    Config {
        lanes: 1.try_into().unwrap(),
        ..Config::default()
    }
}

pub(crate) fn project() -> ProjectId {
    "44056".parse().unwrap()
}

pub(crate) fn task(words: &str) -> Task {
    let body = Bytes::copy_from_slice(words.as_bytes());
    Task {
        project: project(),
        kind: Kind::OrderPaid,
        message: MessageId::of(&body),
        order: words.split(' ').next().and_then(|order| order.parse().ok()),
        transaction: None,
        player: None,
        received_at: task::now(),
        attempt: 0,
        replay: None,
        trace: None,
        body,
    }
}

/// Waits for a condition, with a deadline that fails the test.
pub(crate) async fn eventually(what: &str, condition: impl AsyncFn() -> bool) {
    let wait = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(
        tokio::time::timeout(PATIENCE, wait).await.is_ok(),
        "not within {PATIENCE:?}: {what}"
    );
}
