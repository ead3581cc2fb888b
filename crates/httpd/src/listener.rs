//! A bound address that does not serve yet.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::net::{TcpListener, TcpSocket};

/// Connections the kernel may hold for us before we accept them. The kernel caps it at
/// `net.core.somaxconn`.
const BACKLOG: u32 = 4096;

/// A bound, listening socket. Clients may connect at once and wait until it is served.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    addr: SocketAddr,
    connections: Connections,
}

/// How many connections a listener serves. Clones count the same ones, and outlive it.
#[derive(Clone, Debug, Default)]
pub struct Connections(Arc<AtomicU64>);

/// A connection that counts until this is dropped.
#[derive(Debug)]
pub(crate) struct Counted(Connections);

impl Connections {
    /// Those that are open now. One that became a WebSocket no longer counts.
    #[must_use]
    pub fn open(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn enter(&self) -> Counted {
        self.0.fetch_add(1, Ordering::Relaxed);
        Counted(self.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Why an address could not be bound; says what to do about it.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {addr}: {advice}")]
pub struct BindError {
    /// The address asked for.
    pub addr: SocketAddr,
    advice: &'static str,
    #[source]
    source: io::Error,
}

/// What to do about the faults that a person can mend.
const ADVICE: [(io::ErrorKind, &str); 3] = [
    (
        io::ErrorKind::AddrInUse,
        "another process has this port; stop it or choose another port (0 takes a free one)",
    ),
    (
        io::ErrorKind::AddrNotAvailable,
        "this machine does not have that address; use one of its own, or 0.0.0.0 for all",
    ),
    (
        io::ErrorKind::PermissionDenied,
        "ports below 1024 need a privilege; choose a higher port",
    ),
];

impl BindError {
    fn new(addr: SocketAddr, source: io::Error) -> Self {
        let advice = ADVICE
            .iter()
            .find(|(kind, _)| *kind == source.kind())
            .map_or("the operating system refused", |(_, advice)| *advice);
        Self {
            addr,
            advice,
            source,
        }
    }
}

impl Listener {
    /// Binds `addr` and starts to listen; port 0 takes a free one.
    ///
    /// # Errors
    /// The operating system refused the address.
    pub fn bind(addr: SocketAddr) -> Result<Self, BindError> {
        Self::open(addr).map_err(|source| BindError::new(addr, source))
    }

    fn open(addr: SocketAddr) -> io::Result<Self> {
        let socket = if addr.is_ipv4() {
            TcpSocket::new_v4()?
        } else {
            TcpSocket::new_v6()?
        };
        // Without it a restart fails for a minute on connections in TIME_WAIT.
        socket.set_reuseaddr(true)?;
        socket.bind(addr)?;
        let socket = socket.listen(BACKLOG)?;
        Ok(Self {
            addr: socket.local_addr()?,
            socket,
            connections: Connections::default(),
        })
    }

    /// The address in use, with the real port.
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// How many connections it serves, from now on and after it was handed to
    /// [`serve`](crate::serve()).
    #[must_use]
    pub fn connections(&self) -> Connections {
        self.connections.clone()
    }

    pub(crate) fn socket(&self) -> &TcpListener {
        &self.socket
    }
}
