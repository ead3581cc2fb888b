//! `grantline` on one file, and later on servers.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Method, Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use testkit::{Database, Folder, Redis, Vhost};
use tests::fresh_binary;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

pub(crate) const PROJECT: i64 = 271_904;
const WEBHOOK_SECRET: &str = "canary-webhook-secret";
const API_KEY: &str = "canary-api-key";
const ANSWER: Duration = Duration::from_secs(10);
/// Longest wait for something that must happen, on a loaded machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

/// A folder with configurations, and ports that stay the same.
pub(crate) struct Line {
    folder: Folder,
    ports: [(&'static str, SocketAddr); 4],
    client: Client<HttpConnector, Full<Bytes>>,
}

/// A running `grantline serve`. Killed when this is dropped.
pub(crate) struct Served {
    child: Child,
    log: PathBuf,
}

/// What a command did.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    /// On both streams.
    pub(crate) text: String,
}

impl Line {
    pub(crate) fn new() -> Self {
        let listeners = ["ingress", "publisher", "api", "admin"]
            .map(|role| (role, TcpListener::bind("127.0.0.1:0").unwrap()));
        let line = Self {
            folder: Folder::new(),
            ports: listeners.map(|(role, listener)| (role, listener.local_addr().unwrap())),
            client: Client::builder(TokioExecutor::new()).build_http(),
        };
        fs::create_dir(line.join("data")).unwrap();
        line.on_file(&line.file());
        line
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.join("data/line.db")
    }

    /// The configuration `embedded.toml` is about this file.
    pub(crate) fn on_file(&self, file: &Path) {
        self.write(
            "embedded.toml",
            &format!("[embedded]\nfile = \"{}\"\n", file.display()),
        );
    }

    /// The configuration `cluster.toml` is about these servers.
    pub(crate) fn on_servers(&self, database: &Database, vhost: &Vhost) {
        let management = vhost.config().management_url.unwrap();
        let stack = format!(
            "[ledger]\nurl = {:?}\n[broker]\nurl = {:?}\nmanagement_url = {:?}\n[claim]\nurl = {:?}\n",
            database.url(),
            vhost.url(),
            &*management.reveal(),
            Redis::key_space().url,
        );
        self.write("cluster.toml", &stack);
    }

    fn write(&self, name: &str, stack: &str) {
        let listen = |(role, at): &(&str, SocketAddr)| format!("[{role}]\nlisten = \"{at}\"\n");
        let roles: String = self.ports.iter().map(listen).collect();
        let rest = format!(
            "[api.keys.tests]\nsecret = {API_KEY:?}\nrights = [\"register\", \"read\", \"replay\"]\n\
             [projects.{PROJECT}]\nwebhook_secrets = [{WEBHOOK_SECRET:?}]\n"
        );
        fs::write(self.join(name), format!("{stack}{roles}{rest}")).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("setpriv");
        command
            // The kernel ends it when this thread ends, however that happens.
            .args(["--pdeathsig", "KILL", "--"])
            .arg(fresh_binary())
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// Starts a command that ends by itself.
    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        piped.spawn().unwrap()
    }

    /// Runs a command to its end.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Ran {
        let ended = timeout(PATIENCE, self.start(arguments).wait_with_output()).await;
        let output = ended.expect("a command ends").unwrap();
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8(text).unwrap();
        assert!(!text.contains("canary"), "{text}");
        Ran {
            code: output.status.code(),
            text,
        }
    }

    /// Runs a command that must fail with one line that has all of `parts`.
    pub(crate) async fn fails(&self, arguments: &[&str], parts: &[&str]) {
        let Ran { code, text } = self.run(arguments).await;
        assert_eq!(code, Some(1), "{text}");
        let said = |line: &str| parts.iter().all(|part| line.contains(part));
        assert!(text.lines().any(said), "{parts:?} in:\n{text}");
    }

    /// Serves a configuration; returns when it answers.
    pub(crate) async fn serve(&self, config: &str) -> Served {
        let log = self.join("log");
        let out = File::create(&log).unwrap();
        let mut command = self.command(&["serve", "--config", config]);
        let out = command.stdout(out.try_clone().unwrap()).stderr(out);
        let served = Served {
            child: out.spawn().unwrap(),
            log,
        };
        let answers = async {
            while self.read("/v1/parked").await.is_none() {
                sleep(Duration::from_millis(20)).await;
            }
        };
        let answers = timeout(PATIENCE, answers).await;
        assert!(answers.is_ok(), "never reachable:\n{}", served.text());
        served
    }

