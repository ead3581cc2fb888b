//! What handlers can do, and what they cannot do to others.

use std::net::SocketAddr;
use std::sync::Arc;

use httpd::{Limits, Listener, Reply, Request, Service, empty, take_over, text};
use hyper::StatusCode;
use hyper::header::{CONNECTION, HeaderValue, UPGRADE};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;

use crate::peer::{Peer, Server, get, within};

/// Panics for one path.
struct Fragile;

impl Service for Fragile {
    async fn answer(&self, request: Request, peer: SocketAddr) -> Reply {
        assert_ne!(request.uri().path(), "/panic", "meant to panic");
        text(StatusCode::OK, peer.ip().to_string())
    }

    fn after_panic(&self) -> Reply {
        empty(StatusCode::SERVICE_UNAVAILABLE)
    }
}

#[tokio::test]
async fn a_panic_is_answered_and_harms_neither_connection_nor_server() {
    let server = Server::start(Limits::default(), Fragile);
    let mut peer = Peer::connect(server.addr).await;
    assert_eq!(peer.ask(get("/panic")).await.status, 503);
    let answer = peer.ask(get("/")).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "127.0.0.1"));
    assert_eq!(
        Peer::connect(server.addr).await.ask(get("/")).await.status,
        200
    );
    assert!(!server.lifecycle.is_draining());
}

#[tokio::test]
async fn a_panic_is_a_500_unless_the_service_says_otherwise() {
    let server = Server::start(Limits::default(), |_: Request, _: SocketAddr| async {
        broken()
    });
    assert_eq!(
        Peer::connect(server.addr).await.ask(get("/")).await.status,
        500
    );
}

fn broken() -> Reply {
    panic!("meant to panic")
}

#[tokio::test]
async fn an_upgraded_connection_is_the_bare_socket_and_frees_its_slot() {
    let echoed = Arc::new(Semaphore::new(0));
    let service = {
        let echoed = Arc::clone(&echoed);
        move |mut request: Request, _: SocketAddr| {
            let upgrade = hyper::upgrade::on(&mut request);
            let echoed = Arc::clone(&echoed);
            tokio::spawn(async move {
                let Ok(upgraded) = upgrade.await else { return };
                let (mut tcp, early) = take_over(upgraded).expect("a connection of this server");
                assert!(tcp.nodelay().expect("an open socket"));
                tcp.write_all(&early).await.expect("an open socket");
                let mut late = [0; 4];
                tcp.read_exact(&mut late).await.expect("four bytes");
                tcp.write_all(&late).await.expect("an open socket");
                echoed.add_permits(1);
            });
            let mut reply = empty(StatusCode::SWITCHING_PROTOCOLS);
            reply
                .headers_mut()
                .insert(CONNECTION, HeaderValue::from_static("upgrade"));
            reply
                .headers_mut()
                .insert(UPGRADE, HeaderValue::from_static("echo"));
            async move { reply }
        }
    };
    let server = Server::start(
        Limits {
            max_connections: 1,
            ..Limits::default()
        },
        service,
    );
    let request = "GET / HTTP/1.1\r\nhost: test\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";

    let mut first = Peer::connect(server.addr).await;
    // What follows the head in the same packet must not get lost.
    let answer = first.ask(format!("{request}early")).await;
    assert_eq!(answer.status, 101);
    // The only slot is free again while the first still talks.
    let mut second = Peer::connect(server.addr).await;
    assert_eq!(second.ask(request).await.status, 101);

    first.send("late").await;
    let permit = within(echoed.acquire()).await.expect("an open semaphore");
    permit.forget();
    let mut echo = Vec::new();
    while let Ok(1..) = within(first.tcp.read_buf(&mut echo)).await {}
    assert!(echo.ends_with(b"late"), "{echo:?}");
}

#[tokio::test]
async fn a_taken_port_is_reported_with_its_address_and_advice() {
    let holder = Listener::bind(([127, 0, 0, 1], 0).into()).expect("a free port");
    let error = Listener::bind(holder.local_addr()).expect_err("the port is taken");
    let message = error.to_string();
    assert!(
        message.contains(&holder.local_addr().to_string()),
        "{message}"
    );
    assert!(
        message.contains("another process has this port"),
        "{message}"
    );
}
