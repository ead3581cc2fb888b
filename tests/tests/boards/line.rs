//! The roles of the cluster stack, each a process of its own, and what happens to them.

use std::fs;
use std::hash::{BuildHasher as _, RandomState};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use hyper::Method;
use rehearsal::{Http, Instance};
use serde_json::json;
use testkit::{Database, Folder, Postgres, RabbitMq, Redis, Vhost};
use tests::grantline;
use tokio::process::Child;
use tokio::time::timeout;

use crate::PATIENCE;

const PROJECT: i64 = 44_056;
const LOGIN_PROJECT: &str = "11111111-2222-4333-8444-555555555555";
const ISSUER: &str = "https://login.xsolla.com";
const SECRETS: [(&str, &str); 3] = [
    ("webhook.secret", "webhook-secret-of-the-dashboards"),
    ("login.secret", "login-secret-of-the-dashboards-0123456789"),
    ("api.key", "api-key-of-the-dashboards"),
];
/// Each process: its name, its subcommand, its port for metrics. The first worker to start
/// reads queues and ledger for all, and none of the faults is its own.
const PROCESSES: [(&str, &[&str], u16); 5] = [
    ("watcher", &["worker", "--kinds", "record"], 9_101),
    ("worker", &["worker", "--kinds", "grant,revoke"], 9_102),
    ("ingress", &["ingress"], 9_103),
    ("publisher", &["publisher"], 9_104),
    ("api", &["api"], 9_105),
];

/// What is scraped.
#[derive(Clone, Copy)]
pub(crate) struct Target {
    pub(crate) name: &'static str,
    pub(crate) admin: SocketAddr,
}

struct Process {
    target: Target,
    arguments: &'static [&'static str],
    child: Option<Child>,
}

/// All of them.
pub(crate) struct Line {
    /// Before the folder and the servers they work with, so that they end first.
    processes: Vec<Process>,
    folder: Folder,
    database: Database,
    _vhost: Vhost,
}

/// A rehearsal under way.
pub(crate) struct Sale(Child);

impl Sale {
    /// Shoppers come to an instance; everything happens that a sale brings.
    pub(crate) fn begin(instance: &Path, lasting: &str) -> Self {
        let shares = "refund=10%,cancel=5%,dispute=5%,conflict=5%,repeat=10%,simultaneous=10%,\
                      unknown-player=5%,socket=50%,polling=30%,drop=60%,registered=50%";
        let mut rehearse = grantline(&["rehearse", "--duration", lasting, "--share", shares]);
        let sale = rehearse
            .args(["--orders-per-second", "12", "--time-scale", "3000"])
            .args(["--timeout", "2m", "--drain", "2m", "--settle", "1m"])
            .arg("--instance")
            .arg(instance)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self(sale)
    }

    /// Waits for its end. A sale in which a worker is killed may break promises of time.
    pub(crate) async fn ended(mut self) {
        let ended = timeout(PATIENCE, self.0.wait()).await;
        ended.expect("the sale ends in time").unwrap();
    }
}

