//! `grantline serve`, and what it tells.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::{Method, Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use rehearsal::Instance;
use serde_json::json;
use testkit::{Database, Folder, KeySpace, Vhost};
use tests::Http;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};
use xsolla::signature::authorization_header;

/// Longest wait for what has to be told, on a loaded machine.
pub(crate) const TOLD: Duration = Duration::from_mins(3);
pub(crate) const PROJECT: i64 = 44_056;
pub(crate) const PLAYER: &str = "a-player-of-the-tests";
pub(crate) const SECRET: &str = "webhook-secret-of-the-metrics";

/// Often enough to wait for.
const PUSH_EVERY: &str = "500";

/// A running `grantline serve`.
pub(crate) struct Process {
    /// Before the folder it works in, so that it ends first.
    child: Child,
    folder: Folder,
    metrics: String,
    ingress: Option<SocketAddr>,
}

/// Where its doors are.
pub(crate) struct Target {
    pub(crate) webhook: String,
    pub(crate) secret: Vec<u8>,
    pub(crate) client: String,
    pub(crate) api: String,
}

fn anywhere(_role: &str) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

impl Process {
    /// The demo, on one file.
    pub(crate) async fn demo(collector: &str) -> Self {
        let folder = Folder::new();
        let mut serve = tests::serve(&folder.join("data"), anywhere);
        serve
            .env("GRANTLINE__TELEMETRY__OTLP_ENDPOINT", collector)
            .env("OTEL_METRIC_EXPORT_INTERVAL", PUSH_EVERY)
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = serve.spawn().unwrap();
        let told = child.stdout.take().unwrap();
        let metrics = first_after(told, "metrics    ").await;
        Self {
            child,
            folder,
            metrics,
            ingress: None,
        }
    }

    /// Every role on servers.
    pub(crate) async fn cluster(
        collector: &str,
        database: &Database,
        vhost: &Vhost,
        keys: &KeySpace,
    ) -> Self {
        let folder = Folder::new();
        let mut serve = tests::grantline(&["serve"]);
        let project = format!("GRANTLINE__PROJECTS__{PROJECT}__WEBHOOK_SECRETS");
        for role in tests::LISTENERS {
            let key = format!("GRANTLINE__{role}__LISTEN");
            serve.env(key, anywhere(role).to_string());
        }
        serve
            .env("GRANTLINE__LEDGER__URL", database.url())
            .env("GRANTLINE__BROKER__URL", vhost.url())
            .env("GRANTLINE__CLAIM__URL", &keys.url)
            .env("GRANTLINE__CLAIM__KEY_PREFIX", &keys.prefix)
            .env(project, json!([SECRET]).to_string())
            .env("GRANTLINE__TELEMETRY__FORMAT", "json")
            .env("GRANTLINE__TELEMETRY__OTLP_ENDPOINT", collector)
            .env("OTEL_METRIC_EXPORT_INTERVAL", PUSH_EVERY)
            .current_dir(folder.join(""))
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = serve.spawn().unwrap();
        let told = child.stderr.take().unwrap();
        let starting = first_after(told, "\"message\":\"Starting\",").await;
        let address = |role: &str| {
            let (_, rest) = starting.split_once(&format!("\"{role}\":\"")).unwrap();
            let shown = rest.split_once('"').unwrap().0;
            let shown = shown.trim_start_matches("Some(").trim_end_matches(')');
            shown.parse::<SocketAddr>().unwrap()
        };
        Self {
            child,
            folder,
            metrics: format!("http://{}/metrics", address("admin")),
            ingress: Some(address("ingress")),
        }
    }

    pub(crate) fn target(&self) -> Target {
        let file = self.folder.join("data/instance.toml");
        let instance = Instance::read(&file).unwrap();
        let secret = self.folder.join("data").join(instance.webhook_secret_file);
        let secret = std::fs::read(secret).unwrap();
        Target {
            webhook: instance.webhook_url,
            secret: secret.trim_ascii_end().to_vec(),
            client: instance.client_url,
            api: instance.api_url,
        }
    }

