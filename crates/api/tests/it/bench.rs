//! An api to call, with a ledger and a broker of its own.

use std::sync::Arc;
use std::time::Duration;

use api::{Config, Deps, Key, Right};
use broker::{Broker, Link};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use httpd::{Limits, Listener, Readiness};
use hyper::{HeaderMap, Method, Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use ledger::{Entry, Ledger, Notice};
use lifecycle::Lifecycle;
use order::{
    Amount, Assertion, Content, ContentItem, Grant, Kind, Line, Money, ParkReason, Plan, Reference,
};
use secret::Secret;
use serde_json::Value;
use task::{Lane, MessageId, Task};
use telemetry::Telemetry;
use testkit::{CuttingProxy, Database, Postgres, RabbitMq, Vhost};
use time::OffsetDateTime;

use crate::silence;

pub(crate) const PROJECT: i64 = 44_056;
/// One whose requests can be told apart in the log of all tests.
pub(crate) const QUIET_PROJECT: i64 = 4_242;

/// Stands for the description of the HTTP endpoints, which the binary puts together.
pub(crate) const DOCUMENT: &str = r#"{"openapi": "3.1.0"}"#;

/// Callers: name, secret, rights and projects.
const KEYS: [(&str, &str, &[Right], &[i64]); 5] = [
    ("game", "game-key", &[Right::Register, Right::Read], &[]),
    ("shop", "shop-key", &[Right::Register, Right::Read], &[7]),
    ("twin", "twin-key", &[Right::Read], &[7, 8]),
    ("desk", "desk-key", &[Right::Read, Right::Replay], &[]),
    ("audit", "audit-key", &[Right::Read, Right::Bodies], &[]),
];

pub(crate) struct Bench {
    _database: Database,
    pub(crate) vhost: Vhost,
    broker: Broker,
    pub(crate) ledger: Ledger,
    pub(crate) telemetry: Telemetry,
    lifecycle: Lifecycle,
    address: String,
    client: Client<HttpConnector, Full<Bytes>>,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) json: Value,
}

impl Answer {
    /// Status and the word for programs.
    pub(crate) fn fault(&self) -> (u16, &str) {
        let code = self.json["error"]["code"].as_str().unwrap_or("none");
        (self.status.as_u16(), code)
    }

    pub(crate) fn message(&self) -> &str {
        self.json["error"]["message"].as_str().unwrap()
    }
}

pub(crate) fn config() -> Config {
    let key = |(name, secret, rights, projects): (&str, &str, &[Right], &[i64])| {
        let key = Key {
            secret: Secret::inline(secret).unwrap(),
            rights: rights.iter().copied().collect(),
            projects: projects.iter().copied().collect(),
        };
        (name.to_owned(), key)
    };
    Config {
        keys: KEYS.into_iter().map(key).collect(),
        max_page_rows: 3,
        limits: Limits {
            max_body_bytes: 4_096,
            ..Limits::default()
        },
        ..Config::default()
    }
}

impl Bench {
    pub(crate) async fn new() -> Self {
        let (database, vhost) = tokio::join!(Postgres::database(), RabbitMq::vhost());
        let (ledger, broker) = (database.ledger(), vhost.config());
        Self::on(database, vhost, ledger, broker)
    }

    /// An api with its own way to the ledger.
    pub(crate) async fn with_ledger(ledger: Ledger) -> Self {
        let (database, vhost) = tokio::join!(Postgres::database(), RabbitMq::vhost());
        let broker = vhost.config();
        Self::on(database, vhost, ledger, broker)
    }

    /// An api whose broker can be cut off.
    pub(crate) async fn with_proxy() -> (Self, CuttingProxy) {
        let (database, vhost) = tokio::join!(Postgres::database(), RabbitMq::vhost());
        let proxy = CuttingProxy::before(vhost.url()).await;
        let (ledger, broker) = (database.ledger(), vhost.config_through(&proxy));
        (Self::on(database, vhost, ledger, broker), proxy)
    }

    fn on(database: Database, vhost: Vhost, ledger: Ledger, broker: broker::Config) -> Self {
        silence::log();
        let telemetry = Telemetry::quiet();
        let lifecycle = Lifecycle::new();
        let meter = telemetry.meter("api");
        let broker = Broker::connect(broker, "api", &meter);
        let deps = Deps {
            ledger,
            broker: broker.clone(),
            meter,
            readiness: Readiness::new(&lifecycle),
            openapi: DOCUMENT.into(),
        };
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = format!("http://{}", listener.local_addr());
        let projects = [PROJECT, QUIET_PROJECT, 7].map(|number| {
            let rehearsal = number == 7;
            (id(number), api::Project { rehearsal })
        });
        let serving = lifecycle.clone();
        lifecycle.supervise("api", async move {
            api::run(config(), projects.into(), deps, listener, &serving).await
        });
        Self {
            ledger: database.ledger(),
            _database: database,
            vhost,
            broker,
            telemetry,
            lifecycle,
            address,
            client: Client::builder(TokioExecutor::new()).build_http(),
        }
    }

