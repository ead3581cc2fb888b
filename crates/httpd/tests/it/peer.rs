//! Both ends of a test: a server on a free port, and a client that writes bytes.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use httpd::{Limits, Listener, Service};
use lifecycle::Lifecycle;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longer than anything here takes unless it hangs.
const DEADLINE: Duration = Duration::from_secs(10);

pub(crate) struct Server {
    pub(crate) addr: SocketAddr,
    pub(crate) lifecycle: Lifecycle,
}

impl Server {
    pub(crate) fn start<S: Service>(limits: Limits, service: S) -> Self {
        let listener = Listener::bind(([127, 0, 0, 1], 0).into()).expect("a free port");
        let (addr, lifecycle) = (listener.local_addr(), Lifecycle::new());
        lifecycle.supervise("http", {
            let lifecycle = lifecycle.clone();
            async move {
                httpd::serve(listener, limits, service, &lifecycle).await;
                Ok::<(), Infallible>(())
            }
        });
        Self { addr, lifecycle }
    }
}

/// One client connection.
pub(crate) struct Peer {
    pub(crate) tcp: TcpStream,
    read: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Peer {
    pub(crate) async fn connect(addr: SocketAddr) -> Self {
        let tcp = within(TcpStream::connect(addr))
            .await
            .expect("the server listens");
        Self {
            tcp,
            read: Vec::new(),
        }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.tcp
            .write_all(bytes.as_ref())
            .await
            .expect("the connection is open");
    }

    /// The next answer; `None` when the connection ends in its place.
    pub(crate) async fn answer(&mut self) -> Option<Answer> {
        within(async {
            let head_end = loop {
                if let Some(at) = self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                    break at + 4;
                }
                self.more().await?;
            };
            let head = String::from_utf8(self.read.drain(..head_end).collect()).expect("text");
            let length = header(&head, "content-length").map_or(0, |n| n.parse().expect("number"));
            while self.read.len() < length {
                self.more().await?;
            }
            let body = String::from_utf8(self.read.drain(..length).collect()).expect("text");
            let status = head[9..12].parse().expect("a status line");
            Some(Answer { status, head, body })
        })
        .await
    }

    pub(crate) async fn ask(&mut self, bytes: impl AsRef<[u8]>) -> Answer {
        self.send(bytes).await;
        self.answer().await.expect("an answer")
    }

    /// Waits for the server to close; fails on an answer.
    pub(crate) async fn closed(&mut self) {
        assert!(self.answer().await.is_none(), "an answer came");
    }

    async fn more(&mut self) -> Option<()> {
        match self.tcp.read_buf(&mut self.read).await {
            Ok(0) | Err(_) => None,
            Ok(_) => Some(()),
        }
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .filter_map(|line| line.split_once(": "))
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

pub(crate) async fn within<F: Future>(condition: F) -> F::Output {
    tokio::time::timeout(DEADLINE, condition)
        .await
        .expect("it takes less than 10 s")
}

/// A request without a body.
pub(crate) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n")
}

/// The head of a request that announces `length` bytes.
pub(crate) fn post(length: usize) -> String {
    format!("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: {length}\r\n\r\n")
}
