//! The roles to be measured: processes with default configuration.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use testkit::{Database, Folder, Redis, Vhost};
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::load::{Poster, signed};
use crate::process::Process;

pub(crate) const PROJECT: i64 = 271_904;
pub(crate) const SECRET: &str = "a-webhook-secret-of-the-usual-length";
pub(crate) const LOGIN_SECRET: &str = "a-login-secret-of-the-usual-length-0123456789";
pub(crate) const LOGIN_PROJECT: &str = "11111111-2222-4333-8444-555555555555";

/// A notice of 2 KB, as Xsolla sends it in separate mode.
pub(crate) const NOTICE: &[u8] = xsolla::fixtures::PAYMENT_WITH_ORDER_OBJECT;

/// What roles work on.
#[derive(Clone, Copy)]
pub(crate) enum Stack<'a> {
    Servers(&'a Vhost, &'a Database),
    OneFile,
}

/// One `grantline` process, ended when this is dropped.
pub(crate) struct Role {
    process: Process,
    pub(crate) ingress: SocketAddr,
    pub(crate) publisher: SocketAddr,
    // After the process, which has its file in it.
    _folder: Folder,
}

impl Role {
    /// Starts a subcommand and waits until what it listens on works.
    pub(crate) async fn start(subcommand: &str, stack: Stack<'_>) -> Self {
        Self::start_with(subcommand, stack, |_| {}).await
    }

    /// The same with variables of its own.
    pub(crate) async fn start_with(
        subcommand: &str,
        stack: Stack<'_>,
        prepare: impl FnOnce(&mut Command),
    ) -> Self {
        let [ingress, publisher] = free_addresses();
        let folder = Folder::new();
        let configuration = folder.join("grantline.toml");
        let text = stack.written(folder.path()) + &written(ingress, publisher);
        fs::write(&configuration, text).unwrap();
        let process = Process::start(&folder.join("log"), |command| {
            command.arg(subcommand).arg("--config").arg(&configuration);
            prepare(command);
        });
        let mut role = Self {
            process,
            ingress,
            publisher,
            _folder: folder,
        };
        role.wait_until_it_works(subcommand).await;
        role
    }

    pub(crate) fn process(&self) -> u32 {
        self.process.id()
    }

    async fn wait_until_it_works(&mut self, subcommand: &str) {
        let request = signed(NOTICE);
        loop {
            let works = match subcommand {
                // Whoever waits for its work waits for it.
                "worker" => true,
                "publisher" => TcpStream::connect(self.publisher).await.is_ok(),
                _ => {
                    TcpStream::connect(self.ingress).await.is_ok()
                        && Poster::connect(self.ingress).await.try_post(&request).await
                }
            };
            if works {
                return;
            }
            self.process.check_that_it_may_still("work");
            sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Stack<'_> {
    /// Where it is.
    fn written(self, folder: &Path) -> String {
        match self {
            Self::Servers(vhost, database) => {
                let keys = Redis::key_space();
                format!(
                    "[ledger]\nurl = {database:?}\n\n\
                     [broker]\nurl = {amqp:?}\n\n\
                     [claim]\nurl = {redis:?}\nkey_prefix = {prefix:?}\n\n",
                    database = database.url(),
                    amqp = vhost.url(),
                    redis = keys.url,
                    prefix = keys.prefix,
                )
            }
            Self::OneFile => {
                let file = folder.join("grantline.db");
                format!("[embedded]\nfile = {:?}\n\n", file.display().to_string())
            }
        }
    }
}

/// All else that has to be known, and nothing more.
fn written(ingress: SocketAddr, publisher: SocketAddr) -> String {
    format!(
        "[ingress]\nlisten = \"{ingress}\"\n\n\
         [publisher]\nlisten = \"{publisher}\"\n\n\
         [admin]\nlisten = \"127.0.0.1:0\"\n\n\
         [api]\nlisten = \"127.0.0.1:0\"\n\n\
         [projects.{PROJECT}]\nwebhook_secrets = [{SECRET:?}]\n\n\
         [projects.{PROJECT}.publisher]\nalgorithm = \"HS256\"\nsecret = {LOGIN_SECRET:?}\n\
         login_project_id = {LOGIN_PROJECT:?}\n",
    )
}

pub(crate) fn free_addresses<const N: usize>() -> [SocketAddr; N] {
    let listeners = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap())
}
