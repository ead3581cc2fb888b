//! `grantline` as a process with a configuration of its own.

use std::fs::{self, File};
use std::hash::{BuildHasher as _, RandomState};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::Duration;

use testkit::{Database, Redis, Vhost};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

pub(crate) const PROJECT: i64 = 271_904;
pub(crate) const WEBHOOK_SECRET: &str = "canary-webhook-secret";
pub(crate) const LOGIN_SECRET: &str = "canary-login-secret-0123456789abcdef";
pub(crate) const LOGIN_PROJECT: &str = "17a1c0de-0000-4000-8000-000000000001";
pub(crate) const API_KEY: &str = "canary-api-key";
pub(crate) const QUARANTINE_KEY: &str =
    "decafbad00112233445566778899aabbccddeeff0123456789abcdeffedcba98";

const PATIENCE: Duration = Duration::from_mins(1);

/// What a configuration says. Everything else has its default.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) ledger: String,
    pub(crate) broker: String,
    pub(crate) management: String,
    pub(crate) redis: String,
    pub(crate) ingress: SocketAddr,
    pub(crate) level: &'static str,
    /// Whole tables more.
    pub(crate) more: String,
    pub(crate) variables: Vec<(&'static str, String)>,
}

impl Settings {
    /// Every server as it should be.
    pub(crate) fn of(database: &Database, vhost: &Vhost) -> Self {
        let management = vhost.config().management_url.unwrap();
        Self::at(
            database.url(),
            [vhost.url(), &management.reveal()],
            &Redis::key_space().url,
        )
    }

    /// Servers at these URLs: of the broker, its own and the management API's.
    pub(crate) fn at(ledger: &str, [broker, management]: [&str; 2], redis: &str) -> Self {
        Self {
            ledger: ledger.to_owned(),
            broker: broker.to_owned(),
            management: management.to_owned(),
            redis: redis.to_owned(),
            ingress: anywhere(),
            level: "info",
            more: String::new(),
            variables: Vec::new(),
        }
    }

    pub(crate) fn text(&self) -> String {
        let Self {
            ledger,
            broker,
            management,
            redis,
            ingress,
            level,
            more,
            variables: _,
        } = self;
        format!(
            "[ledger]\nurl = {ledger:?}\n\
             [broker]\nurl = {broker:?}\nmanagement_url = {management:?}\n\
             [claim]\nurl = {redis:?}\n\
             [telemetry]\nlevel = {level:?}\n\
             [admin]\nlisten = \"127.0.0.1:0\"\n\
             [ingress]\nlisten = \"{ingress}\"\nsources = [\"127.0.0.1\"]\n\
             deadline = \"20s\"\n\
             [publisher]\nlisten = \"127.0.0.1:0\"\n\
             [api]\nlisten = \"127.0.0.1:0\"\n\
             [api.keys.tests]\nsecret = {API_KEY:?}\n\
             rights = [\"register\", \"read\", \"bodies\", \"replay\"]\n\
             [projects.{PROJECT}]\nwebhook_secrets = [{WEBHOOK_SECRET:?}]\n\
             [projects.{PROJECT}.players]\ndeadline = \"10s\"\n\
             [projects.{PROJECT}.quarantine]\nenabled = true\nkey = {QUARANTINE_KEY:?}\n\
             [projects.{PROJECT}.publisher]\nalgorithm = \"HS256\"\nsecret = {LOGIN_SECRET:?}\n\
             login_project_id = {LOGIN_PROJECT:?}\n{more}"
        )
    }
}

/// A free port of this machine.
pub(crate) fn anywhere() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// A port where nobody listens.
pub(crate) fn closed_port() -> u16 {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    free.local_addr().unwrap().port()
}

/// A running `grantline`. Killed when this is dropped.
pub(crate) struct Process {
    child: Child,
    folder: PathBuf,
}

impl Process {
    pub(crate) fn start(arguments: &[&str], settings: &Settings) -> Self {
        let name = format!("grantline-test-{:016x}", RandomState::new().hash_one(()));
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("grantline.toml"), settings.text()).unwrap();
        let log = File::create(folder.join("log")).unwrap();
        let child = tests::grantline(arguments)
            .arg("--config")
            .arg(folder.join("grantline.toml"))
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .envs(settings.variables.clone())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        Self { child, folder }
    }

    /// Everything it has said, on both streams.
    pub(crate) fn text(&self) -> String {
        let bytes = fs::read(self.folder.join("log")).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The first line with all of `parts`, as soon as there is one.
    pub(crate) async fn says(&self, parts: &[&str]) -> String {
        let said = async {
            loop {
                let text = self.text();
                // Only whole lines: the last one may still be growing.
                let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
                if let Some(line) = whole.lines().find(|line| has(line, parts)) {
                    return line.to_owned();
                }
                sleep(Duration::from_millis(20)).await;
            }
        };
        let Ok(line) = timeout(PATIENCE, said).await else {
            panic!("no line with {parts:?} in:\n{}", self.text());
        };
        line
    }

    /// Asks it to stop.
    pub(crate) async fn stop(&mut self) -> Option<i32> {
        let id = self.child.id().unwrap().to_string();
        let asked = Command::new("kill").arg(id).status().await.unwrap();
        assert!(asked.success());
        self.ends().await
    }

    /// Its exit code, once it has ended.
    pub(crate) async fn ends(&mut self) -> Option<i32> {
        let Ok(status) = timeout(PATIENCE, self.child.wait()).await else {
            panic!("it does not end:\n{}", self.text());
        };
        status.unwrap().code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

pub(crate) fn has(line: &str, parts: &[&str]) -> bool {
    parts.iter().all(|part| line.contains(part))
}
