//! Servers of this test alone, started by the project's own scripts in a folder of its own,
//! because they are killed: the shared ones serve other tests.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::Request;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use crate::process::{Halted, halt_family, kill_family};

/// For the broker to say how it stands, on a loaded machine.
const ANSWER: Duration = Duration::from_mins(3);
/// Longer than the broker's management takes to count a message that has moved.
const COUNTED: Duration = Duration::from_secs(8);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// One of the servers, by the name that the scripts use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Server {
    Broker,
    Postgres,
    Redis,
}

impl Server {
    pub(crate) const ALL: [Self; 3] = [Self::Broker, Self::Postgres, Self::Redis];

    /// As a person calls it.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Broker => "RabbitMQ",
            Self::Postgres => "PostgreSQL",
            Self::Redis => "Redis",
        }
    }

    /// What names it in the environment.
    pub(crate) const fn urls(self) -> &'static [&'static str] {
        match self {
            Self::Broker => &["AMQP_URL", "RABBITMQ_API_URL"],
            Self::Postgres => &["DATABASE_URL"],
            Self::Redis => &["REDIS_URL"],
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Broker => "rabbitmq",
            Self::Postgres => "postgres",
            Self::Redis => "redis",
        }
    }
}

/// The running servers. Ended with all their data when this is dropped, and by a watchman
/// when this process ends without dropping anything.
pub(crate) struct Servers {
    folder: PathBuf,
    private: Vec<Server>,
    /// The folder with the certificates, for servers that speak TLS as well.
    certificates: Option<PathBuf>,
    urls: BTreeMap<String, String>,
    watchman: Child,
    /// PostgreSQL's log so far: every start begins a new file.
    postgres_log: String,
}

impl Servers {
    /// Starts these below an empty folder; the others are those of the environment.
    pub(crate) async fn start(folder: &Path, private: &[Server]) -> Self {
        Self::start_with(folder, private, None).await
    }

    /// The same, with TLS listeners that use what is in `certificates`.
    pub(crate) async fn start_encrypted(
        folder: &Path,
        private: &[Server],
        certificates: &Path,
    ) -> Self {
        Self::start_with(folder, private, Some(certificates.to_owned())).await
    }

    async fn start_with(folder: &Path, private: &[Server], certificates: Option<PathBuf>) -> Self {
        let scripts = folder.join("deploy/stack");
        fs::create_dir_all(&scripts).unwrap();
        let ours = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/stack");
        for script in fs::read_dir(ours).unwrap() {
            let script = script.unwrap();
            fs::copy(script.path(), scripts.join(script.file_name())).unwrap();
        }
        let mut servers = Self {
            folder: folder.to_owned(),
            private: private.to_vec(),
            certificates,
            urls: BTreeMap::new(),
            watchman: watch(folder),
            postgres_log: String::new(),
        };
        servers.start_missing().await;
        let env = fs::read_to_string(folder.join(".stack/env")).unwrap();
        servers.urls = env
            .lines()
            .filter_map(|line| line.strip_prefix("export ")?.split_once('='))
            .map(|(name, url)| (name.to_owned(), url.to_owned()))
            .collect();
        servers
    }

    /// `DATABASE_URL`, `AMQP_URL`, `RABBITMQ_API_URL` or `REDIS_URL`.
    pub(crate) fn url(&self, name: &str) -> &str {
        &self.urls[name]
    }

    /// Where a server listens.
    pub(crate) fn at(&self, server: Server) -> SocketAddr {
        let url = self.url(server.urls()[0]);
        let (_, rest) = url.split_once("://").unwrap();
        let authority = rest.split('/').next().unwrap();
        let at = authority.rsplit('@').next().unwrap();
        at.parse().unwrap()
    }

    /// The port of the daemon that the broker's nodes find each other by.
    pub(crate) fn epmd_port(&self) -> String {
        let port = fs::read_to_string(self.folder.join(".stack/ports/epmd"));
        port.unwrap().trim().to_owned()
    }

    /// Starts those that do not run, on their old ports and data, and waits until they can
    /// be used.
    pub(crate) async fn start_missing(&mut self) {
        let before = self.log_of(Server::Postgres);
        let mut up = tokio::process::Command::from(self.script("up.sh"));
        let done = up.output().await.unwrap();
        assert!(
            done.status.success(),
            "up.sh: {}{}",
            String::from_utf8_lossy(&done.stdout),
            String::from_utf8_lossy(&done.stderr)
        );
        if !self.log_of(Server::Postgres).starts_with(&before) {
            self.postgres_log.push_str(&before);
        }
    }

    /// `kill -9` of a server and all its children, after they stood still for a while.
    pub(crate) async fn kill(&mut self, server: Server, stall: Duration) {
        let (leader, born) = self.leader(server);
        kill_family(leader, born, stall).await;
    }

    /// A server and all its children stand still.
    pub(crate) async fn halt(&self, server: Server) -> Halted {
        let (leader, born) = self.leader(server);
        halt_family(leader, born).await
    }

