//! A publisher on a port of its own, and what stands behind it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use broker::Broker;
use httpd::{Listener, Readiness};
use ledger::{Entry, Ledger};
use lifecycle::Lifecycle;
use order::ProjectId;
use publisher::{Algorithm, Config, Deps, Project};
use secret::Secret;
use serde_json::{Value, json};
use task::Hints;
use telemetry::Telemetry;
use testkit::{Database, Jwt, Postgres, RabbitMq, Vhost, WebSocket};

use crate::entries::{PROJECT, project};

pub(crate) const SECRET: &str = "login-secret-canary-41";
pub(crate) const SOCKET: &str = "/connection/websocket";

/// Longest wait for something that must happen, on a loaded machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) struct Line {
    pub(crate) at: SocketAddr,
    pub(crate) ledger: Ledger,
    pub(crate) broker: Broker,
    pub(crate) telemetry: Telemetry,
    pub(crate) readiness: Readiness,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) database: Database,
    _vhost: Vhost,
}

/// What differs from one test to the next.
pub(crate) struct Setup {
    pub(crate) config: Config,
    pub(crate) projects: BTreeMap<ProjectId, Project>,
}

impl Setup {
    /// Comparisons are so rare that every status a test sees came by its hint.
    pub(crate) fn new() -> Self {
        let config = Config {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            position_check: Duration::from_hours(1),
            drain_spread: Duration::ZERO,
            ..Config::default()
        };
        Self {
            config,
            projects: BTreeMap::from([(project(), login())]),
        }
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self
    }

    pub(crate) fn login(mut self, change: impl FnOnce(&mut Project)) -> Self {
        change(self.projects.get_mut(&project()).unwrap());
        self
    }

    pub(crate) async fn start(self) -> Line {
        let database = Postgres::database().await;
        let ledger = database.ledger();
        let vhost = RabbitMq::vhost().await;
        let config = vhost.config();
        self.start_with(database, ledger, vhost, config).await
    }

    /// A publisher that sees `ledger` and the broker of `config`; the test writes to the
    /// database itself.
    pub(crate) async fn start_with(
        self,
        database: Database,
        ledger: Ledger,
        vhost: Vhost,
        config: broker::Config,
    ) -> Line {
        let telemetry = Telemetry::quiet();
        let lifecycle = Lifecycle::new();
        let readiness = Readiness::new(&lifecycle);
        let broker = Broker::connect(config, "test", &telemetry.meter("broker"));
        let listener = Listener::bind(self.config.listen).unwrap();
        let line = Line {
            at: listener.local_addr(),
            ledger: database.ledger(),
            broker: broker.clone(),
            telemetry: telemetry.clone(),
            readiness: readiness.clone(),
            lifecycle: lifecycle.clone(),
            database,
            _vhost: vhost,
        };
        let deps = Deps {
            broker,
            ledger,
            meter: telemetry.meter("publisher"),
            readiness,
        };
        let of_role = lifecycle.clone();
        lifecycle.supervise("publisher", async move {
            publisher::run(self.config, self.projects, deps, listener, &of_role).await
        });
        // Both ways: what is sent before is lost, and here nobody would look for it.
        line.wait_for_metric("grantline_publisher_hint_gaps_total", |gaps| gaps >= 1.0)
            .await;
        let mut state = line.broker.state();
        let connected = state.wait_for(broker::State::is_healthy);
        let connected = tokio::time::timeout(PATIENCE, connected).await;
        connected.expect("a broker").unwrap();
        line
    }
}

/// A Login project with a shared secret.
pub(crate) fn login() -> Project {
    Project {
        algorithm: Algorithm::HS256,
        secret: Some(secret(SECRET)),
        previous_secret: None,
        keys: Vec::new(),
        issuer: "https://login.xsolla.com".to_owned(),
        login_project_id: Jwt::LOGIN_PROJECT.to_owned(),
        player_claim: "sub".to_owned(),
        leeway: Duration::from_secs(30),
    }
}

pub(crate) fn secret(value: &str) -> Secret {
    Secret::inline(value).unwrap()
}

/// A token for an hour.
pub(crate) fn jwt(player: &str) -> Jwt {
    Jwt::new(player, task::now().unix_timestamp() + 3_600)
}

pub(crate) fn token(player: &str) -> String {
    jwt(player).hs256(SECRET)
}

/// The connect command of Xsolla's page.
pub(crate) fn connect_command(token: &str) -> Value {
    json!({"id": 1, "connect": {"data": {"auth": token, "project_id": PROJECT}, "name": "js"}})
}

pub(crate) fn history_command(id: u32, player: &str) -> Value {
    json!({"id": id, "history": {"channel": channel(player), "since": {"offset": 0}, "limit": -1}})
}

pub(crate) fn channel(player: &str) -> String {
    format!("orders:{PROJECT}#{player}")
}

/// A push of this row.
pub(crate) fn push(player: &str, offset: u64, order: i64, status: &str) -> Value {
    let data = json!({"order_id": order, "status": status});
    json!({"push": {"channel": channel(player), "pub": {"data": data, "offset": offset}}})
}

impl Line {
    /// A connection before its connect command.
    pub(crate) async fn open(&self) -> WebSocket {
        WebSocket::open(self.at, SOCKET).await
    }

    /// A connected client, and what its connect reply says of its channel.
    pub(crate) async fn connect(&self, player: &str) -> (WebSocket, Value) {
        self.connect_with(&connect_command(&token(player)), player)
            .await
    }

    pub(crate) async fn connect_with(&self, command: &Value, player: &str) -> (WebSocket, Value) {
        let mut client = self.open().await;
        client.send(command).await;
        let reply = client.message().await;
        let subscribed = reply["connect"]["subs"][channel(player)].clone();
        assert!(subscribed.is_object(), "{reply}");
        (client, subscribed)
    }

    /// Comes back as the libraries do, from a position.
    pub(crate) async fn reconnect(
        &self,
        player: &str,
        offset: u64,
        epoch: &str,
    ) -> (WebSocket, Value) {
        let mut command = connect_command(&token(player));
        command["connect"]["subs"] =
            json!({channel(player): {"recover": true, "offset": offset, "epoch": epoch}});
        self.connect_with(&command, player).await
    }

    /// Books, and tells the publishers, as a worker does.
    pub(crate) async fn book(&self, entries: impl IntoIterator<Item = Entry>) {
        let hints = self.book_silently(entries).await;
        self.broker.send_hints(&hints);
    }

    /// Books, and loses the hints.
    pub(crate) async fn book_silently(&self, entries: impl IntoIterator<Item = Entry>) -> Hints {
        let entries = entries.into_iter().collect::<Vec<_>>().into();
        self.ledger.book(&entries, task::now()).await.unwrap().hints
    }

    /// The value of a metric, summed over its labels that contain `label`.
    pub(crate) fn metric(&self, name: &str, label: &str) -> f64 {
        let text = self.telemetry.metrics_text();
        text.lines()
            .filter(|line| line.starts_with(name) && line.contains(label))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }

    pub(crate) async fn wait_for_metric(&self, name: &str, reached: impl Fn(f64) -> bool) {
        let waiting = async {
            while !reached(self.metric(name, "")) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let reached = tokio::time::timeout(PATIENCE, waiting).await;
        assert!(reached.is_ok(), "{name} is {}", self.metric(name, ""));
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.lifecycle.abort();
    }
}