    /// Waits until the api can publish.
    pub(crate) async fn connected(&self) {
        let mut state = self.broker.state();
        let connected = state.wait_for(|state| state.publishing == Link::Connected);
        let connected = tokio::time::timeout(Duration::from_secs(20), connected).await;
        drop(connected.expect("the broker is reached in time"));
    }

    /// The one task on a work queue.
    pub(crate) async fn taken(&self, lane: Lane) -> Task {
        let meter = self.telemetry.meter("test");
        let worker = Broker::connect(self.vhost.config(), "worker", &meter);
        let consumer = worker.consume(lane, 10);
        let batch = consumer.batch(1, Duration::ZERO);
        let batch = tokio::time::timeout(Duration::from_secs(20), batch).await;
        let [delivery] = batch.unwrap().try_into().unwrap();
        consumer.finish([delivery.tag]).await;
        consumer.close().await;
        worker.close().await;
        delivery.task.unwrap()
    }

    pub(crate) async fn call(
        &self,
        authorization: Option<&str>,
        method: Method,
        path: &str,
        body: impl Into<Bytes>,
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.address));
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        let request = request.body(Full::new(body.into())).unwrap();
        let (head, body) = self.client.request(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: head.status,
            headers: head.headers,
            json: serde_json::from_slice(&body).unwrap_or_default(),
        }
    }

    pub(crate) async fn get(&self, key: &str, path: &str) -> Answer {
        self.call(Some(&bearer(key)), Method::GET, path, "").await
    }

    pub(crate) async fn put(&self, key: &str, path: &str, body: &str) -> Answer {
        let body = Bytes::copy_from_slice(body.as_bytes());
        self.call(Some(&bearer(key)), Method::PUT, path, body).await
    }

    pub(crate) async fn post(&self, key: &str, path: &str) -> Answer {
        self.call(Some(&bearer(key)), Method::POST, path, "").await
    }

    pub(crate) async fn book(&self, entry: Entry) {
        let entries: Arc<[Entry]> = Arc::new([entry]);
        self.ledger.book(&entries, noon()).await.unwrap();
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.lifecycle.abort();
    }
}

fn bearer(key: &str) -> String {
    format!("Bearer {key}-key")
}

pub(crate) fn id<T: TryFrom<i64, Error: std::fmt::Debug>>(number: i64) -> T {
    T::try_from(number).unwrap()
}

pub(crate) fn noon() -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap()
}

fn swords() -> Line {
    Line {
        sku: "sword".parse().unwrap(),
        quantity: 2,
    }
}

pub(crate) fn notice(kind: Kind, reference: Reference, assertion: Assertion) -> Entry {
    let body = Bytes::from(format!("{{\"notification_type\":\"{kind}\"}}"));
    Entry {
        project: id(PROJECT),
        notice: Some(Notice {
            kind,
            reference,
            message: MessageId::of(&body),
            fingerprint: [0; 32],
            order: None,
            transaction: None,
            player: None,
            received_at: noon(),
            attempt: 0,
            replay: None,
            trace_id: Some("0af7651916cd43dd8448eb211c80319c".into()),
            body,
        }),
        assertion,
    }
}

/// `order_paid` as the workers book it.
pub(crate) fn paid(order: i64, player: &str, transaction: i64) -> Entry {
    paid_with(
        order,
        player,
        transaction,
        Grant::Lines(Plan::new([swords()]).unwrap()),
    )
}

/// `order_paid` that waits for a person.
pub(crate) fn unclear(order: i64, player: &str, transaction: i64) -> Entry {
    let grant = Grant::Unclear {
        reason: ParkReason::NothingToGrant,
        detail: "the order lists nothing".into(),
    };
    paid_with(order, player, transaction, grant)
}

fn paid_with(order: i64, player: &str, transaction: i64, grant: Grant) -> Entry {
    let amount: Amount = "9.99".parse().unwrap();
    let price = Some(Money {
        amount,
        currency: "USD".into(),
    });
    let item = ContentItem {
        sku: swords().sku,
        quantity: swords().quantity,
        is_free: false,
        price: price.clone(),
    };
    let assertion = Assertion::Paid {
        order: id(order),
        player: player.parse().unwrap(),
        transaction: Some(id(transaction)),
        payment: false,
        sandbox: false,
        content: Content {
            price,
            items: vec![item],
            ..Content::default()
        },
        grant,
    };
    notice(Kind::OrderPaid, Reference::order(id(order)), assertion)
}
