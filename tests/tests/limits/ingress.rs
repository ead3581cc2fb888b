//! The role under test, as a process, and what Xsolla sends it.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use tests::fresh_binary;

pub(crate) const PROJECT: i64 = 271_904;
pub(crate) const PATH: &str = "/webhooks/xsolla/271904";
const SECRET: &str = "webhook-secret-of-the-limits";
/// Longest wait for something that must happen, on a loaded machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);
/// A database is needed for questions alone, and none is asked here.
const NO_DATABASE: &str = "postgres://nobody@127.0.0.1:9/none";

/// A running `grantline ingress`. Ends when dropped, and with the thread that started it.
pub(crate) struct Ingress {
    pub(crate) at: SocketAddr,
    pub(crate) admin: SocketAddr,
    process: Child,
    log: PathBuf,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Ingress {
    /// Starts it at this broker, with these keys of the configuration as their environment
    /// twins without `GRANTLINE__`, and waits until a notice is taken.
    pub(crate) async fn start(amqp: &str, keys: &[(&str, &str)]) -> Self {
        let ingress = Self::launch(amqp, keys).await;
        ingress.takes().await;
        ingress
    }

    async fn launch(amqp: &str, keys: &[(&str, &str)]) -> Self {
        let log = log_file();
        let out = || {
            File::options()
                .create(true)
                .append(true)
                .open(&log)
                .unwrap()
        };
        let process = command("ingress", amqp, keys)
            .stdout(out())
            .stderr(out())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + PATIENCE;
        let started = loop {
            let text = fs::read_to_string(&log).unwrap();
            let lines = text
                .lines()
                .filter_map(|line| serde_json::from_str(line).ok());
            let starting = |line: &Value| line["message"] == "Starting";
            if let Some(line) = lines.into_iter().find(starting) {
                break line;
            }
            assert!(Instant::now() < deadline, "it does not start: {text}");
            sleep(Duration::from_millis(20)).await;
        };
        let address = |name: &str| {
            let shown = started[name].as_str().unwrap();
            let shown = shown.trim_start_matches("Some(").trim_end_matches(')');
            shown.parse().unwrap()
        };
        Self {
            at: address("ingress"),
            admin: address("admin"),
            process,
            log,
            client: Client::builder(TokioExecutor::new()).build_http(),
        }
    }

    /// Waits until a notice is taken, which leaves one `refund` on the queue.
    pub(crate) async fn takes(&self) {
        let taking = async {
            while self.post(&refund(1)).await != StatusCode::NO_CONTENT {
                sleep(Duration::from_millis(50)).await;
            }
        };
        let taken = timeout(PATIENCE, taking).await;
        assert!(taken.is_ok(), "no notice is taken: {}", self.log());
    }

    /// Posts a notice as Xsolla does. A refused or broken connection fails the test.
    pub(crate) async fn post(&self, body: &str) -> StatusCode {
        let request = Request::post(format!("http://{}{PATH}", self.at))
            .header("authorization", signature(body.as_bytes()))
            .body(Full::from(body.to_owned()))
            .unwrap();
        let answer = timeout(PATIENCE, self.client.request(request)).await;
        let answer = answer.expect("an answer in time").unwrap();
        let status = answer.status();
        answer.into_body().collect().await.unwrap();
        status
    }

    /// What a metric counts, over all series with this label.
    pub(crate) async fn counted(&self, (name, label): (&str, &str)) -> f64 {
        let metrics = format!("http://{}/metrics", self.admin);
        let answer = self.client.get(metrics.parse().unwrap()).await.unwrap();
        let text = answer.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8(text.to_vec()).unwrap();
        let label = format!("=\"{label}\"");
        text.lines()
            .filter(|line| line.starts_with(name) && line.contains(&label))
            .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
            .sum()
    }

    /// Memory it really has, in bytes.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let process = self.process.id().unwrap();
        let pages = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        let line = pages.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib: u64 = line
            .unwrap()
            .trim()
            .trim_end_matches(" kB")
            .parse()
            .unwrap();
        kib << 10
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Ingress {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = fs::remove_file(&self.log);
        }
    }
}

/// `grantline migrate` with the same keys.
pub(crate) async fn migrate(database: &str, amqp: &str, keys: &[(&str, &str)]) {
    let mut keys = keys.to_vec();
    keys.push(("LEDGER__URL", database));
    let done = command("migrate", amqp, &keys).output().await.unwrap();
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
}

fn command(subcommand: &str, amqp: &str, keys: &[(&str, &str)]) -> Command {
    let project = format!("GRANTLINE__PROJECTS__{PROJECT}__WEBHOOK_SECRETS");
    // The kernel ends it when this thread ends, however that happens.
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL", "--"])
        .arg(fresh_binary())
        .arg(subcommand)
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("GRANTLINE__BROKER__URL", amqp)
        .env("GRANTLINE__LEDGER__URL", NO_DATABASE)
        .env("GRANTLINE__INGRESS__LISTEN", "127.0.0.1:0")
        .env("GRANTLINE__ADMIN__LISTEN", "127.0.0.1:0")
        .env("GRANTLINE__TELEMETRY__FORMAT", "json")
        .env(project, json!([SECRET]).to_string())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    for (key, value) in keys {
        command.env(format!("GRANTLINE__{key}"), value);
    }
    command
}

fn log_file() -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("limits-{}-{number}.log", std::process::id());
    let log = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_file(&log);
    log
}

/// The `Authorization` header of a body.
pub(crate) fn signature(body: &[u8]) -> String {
    xsolla::signature::authorization_header(body, SECRET.as_bytes())
}

/// A paid order: goes to the queue of grants.
pub(crate) fn order_paid(order: i64) -> String {
    json!({
        "notification_type": "order_paid",
        "items": [{"sku": "blade", "type": "virtual_good", "quantity": 1}],
        "order": {"id": order, "mode": "default", "currency_type": "real", "status": "paid"},
        "user": {"external_id": "mira"}
    })
    .to_string()
}

/// A refund: goes to the queue of revocations.
pub(crate) fn refund(transaction: i64) -> String {
    json!({
        "notification_type": "refund", "user": {"id": "mira"},
        "transaction": {"id": transaction}
    })
    .to_string()
}