    /// The first process of a server, and when it was born.
    fn leader(&self, server: Server) -> (u32, u64) {
        let record = self.folder.join(".stack/servers").join(server.name());
        let record = fs::read_to_string(record).unwrap();
        let (leader, born) = record.trim().split_once(' ').unwrap();
        (leader.parse().unwrap(), born.parse().unwrap())
    }

    /// What it has logged since it started; nothing if it never did.
    fn log_of(&self, server: Server) -> String {
        let log = self.folder.join(".stack/log");
        let log = fs::read(log.join(format!("{}.log", server.name())));
        String::from_utf8_lossy(&log.unwrap_or_default()).into_owned()
    }

    /// Where the data of a server is.
    pub(crate) fn data(&self, server: Server) -> PathBuf {
        let home = fs::read_to_string(self.folder.join(".stack/home")).unwrap();
        Path::new(home.trim()).join(server.name())
    }

    /// A script that is the broker's `rabbitmqctl`.
    pub(crate) fn control(&self) -> String {
        let home = self.data(Server::Broker);
        // Debian's own on the search path changes the user and drops the environment.
        format!(
            "#!/bin/bash\n\
             export LANG=C.UTF-8 HOME='{home}' ERL_EPMD_PORT={epmd} \
             RABBITMQ_NODENAME=grantline@localhost \
             RABBITMQ_CONF_ENV_FILE='{home}/rabbitmq-env.conf'\n\
             exec \"$(printf '%s\\n' /usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmqctl | \
             sort -V | tail -n 1)\" --quiet \"$@\"\n",
            home = home.display(),
            epmd = self.epmd_port(),
        )
    }

    /// `rabbitmqctl` for this broker.
    pub(crate) async fn rabbitmqctl(&self, arguments: &[&str]) {
        let mut control = tokio::process::Command::new("bash");
        control
            .args(["-c", &self.control(), "rabbitmqctl"])
            .args(arguments);
        let done = control.output().await.unwrap();
        let said = [done.stdout, done.stderr].concat();
        assert!(
            done.status.success(),
            "rabbitmqctl {arguments:?}: {}",
            String::from_utf8_lossy(&said)
        );
    }

    /// All that PostgreSQL has logged since the first start.
    pub(crate) fn postgres_log(&self) -> String {
        format!("{}{}", self.postgres_log, self.log_of(Server::Postgres))
    }

    /// The one password of all of them.
    pub(crate) fn password(&self) -> String {
        let password = fs::read_to_string(self.folder.join(".stack/password"));
        password.unwrap().trim().to_owned()
    }