    fn at(&self, role: &str) -> SocketAddr {
        self.ports.iter().find(|(name, _)| *name == role).unwrap().1
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Option<(StatusCode, Value)> {
        let answer = async {
            let answer = self.client.request(request).await.ok()?;
            let status = answer.status();
            let body = answer.into_body().collect().await.ok()?.to_bytes();
            Some((status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
        };
        timeout(ANSWER, answer).await.ok().flatten()
    }

    /// Sends a notice as Xsolla does.
    pub(crate) async fn tell(&self, notice: &Value) -> Option<StatusCode> {
        let body = notice.to_string();
        let signed =
            xsolla::signature::authorization_header(body.as_bytes(), WEBHOOK_SECRET.as_bytes());
        let uri = format!("http://{}/webhooks/xsolla/{PROJECT}", self.at("ingress"));
        let request = Request::builder()
            .method(Method::POST)
            .uri(uri)
            .header("authorization", signed)
            .body(Full::new(Bytes::from(body)))
            .unwrap();
        self.send(request).await.map(|(status, _)| status)
    }

    /// The same, until it is taken.
    pub(crate) async fn deliver(&self, notice: &Value) {
        let taken = async {
            while self.tell(notice).await != Some(StatusCode::NO_CONTENT) {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, taken).await.expect("a notice is taken");
    }

    pub(crate) async fn read(&self, path: &str) -> Option<Value> {
        let request = Request::builder()
            .uri(format!("http://{}{path}", self.at("api")))
            .header("authorization", format!("Bearer {API_KEY}"))
            .body(Full::default())
            .unwrap();
        let (status, body) = self.send(request).await?;
        (status == StatusCode::OK).then_some(body)
    }

    /// What a player has.
    pub(crate) async fn inventory(&self, player: &str) -> BTreeMap<String, u64> {
        let path = format!("/v1/projects/{PROJECT}/players/{player}/inventory");
        let inventory = self.read(&path).await.unwrap_or_default();
        let items = inventory["items"].as_array().cloned().unwrap_or_default();
        let item =
            |item: &Value| Some((item["sku"].as_str()?.to_owned(), item["quantity"].as_u64()?));
        items.iter().filter_map(item).collect()
    }

    /// Waits until a player has exactly these, one of each.
    pub(crate) async fn holds(&self, player: &str, skus: &[&str]) {
        let owed: BTreeMap<_, _> = skus.iter().map(|sku| ((*sku).to_owned(), 1)).collect();
        let holds = async {
            while self.inventory(player).await != owed {
                sleep(Duration::from_millis(20)).await;
            }
        };
        let ended = timeout(PATIENCE, holds).await;
        let held = self.inventory(player).await;
        assert!(ended.is_ok(), "{player}: {held:?}, owed {owed:?}");
    }

    /// The numbers of the parked entries, once there are so many.
    pub(crate) async fn parked(&self, count: usize) -> Vec<i64> {
        let parked = async {
            loop {
                let parked = self.read("/v1/parked").await.unwrap_or_default();
                let entries = parked["parked"].as_array().cloned().unwrap_or_default();
                if entries.len() == count {
                    return entries
                        .iter()
                        .map(|it| it["id"].as_i64().unwrap())
                        .collect();
                }
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, parked).await.expect("so many are parked")
    }
}

impl Served {
    /// Everything it has said.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap()).into_owned()
    }

    /// Asks it to stop.
    pub(crate) async fn stop(mut self) {
        let id = self.child.id().unwrap().to_string();
        assert!(
            Command::new("kill")
                .arg(id)
                .status()
                .await
                .unwrap()
                .success()
        );
        let ended = timeout(PATIENCE, self.child.wait()).await;
        let code = ended.expect("it stops").unwrap().code();
        assert_eq!(code, Some(0), "{}", self.text());
    }

    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }
}

/// `order_paid` of one item that no other order grants.
pub(crate) fn paid(order: i64, player: &str) -> Value {
    notice("order_paid", "payment", order, player)
}

pub(crate) fn canceled(order: i64, player: &str) -> Value {
    notice("order_canceled", "refund", order, player)
}

/// Cannot be granted: it names nobody.
pub(crate) fn of_nobody(order: i64) -> Value {
    let mut nobody = paid(order, "nobody");
    nobody.as_object_mut().unwrap().remove("user");
    nobody
}

fn notice(kind: &str, billing: &str, order: i64, player: &str) -> Value {
    json!({
        "notification_type": kind,
        "items": [{"sku": sku(order), "type": "virtual_good", "quantity": 1, "amount": "1"}],
        "order": {
            "id": order, "mode": "default", "currency_type": "real",
            "currency": "EUR", "amount": "1", "status": "paid"
        },
        "billing": {
            "notification_type": billing,
            "settings": {"project_id": PROJECT, "merchant_id": 1},
            "transaction": {"id": 500_000 + order}
        },
        "user": {"external_id": player}
    })
}

pub(crate) fn sku(order: i64) -> String {
    format!("blade-{order}")
}
