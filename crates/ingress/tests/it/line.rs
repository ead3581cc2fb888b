//! An ingress on a port of its own, and the client that posts to it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use httpd::{Limits, Listener, Readiness};
use hyper::header::AUTHORIZATION;
use hyper::{Method, Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use ingress::{
    Config, Deps, Network, Players, PlayersSource, Project, Quarantine, Studio, WebShop,
};
use ledger::Ledger;
use lifecycle::{Lifecycle, Verdict};
use order::{PlayerId, ProjectId};
use secret::Secret;
use telemetry::Telemetry;
use testkit::StudioService;
use xsolla::signature::authorization_header;

/// The project that the fixtures name.
pub(crate) const PROJECT: &str = "271904";
/// The player that they name.
pub(crate) const PLAYER: &str = "player-7f31c9";
pub(crate) const SECRET: &str = "webhook-secret-k3";
pub(crate) const OTHER_SECRET: &str = "webhook-secret-of-another-project";
/// Longer than any deadline of the role, so that a test fails instead of hanging.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn secret(value: &str) -> Secret {
    Secret::inline(value).unwrap()
}

pub(crate) fn project_id() -> ProjectId {
    PROJECT.parse().unwrap()
}

pub(crate) fn player() -> PlayerId {
    PLAYER.parse().unwrap()
}

pub(crate) fn network(text: &str) -> Network {
    text.parse().unwrap()
}

/// What an ingress is made of. Where nothing is said, broker and ledger are away.
pub(crate) struct Setup {
    pub(crate) config: Config,
    pub(crate) project: Project,
    pub(crate) broker: broker::Config,
    pub(crate) ledger: Ledger,
}

impl Setup {
    pub(crate) fn new() -> Self {
        Self {
            config: Config {
                limits: Limits {
                    body_timeout: Duration::from_millis(500),
                    ..Limits::default()
                },
                ..Config::default()
            },
            project: Project {
                webhook_secrets: vec![secret(SECRET)],
                order_webhook_secrets: Vec::new(),
                players: Players::default(),
                studio: None,
                web_shop: WebShop::default(),
                quarantine: Quarantine::default(),
            },
            // Nothing listens on the discard port.
            broker: broker::Config {
                slot_timeout: Duration::from_millis(100),
                confirm_timeout: Duration::from_millis(300),
                ..broker::Config::at(secret("amqp://127.0.0.1:9/none"))
            },
            ledger: Ledger::open(&ledger_at("postgres://nobody@127.0.0.1:9/none")).unwrap(),
        }
    }

    /// Players are asked for at the studio's service.
    pub(crate) fn asking(mut self, studio: &StudioService) -> Self {
        self.project.players.source = PlayersSource::Studio;
        self.project.studio = Some(studio_at(studio));
        self
    }

    pub(crate) fn serve(self) -> Line {
        let lifecycle = Lifecycle::new();
        let telemetry = Telemetry::quiet();
        let meter = telemetry.meter("ingress");
        let readiness = Readiness::new(&lifecycle);
        let listener = Listener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let address = listener.local_addr();
        let broker = broker::Broker::connect(self.broker, "ingress", &meter);
        let deps = Deps {
            broker: broker.clone(),
            ledger: self.ledger,
            meter,
            readiness: readiness.clone(),
        };
        // The second project is there to be confused with the first.
        let other = Project {
            webhook_secrets: vec![secret(OTHER_SECRET)],
            order_webhook_secrets: Vec::new(),
            players: Players::default(),
            studio: None,
            web_shop: WebShop::default(),
            quarantine: Quarantine::default(),
        };
        let projects = BTreeMap::from([
            (project_id(), self.project),
            ("44056".parse().unwrap(), other),
        ]);
        let (config, own) = (self.config, lifecycle.clone());
        lifecycle.supervise("ingress", async move {
            ingress::run(config, projects, deps, listener, &own).await
        });
        Line {
            address,
            lifecycle,
            telemetry,
            readiness,
            broker,
        }
    }
}

