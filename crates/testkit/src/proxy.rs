//! A TCP proxy that can be cut: outages of a server without touching the server.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{broadcast, watch};
use tokio::task::AbortHandle;

/// Forwards to a server until it is told otherwise. Ends when dropped.
#[derive(Debug)]
pub struct CuttingProxy {
    address: SocketAddr,
    mode: watch::Sender<Mode>,
    lost: watch::Sender<()>,
    words: broadcast::Sender<Bytes>,
    accepting: AbortHandle,
}

/// What its owner tells every connection.
#[derive(Clone)]
struct Orders {
    modes: watch::Receiver<Mode>,
    lost: watch::Receiver<()>,
    words: broadcast::Sender<Bytes>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Forward,
    /// Everything passes, so much later.
    Delay(Duration),
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
        let (lost, losses) = watch::channel(());
        let (words, _) = broadcast::channel(16);
        let orders = Orders {
            modes,
            lost: losses,
            words: words.clone(),
        };
        let accepting = tokio::spawn(accept(listener, target, orders)).abort_handle();
        Self {
            address,
            mode,
            lost,
            words,
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

    /// Connections that clients have, those that were lost included.
    #[must_use]
    pub fn connections(&self) -> usize {
        // The one that accepts has a receiver as well.
        self.lost.receiver_count().saturating_sub(1)
    }

    /// Closes every connection, and new ones at once.
    pub fn cut(&self) {
        self.mode.send_replace(Mode::Cut);
    }

    /// Holds every byte back and closes nothing: a server that hangs.
    pub fn stall(&self) {
        self.mode.send_replace(Mode::Stall);
    }

    /// Hands every byte on so much later: a line that is long, or full.
    pub fn delay(&self, by: Duration) {
        self.mode.send_replace(Mode::Delay(by));
    }

    /// Nothing passes any more on the connections there are, and nothing closes them: their
    /// server has vanished without a word. New ones are not concerned.
    pub fn lose(&self) {
        self.lost.send_replace(());
    }

    /// Says something to every client in the server's name, even while it stalls. Between
    /// two messages of the server only if the server is idle.
    pub fn say(&self, words: impl Into<Bytes>) {
        // Nobody may be connected.
        let _ = self.words.send(words.into());
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

async fn accept(listener: TcpListener, target: String, orders: Orders) {
    while let Ok((client, _)) = listener.accept().await {
        if *orders.modes.borrow() != Mode::Cut {
            let mut orders = orders.clone();
            // Only what is lost from here on concerns it.
            orders.lost.mark_unchanged();
            tokio::spawn(forward(client, target.clone(), orders));
        }
    }
}

async fn forward(client: TcpStream, target: String, orders: Orders) {
    let Ok(server) = TcpStream::connect(target).await else {
        return;
    };
    let Orders {
        modes,
        mut lost,
        words,
    } = orders;
    let _ = client.set_nodelay(true);
    let _ = server.set_nodelay(true);
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let words = words.subscribe();
    let requests = pass(from_client, to_server, modes.clone(), None);
    let answers = pass(from_server, to_client, modes.clone(), Some(words));
    // They own the sockets, so a lost connection stays open while they are kept.
    let mut requests = std::pin::pin!(requests);
    let mut answers = std::pin::pin!(answers);
    tokio::select! {
        () = &mut requests => return,
        () = &mut answers => return,
        () = until_cut(modes.clone()) => return,
        Ok(()) = lost.changed() => {}
    }
    until_cut(modes).await;
}

async fn until_cut(mut modes: watch::Receiver<Mode>) {
    // An error means that the proxy is gone.
    let _ = modes.wait_for(|mode| *mode == Mode::Cut).await;
}

async fn pass(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    mut modes: watch::Receiver<Mode>,
    mut words: Option<broadcast::Receiver<Bytes>>,
) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let bytes = tokio::select! {
            said = next(&mut words) => said,
            read = from.read(&mut buffer) => {
                let Ok(length @ 1..) = read else { return };
                let passes = |mode: &Mode| matches!(mode, Mode::Forward | Mode::Delay(_));
                let Ok(mode) = modes.wait_for(passes).await.map(|mode| *mode) else {
                    return;
                };
                if let Mode::Delay(by) = mode {
                    tokio::time::sleep(by).await;
                }
                Bytes::copy_from_slice(&buffer[..length])
            }
        };
        if to.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

async fn next(words: &mut Option<broadcast::Receiver<Bytes>>) -> Bytes {
    if let Some(words) = words
        && let Ok(said) = words.recv().await
    {
        return said;
    }
    std::future::pending().await
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::time::Instant;

    use super::{CuttingProxy, Duration, host_and_port};

    #[tokio::test]
    async fn what_is_delayed_comes_whole_and_later() {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = CuttingProxy::before(&server.local_addr().unwrap().to_string()).await;
        proxy.delay(Duration::from_millis(80));
        let mut client = TcpStream::connect(proxy.address()).await.unwrap();
        let (mut server, _) = server.accept().await.unwrap();
        assert_eq!(proxy.connections(), 1);
        let began = Instant::now();
        client.write_all(b"there").await.unwrap();
        let mut heard = [0; 5];
        server.read_exact(&mut heard).await.unwrap();
        server.write_all(&heard).await.unwrap();
        client.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"there");
        assert!(began.elapsed() >= Duration::from_millis(160));
    }

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
