//! Clients that are slow, large or many.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use httpd::{Limits, Reply, Request, empty, read_body, text};
use hyper::StatusCode;
use tokio::sync::Notify;

use crate::peer::{Peer, Server, get, post};

const MS: fn(u64) -> Duration = Duration::from_millis;

/// Answers with the body's length, or with the limit that was hit.
fn measuring(limits: &Limits) -> impl httpd::Service + use<> {
    let limits = limits.clone();
    move |request: Request, _: SocketAddr| {
        let limits = limits.clone();
        async move {
            match read_body(request.into_body(), &limits).await {
                Ok(body) => text(StatusCode::OK, body.len().to_string()),
                Err(error) => text(error.status(), error.label()),
            }
        }
    }
}

fn serve(limits: Limits) -> Server {
    let service = measuring(&limits);
    Server::start(limits, service)
}

#[tokio::test]
async fn a_silent_connection_is_closed_after_the_head_timeout() {
    let server = serve(Limits {
        header_read_timeout: MS(200),
        ..Limits::default()
    });
    let begun = Instant::now();
    let mut peer = Peer::connect(server.addr).await;
    peer.closed().await;
    assert!(begun.elapsed() >= MS(200));
}

#[tokio::test]
async fn a_head_that_trickles_in_is_closed_after_the_head_timeout() {
    let server = serve(Limits {
        header_read_timeout: MS(300),
        ..Limits::default()
    });
    let begun = Instant::now();
    let peer = Peer::connect(server.addr).await;
    // Never silent for long, so only a clock over the whole head can catch it.
    let mut sent = 0;
    for byte in get("/")
        .bytes()
        .cycle()
        .take(10_000)
        .filter(|byte| *byte != b'\n')
    {
        if peer.tcp.try_write(&[byte]).is_err() {
            break;
        }
        sent += 1;
        tokio::time::sleep(MS(10)).await;
    }
    assert!(begun.elapsed() >= MS(300));
    assert!(sent < 200, "closed after {sent} bytes");
}

#[tokio::test]
async fn the_second_head_has_the_same_timeout_as_the_first() {
    let server = serve(Limits {
        header_read_timeout: MS(200),
        ..Limits::default()
    });
    let mut peer = Peer::connect(server.addr).await;
    assert_eq!(peer.ask(get("/")).await.status, 200);
    peer.send("GET / HTTP/1.1\r\nho").await;
    let begun = Instant::now();
    peer.closed().await;
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "closed by another clock"
    );
}

#[tokio::test]
async fn an_idle_connection_outlives_the_head_timeout_and_is_then_closed() {
    let limits = Limits {
        header_read_timeout: MS(100),
        keep_alive: MS(600),
        ..Limits::default()
    };
    let server = serve(limits);
    let mut peer = Peer::connect(server.addr).await;
    assert_eq!(peer.ask(get("/")).await.status, 200);
    tokio::time::sleep(MS(300)).await;
    assert_eq!(peer.ask(get("/")).await.status, 200);
    let begun = Instant::now();
    peer.closed().await;
    assert!(begun.elapsed() >= MS(550));
}

#[tokio::test]
async fn a_client_that_does_not_take_its_answer_is_cut_off() {
    let limits = Limits {
        keep_alive: MS(300),
        max_connections: 1,
        ..Limits::default()
    };
    let server = Server::start(limits, |_: Request, _: SocketAddr| async {
        text(StatusCode::OK, vec![b'x'; 64 << 20])
    });
    let mut lazy = Peer::connect(server.addr).await;
    lazy.send(get("/")).await;
    // Is served once the lazy one's slot is free; the lazy one stays open at its end.
    let mut next = Peer::connect(server.addr).await;
    assert_eq!(next.ask(get("/")).await.status, 200);
    drop(lazy);
}

#[tokio::test]
async fn a_slow_handler_is_under_no_clock_of_the_connection() {
    let limits = Limits {
        header_read_timeout: MS(50),
        keep_alive: MS(50),
        ..Limits::default()
    };
    let server = Server::start(limits, |_: Request, _: SocketAddr| async {
        tokio::time::sleep(MS(400)).await;
        empty(StatusCode::NO_CONTENT)
    });
    let mut peer = Peer::connect(server.addr).await;
    assert_eq!(peer.ask(get("/")).await.status, 204);
}

#[tokio::test]
async fn a_body_that_stalls_ends_with_its_own_timeout() {
    let limits = Limits {
        header_read_timeout: MS(50),
        keep_alive: MS(50),
        body_timeout: MS(300),
        ..Limits::default()
    };
    let server = serve(limits);
    let mut peer = Peer::connect(server.addr).await;
    let begun = Instant::now();
    let answer = peer.ask(post(10) + "half").await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (408, "body_too_slow")
    );
    assert!(begun.elapsed() >= MS(300));
    peer.closed().await;
}

