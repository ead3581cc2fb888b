//! One worker on servers of its own, with a handler whose notices are three words long.

use std::sync::Arc;
use std::time::Duration;

use broker::Broker;
use bytes::Bytes;
use claim::Claims;
use hyper::Method;
use ledger::{Ledger, ParkedFilter, ParkedView};
use lifecycle::Lifecycle;
use order::{Assertion, Content, Grant, Kind, Line, OrderId, Plan, PlayerId, ProjectId, Reference};
use secret::Secret;
use serde_json::json;
use task::{Headers, Lane, MessageId, Task};
use telemetry::Telemetry;
use testkit::{Database, KeySpace, Postgres, RabbitMq, Redis, Vhost};
use tokio::time::timeout;
use worker::{Config, Deps, Handler, Reading};

pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

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
        let mut state = broker.state();
        let state = timeout(PATIENCE, state.wait_for(connected)).await;
        let is_connected = state.is_ok_and(|state| state.is_ok());
        assert!(is_connected, "no connection to the broker");
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
        self.start_as(&self.telemetry, &self.lifecycle, ledger, claims, config);
    }

    /// A worker with metrics and a life of its own on this bench's servers.
    pub(crate) fn start_as(
        &self,
        telemetry: &Telemetry,
        lifecycle: &Lifecycle,
        ledger: Ledger,
        claims: Claims,
        config: &Config,
    ) {
        let meter = telemetry.meter("worker");
        let broker = Broker::connect(self.vhost.config(), "worker", &telemetry.meter("broker"));
        let deps = Deps {
            ledger,
            broker,
            claims,
            meter,
            projects: vec![project()],
        };
        worker::run(config, deps, &[Arc::new(ThreeWords)], lifecycle);
    }

    pub(crate) async fn publish(&self, words: &str) {
        self.broker.publish(&task(words)).await.unwrap();
    }

    /// Puts a message with any headers on a queue, past the broker of this bench.
    pub(crate) async fn put(&self, exchange: &str, headers: &Headers, words: &str) {
        let headers: serde_json::Map<_, _> = headers
            .iter()
            .map(|(name, value)| (name.to_owned(), value.into()))
            .collect();
        let message = json!({
            "properties": { "headers": headers, "delivery_mode": 2 },
            "routing_key": "grant",
            "payload": words,
            "payload_encoding": "string",
        });
        let path = format!("{exchange}/publish");
        let answer = self
            .vhost
            .call_api(Method::POST, "exchanges", &path, Some(message))
            .await;
        assert_eq!(answer.unwrap()["routed"], true);
    }

    /// Waits until a queue holds so many messages that nobody has taken.
    pub(crate) async fn waits(&self, queue: &str, count: u64) {
        let what = format!("{count} on {queue}");
        eventually(&what, async || {
            let depths = self.broker.depths().await.unwrap();
            let depth = depths.iter().find(|depth| depth.queue == queue).unwrap();
            depth.ready == count
        })
        .await;
    }

    /// What waits for a person, once so much does.
    pub(crate) async fn parked(&self, count: usize) -> Vec<ParkedView> {
        let filter = ParkedFilter {
            limit: 10,
            ..ParkedFilter::default()
        };
        let ledger = self.database.ledger();
        let parked = async || ledger.parked(&filter).await.unwrap();
        let what = format!("{count} parked");
        eventually(&what, async || parked().await.len() == count).await;
        parked().await
    }

    /// The rows of a player's status stream, as `ORDER STATUS`.
    pub(crate) async fn shown(&self, player: &str) -> Vec<String> {
        let player: PlayerId = player.parse().unwrap();
        let ledger = self.database.ledger();
        let stream = ledger.stream(project(), &player, 0).await.unwrap();
        stream
            .rows
            .iter()
            .map(|row| format!("{} {}", row.order, row.status.as_str()))
            .collect()
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
        self.counted_with(name, &[])
    }

    /// The same over those series that have all of `labels`.
    pub(crate) fn counted_with(&self, name: &str, labels: &[&str]) -> f64 {
        let text = self.telemetry.metrics_text();
        let asked =
            |line: &&str| line.starts_with(name) && labels.iter().all(|label| line.contains(label));
        text.lines()
            .filter(asked)
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
        timeout(PATIENCE, wait).await.is_ok(),
        "not within {PATIENCE:?}: {what}"
    );
}
