//! The roles of `grantline`, each a process of its own, behind balancers, and their servers
//! behind proxies.

mod crowd;
mod standstill;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use hyper::{Method, StatusCode};
use rehearsal::{GameClient, GameServer, Target, Webhook};
use secret::Secret;
use testkit::CuttingProxy;
use tests::{Chance, Http};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use crate::balancer::{Balancer, Lines};
use crate::process::{Halted, ask_to_end, born, halt_family, kill_family};
use crate::servers::{Server, Servers};

pub(crate) const PROJECT: i64 = 271_904;
const WEBHOOK_SECRET: &str = "webhook-secret-of-the-fault-run";
const API_KEY: &str = "api-key-of-the-fault-run";
const LOGIN_SECRET: &str = "login-secret-of-the-fault-run-0123456789abcdef";
const LOGIN_PROJECT: &str = "11111111-2222-4333-8444-555555555555";
const ISSUER: &str = "https://login.xsolla.com";

/// What no log and no metric may hold: the secrets, and what the bodies say of persons.
pub(crate) const CANARIES: [&str; 6] = [
    WEBHOOK_SECRET,
    API_KEY,
    LOGIN_SECRET,
    "@example.com",
    "203.0.113.7",
    // How every player's token begins.
    "eyJ0eXAiOiJKV1Q",
];

/// Longest wait for a start or an end in order, on a loaded machine.
const PATIENCE: Duration = Duration::from_mins(3);

/// Every process, and the subcommand it runs.
pub(crate) const ROLES: [(&str, &str); 8] = [
    ("ingress 1", "ingress"),
    ("ingress 2", "ingress"),
    ("worker 1", "worker"),
    ("worker 2", "worker"),
    ("worker 3", "worker"),
    ("publisher 1", "publisher"),
    ("publisher 2", "publisher"),
    ("api", "api"),
];

/// Which build of `grantline` a process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    Released,
    /// The next one: it writes another task format and needs another schema.
    Ahead,
}

impl Version {
    fn binary(self) -> PathBuf {
        match self {
            Self::Released => tests::fresh_binary(),
            Self::Ahead => tests::ahead_binary(),
        }
    }
}

/// Two for each process, and for one more while a process is replaced.
pub(crate) const PORTS: usize = 2 * (ROLES.len() + 1);

/// A process to be.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    /// Its log's name, too: no two may have the same.
    pub(crate) name: String,
    /// The subcommand.
    pub(crate) role: &'static str,
    /// What follows it.
    pub(crate) arguments: &'static [&'static str],
    /// Where its configuration is not that of all.
    pub(crate) environment: Vec<(&'static str, String)>,
}

impl Member {
    pub(crate) fn new(name: impl Into<String>, role: &'static str) -> Self {
        Self {
            name: name.into(),
            role,
            arguments: &[],
            environment: Vec::new(),
        }
    }
}

/// Where a process listens, over every restart.
#[derive(Clone, Copy, Debug)]
struct Place {
    serves: SocketAddr,
    admin: SocketAddr,
}

/// The running roles.
pub(crate) struct Roles {
    folder: PathBuf,
    http: Http,
    _lines: Lines,
    cast: Vec<Member>,
    /// Those of the cast who are not to run any more.
    retired: BTreeSet<usize>,
    places: Vec<Place>,
    /// Where the next process listens that is to stand in for another.
    spare: Place,
    /// Where those listen that are added.
    vacant: Vec<Place>,
    ingress: Balancer,
    publisher: Balancer,
    api: Balancer,
    proxies: BTreeMap<Server, CuttingProxy>,
    processes: BTreeMap<usize, Child>,
    /// Roles that ended although nobody had killed them, or not in order.
    pub(crate) faults: Vec<String>,
}

impl Roles {
    /// Prepares database and broker, then starts every one of [`ROLES`] on [`PORTS`] ports.
    pub(crate) async fn start(
        folder: &Path,
        servers: &Servers,
        broker: SocketAddr,
        ports: &[SocketAddr],
    ) -> Self {
        Self::start_configured(folder, servers, broker, ports, str::to_owned).await
    }