#[tokio::test]
async fn a_body_that_trickles_in_ends_with_the_same_timeout() {
    let server = serve(Limits {
        body_timeout: MS(300),
        ..Limits::default()
    });
    let mut peer = Peer::connect(server.addr).await;
    peer.send(post(100_000)).await;
    let begun = Instant::now();
    let trickle = async {
        loop {
            tokio::time::sleep(MS(20)).await;
            if peer.tcp.try_write(b"x").is_err() {
                return;
            }
        }
    };
    crate::peer::within(trickle).await;
    assert!(begun.elapsed() >= MS(300));
}

#[tokio::test]
async fn a_body_of_exactly_the_limit_passes_and_one_byte_more_does_not() {
    let server = serve(Limits {
        max_body_bytes: 1000,
        ..Limits::default()
    });
    let mut peer = Peer::connect(server.addr).await;
    let answer = peer.ask(post(1000) + &"x".repeat(1000)).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "1000"));
    // Refused by its announcement, before any of it is sent.
    let answer = peer.ask(post(1001)).await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (413, "body_too_large")
    );
}

#[tokio::test]
async fn an_unannounced_body_is_cut_at_the_limit() {
    let server = serve(Limits {
        max_body_bytes: 1000,
        ..Limits::default()
    });
    let mut peer = Peer::connect(server.addr).await;
    peer.send("POST / HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n")
        .await;
    let chunk = format!("258\r\n{}\r\n", "x".repeat(0x258));
    peer.send(chunk.repeat(2)).await;
    let answer = peer
        .answer()
        .await
        .expect("an answer before the end of the body");
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (413, "body_too_large")
    );
}

#[tokio::test]
async fn a_head_beyond_its_limits_is_refused() {
    let server = serve(Limits {
        max_headers: 8,
        ..Limits::default()
    });
    let many = "x: y\r\n".repeat(9);
    let large = format!("x: {}\r\n", "y".repeat(17 * 1024));
    for headers in [many, large] {
        let mut peer = Peer::connect(server.addr).await;
        let answer = peer.ask(format!("GET / HTTP/1.1\r\n{headers}\r\n")).await;
        assert_eq!(answer.status, 431);
    }
}

#[tokio::test]
async fn a_connection_over_the_cap_waits_for_a_free_slot() {
    let (open, calls) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
    let service = {
        let (open, calls) = (Arc::clone(&open), Arc::clone(&calls));
        move |_: Request, _: SocketAddr| {
            let (open, calls) = (Arc::clone(&open), Arc::clone(&calls));
            async move {
                calls.fetch_add(1, Ordering::SeqCst);
                open.notified().await;
                Reply::default()
            }
        }
    };
    let server = Server::start(
        Limits {
            max_connections: 2,
            ..Limits::default()
        },
        service,
    );
    let mut peers = Vec::new();
    for _ in 0..3 {
        let mut peer = Peer::connect(server.addr).await;
        peer.send(get("/")).await;
        peers.push(peer);
    }
    // The third has connected and sent, and is not served; no condition tells so earlier.
    tokio::time::sleep(MS(200)).await;
    assert_eq!(calls.load(Ordering::SeqCst), 2);

    // Its turn comes when a connection closes, not when a request ends.
    open.notify_one();
    open.notify_one();
    for peer in &mut peers[..2] {
        assert_eq!(peer.answer().await.expect("an answer").status, 200);
    }
    assert_eq!(calls.load(Ordering::SeqCst), 2);
    peers.remove(0);
    open.notify_one();
    assert_eq!(peers[1].answer().await.expect("an answer").status, 200);
}

/// A queue that the service keeps bodies in must not grow beyond what is allowed, so what
/// counts is not the request but its bytes. The large ones come in several pieces.
#[tokio::test]
async fn bodies_count_together_until_nobody_has_their_bytes() {
    let limits = Limits {
        max_body_bytes: 100_000,
        max_held_body_bytes: 200_000,
        ..Limits::default()
    };
    let kept = Arc::new(Mutex::new(Vec::new()));
    let service = {
        let (limits, kept) = (limits.clone(), Arc::clone(&kept));
        move |request: Request, _: SocketAddr| {
            let (limits, kept) = (limits.clone(), Arc::clone(&kept));
            async move {
                match read_body(request.into_body(), &limits).await {
                    Ok(body) => {
                        let answer = text(StatusCode::OK, body.len().to_string());
                        kept.lock().expect("no panic").push(body);
                        answer
                    }
                    Err(error) => text(error.status(), error.label()),
                }
            }
        }
    };
    let server = Server::start(limits, service);
    let post = async |bytes: usize| {
        let mut peer = Peer::connect(server.addr).await;
        let answer = peer.ask(post(bytes) + &"x".repeat(bytes)).await;
        (answer.status, answer.body)
    };
    let taken = |bytes: usize| (200, bytes.to_string());
    let no_room = || (503, "body_no_room".to_owned());
    assert_eq!(post(100_000).await, taken(100_000));
    assert_eq!(post(90_000).await, taken(90_000));
    assert_eq!(post(10_001).await, no_room());
    assert_eq!(post(10_000).await, taken(10_000));
    assert_eq!(post(1).await, no_room());

    let clone = kept.lock().expect("no panic")[1].clone();
    kept.lock().expect("no panic").remove(1);
    assert_eq!(post(1).await, no_room());
    drop(clone);
    assert_eq!(post(90_000).await, taken(90_000));
    assert_eq!(post(1).await, no_room());
}

