//! The roles of `grantline`, each a process of its own.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::json;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use crate::binary::fresh_binary;
use crate::chance::Chance;
use crate::orders::PROJECT;
use crate::process::{born, kill_family};
use crate::sender::WEBHOOK_SECRET;
use crate::servers::Servers;

pub(crate) const API_KEY: &str = "api-key-of-the-kill-test";
const LOGIN_SECRET: &str = "login-secret-of-the-kill-test-0123456789abcdef";
const LOGIN_PROJECT: &str = "11111111-2222-4333-8444-555555555555";

const START: Duration = Duration::from_secs(30);

/// Every process, and the subcommand it runs.
pub(crate) const ROLES: [(&str, &str); 5] = [
    ("ingress", "ingress"),
    ("worker 1", "worker"),
    ("worker 2", "worker"),
    ("publisher", "publisher"),
    ("api", "api"),
];

/// Where the roles listen, over every restart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Addresses {
    pub(crate) ingress: SocketAddr,
    pub(crate) publisher: SocketAddr,
    pub(crate) api: SocketAddr,
}

/// The running roles.
pub(crate) struct Roles {
    binary: PathBuf,
    folder: PathBuf,
    pub(crate) at: Addresses,
    processes: BTreeMap<&'static str, Child>,
    /// Roles that ended although nobody had killed them.
    pub(crate) faults: Vec<String>,
}

impl Roles {
    /// Prepares database and broker, then starts every role.
    pub(crate) async fn start(folder: &Path, servers: &Servers, seed: u64) -> Self {
        let [ingress, publisher, api] = free_ports(seed);
        let at = Addresses {
            ingress,
            publisher,
            api,
        };
        fs::write(folder.join("grantline.toml"), configuration(servers, at)).unwrap();
        let mut roles = Self {
            binary: fresh_binary(),
            folder: folder.to_owned(),
            at,
            processes: BTreeMap::new(),
            faults: Vec::new(),
        };
        // Returns two seconds after it declared the queues: a quorum queue that is killed
        // earlier may be forgotten, whatever was confirmed.
        let migrated = roles.command("migrate", "migrate").status().await.unwrap();
        assert!(migrated.success(), "{}", roles.tail("migrate"));
        for (name, _) in ROLES {
            roles.run(name);
        }
        for at in [ingress, publisher, api] {
            let deadline = Instant::now() + START;
            while TcpStream::connect(at).await.is_err() {
                assert!(Instant::now() < deadline, "nobody listens at {at}");
                sleep(Duration::from_millis(20)).await;
            }
        }
        roles
    }

    /// `kill -9`, after the process stood still for a while.
    pub(crate) async fn kill(&mut self, name: &'static str, stall: Duration) {
        let mut process = self.processes.remove(name).unwrap();
        let id = process.id().unwrap();
        kill_family(id, born(id).unwrap(), stall).await;
        process.wait().await.unwrap();
    }

    /// Starts the roles that do not run.
    pub(crate) fn start_missing(&mut self) {
        for (name, _) in ROLES {
            if let Some(process) = self.processes.get_mut(name) {
                let Some(status) = process.try_wait().unwrap() else {
                    continue;
                };
                self.faults.push(format!(
                    "{name} ended by itself: {status}\n{}",
                    self.tail(name)
                ));
            }
            self.run(name);
        }
    }

    fn run(&mut self, name: &'static str) {
        let (_, role) = ROLES.iter().find(|(known, _)| *known == name).unwrap();
        let process = self.command(name, role).spawn().unwrap();
        self.processes.insert(name, process);
    }

    fn command(&self, name: &str, subcommand: &str) -> Command {
        let log = || -> File {
            let log = self.log(name);
            OpenOptions::new()
                .create(true)
                .append(true)
                .open(log)
                .unwrap()
        };
        // The kernel ends it when this thread ends, however that happens.
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "--"])
            .arg(&self.binary)
            .arg(subcommand)
            .arg("--config")
            .arg(self.folder.join("grantline.toml"))
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .stdin(Stdio::null())
            .stdout(log())
            .stderr(log())
            .kill_on_drop(true);
        command
    }

    fn log(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{}.log", name.replace(' ', "-")))
    }

    /// The end of a role's log.
    fn tail(&self, name: &str) -> String {
        let log = fs::read_to_string(self.log(name)).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }
}

/// A player's token, as Xsolla Login makes them.
pub(crate) fn token(player: &str) -> String {
    let claims = json!({
        "sub": player, "iss": "https://login.xsolla.com",
        "xsolla_login_project_id": LOGIN_PROJECT,
        "exp": task::now().unix_timestamp() + 3_600
    });
    let key = jsonwebtoken::EncodingKey::from_secret(LOGIN_SECRET.as_bytes());
    jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap()
}

/// All that has to be known and nothing else: what holds must hold with the defaults.
fn configuration(servers: &Servers, at: Addresses) -> String {
    format!(
        "[ledger]\nurl = {database:?}\n\n\
         [broker]\nurl = {amqp:?}\nmanagement_url = {management:?}\n\n\
         [claim]\nurl = {redis:?}\n\n\
         [ingress]\nlisten = \"{ingress}\"\n\n\
         [publisher]\nlisten = \"{publisher}\"\n\n\
         [admin]\nlisten = \"127.0.0.1:0\"\n\n\
         [api]\nlisten = \"{api}\"\n\n\
         [api.keys.tests]\nsecret = {API_KEY:?}\nrights = [\"read\"]\n\n\
         [projects.{PROJECT}]\nwebhook_secrets = [{WEBHOOK_SECRET:?}]\n\n\
         [projects.{PROJECT}.publisher]\nalgorithm = \"HS256\"\nsecret = {LOGIN_SECRET:?}\n\
         login_project_id = {LOGIN_PROJECT:?}\n",
        database = servers.url("DATABASE_URL"),
        amqp = servers.url("AMQP_URL"),
        management = servers.url("RABBITMQ_API_URL"),
        redis = servers.url("REDIS_URL"),
        ingress = at.ingress,
        publisher = at.publisher,
        api = at.api,
    )
}

/// Below 32768, where the ports of outgoing connections begin: a role finds its port free
/// whenever it comes back.
fn free_ports(seed: u64) -> [SocketAddr; 3] {
    let mut chance = Chance::new(seed ^ u64::from(std::process::id()), 0);
    let mut free = Vec::new();
    for _ in 0..1_000 {
        let port = u16::try_from(10_000 + chance.below(9_000)).unwrap();
        let at = SocketAddr::from(([127, 0, 0, 1], port));
        if !free.contains(&at) && TcpListener::bind(at).is_ok() {
            free.push(at);
        }
        if let [ingress, publisher, api] = free[..] {
            return [ingress, publisher, api];
        }
    }
    panic!("no three free ports between 10000 and 19000");
}
