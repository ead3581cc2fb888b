//! What stands in front of the copies of a role: each connection goes to the next copy that
//! lets it in. A copy that stands still lets in as well, as behind any balancer of TCP.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::task::AbortHandle;

/// Hands connections on to copies of a role. Ends when dropped.
#[derive(Debug)]
pub(crate) struct Balancer {
    pub(crate) at: SocketAddr,
    copies: Copies,
    accepting: AbortHandle,
}

type Copies = Arc<Mutex<Vec<SocketAddr>>>;

impl Balancer {
    pub(crate) async fn before(copies: Vec<SocketAddr>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let copies = Arc::new(Mutex::new(copies));
        Self {
            at: listener.local_addr().unwrap(),
            accepting: tokio::spawn(accept(listener, Arc::clone(&copies))).abort_handle(),
            copies,
        }
    }

    /// Lets new connections to another copy as well.
    pub(crate) fn add(&self, copy: SocketAddr) {
        self.copies.lock().unwrap().push(copy);
    }

    /// Lets no new connection to this copy. Those it has stay.
    pub(crate) fn remove(&self, copy: SocketAddr) {
        self.copies.lock().unwrap().retain(|at| *at != copy);
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, copies: Copies) {
    while let Ok((client, _)) = listener.accept().await {
        let turn = {
            let mut copies = copies.lock().unwrap();
            copies.rotate_left(1);
            copies.clone()
        };
        tokio::spawn(hand_on(client, turn));
    }
}

/// Where no copy lets it in the client is hung up on.
async fn hand_on(mut client: TcpStream, copies: Vec<SocketAddr>) {
    for copy in copies {
        if let Ok(mut server) = TcpStream::connect(copy).await {
            let _ = client.set_nodelay(true);
            let _ = server.set_nodelay(true);
            // Whichever end fails takes the other with it.
            let _ = copy_bidirectional(&mut client, &mut server).await;
            return;
        }
    }
}

/// Threads for balancers and proxies alone: who shares them with shoppers and verdict makes
/// every line as slow as those are busy.
pub(crate) struct Lines(Option<Runtime>);

impl Lines {
    pub(crate) fn new() -> Self {
        let threads = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build();
        Self(Some(threads.unwrap()))
    }

    pub(crate) async fn run<T: Send + 'static>(
        &self,
        made: impl Future<Output = T> + Send + 'static,
    ) -> T {
        self.0.as_ref().unwrap().spawn(made).await.unwrap()
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        // Nobody may wait here for what is still under way.
        self.0.take().unwrap().shutdown_background();
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    async fn copy(name: &'static [u8]) -> (SocketAddr, AbortHandle) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let saying = tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                client.write_all(name).await.unwrap();
            }
        });
        (at, saying.abort_handle())
    }

    async fn heard(at: SocketAddr) -> String {
        let mut heard = String::new();
        let mut client = TcpStream::connect(at).await.unwrap();
        let _ = client.read_to_string(&mut heard).await;
        heard
    }

    #[tokio::test]
    async fn connections_take_turns_and_pass_by_a_copy_that_is_gone() {
        let ((one, first), (two, _second)) = tokio::join!(copy(b"one"), copy(b"two"));
        let balancer = Balancer::before(vec![one, two]).await;
        let pair = [heard(balancer.at).await, heard(balancer.at).await];
        assert_eq!(pair, ["two", "one"]);
        balancer.remove(two);
        assert_eq!(heard(balancer.at).await, "one");
        balancer.add(two);
        first.abort();
        while TcpStream::connect(one).await.is_ok() {}
        for _ in 0..3 {
            assert_eq!(heard(balancer.at).await, "two");
        }
    }
}
