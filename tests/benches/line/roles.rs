//! Roles to be measured, in this process.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use broker::{Broker, Link};
use claim::Claims;
use httpd::{Listener, Readiness};
use lifecycle::Lifecycle;
use order::ProjectId;
use secret::Secret;
use telemetry::Telemetry;
use testkit::{Database, Postgres, Redis, Vhost};
use worker::Handler;

pub(crate) const PROJECT: i64 = 271_904;
pub(crate) const SECRET: &str = "a-webhook-secret-of-the-usual-length";
pub(crate) const LOGIN_SECRET: &str = "a-login-secret-of-the-usual-length-0123456789";
pub(crate) const LOGIN_PROJECT: &str = "11111111-2222-4333-8444-555555555555";

pub(crate) fn project() -> ProjectId {
    ProjectId::try_from(PROJECT).unwrap()
}

fn listener() -> Listener {
    Listener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap()
}

async fn connected(vhost: &Vhost, role: &str, telemetry: &Telemetry) -> Broker {
    let broker = Broker::connect(vhost.config(), role, &telemetry.meter("broker"));
    let connected = |state: &broker::State| state.publishing == Link::Connected;
    assert!(broker.state().wait_for(connected).await.is_ok());
    broker
}

/// The ingress alone: nobody takes what it enqueues.
pub(crate) async fn ingress(vhost: &Vhost) -> SocketAddr {
    let database = Box::leak(Box::new(Postgres::database().await));
    start_ingress(vhost, database).await
}

async fn start_ingress(vhost: &Vhost, database: &Database) -> SocketAddr {
    let (telemetry, lifecycle) = (Telemetry::quiet(), Lifecycle::new());
    let deps = ingress::Deps {
        broker: connected(vhost, "ingress", &telemetry).await,
        ledger: database.ledger(),
        meter: telemetry.meter("ingress"),
        readiness: Readiness::new(&lifecycle),
    };
    let known = ingress::Project {
        webhook_secrets: vec![Secret::inline(SECRET).unwrap()],
        order_webhook_secrets: Vec::new(),
        players: ingress::Players::default(),
        studio: None,
        web_shop: ingress::WebShop::default(),
    };
    let listener = listener();
    let at = listener.local_addr();
    let projects = BTreeMap::from([(project(), known)]);
    tokio::spawn(async move {
        ingress::run(
            ingress::Config::default(),
            projects,
            deps,
            listener,
            &lifecycle,
        )
        .await
    });
    at
}

/// Ingress, worker and publisher on servers of their own.
pub(crate) struct Line {
    pub(crate) ingress: SocketAddr,
    pub(crate) publisher: SocketAddr,
    _database: Database,
}

pub(crate) async fn line(vhost: &Vhost) -> Line {
    let database = Postgres::database().await;
    let (telemetry, lifecycle) = (Telemetry::quiet(), Lifecycle::new());
    let ingress = start_ingress(vhost, &database).await;
    let keys = Redis::key_space();
    let claim = claim::Config {
        key_prefix: keys.prefix,
        ..claim::Config::at(Some(Secret::inline(keys.url).unwrap()))
    };
    let deps = worker::Deps {
        ledger: database.ledger(),
        broker: connected(vhost, "worker", &telemetry).await,
        claims: Claims::connect(claim, &telemetry.meter("claim")),
        meter: telemetry.meter("worker"),
    };
    let handlers: [Arc<dyn Handler>; 1] = [Arc::new(grant::Grant::new(HashMap::new()))];
    worker::run(&worker::Config::default(), deps, &handlers, &lifecycle);

    let deps = publisher::Deps {
        ledger: database.ledger(),
        broker: connected(vhost, "publisher", &telemetry).await,
        meter: telemetry.meter("publisher"),
        readiness: Readiness::new(&lifecycle),
    };
    let believed = publisher::Project {
        algorithm: publisher::Algorithm::HS256,
        secret: Some(Secret::inline(LOGIN_SECRET).unwrap()),
        keys: Vec::new(),
        issuer: "https://login.xsolla.com".to_owned(),
        login_project_id: LOGIN_PROJECT.to_owned(),
        player_claim: "sub".to_owned(),
        leeway: Duration::from_secs(30),
    };
    let listener = listener();
    let publisher = listener.local_addr();
    let projects = BTreeMap::from([(project(), believed)]);
    tokio::spawn(async move {
        publisher::run(
            publisher::Config::default(),
            projects,
            deps,
            listener,
            &lifecycle,
        )
        .await
    });
    Line {
        ingress,
        publisher,
        _database: database,
    }
}