    /// Plays a short sale with everything in it.
    pub(crate) async fn rehearse(&self) {
        let mut rehearse = Command::new(tests::fresh_binary());
        rehearse
            .args([
                "rehearse",
                "--timeout",
                "3m",
                "--p99",
                "3m",
                "--drain",
                "3m",
            ])
            .args(["--duration", "5s", "--orders-per-second", "12"])
            .args(["--time-scale", "3000", "--instance"])
            .arg(self.folder.join("data/instance.toml"))
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let ended = timeout(TOLD, rehearse.output()).await;
        let output = ended.expect("it ends in time").unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
    }

    /// Sends a signed, paid order until it is taken.
    pub(crate) async fn takes_an_order(&self, order: i64) {
        let url = format!("http://{}/webhooks/xsolla/{PROJECT}", self.ingress.unwrap());
        let body = json!({
            "notification_type": "order_paid",
            "items": [{"sku": "blade", "type": "virtual_good", "quantity": 1}],
            "order": {
                "id": order, "mode": "default", "currency_type": "real", "status": "paid",
                "amount": "4.99", "currency": "USD", "invoice_id": (order + 100_000_000).to_string(),
            },
            "user": {"external_id": PLAYER},
        });
        let body = body.to_string();
        let signature = authorization_header(body.as_bytes(), SECRET.as_bytes());
        let (http, header) = (Http::new(), [("authorization", signature.as_str())]);
        eventually("a paid order is taken", TOLD, async || {
            let answer = http.ask(Method::POST, &url, &header, &body).await;
            answer.is_ok_and(|answer| answer.status == StatusCode::NO_CONTENT)
        })
        .await;
    }

    /// What `/metrics` says.
    pub(crate) async fn text(&self) -> String {
        let client = Client::builder(TokioExecutor::new()).build_http();
        let request = Request::get(&self.metrics);
        let request = request.body(Empty::<Bytes>::new()).unwrap();
        let answer = client.request(request).await.unwrap();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(body.to_vec()).unwrap()
    }

    /// Waits until every one of `parts` stands on `/metrics`.
    pub(crate) async fn tells(&self, parts: &[&str]) {
        let what = format!("{parts:?} on /metrics");
        eventually(&what, TOLD, async || {
            let text = self.text().await;
            parts.iter().all(|part| text.contains(part))
        })
        .await;
    }

    /// The families of `/metrics`, but for the one of the resource.
    pub(crate) async fn families(&self) -> BTreeSet<String> {
        let text = self.text().await;
        let families = text.lines().filter_map(|line| {
            let family = line.strip_prefix("# TYPE ")?.split_once(' ')?.0;
            (family != "target_info").then(|| family.to_owned())
        });
        families.collect()
    }

    /// The series of `/metrics` with their labels, without their values.
    pub(crate) async fn series(&self) -> BTreeSet<String> {
        let text = self.text().await;
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let series = lines.filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned()));
        series.collect()
    }

    pub(crate) async fn stop(&mut self) {
        let id = self.child.id().unwrap().to_string();
        let asked = Command::new("kill").arg(id).status().await.unwrap();
        assert!(asked.success());
        let ended = timeout(TOLD, self.child.wait()).await;
        assert_eq!(ended.expect("it ends in time").unwrap().code(), Some(0));
    }
}

/// The first line that has `mark`, from there on. The rest is read and forgotten.
async fn first_after(told: impl AsyncRead + Unpin + Send + 'static, mark: &str) -> String {
    let mut lines = BufReader::new(told).lines();
    let found = async {
        loop {
            let line = lines.next_line().await.unwrap().expect("it starts");
            if let Some((_, rest)) = line.split_once(mark) {
                return rest.trim().to_owned();
            }
        }
    };
    let found = timeout(TOLD, found).await.expect("it starts in time");
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    found
}

pub(crate) async fn eventually(what: &str, limit: Duration, condition: impl AsyncFn() -> bool) {
    let wait = async {
        while !condition().await {
            sleep(Duration::from_millis(50)).await;
        }
    };
    assert!(
        timeout(limit, wait).await.is_ok(),
        "not within {limit:?}: {what}"
    );
}