    /// The same with another configuration, which is made of the usual one.
    pub(crate) async fn start_configured(
        folder: &Path,
        servers: &Servers,
        broker: SocketAddr,
        ports: &[SocketAddr],
        configured: impl FnOnce(&str) -> String,
    ) -> Self {
        let cast = ROLES.map(|(name, role)| Member::new(name, role));
        Self::begin(folder, servers, broker, ports, cast.into(), configured).await
    }

    /// The same with others. Two ports for each, two for a stand-in, and two for each that is
    /// added later.
    pub(crate) async fn start_cast(
        folder: &Path,
        servers: &Servers,
        broker: SocketAddr,
        ports: &[SocketAddr],
        cast: Vec<Member>,
    ) -> Self {
        Self::begin(folder, servers, broker, ports, cast, str::to_owned).await
    }

    async fn begin(
        folder: &Path,
        servers: &Servers,
        broker: SocketAddr,
        ports: &[SocketAddr],
        cast: Vec<Member>,
        configured: impl FnOnce(&str) -> String,
    ) -> Self {
        let pairs = ports.chunks_exact(2);
        let places = pairs.map(|pair| Place {
            serves: pair[0],
            admin: pair[1],
        });
        let mut places: Vec<_> = places.collect();
        let mut vacant = places.split_off(cast.len());
        let spare = vacant.remove(0);
        let copies = |subcommand: &str| {
            let all = cast.iter().zip(&places);
            let copies = all.filter(|(member, _)| member.role == subcommand);
            copies.map(|(_, place)| place.serves).collect()
        };
        let lines = Lines::new();
        let mut proxies = BTreeMap::new();
        for server in Server::ALL {
            let at = match server {
                Server::Broker => broker,
                Server::Postgres | Server::Redis => servers.at(server),
            };
            let proxy = lines.run(async move { CuttingProxy::before(&at.to_string()).await });
            let proxy = proxy.await;
            proxies.insert(server, proxy);
        }
        let configuration = configured(&configuration(servers, &proxies));
        fs::write(folder.join("grantline.toml"), configuration).unwrap();
        let mut roles = Self {
            folder: folder.to_owned(),
            http: Http::new(),
            ingress: lines.run(Balancer::before(copies("ingress"))).await,
            publisher: lines.run(Balancer::before(copies("publisher"))).await,
            api: lines.run(Balancer::before(copies("api"))).await,
            _lines: lines,
            cast,
            retired: BTreeSet::new(),
            spare,
            vacant,
            places,
            proxies,
            processes: BTreeMap::new(),
            faults: Vec::new(),
        };
        // Returns two seconds after it declared the queues: a quorum queue that is killed
        // earlier may be forgotten, whatever was confirmed.
        roles.migrate(Version::Released).await;
        roles.start_missing();
        for number in 0..roles.cast.len() {
            roles.is_ready(number).await;
        }
        roles
    }

    /// What stands in front of the copies of this one's role; nobody connects to a worker.
    fn balancer(&self, number: usize) -> Option<&Balancer> {
        match self.cast[number].role {
            "ingress" => Some(&self.ingress),
            "publisher" => Some(&self.publisher),
            "api" => Some(&self.api),
            _ => None,
        }
    }

    /// What stands in front of the ingresses.
    pub(crate) fn ingress(&self) -> SocketAddr {
        self.ingress.at
    }

    /// Where it takes requests.
    pub(crate) fn serves(&self, number: usize) -> SocketAddr {
        self.places[number].serves
    }

    /// Brings schema and topology to what this version needs.
    pub(crate) async fn migrate(&self, version: Version) {
        let mut command = self.command("migrate", "migrate", version);
        let migrated = command.status().await.unwrap();
        assert!(migrated.success(), "{}", self.tail("migrate"));
    }

