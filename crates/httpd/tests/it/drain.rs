//! How a server stops.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use httpd::{Limits, Reply, Request, Service};
use lifecycle::Verdict;
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::peer::{Peer, Server, get, within};

const GRACE: Duration = Duration::from_secs(8);

/// Tells when a request is in its handler, and holds it there.
#[derive(Clone, Default)]
struct Gate {
    entered: Arc<Notify>,
    open: Arc<Notify>,
}

impl Service for Gate {
    async fn answer(&self, _: Request, _: SocketAddr) -> Reply {
        self.entered.notify_one();
        self.open.notified().await;
        Reply::default()
    }
}

async fn refused(addr: SocketAddr) {
    while TcpStream::connect(addr).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_drain_answers_what_is_in_flight_and_accepts_nothing_more() {
    let gate = Gate::default();
    let server = Server::start(Limits::default(), gate.clone());
    let mut busy = Peer::connect(server.addr).await;
    busy.send(get("/")).await;
    within(gate.entered.notified()).await;

    server.lifecycle.drain();
    within(refused(server.addr)).await;
    gate.open.notify_one();

    let answer = busy
        .answer()
        .await
        .expect("the request in flight is answered");
    assert_eq!(
        (answer.status, answer.header("connection")),
        (200, Some("close"))
    );
    busy.closed().await;
    assert_eq!(
        within(server.lifecycle.wait(GRACE)).await,
        Verdict::Finished
    );
}

#[tokio::test]
async fn a_drain_closes_idle_connections_at_once() {
    let server = Server::start(Limits::default(), |_: Request, _: SocketAddr| async {
        Reply::default()
    });
    let mut idle = Peer::connect(server.addr).await;
    idle.ask(get("/")).await;
    server.lifecycle.drain();
    assert_eq!(
        within(server.lifecycle.wait(GRACE)).await,
        Verdict::Finished
    );
    idle.closed().await;
}

#[tokio::test]
async fn an_abort_cuts_what_is_in_flight() {
    let gate = Gate::default();
    let server = Server::start(Limits::default(), gate.clone());
    let mut busy = Peer::connect(server.addr).await;
    busy.send(get("/")).await;
    within(gate.entered.notified()).await;

    server.lifecycle.abort();
    busy.closed().await;
    assert_eq!(within(server.lifecycle.wait(GRACE)).await, Verdict::CutOff);
}
