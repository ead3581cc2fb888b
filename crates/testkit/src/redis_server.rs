//! A Redis of one test alone, for what would harm others on the shared one.

use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::KeySpace;

const START: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A running `redis-server` that writes nothing to disk. Ends when dropped, and with the
/// thread that started it.
#[derive(Debug)]
pub struct RedisServer {
    process: Child,
    port: u16,
}

impl RedisServer {
    /// Starts it on a free port.
    ///
    /// # Panics
    /// When it is not installed or does not answer within 20 s.
    pub async fn start() -> Self {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = free.local_addr().expect("a bound listener").port();
        drop(free);
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "--", "redis-server"])
            .args(["--bind", "127.0.0.1", "--port", &port.to_string()])
            .args(["--save", "", "--appendonly", "no", "--dir", "/"])
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let process = command.spawn().expect("redis-server is installed");
        let server = Self { process, port };
        let answers = async {
            let client = redis::Client::open(server.key_space().url).expect("a URL of Redis");
            while client.get_multiplexed_async_connection().await.is_err() {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        let answers = tokio::time::timeout(START, answers).await;
        answers.expect("redis-server answers on a port that was free");
        server
    }

    /// Its port on this machine.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// All of its keys.
    #[must_use]
    pub fn key_space(&self) -> KeySpace {
        KeySpace {
            url: format!("redis://127.0.0.1:{}", self.port),
            prefix: String::new(),
        }
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
