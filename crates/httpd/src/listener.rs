//! A bound address that does not serve yet.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket};

/// Connections the kernel may hold for us before we accept them. The kernel caps it at
/// `net.core.somaxconn`.
const BACKLOG: u32 = 4096;

/// A bound, listening socket. Clients may connect at once and wait until it is served.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    addr: SocketAddr,
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
        })
    }

    /// The address in use, with the real port.
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    pub(crate) fn socket(&self) -> &TcpListener {
        &self.socket
    }
}