    /// What a rehearsal plays against.
    pub(crate) fn target(&self) -> Target {
        let secret = |text: &str| Secret::inline(text).unwrap();
        Target {
            webhook: Webhook {
                url: format!("http://{}/webhooks/xsolla/{PROJECT}", self.ingress.at),
                secret: secret(WEBHOOK_SECRET),
            },
            client: Some(GameClient {
                url: format!("http://{}", self.publisher.at),
                login_secret: secret(LOGIN_SECRET),
                login_project: LOGIN_PROJECT.to_owned(),
                issuer: ISSUER.to_owned(),
            }),
            server: Some(GameServer {
                url: format!("http://{}", self.api.at),
                key: secret(API_KEY),
            }),
        }
    }

    /// The line between every role and this server.
    pub(crate) fn line_to(&self, server: Server) -> &CuttingProxy {
        &self.proxies[&server]
    }

    /// `kill -9`, after the process stood still for a while.
    pub(crate) async fn kill(&mut self, number: usize, stall: Duration) {
        let mut process = self.processes.remove(&number).unwrap();
        if let Some(status) = process.try_wait().unwrap() {
            self.ended(number, "ended by itself:", status);
            return;
        }
        let id = process.id().unwrap();
        kill_family(id, born(id).unwrap(), stall).await;
        process.wait().await.unwrap();
    }

    /// The process stands still.
    pub(crate) async fn halt(&self, number: usize) -> Halted {
        let id = self.processes[&number].id().unwrap();
        halt_family(id, born(id).unwrap()).await
    }

    /// One after the other is asked to end, and runs again before the next one is.
    pub(crate) async fn roll(&mut self) {
        for number in 0..self.cast.len() {
            let process = self.processes.remove(&number).unwrap();
            self.end(number, process).await;
            self.run(number);
            self.is_ready(number).await;
        }
    }

    /// Another process of this version takes the place of one, as with `maxSurge: 1` and
    /// `maxUnavailable: 0`: it is ready and has its share of new connections before the old
    /// one gets no more of them and is asked to end.
    pub(crate) async fn replace(&mut self, number: usize, version: Version) {
        let old = self.processes.remove(&number).unwrap();
        std::mem::swap(&mut self.spare, &mut self.places[number]);
        self.run_version(number, version);
        self.is_ready(number).await;
        if let Some(balancer) = self.balancer(number) {
            balancer.add(self.places[number].serves);
            balancer.remove(self.spare.serves);
        }
        self.end(number, old).await;
    }

    /// Asks a process to end, and notes where it does not do so in order.
    async fn end(&mut self, number: usize, process: Child) {
        ask_to_end(process.id().unwrap());
        self.leaves(number, process).await;
    }

    /// Waits for one that was asked to end.
    async fn leaves(&mut self, number: usize, mut process: Child) {
        match timeout(PATIENCE, process.wait()).await.map(Result::unwrap) {
            Ok(status) if status.success() => {}
            Ok(status) => self.ended(number, "ended, asked to, with", status),
            Err(_) => {
                let name = &self.cast[number].name;
                let tail = self.tail(name);
                let fault = format!("{name} had not ended {PATIENCE:?} after SIGTERM\n{tail}");
                self.faults.push(fault);
                process.kill().await.unwrap();
            }
        }
    }

    /// Starts the roles that do not run.
    pub(crate) fn start_missing(&mut self) {
        for number in 0..self.cast.len() {
            if self.retired.contains(&number) {
                continue;
            }
            if let Some(process) = self.processes.get_mut(&number) {
                let Some(status) = process.try_wait().unwrap() else {
                    continue;
                };
                self.ended(number, "ended by itself:", status);
            }
            self.run(number);
        }
    }

    fn ended(&mut self, number: usize, how: &str, status: ExitStatus) {
        let name = &self.cast[number].name;
        let tail = self.tail(name);
        self.faults.push(format!("{name} {how} {status}\n{tail}"));
    }

    fn run(&mut self, number: usize) {
        self.run_version(number, Version::Released);
    }

