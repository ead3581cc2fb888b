//! The roles to be measured: processes of the release build, with default configuration.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use testkit::{Database, Redis, Vhost};
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::load::{Poster, signed};

pub(crate) const PROJECT: i64 = 271_904;
pub(crate) const SECRET: &str = "a-webhook-secret-of-the-usual-length";
pub(crate) const LOGIN_SECRET: &str = "a-login-secret-of-the-usual-length-0123456789";
pub(crate) const LOGIN_PROJECT: &str = "11111111-2222-4333-8444-555555555555";

/// A notice of 2 KB, as Xsolla sends it in separate mode.
pub(crate) const NOTICE: &[u8] = xsolla::fixtures::PAYMENT_WITH_ORDER_OBJECT;

const START: Duration = Duration::from_secs(30);

/// One `grantline` process, ended when this is dropped.
pub(crate) struct Role {
    process: Child,
    folder: PathBuf,
    pub(crate) ingress: SocketAddr,
    pub(crate) publisher: SocketAddr,
}

impl Role {
    /// Starts a subcommand and waits until what it listens on works.
    pub(crate) async fn start(subcommand: &str, vhost: &Vhost, database: &Database) -> Self {
        let [ingress, publisher] = free_addresses();
        let name = format!("grantline-bench-{}-{subcommand}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder).unwrap();
        let (configuration, log) = (folder.join("grantline.toml"), folder.join("log"));
        let text = written(vhost, database, ingress, publisher);
        fs::write(&configuration, text).unwrap();
        // The kernel ends it with this thread, the main one.
        let process = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--"])
            .arg(binary())
            .arg(subcommand)
            .arg("--config")
            .arg(configuration)
            .stdin(Stdio::null())
            .stdout(File::create(&log).unwrap())
            .stderr(File::options().append(true).open(&log).unwrap())
            .spawn()
            .unwrap();
        let mut role = Self {
            process,
            folder,
            ingress,
            publisher,
        };
        role.wait_until_accepting().await;
        role
    }

    pub(crate) fn process(&self) -> u32 {
        // setpriv has become the role.
        self.process.id()
    }

    async fn wait_until_accepting(&mut self) {
        let request = signed(NOTICE);
        let deadline = Instant::now() + START;
        loop {
            let listens = TcpStream::connect(self.ingress).await.is_ok();
            if listens && Poster::connect(self.ingress).await.try_post(&request).await {
                return;
            }
            let ended = self.process.try_wait().unwrap();
            let log = || fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            assert!(ended.is_none(), "{ended:?}\n{}", log());
            assert!(Instant::now() < deadline, "accepts nothing\n{}", log());
            sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// All that has to be known and nothing else.
fn written(
    vhost: &Vhost,
    database: &Database,
    ingress: SocketAddr,
    publisher: SocketAddr,
) -> String {
    let keys = Redis::key_space();
    format!(
        "[ledger]\nurl = {database:?}\n\n\
         [broker]\nurl = {amqp:?}\n\n\
         [claim]\nurl = {redis:?}\nkey_prefix = {prefix:?}\n\n\
         [ingress]\nlisten = \"{ingress}\"\n\n\
         [publisher]\nlisten = \"{publisher}\"\n\n\
         [admin]\nlisten = \"127.0.0.1:0\"\n\n\
         [api]\nlisten = \"127.0.0.1:0\"\n\n\
         [projects.{PROJECT}]\nwebhook_secrets = [{SECRET:?}]\n\n\
         [projects.{PROJECT}.publisher]\nalgorithm = \"HS256\"\nsecret = {LOGIN_SECRET:?}\n\
         login_project_id = {LOGIN_PROJECT:?}\n",
        database = database.url(),
        amqp = vhost.url(),
        redis = keys.url,
        prefix = keys.prefix,
    )
}

fn free_addresses() -> [SocketAddr; 2] {
    let listeners = [(), ()].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap())
}

/// `grantline` as `make bench` has just built it, beside this program.
fn binary() -> PathBuf {
    let this = std::env::current_exe().unwrap();
    let folder = this.parent().and_then(std::path::Path::parent).unwrap();
    let binary = folder.join("grantline");
    assert!(binary.exists(), "`make bench` builds grantline first");
    binary
}
