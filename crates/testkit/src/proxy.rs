//! A TCP proxy that can be cut: outages of a server without touching the server.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// Forwards to a server until it is told otherwise. Ends when dropped.
#[derive(Debug)]
pub struct CuttingProxy {
    address: SocketAddr,
    mode: watch::Sender<Mode>,
    accepting: AbortHandle,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Forward,
    /// Nothing passes, nothing is closed.
    Stall,
    /// Everything is closed, new connections at once.
    Cut,
}

impl CuttingProxy {
    /// A proxy in front of the server of `url`, whatever its scheme.
    ///
    /// # Panics
    /// When the URL names no host and port, or no local port is free.
    pub async fn before(url: &str) -> Self {
        let target = host_and_port(url).to_owned();
        assert!(target.contains(':'), "the URL needs a port");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound listener");
        let (mode, modes) = watch::channel(Mode::Forward);
        let accepting = tokio::spawn(accept(listener, target, modes)).abort_handle();
        Self {
            address,
            mode,
            accepting,
        }
    }

    /// `url` with this proxy in place of the server.
    #[must_use]
    pub fn url(&self, url: &str) -> String {
        url.replacen(host_and_port(url), &self.address.to_string(), 1)
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes every connection, and new ones at once.
    pub fn cut(&self) {
        self.mode.send_replace(Mode::Cut);
    }

    /// Holds every byte back and closes nothing: a server that hangs.
    pub fn stall(&self) {
        self.mode.send_replace(Mode::Stall);
    }

    /// Forwards again.
    pub fn heal(&self) {
        self.mode.send_replace(Mode::Forward);
    }
}

impl Drop for CuttingProxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

fn host_and_port(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    authority.rsplit('@').next().unwrap_or_default()
}

async fn accept(listener: TcpListener, target: String, modes: watch::Receiver<Mode>) {
    while let Ok((client, _)) = listener.accept().await {
        let (target, modes) = (target.clone(), modes.clone());
        if *modes.borrow() != Mode::Cut {
            tokio::spawn(forward(client, target, modes));
        }
    }
}

async fn forward(client: TcpStream, target: String, mut modes: watch::Receiver<Mode>) {
    let Ok(server) = TcpStream::connect(target).await else {
        return;
    };
    let _ = client.set_nodelay(true);
    let _ = server.set_nodelay(true);
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        () = pass(from_client, to_server, modes.clone()) => {}
        () = pass(from_server, to_client, modes.clone()) => {}
        _ = modes.wait_for(|mode| *mode == Mode::Cut) => {}
    }
}

async fn pass(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    mut modes: watch::Receiver<Mode>,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let open = modes.wait_for(|mode| *mode == Mode::Forward).await.is_ok();
        if !open || to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::host_and_port;

    #[test]
    fn the_server_is_found_in_every_kind_of_url() {
        for url in [
            "amqp://u:p@h:1/%2f",
            "redis://h:1",
            "postgres://u@h:1/db?x=y",
            "h:1",
        ] {
            assert_eq!(host_and_port(url), "h:1", "{url}");
        }
    }
}