    fn run_version(&mut self, number: usize, version: Version) {
        let Member {
            name,
            role,
            arguments,
            environment,
        } = &self.cast[number];
        let place = self.places[number];
        let mut command = self.command(name, role, version);
        command.args(*arguments).envs(environment.iter().cloned());
        command.env("GRANTLINE__ADMIN__LISTEN", place.admin.to_string());
        if *role != "worker" {
            let key = format!("GRANTLINE__{}__LISTEN", role.to_uppercase());
            command.env(key, place.serves.to_string());
        }
        self.processes.insert(number, command.spawn().unwrap());
    }

    async fn is_ready(&self, number: usize) {
        let name = &self.cast[number].name;
        let deadline = Instant::now() + PATIENCE;
        while self.admin(number, "ready").await.is_none() {
            assert!(
                Instant::now() < deadline,
                "{name} is not ready: {}",
                self.tail(name)
            );
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// What the process says of itself; `None` unless it says 200.
    pub(crate) async fn admin(&self, number: usize, path: &str) -> Option<String> {
        let url = format!("http://{}/{path}", self.places[number].admin);
        let answer = self.http.ask(Method::GET, &url, &[], "").await.ok()?;
        let said = String::from_utf8_lossy(&answer.bytes).into_owned();
        (answer.status == StatusCode::OK).then_some(said)
    }

    /// All that a role has logged so far, whichever process it was.
    pub(crate) fn logged(&self, number: usize) -> String {
        fs::read_to_string(self.log(&self.cast[number].name)).unwrap()
    }

    /// The text of every log and of the metrics, by the name of its process.
    pub(crate) async fn told(&self) -> Vec<(String, String)> {
        let mut told = Vec::new();
        for (number, Member { name, .. }) in self.cast.iter().enumerate() {
            told.push((format!("the log of {name}"), self.logged(number)));
            let metrics = self.admin(number, "metrics").await.unwrap_or_default();
            told.push((format!("the metrics of {name}"), metrics));
        }
        told
    }

    fn command(&self, name: &str, subcommand: &str, version: Version) -> Command {
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
            .arg(version.binary())
            .arg(subcommand)
            .arg("--config")
            .arg(self.configuration())
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

/// All that has to be known and nothing else: what holds must hold with the defaults.
fn configuration(servers: &Servers, proxies: &BTreeMap<Server, CuttingProxy>) -> String {
    let by_proxy = |server: Server| proxies[&server].url(servers.url(server.urls()[0]));
    format!(
        "[ledger]\nurl = {database:?}\n\n\
         [broker]\nurl = {amqp:?}\nmanagement_url = {management:?}\n\n\
         [claim]\nurl = {redis:?}\n\n\
         [api.keys.tests]\nsecret = {API_KEY:?}\nrights = [\"register\", \"read\"]\n\n\
         [projects.{PROJECT}]\nrehearsal = true\nwebhook_secrets = [{WEBHOOK_SECRET:?}]\n\n\
         [projects.{PROJECT}.publisher]\nalgorithm = \"HS256\"\nsecret = {LOGIN_SECRET:?}\n\
         issuer = {ISSUER:?}\nlogin_project_id = {LOGIN_PROJECT:?}\n",
        database = by_proxy(Server::Postgres),
        amqp = by_proxy(Server::Broker),
        management = servers.url("RABBITMQ_API_URL"),
        redis = by_proxy(Server::Redis),
    )
}

/// Below 32768, where the ports of outgoing connections begin: a process finds its port free
/// whenever it comes back.
pub(crate) fn free_ports(seed: u64, count: usize) -> Vec<SocketAddr> {
    let mut chance = Chance::new(seed ^ u64::from(std::process::id()), 0);
    let mut free = Vec::new();
    for _ in 0..1_000 {
        let port = u16::try_from(10_000 + chance.below(9_000)).unwrap();
        let at = SocketAddr::from(([127, 0, 0, 1], port));
        if !free.contains(&at) && TcpListener::bind(at).is_ok() {
            free.push(at);
        }
        if free.len() == count {
            return free;
        }
    }
    panic!("not enough free ports between 10000 and 19000");
}
