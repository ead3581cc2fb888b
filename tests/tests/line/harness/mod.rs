//! One line of its own per test: every role in this process, on servers or on one file.

mod stack;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use broker::{Broker, Link};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use httpd::{Admin, Description, Listener, Readiness};
use hyper::{Method, Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use ledger::{Ledger, OrderView, ParkedFilter, ParkedView};
use lifecycle::Lifecycle;
use order::{OrderId, PlayerId, ProjectId};
use secret::Secret;
use serde_json::{Value, json};
use telemetry::Telemetry;
use worker::Handler;

pub(crate) use self::stack::{Cluster, Servers, Stack, on_both_stacks};

/// The project of the samples.
pub(crate) const PROJECT: i64 = 271_904;
pub(crate) const WEBHOOK_SECRET: &str = "webhook-secret-of-the-tests";
pub(crate) const LOGIN_SECRET: &str = "login-secret-of-the-tests-0123456789abcdef";
pub(crate) const LOGIN_PROJECT: &str = "11111111-2222-4333-8444-555555555555";
pub(crate) const ISSUER: &str = "https://login.xsolla.com";
pub(crate) const API_KEY: &str = "api-key-of-the-tests";

const PATIENCE: Duration = Duration::from_mins(1);

/// What may stand between the line and its servers.
#[derive(Default)]
pub(crate) struct Setup {
    pub(crate) stack: Stack,
    pub(crate) worker: worker::Config,
    pub(crate) publisher: publisher::Config,
    pub(crate) grant: grant::Config,
    /// Workers beside the first one, each with lanes and connections of its own.
    pub(crate) more_workers: u32,
    /// Networks whose webhooks are taken; empty takes them from anywhere.
    pub(crate) sources: Vec<ingress::Network>,
    /// Copies of the role beside the first one.
    pub(crate) more_ingresses: u32,
    /// Where the webhook secret stands; none for [`WEBHOOK_SECRET`] itself.
    pub(crate) webhook_secret_file: Option<PathBuf>,
    pub(crate) quarantine: ingress::Quarantine,
}

/// The running line.
pub(crate) struct Line {
    pub(crate) servers: Arc<Servers>,
    pub(crate) ingress: SocketAddr,
    pub(crate) more_ingresses: Vec<SocketAddr>,
    pub(crate) publisher: SocketAddr,
    pub(crate) api: SocketAddr,
    lifecycle: Lifecycle,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// An answer over HTTP.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: hyper::HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

impl Line {
    pub(crate) async fn start(stack: Stack) -> Self {
        let setup = Setup {
            stack,
            ..Setup::default()
        };
        Self::start_with(setup).await
    }

    pub(crate) async fn start_with(setup: Setup) -> Self {
        let telemetry = Telemetry::quiet();
        let servers = Arc::new(Servers::start(setup.stack, &telemetry).await);
        let lifecycle = Lifecycle::new();
        let roles = Roles {
            servers: Arc::clone(&servers),
            telemetry,
            lifecycle: lifecycle.clone(),
        };
        let listen = || Listener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let (for_ingress, for_publisher, for_api) = (listen(), listen(), listen());
        let addresses = [&for_ingress, &for_publisher, &for_api].map(Listener::local_addr);
        roles.ingress(&setup, for_ingress).await;
        let mut more_ingresses = Vec::new();
        for _ in 0..setup.more_ingresses {
            let listener = listen();
            more_ingresses.push(listener.local_addr());
            roles.ingress(&setup, listener).await;
        }
        roles.publisher(setup.publisher.clone(), for_publisher);
        roles.api(for_api);
        for _ in 0..=setup.more_workers {
            roles.worker(&setup);
        }
        let [ingress, publisher, api] = addresses;
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self {
            servers,
            ingress,
            more_ingresses,
            publisher,
            api,
            lifecycle,
            client,
        }
    }

    /// The servers of a line that has some.
    pub(crate) fn cluster(&self) -> &Cluster {
        match &*self.servers {
            Servers::Cluster(cluster) => cluster,
            Servers::Embedded(_) => panic!("this line has no servers"),
        }
    }

    /// Ends every role in good order.
    pub(crate) async fn stop(self) {
        self.lifecycle.drain();
        assert_eq!(
            self.lifecycle.wait(PATIENCE).await,
            lifecycle::Verdict::Finished
        );
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        at: SocketAddr,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://{at}{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = self
            .client
            .request(request.body(Full::new(body.into())).unwrap())
            .await
            .unwrap();
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        Answer {
            status,
            headers,
            body,
        }
    }

    /// Sends a body signed as Xsolla signs it.
    pub(crate) async fn webhook_bytes(&self, body: impl Into<Bytes>) -> Answer {
        let body = body.into();
        let signed = xsolla::signature::authorization_header(&body, WEBHOOK_SECRET.as_bytes());
        let path = format!("/webhooks/xsolla/{PROJECT}");
        self.send(
            Method::POST,
            self.ingress,
            &path,
            &[("authorization", &signed)],
            body,
        )
        .await
    }

    /// Sends a notice and insists on its acceptance.
    pub(crate) async fn accepted(&self, notice: &Value) {
        let answer = self.webhook_bytes(notice.to_string()).await;
        assert_eq!(
            answer.status,
            StatusCode::NO_CONTENT,
            "{notice}: {answer:?}"
        );
    }

    pub(crate) async fn api(&self, method: Method, path: &str, body: &Value) -> Answer {
        let key = format!("Bearer {API_KEY}");
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        self.send(method, self.api, path, &[("authorization", &key)], body)
            .await
    }

    /// The ledger, past the proxy.
    pub(crate) fn ledger(&self) -> Ledger {
        self.servers.ledger()
    }

    pub(crate) async fn order(&self, order: i64) -> Option<OrderView> {
        let order = OrderId::try_from(order).unwrap();
        self.ledger().order(project(), order).await.unwrap()
    }

    /// What the player holds, as `SKU×QUANTITY`.
    pub(crate) async fn inventory(&self, player: &str) -> Vec<String> {
        let lines = self
            .ledger()
            .inventory(project(), &who(player))
            .await
            .unwrap();
        lines
            .iter()
            .map(|line| format!("{}×{}", line.sku, line.quantity))
            .collect()
    }

    /// The player's status stream as `(offset, order, status)`.
    pub(crate) async fn stream(&self, player: &str) -> Vec<(i64, i64, &'static str)> {
        let stream = self
            .ledger()
            .stream(project(), &who(player), 0)
            .await
            .unwrap();
        stream
            .rows
            .iter()
            .map(|row| (row.offset, row.order.get(), row.status.as_str()))
            .collect()
    }

    pub(crate) async fn parked(&self) -> Vec<ParkedView> {
        let filter = ParkedFilter {
            limit: 200,
            ..ParkedFilter::default()
        };
        self.ledger().parked(&filter).await.unwrap()
    }

    /// How one notice ended: its outcome and reason. `None` while it is under way.
    pub(crate) async fn outcome_of(&self, order: i64, kind: &str) -> Option<String> {
        let view = self.order(order).await?;
        let notice = view
            .notices
            .iter()
            .find(|notice| notice.kind.as_str() == kind)?;
        Some(
            notice
                .reason
                .clone()
                .unwrap_or_else(|| notice.outcome.clone()),
        )
    }

    /// Waits until one notice has ended like this.
    pub(crate) async fn ends(&self, order: i64, kind: &str, outcome: &str) {
        let what = format!("{kind} of order {order} ends as {outcome}");
        eventually(&what, async || {
            self.outcome_of(order, kind).await.as_deref() == Some(outcome)
        })
        .await;
    }

    /// Waits until no message is left on any queue, held or waiting.
    pub(crate) async fn queues_are_empty(&self) {
        self.servers.queues_are_empty().await;
    }

    /// A player's token, as Xsolla Login makes them.
    pub(crate) fn token(player: &str) -> String {
        token_of(&json!({
            "sub": player, "iss": ISSUER, "xsolla_login_project_id": LOGIN_PROJECT,
            "exp": task::now().unix_timestamp() + 3_600
        }))
    }
}

pub(crate) fn token_of(claims: &Value) -> String {
    let key = jsonwebtoken::EncodingKey::from_secret(LOGIN_SECRET.as_bytes());
    jsonwebtoken::encode(&jsonwebtoken::Header::default(), claims, &key).unwrap()
}

pub(crate) fn project() -> ProjectId {
    ProjectId::try_from(PROJECT).unwrap()
}

pub(crate) fn who(player: &str) -> PlayerId {
    player.parse().unwrap()
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

/// The description of every role, as the binary puts it together.
fn document() -> Bytes {
    let mut told = Description::new("Grantline", "tests", "The whole line.");
    api::describe(&mut told);
    publisher::describe(&mut told);
    ingress::describe(&mut told);
    Admin::describe(&mut told);
    told.finish()
}

/// Starts roles, each with connections of its own, as separate processes have them.
struct Roles {
    servers: Arc<Servers>,
    telemetry: Telemetry,
    lifecycle: Lifecycle,
}

impl Roles {
    fn ledger(&self) -> Ledger {
        self.servers.ledger_of_a_role()
    }

    fn broker(&self, role: &str) -> Broker {
        self.servers.broker_of_a_role(role, &self.telemetry)
    }

    async fn ingress(&self, setup: &Setup, listener: Listener) {
        let broker = self.broker("ingress");
        let connected = |state: &broker::State| state.publishing == Link::Connected;
        assert!(
            broker.state().wait_for(connected).await.is_ok(),
            "the broker was closed"
        );
        let deps = ingress::Deps {
            broker,
            ledger: self.ledger(),
            meter: self.telemetry.meter("ingress"),
            readiness: Readiness::new(&self.lifecycle),
        };
        let known = ingress::Project {
            webhook_secrets: vec![match &setup.webhook_secret_file {
                Some(file) => Secret::from_file(file).unwrap(),
                None => Secret::inline(WEBHOOK_SECRET).unwrap(),
            }],
            order_webhook_secrets: Vec::new(),
            // A loaded machine may take its time; what is tested is the answer.
            players: ingress::Players {
                deadline: Duration::from_secs(10),
                ..ingress::Players::default()
            },
            studio: None,
            web_shop: ingress::WebShop::default(),
            quarantine: setup.quarantine.clone(),
        };
        let config = ingress::Config {
            deadline: Duration::from_secs(15),
            sources: setup.sources.clone(),
            ..ingress::Config::default()
        };
        let lifecycle = self.lifecycle.clone();
        self.lifecycle.supervise("ingress", async move {
            let projects = BTreeMap::from([(project(), known)]);
            ingress::run(config, projects, deps, listener, &lifecycle).await
        });
    }

    fn publisher(&self, config: publisher::Config, listener: Listener) {
        let deps = publisher::Deps {
            ledger: self.ledger(),
            broker: self.broker("publisher"),
            meter: self.telemetry.meter("publisher"),
            readiness: Readiness::new(&self.lifecycle),
        };
        let believed = publisher::Project {
            algorithm: publisher::Algorithm::HS256,
            secret: Some(Secret::inline(LOGIN_SECRET).unwrap()),
            previous_secret: None,
            keys: Vec::new(),
            issuer: ISSUER.to_owned(),
            login_project_id: LOGIN_PROJECT.to_owned(),
            player_claim: "sub".to_owned(),
            leeway: Duration::from_secs(30),
        };
        let lifecycle = self.lifecycle.clone();
        self.lifecycle.supervise("publisher", async move {
            let projects = BTreeMap::from([(project(), believed)]);
            publisher::run(config, projects, deps, listener, &lifecycle).await
        });
    }

    fn api(&self, listener: Listener) {
        let deps = api::Deps {
            ledger: self.ledger(),
            broker: self.broker("api"),
            meter: self.telemetry.meter("api"),
            readiness: Readiness::new(&self.lifecycle),
            openapi: document(),
        };
        let key = api::Key {
            secret: Secret::inline(API_KEY).unwrap(),
            rights: BTreeSet::from([
                api::Right::Register,
                api::Right::Read,
                api::Right::Bodies,
                api::Right::Replay,
            ]),
            projects: BTreeSet::new(),
        };
        let config = api::Config {
            keys: BTreeMap::from([("tests".to_owned(), key)]),
            ..api::Config::default()
        };
        let lifecycle = self.lifecycle.clone();
        self.lifecycle.supervise("api", async move {
            api::run(
                config,
                BTreeMap::from([(project(), api::Project { rehearsal: true })]),
                deps,
                listener,
                &lifecycle,
            )
            .await
        });
    }

    fn worker(&self, setup: &Setup) {
        let grants = HashMap::from([(project(), setup.grant)]);
        let handlers: [Arc<dyn Handler>; 3] = [
            Arc::new(grant::Grant::new(grants)),
            Arc::new(revoke::Revoke),
            Arc::new(worker::Record),
        ];
        let deps = worker::Deps {
            ledger: self.ledger(),
            broker: self.broker("worker"),
            claims: self.servers.claims_of_a_role(&self.telemetry),
            meter: self.telemetry.meter("worker"),
            projects: vec![project()],
        };
        worker::run(&setup.worker, deps, &handlers, &self.lifecycle);
    }
}
