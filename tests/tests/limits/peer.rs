//! A client that writes bytes.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::ingress::{PATH, PATIENCE, signature};

pub(crate) struct Peer(pub(crate) TcpStream);

impl Peer {
    pub(crate) async fn connect(at: SocketAddr) -> Self {
        let connecting = timeout(PATIENCE, TcpStream::connect(at)).await;
        Self(connecting.expect("the listener takes connections").unwrap())
    }

    /// Whether all of it could be written.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        let writing = timeout(PATIENCE, self.0.write_all(bytes.as_ref())).await;
        writing.expect("the listener reads or closes").is_ok()
    }

    /// Everything that comes until the listener closes.
    pub(crate) async fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        let reading = timeout(PATIENCE, self.0.read_to_end(&mut rest)).await;
        // A reset ends the reading, too; what came before it counts.
        let _ = reading.expect("the listener closes");
        String::from_utf8(rest).unwrap()
    }
}

/// The status of each answer in what was read.
pub(crate) fn statuses(read: &str) -> Vec<u16> {
    let answers = read.split("HTTP/1.1 ").skip(1);
    answers.map(|answer| answer[..3].parse().unwrap()).collect()
}

/// A whole, signed request.
pub(crate) fn request(body: &str) -> String {
    head(body.len(), &signature(body.as_bytes())) + body
}

/// A head that announces this many bytes.
pub(crate) fn head(length: usize, signature: &str) -> String {
    format!(
        "POST {PATH} HTTP/1.1\r\nhost: h\r\nauthorization: {signature}\r\n\
         content-length: {length}\r\n\r\n"
    )
}