pub(crate) fn ledger_at(url: &str) -> ledger::Config {
    ledger::Config {
        acquire_timeout: Duration::from_millis(400),
        ..ledger::Config::at(secret(url))
    }
}

pub(crate) fn studio_at(studio: &StudioService) -> Studio {
    let json = format!(
        r#"{{"url": "{}/v1", "authorization": "Bearer studio-key-9", "deadline": "700ms", "max_answer_bytes": 4096}}"#,
        studio.url()
    );
    serde_json::from_str(&json).unwrap()
}

/// A running ingress.
pub(crate) struct Line {
    pub(crate) address: SocketAddr,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) telemetry: Telemetry,
    pub(crate) readiness: Readiness,
    pub(crate) broker: broker::Broker,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

impl Answer {
    /// The `code` of an error body, which must have the contract's shape.
    pub(crate) fn code(&self) -> String {
        let body: serde_json::Value = serde_json::from_slice(&self.body).unwrap();
        let error = &body["error"];
        assert!(error["message"].is_string(), "{body}");
        error["code"].as_str().unwrap().to_owned()
    }

    /// Status and, where it refuses, code.
    pub(crate) fn brief(&self) -> (u16, String) {
        let refused = !self.status.is_success();
        let code = if refused { self.code() } else { String::new() };
        (self.status.as_u16(), code)
    }
}

impl Line {
    pub(crate) fn uri(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        let client = Client::builder(TokioExecutor::new()).build_http();
        let exchange = async {
            let response = client.request(request).await.unwrap();
            let status = response.status();
            let body = response.into_body().collect().await.unwrap().to_bytes();
            Answer { status, body }
        };
        tokio::time::timeout(PATIENCE, exchange).await.unwrap()
    }

    /// A notice to the fixtures' project with these headers.
    pub(crate) fn notice(&self, body: &[u8], authorization: &[&str]) -> Request<Full<Bytes>> {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(self.uri(&format!("/webhooks/xsolla/{PROJECT}")));
        for value in authorization {
            request = request.header(AUTHORIZATION, *value);
        }
        request
            .body(Full::new(Bytes::copy_from_slice(body)))
            .unwrap()
    }

    /// Posts a body with exactly these `Authorization` headers.
    pub(crate) async fn post_with(&self, body: &[u8], authorization: &[&str]) -> Answer {
        self.send(self.notice(body, authorization)).await
    }

    /// Posts a body as Xsolla does.
    pub(crate) async fn post(&self, body: &[u8]) -> Answer {
        self.post_with(body, &[&authorization_header(body, SECRET.as_bytes())])
            .await
    }

    /// Whether a line of the metrics begins with `name`, holds every one of `labels` and
    /// counts `count`.
    pub(crate) fn counts(&self, name: &str, labels: &[&str], count: u64) -> bool {
        self.telemetry.metrics_text().lines().any(|line| {
            line.starts_with(name)
                && labels.iter().all(|label| line.contains(label))
                && line.ends_with(&format!(" {count}"))
        })
    }

    /// Waits until notices can leave.
    pub(crate) async fn connected(&self) {
        let mut state = self.broker.state();
        let connecting = state.wait_for(|state| state.publishing == broker::Link::Connected);
        let connected = tokio::time::timeout(PATIENCE, connecting).await;
        assert!(connected.is_ok(), "{:?}", self.broker.state().borrow());
    }

    pub(crate) async fn stop(self) -> Verdict {
        self.lifecycle.drain();
        self.lifecycle.wait(PATIENCE).await
    }
}

/// A `user_validation` about somebody.
pub(crate) fn validation(id: &str) -> Vec<u8> {
    format!(r#"{{"notification_type":"user_validation","user":{{"id":{id}}}}}"#).into_bytes()
}