    /// Empties Redis.
    pub(crate) async fn flush_redis(&self) {
        let at = self.url("REDIS_URL").strip_prefix("redis://").unwrap();
        let mut redis = TcpStream::connect(at).await.unwrap();
        // In one step: the line fills it again at once.
        let flush = b"MULTI\r\nFLUSHALL\r\nDBSIZE\r\nEXEC\r\n";
        redis.write_all(flush).await.unwrap();
        let expected = b"+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n:0\r\n";
        let mut answer = [0; 36];
        redis.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, expected, "{}", String::from_utf8_lossy(&answer));
    }

    /// Messages in each queue, held ones included. A publisher's own queue of hints is as
    /// volatile as the hints and left out.
    pub(crate) async fn queues(&self) -> BTreeMap<String, u64> {
        let queues: Vec<Value> = self.management("queues/%2f").await;
        queues
            .iter()
            .filter(|queue| queue["durable"] == true)
            .map(|queue| {
                let name = queue["name"].as_str().unwrap().to_owned();
                // A queue whose leader has just come back is not counted yet.
                (name, queue["messages"].as_u64().unwrap_or(u64::MAX))
            })
            .collect()
    }

    /// Waits until nothing is on any queue, for longer than the broker takes to count.
    pub(crate) async fn until_empty(&self, patience: Duration) {
        let deadline = Instant::now() + patience;
        let mut empty_since = None;
        loop {
            let mut queues = self.queues().await;
            queues.retain(|_, messages| *messages > 0);
            let now = Instant::now();
            if !queues.is_empty() {
                empty_since = None;
            } else if now - *empty_since.get_or_insert(now) > COUNTED {
                return;
            }
            assert!(now < deadline, "never empty: {queues:?}");
            sleep(LOOK_EVERY).await;
        }
    }

    /// One queue, as KEDA reads it: messages, those held unacknowledged among them, and who
    /// takes from it. Asks again where the broker has not counted yet: nothing is not none.
    pub(crate) async fn queue(&self, name: &str) -> (u64, u64) {
        let deadline = Instant::now() + ANSWER;
        loop {
            let queues = self.management("queues/%2f").await;
            let queue = queues.iter().find(|queue| queue["name"] == name).unwrap();
            let count = |what: &str| queue[what].as_u64();
            if let (Some(messages), Some(consumers)) = (count("messages"), count("consumers")) {
                return (messages, consumers);
            }
            assert!(Instant::now() < deadline, "{name} is never counted");
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// Has the broker count the queues that are declared from here on every second, not every
    /// five.
    pub(crate) async fn count_every_second(&self) {
        let eval = "[application:set_env(rabbit, Key, 1000) ||
                Key <- [quorum_tick_interval, collect_statistics_interval]],
            [application:set_env(App, sample_retention_policies,
                [{Kind, [{60, 1}]} || Kind <- [global, basic, detailed]]) ||
                App <- [rabbitmq_management, rabbitmq_management_agent]],
            [ok = application:stop(App) ||
                App <- [rabbitmq_management, rabbitmq_management_agent]],
            [ok = application:start(App) ||
                App <- [rabbitmq_management_agent, rabbitmq_management]].";
        self.rabbitmqctl(&["eval", eval]).await;
    }

    /// The node that leads each durable queue.
    pub(crate) async fn leaders(&self) -> Vec<String> {
        let queues = self.management("queues/%2f").await;
        let leaders = queues.iter().filter_map(|queue| queue["leader"].as_str());
        leaders.map(str::to_owned).collect()
    }

    /// The broker's nodes that run.
    pub(crate) async fn running_nodes(&self) -> Vec<String> {
        let nodes = self.management("nodes").await;
        let running = nodes.iter().filter(|node| node["running"] == true);
        let names = running.filter_map(|node| node["name"].as_str());
        names.map(str::to_owned).collect()
    }

    /// Whether a node of the broker has this alarm on: `mem_alarm` or `disk_free_alarm`.
    pub(crate) async fn has_alarm(&self, alarm: &str) -> bool {
        let nodes = self.management("nodes").await;
        nodes.iter().any(|node| node[alarm] == true)
    }

    /// How often PostgreSQL has found its disk full.
    pub(crate) fn failed_writes(&self) -> usize {
        self.postgres_log()
            .matches("No space left on device")
            .count()
    }

    /// Whether each connection to the broker is encrypted, and whose certificate it shows.
    pub(crate) async fn broker_sessions(&self) -> Vec<(bool, String)> {
        let sessions = self.management("connections").await;
        sessions
            .iter()
            .map(|session| {
                let subject = session["peer_cert_subject"].as_str().unwrap_or_default();
                (session["ssl"] == true, subject.to_owned())
            })
            .collect()
    }

    /// What the management API says; a node short of everything may hang up on whoever asks.
    async fn management(&self, path: &str) -> Vec<Value> {
        let deadline = Instant::now() + ANSWER;
        loop {
            match self.ask_management(path).await {
                Ok(said) => return said,
                Err(error) => assert!(Instant::now() < deadline, "{path}: {error}"),
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    async fn ask_management(&self, path: &str) -> Result<Vec<Value>, Box<dyn Error>> {
        let amqp = self.url("AMQP_URL").strip_prefix("amqp://").unwrap();
        let (credentials, _) = amqp.rsplit_once('@').unwrap();
        let request = Request::get(format!("{}/api/{path}", self.url("RABBITMQ_API_URL")))
            .header(
                "authorization",
                format!("Basic {}", STANDARD.encode(credentials)),
            )
            .body(Empty::<Bytes>::new())?;
        let client = Client::builder(TokioExecutor::new()).build_http();
        let answer = client.request(request).await?;
        let body = answer.into_body().collect().await?.to_bytes();
        Ok(serde_json::from_slice(&body)?)
    }

    fn script(&self, name: &str) -> Command {
        let mut script = Command::new("bash");
        script.arg(self.folder.join("deploy/stack").join(name));
        // Somebody else's servers must not be taken for ours, nor an fsync left out.
        script.env_remove("STACK_FSYNC").env_remove("STACK_TLS");
        if let Some(certificates) = &self.certificates {
            script.env("STACK_TLS", certificates);
        }
        for name in self.private.iter().flat_map(|server| server.urls()) {
            script.env_remove(name);
        }
        script.stdin(Stdio::null());
        script
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // The servers' logs are evidence; their data is not worth its bytes.
            let logs = self.folder.join("servers");
            let _ = fs::rename(self.folder.join(".stack/log"), logs);
        }
        let _ = self.script("down.sh").arg("--purge").output();
        let _ = self.watchman.kill();
        let _ = self.watchman.wait();
    }
}

/// A process outside of this one's group that ends the servers when this one is gone.
fn watch(folder: &Path) -> Child {
    let watch = r#"tail --pid="$1" -f /dev/null
        umount --lazy "$(cat "$2/.stack/home")/postgres" 2>/dev/null
        for node in "$2"/*.pid; do
            leader=$(cat "$node" 2>/dev/null) || continue
            # The number may be somebody else's by now.
            grep -qsF "$2" "/proc/$leader/environ" && kill -KILL -- "-$leader"
        done
        "$2/deploy/stack/down.sh" --purge; rm -rf "$2""#;
    Command::new("bash")
        .args(["-c", watch, "watchman"])
        .arg(std::process::id().to_string())
        .arg(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap()
}
