//! Throw-away virtual hosts on the real broker.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Method, Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use secret::Secret;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{CuttingProxy, required_url};

/// For an answer of the management API, on a loaded machine.
const ANSWER: Duration = Duration::from_mins(1);

/// The broker that `AMQP_URL` and `RABBITMQ_API_URL` name. Its user must be an
/// administrator.
#[derive(Clone, Copy, Debug)]
pub struct RabbitMq;

/// The broker's management API.
#[derive(Clone, Debug)]
struct Api {
    url: String,
    authorization: String,
}

/// A virtual host of one test. Deleted with all its connections when this is dropped.
#[derive(Debug)]
pub struct Vhost {
    api: Api,
    name: String,
    url: String,
}

impl RabbitMq {
    /// A new virtual host with Grantline's topology.
    ///
    /// # Panics
    /// When there is no broker, or it does not let us.
    pub async fn vhost() -> Vhost {
        let vhost = Self::empty_vhost().await;
        broker::Topology::declare(&vhost.config())
            .await
            .expect("the topology can be declared");
        vhost
    }

    /// A new virtual host with nothing in it.
    ///
    /// # Panics
    /// When there is no broker, or it does not let us.
    pub async fn empty_vhost() -> Vhost {
        let api = Api::of_the_environment();
        let name = format!("testkit_{:016x}", RandomState::new().hash_one(()));
        let vhost = Vhost {
            url: format!("{}/{name}", server_url()),
            api,
            name,
        };
        vhost
            .call(Method::PUT, &format!("vhosts/{}", vhost.name), None)
            .await;
        vhost
    }

    /// The process that the broker's first node is, on its own machine. A node that has just
    /// started tells it after some seconds.
    ///
    /// # Panics
    /// When there is no broker, or it does not let us, or it does not tell within a minute.
    pub async fn process() -> u32 {
        let api = Api::of_the_environment();
        for _ in 0..600 {
            let found = api.call(Method::GET, "nodes", None);
            let found = found
                .await
                .expect("the broker of RABBITMQ_API_URL runs and lets its user do this");
            let process = found.as_ref().and_then(|nodes| nodes[0]["os_pid"].as_str());
            if let Some(process) = process.and_then(|process| process.parse().ok()) {
                return process;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("a node has a process");
    }
}

/// `AMQP_URL` without its virtual host.
fn server_url() -> String {
    let server = required_url("AMQP_URL");
    let (start, _) = server
        .rsplit_once('/')
        .expect("AMQP_URL has a virtual host");
    start.to_owned()
}

impl Vhost {
    /// Its URL, with user and password.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The section `[broker]` for it.
    ///
    /// # Panics
    /// Never.
    #[must_use]
    pub fn config(&self) -> broker::Config {
        let secret = |url: &str| Secret::inline(url).expect("a URL is not empty");
        broker::Config {
            management_url: Some(secret(&self.api.url)),
            ..broker::Config::at(secret(&self.url))
        }
    }

    /// The same, with messages going through a proxy.
    ///
    /// # Panics
    /// Never.
    #[must_use]
    pub fn config_through(&self, proxy: &CuttingProxy) -> broker::Config {
        let url = Secret::inline(proxy.url(&self.url)).expect("a URL is not empty");
        broker::Config {
            url,
            ..self.config()
        }
    }

    /// Gives queues a policy that beats the topology's own.
    ///
    /// # Panics
    /// When the broker refuses it.
    pub async fn set_policy(&self, name: &str, pattern: &str, definition: Value) {
        let policy = json!({
            "pattern": pattern,
            "apply-to": "queues",
            "priority": 100,
            "definition": definition,
        });
        let path = format!("policies/{}/{name}", self.name);
        self.call(Method::PUT, &path, Some(policy)).await;
    }

    /// Asks the management API about something of this virtual host: `what` is a kind such
    /// as `queues` and `rest` what follows the virtual host. `None` if it is not there.
    ///
    /// # Panics
    /// When the broker refuses.
    pub async fn call_api(
        &self,
        method: Method,
        what: &str,
        rest: &str,
        body: Option<Value>,
    ) -> Option<Value> {
        let path = format!("{what}/{}/{rest}", self.name);
        self.call(method, path.trim_end_matches('/'), body).await
    }

    /// Waits until a queue holds exactly this many messages, unacknowledged ones included.
    ///
    /// # Panics
    /// When it does not within a minute.
    pub async fn wait_for_messages(&self, queue: &str, count: u64) {
        let mut seen = None;
        for _ in 0..600 {
            seen = self.messages(queue).await;
            if seen == Some(count) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{queue} holds {seen:?} messages, expected {count}");
    }

    /// Messages in a queue as the management API last counted them; it counts every five
    /// seconds.
    async fn messages(&self, queue: &str) -> Option<u64> {
        let found = self.call_api(Method::GET, "queues", queue, None).await?;
        found.get("messages")?.as_u64()
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Option<Value> {
        self.api
            .call(method, path, body)
            .await
            .expect("the broker of RABBITMQ_API_URL runs and lets its user do this")
    }
}

impl Api {
    fn of_the_environment() -> Self {
        let server = server_url();
        let credentials = server
            .split_once("://")
            .and_then(|(_, rest)| rest.rsplit_once('@'))
            .map_or("guest:guest", |(credentials, _)| credentials);
        Self {
            url: required_url("RABBITMQ_API_URL"),
            authorization: format!("Basic {}", STANDARD.encode(credentials)),
        }
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> anyhow::Result<Option<Value>> {
        let answer = timeout(ANSWER, self.ask(method, path, body)).await;
        answer.with_context(|| format!("{path}: no answer within {ANSWER:?}"))?
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> anyhow::Result<Option<Value>> {
        let client = Client::builder(TokioExecutor::new()).build_http();
        let body = body.map_or_else(Bytes::new, |body| body.to_string().into());
        let request = Request::builder()
            .method(method)
            .uri(format!("{}/api/{path}", self.url))
            .header("authorization", &self.authorization)
            .header("content-type", "application/json")
            .body(Full::new(body))?;
        let answer = client.request(request).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        if status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        anyhow::ensure!(
            status.is_success(),
            "{path}: {status} {}",
            String::from_utf8_lossy(&body)
        );
        if body.is_empty() {
            return Ok(Some(Value::Null));
        }
        let body = serde_json::from_slice(&body).context("the management API answers in JSON")?;
        Ok(Some(body))
    }
}

impl Drop for Vhost {
    fn drop(&mut self) {
        let (api, path) = (self.api.clone(), format!("vhosts/{}", self.name));
        // A thread, because nobody waits for a future that is spawned while a runtime ends.
        let deleting = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(api.call(Method::DELETE, &path, None))
        });
        if let Ok(Err(fault)) = deleting.join() {
            tracing::warn!(fault = %format_args!("{fault:#}"), "A virtual host stays behind");
        }
    }
}