impl Line {
    pub(crate) async fn start() -> Self {
        let folder = Folder::new();
        let database = Postgres::database().await;
        let vhost = RabbitMq::vhost().await;
        let ip = own_address();
        for (file, secret) in SECRETS {
            fs::write(folder.join(file), secret).unwrap();
        }
        let configuration = configuration(&database, &vhost, &folder, ip);
        fs::write(folder.join("grantline.toml"), configuration).unwrap();
        instance(&folder, ip)
            .write(&folder.join("instance.toml"))
            .unwrap();
        let processes = PROCESSES.map(|(name, arguments, port)| Process {
            target: Target {
                name,
                admin: SocketAddr::from((ip, port)),
            },
            arguments,
            child: None,
        });
        let mut line = Self {
            processes: processes.into(),
            folder,
            database,
            _vhost: vhost,
        };
        for number in 0..PROCESSES.len() {
            line.run(number);
            let target = line.processes[number].target;
            until_ready(target, || line.log(target.name)).await;
        }
        line
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn targets(&self) -> Vec<Target> {
        self.processes.iter().map(|it| it.target).collect()
    }

    fn log(&self, name: &str) -> String {
        fs::read_to_string(self.folder.join(&format!("{name}.log"))).unwrap_or_default()
    }

    pub(crate) fn begin_sale(&self) -> Sale {
        Sale::begin(&self.folder.join("instance.toml"), "60s")
    }

    fn run(&mut self, number: usize) {
        let process = &mut self.processes[number];
        let log =
            fs::File::create(self.folder.join(&format!("{}.log", process.target.name))).unwrap();
        let child = grantline(process.arguments)
            .arg("--config")
            .arg(self.folder.join("grantline.toml"))
            .env("GRANTLINE__ADMIN__LISTEN", process.target.admin.to_string())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        process.child = Some(child);
    }

    /// A paid order without any item: it is accepted, and waits for a person.
    pub(crate) async fn sell_what_nobody_can_grant(&self) {
        let (order, transaction) = (drawn() >> 2, drawn() >> 2);
        let notice = json!({
            "notification_type": "order_paid",
            "billing": {
                "notification_type": "payment",
                "purchase": {"total": {"amount": 6.98, "currency": "EUR"}},
                "settings": {"merchant_id": 1, "project_id": PROJECT},
                "transaction": {"id": transaction},
            },
            "items": [],
            "order": {"id": order, "amount": "6.98", "currency": "EUR", "currency_type": "real",
                      "invoice_id": transaction.to_string(), "mode": "default", "status": "paid"},
            "user": {"external_id": "mira"},
        });
        let file = self.folder.join("instance.toml");
        let target = Instance::read(&file).unwrap().target(&file).unwrap();
        let http = Http::new([target.webhook.url.as_str()].into_iter(), PATIENCE).unwrap();
        let body = notice.to_string().into();
        let answer = target.webhook.send(&http, body).await.unwrap();
        assert_eq!(answer.status, 204);
    }

    /// Notices that somebody else signed.
    pub(crate) async fn forge_signatures(&self, notices: usize) {
        let file = self.folder.join("instance.toml");
        let url = Instance::read(&file).unwrap().webhook_url;
        let http = tests::Http::new();
        let signature = format!("Signature {}", "0".repeat(40));
        let headers = [("authorization", signature.as_str())];
        for _ in 0..notices {
            let body = r#"{"notification_type":"order_paid"}"#;
            let answer = http.ask(Method::POST, &url, &headers, body).await.unwrap();
            assert_eq!(answer.status, 400);
        }
    }

    /// Runs a statement. Says what is wrong with it.
    pub(crate) async fn ask_the_ledger(&self, statement: &str) -> Result<(), sqlx::Error> {
        // The statements are those of our own runbooks.
        let statement = sqlx::raw_sql(sqlx::AssertSqlSafe(statement.to_owned()));
        statement.fetch_all(self.database.pool()).await.map(drop)
    }

    pub(crate) async fn kill_the_worker(&mut self) {
        let mut child = self.processes[1].child.take().unwrap();
        child.kill().await.unwrap();
    }

    pub(crate) fn start_the_worker(&mut self) {
        self.run(1);
    }
}

/// An address that nobody else on this machine uses, so that ports can be fixed.
pub(crate) fn own_address() -> Ipv4Addr {
    let [_, second, third, fourth] = Ipv4Addr::from_bits(drawn()).octets();
    Ipv4Addr::new(127, second.max(1), third, fourth.clamp(1, 254))
}

/// Waits until a process says that it is ready.
pub(crate) async fn until_ready(target: Target, log: impl Fn() -> String) {
    let Target { name, admin } = target;
    let url = format!("http://{admin}/ready");
    let http = tests::Http::new();
    let ready = async {
        loop {
            let answer = http.ask(Method::GET, &url, &[], "").await;
            if answer.is_ok_and(|answer| answer.status.is_success()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    assert!(timeout(PATIENCE, ready).await.is_ok(), "{name}: {}", log());
}

fn drawn() -> u32 {
    u32::try_from(RandomState::new().hash_one(()) >> 32).unwrap()
}

fn instance(folder: &Folder, ip: Ipv4Addr) -> Instance {
    let [webhook, login, key] = SECRETS.map(|(file, _)| folder.join(file));
    Instance {
        project: PROJECT,
        webhook_url: format!("http://{ip}:8080/webhooks/xsolla/{PROJECT}"),
        webhook_secret_file: webhook,
        client_url: format!("http://{ip}:8081"),
        login_secret_file: login,
        login_project: LOGIN_PROJECT.to_owned(),
        issuer: ISSUER.to_owned(),
        api_url: format!("http://{ip}:8082"),
        api_key_file: key,
    }
}

fn configuration(database: &Database, vhost: &Vhost, folder: &Folder, ip: Ipv4Addr) -> String {
    let [_, login, key] = SECRETS.map(|(file, _)| folder.join(file));
    let redis = Redis::key_space();
    format!(
        "[ledger]\nurl = {database:?}\n\n[broker]\nurl = {amqp:?}\n\n\
         [claim]\nurl = {redis:?}\nkey_prefix = {prefix:?}\n\n\
         [ingress]\nlisten = \"{ip}:8080\"\n\n[publisher]\nlisten = \"{ip}:8081\"\n\n\
         [api]\nlisten = \"{ip}:8082\"\n\n\
         [api.keys.game]\nsecret_file = \"{key}\"\nrights = [\"register\", \"read\"]\n\n\
         [projects.{PROJECT}]\nrehearsal = true\nwebhook_secrets = [{webhook:?}]\n\n\
         [projects.{PROJECT}.publisher]\nalgorithm = \"HS256\"\nsecret_file = \"{login}\"\n\
         login_project_id = {LOGIN_PROJECT:?}\n",
        webhook = SECRETS[0].1,
        login = login.display(),
        key = key.display(),
        database = database.url(),
        amqp = vhost.url(),
        redis = redis.url,
        prefix = redis.prefix,
    )
}
