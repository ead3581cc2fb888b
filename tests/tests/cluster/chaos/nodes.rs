//! Two more nodes beside the broker's first one, so that a quorum queue has three members and
//! outlives the one that leads it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use crate::balancer::Balancer;
use crate::process::{born, kill_family};
use crate::servers::{Server, Servers};

/// The first node, which the servers' scripts start.
const FIRST: &str = "grantline@localhost";
pub(crate) const MORE_NODES: usize = 2;
const MORE: [&str; MORE_NODES] = ["grantline2@localhost", "grantline3@localhost"];
/// A node starts, or joins, on a loaded machine.
const PATIENCE: Duration = Duration::from_mins(3);

/// The broker as three nodes. The two that are not the servers' end with this.
pub(crate) struct Nodes {
    folder: PathBuf,
    more: BTreeMap<&'static str, Node>,
    /// One address for all three.
    pub(crate) balancer: Balancer,
}

struct Node {
    amqp: SocketAddr,
    distribution: u16,
    /// `None` while it is down.
    process: Option<Child>,
}

impl Nodes {
    /// Starts two more nodes, which join the first. Before anybody declares a queue.
    pub(crate) async fn around(servers: &Servers, folder: &Path, ports: &[SocketAddr]) -> Self {
        let mut more = BTreeMap::new();
        for (name, ports) in MORE.into_iter().zip(ports.chunks_exact(2)) {
            let node = Node {
                amqp: ports[0],
                distribution: ports[1].port(),
                process: None,
            };
            more.insert(name, node);
        }
        let mut all = vec![servers.at(Server::Broker)];
        all.extend(more.values().map(|node| node.amqp));
        let mut nodes = Self {
            folder: folder.to_owned(),
            more,
            balancer: Balancer::before(all).await,
        };
        nodes.start_missing(servers).await;
        nodes
    }

    /// Starts those of the two that are down, and waits until all three run.
    pub(crate) async fn start_missing(&mut self, servers: &Servers) {
        for (name, node) in &mut self.more {
            if node.process.is_none() {
                node.process = Some(start(name, node, &self.folder, servers));
            }
        }
        let deadline = Instant::now() + PATIENCE;
        for node in self.more.values() {
            while TcpStream::connect(node.amqp).await.is_err() {
                assert!(Instant::now() < deadline, "a node does not start");
                sleep(Duration::from_millis(100)).await;
            }
        }
        while servers.running_nodes().await.len() < 1 + MORE_NODES {
            assert!(Instant::now() < deadline, "the nodes do not find together");
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// Ends the node that leads most queues with `kill -9`. Says which it was, and where it
    /// listened.
    pub(crate) async fn kill_leader(
        &mut self,
        servers: &mut Servers,
        stall: Duration,
    ) -> (String, SocketAddr) {
        let leaders = servers.leaders().await;
        let led = |node: &str| leaders.iter().filter(|leader| *leader == node).count();
        let nodes: BTreeSet<&String> = leaders.iter().collect();
        let leader = nodes.into_iter().max_by_key(|node| led(node));
        let leader = leader.expect("queues have leaders").clone();
        let at = if leader == FIRST {
            servers.kill(Server::Broker, stall).await;
            servers.at(Server::Broker)
        } else {
            let node = self.more.get_mut(leader.as_str()).expect("one of ours");
            let mut process = node.process.take().expect("it runs");
            let id = process.id().expect("it runs");
            kill_family(id, born(id).unwrap(), stall).await;
            process.wait().await.unwrap();
            node.amqp
        };
        (format!("{leader}, which led {} queues", led(&leader)), at)
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        let running = self.more.values().filter_map(|node| node.process.as_ref());
        for id in running.filter_map(Child::id) {
            // Each leads a group of its own.
            let _ = std::process::Command::new("kill")
                .args(["-KILL", "--", &format!("-{id}")])
                .output();
        }
    }
}

/// A node like the servers' own, with the same cookie and the same epmd.
fn start(name: &str, node: &Node, folder: &Path, servers: &Servers) -> Child {
    let short = name.split('@').next().unwrap_or(name);
    let data = folder.join(short);
    fs::create_dir_all(&data).unwrap();
    let cookie = data.join(".erlang.cookie");
    if !cookie.exists() {
        fs::copy(servers.data(Server::Broker).join(".erlang.cookie"), &cookie).unwrap();
        fs::set_permissions(&cookie, fs::Permissions::from_mode(0o400)).unwrap();
    }
    let write = |file: &str, text: &str| fs::write(data.join(file), text).unwrap();
    write("rabbitmq-env.conf", "");
    write("advanced.config", "[].");
    write("enabled_plugins", "[rabbitmq_management_agent].");
    write(
        "rabbitmq.conf",
        &format!(
            "listeners.tcp.default = {}\n\
             cluster_formation.peer_discovery_backend = classic_config\n\
             cluster_formation.classic_config.nodes.1 = {FIRST}\n\
             vm_memory_high_watermark.absolute = 2GB\n\
             disk_free_limit.absolute = 500MB\n\
             collect_statistics_interval = 500\n\
             log.console = true\n\
             log.file = false\n",
            node.amqp
        ),
    );
    let log = File::create(folder.join(format!("{short}.log"))).unwrap();
    let server = r#"exec "$(printf '%s\n' /usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server |
        sort -V | tail -n 1)""#;
    let at = |file: &str| data.join(file);
    let child = Command::new("setsid")
        .args(["bash", "-c", server])
        .env_clear()
        .env(
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        )
        .env("LANG", "C.UTF-8")
        .env("HOME", &data)
        .env("ERL_EPMD_PORT", servers.epmd_port())
        .env("ERL_EPMD_ADDRESS", "127.0.0.1")
        .env("RABBITMQ_NODENAME", name)
        .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
        .env("RABBITMQ_NODE_PORT", node.amqp.port().to_string())
        .env("RABBITMQ_DIST_PORT", node.distribution.to_string())
        .env(
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
            "-kernel inet_dist_use_interface {127,0,0,1}",
        )
        .env("RABBITMQ_CONFIG_FILE", at("rabbitmq.conf"))
        .env("RABBITMQ_CONF_ENV_FILE", at("rabbitmq-env.conf"))
        .env("RABBITMQ_ADVANCED_CONFIG_FILE", at("advanced.config"))
        .env("RABBITMQ_ENABLED_PLUGINS_FILE", at("enabled_plugins"))
        .env("RABBITMQ_MNESIA_BASE", at("mnesia"))
        .env("RABBITMQ_LOG_BASE", at("log"))
        .env("RABBITMQ_FEATURE_FLAGS_FILE", at("feature_flags"))
        .env("RABBITMQ_PID_FILE", at("pid"))
        .env("RABBITMQ_SCHEMA_DIR", at("schema"))
        .env("RABBITMQ_GENERATED_CONFIG_DIR", at("config"))
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    // For the watchman, who ends it when nobody else can.
    let id = child.id().unwrap();
    fs::write(folder.join(format!("{short}.pid")), id.to_string()).unwrap();
    child
}