#[tokio::test]
async fn one_body_has_room_whatever_is_configured() {
    let server = serve(Limits {
        max_body_bytes: 1000,
        max_held_body_bytes: 0,
        ..Limits::default()
    });
    let mut peer = Peer::connect(server.addr).await;
    let answer = peer.ask(post(1000) + &"x".repeat(1000)).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "1000"));
    // The place of a body that broke off is free again.
    peer.send(post(1000) + "half").await;
    drop(peer);
    let asking = async {
        loop {
            let mut peer = Peer::connect(server.addr).await;
            let answer = peer.ask(post(1000) + &"x".repeat(1000)).await;
            if answer.status == 200 {
                return;
            }
        }
    };
    crate::peer::within(asking).await;
}

/// Two servers in a row that disagree on where a request ends take its rest for another
/// request. Whoever frames a body twice is not listened to any longer.
#[tokio::test]
async fn nothing_behind_a_chunked_body_is_taken() {
    let calls = Arc::new(AtomicUsize::new(0));
    let limits = Limits::default();
    let service = {
        let (calls, limits) = (Arc::clone(&calls), limits.clone());
        move |request: Request, _: SocketAddr| {
            calls.fetch_add(1, Ordering::SeqCst);
            let limits = limits.clone();
            async move {
                let body = read_body(request.into_body(), &limits).await;
                text(StatusCode::OK, body.expect("a body"))
            }
        }
    };
    let server = Server::start(limits, service);
    let behind = "0\r\n\r\n".to_owned() + &get("/smuggled");
    let length = format!("content-length: {}\r\n", behind.len());
    let chunked = "transfer-encoding: chunked\r\n";
    let framings = [
        chunked.to_owned(),
        format!("{length}{chunked}"),
        format!("{chunked}{length}"),
        format!("{chunked}{chunked}"),
        "transfer-encoding: identity, chunked\r\n".to_owned(),
        "Transfer-Encoding: CHUNKED\r\n".to_owned(),
    ];
    for framing in &framings {
        let mut peer = Peer::connect(server.addr).await;
        let head = format!("POST / HTTP/1.1\r\nhost: test\r\n{framing}\r\n");
        let answer = peer.ask(head + &behind).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, ""));
        assert_eq!(answer.header("connection"), Some("close"));
        peer.closed().await;
    }
    assert_eq!(calls.load(Ordering::SeqCst), framings.len());
}

/// Does not want anybody answered that it has not seen.
struct Reserved;

impl httpd::Service for Reserved {
    async fn answer(&self, request: Request, _: SocketAddr) -> Reply {
        let length = request.uri().path().len() << 20;
        text(StatusCode::OK, vec![b'x'; length - (1 << 20)])
    }

    fn answers_unreadable_heads(&self) -> bool {
        false
    }
}

#[tokio::test]
async fn an_unreadable_head_is_answered_or_cut_as_the_service_says() {
    let unreadable = [
        "nonsense\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nno colon\r\n\r\n".to_owned(),
        "POST / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n".to_owned(),
        "POST / HTTP/1.1\r\ntransfer-encoding: gzip\r\n\r\n".to_owned(),
        format!("GET / HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(65)),
        format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(17 * 1024)),
        format!("GET /{} HTTP/1.1\r\n\r\n", "y".repeat(17 * 1024)),
    ];
    let open = serve(Limits::default());
    let reserved = Server::start(Limits::default(), Reserved);
    for head in &unreadable {
        let answer = Peer::connect(open.addr).await.ask(head).await;
        assert!([400, 414, 431].contains(&answer.status), "{answer:?}");

        let mut peer = Peer::connect(reserved.addr).await;
        peer.send(head).await;
        peer.closed().await;
        // The same behind a request that was answered.
        let mut peer = Peer::connect(reserved.addr).await;
        assert_eq!(peer.ask(get("/")).await.status, 200);
        peer.send(head).await;
        peer.closed().await;
    }
    let mut peer = Peer::connect(reserved.addr).await;
    assert_eq!(peer.ask(get("/") + &unreadable[0]).await.status, 200);
    peer.closed().await;
    // An answer of many writes, and pipelined requests, are none of hyper's own answers.
    let mut peer = Peer::connect(reserved.addr).await;
    peer.send([get("/"), get("/mb"), get("/mb"), get("/")].concat())
        .await;
    for length in [0, 2, 2, 0] {
        let answer = peer.answer().await.expect("an answer");
        assert_eq!((answer.status, answer.body.len()), (200, length << 20));
    }
}
