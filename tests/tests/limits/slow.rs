//! Clients that are slow, endless or too many.

use std::time::Duration;

use futures_util::future::join_all;
use hyper::StatusCode;
use testkit::RabbitMq;
use tokio::time::{Instant, sleep};

use crate::ingress::{Ingress, PATH, order_paid, signature};
use crate::peer::{Peer, head, request, statuses};

const IMPATIENT: [(&str, &str); 2] = [
    ("INGRESS__LIMITS__HEADER_READ_TIMEOUT", "1s"),
    ("INGRESS__LIMITS__BODY_TIMEOUT", "1s"),
];

/// Sends a byte now and then for as long as the connection takes any.
async fn drip(mut peer: Peer, begun: String) -> String {
    assert!(peer.send(&begun).await);
    let mut dripping = tokio::time::interval(Duration::from_millis(100));
    loop {
        dripping.tick().await;
        let mut byte = [0];
        match peer.0.try_read(&mut byte) {
            Ok(0) => return String::new(),
            Ok(_) => return String::from_utf8(byte.to_vec()).unwrap() + &peer.rest().await,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            // A reset: a byte of ours met a listener that had closed.
            Err(_) => return String::new(),
        }
        let _ = peer.0.try_write(b"x");
    }
}

#[tokio::test]
async fn clients_that_drip_are_sent_away_and_hold_nobody_up() {
    let vhost = RabbitMq::vhost().await;
    let ingress = Ingress::start(vhost.url(), &IMPATIENT).await;
    let body = order_paid(1);
    let open_head = format!("POST {PATH} HTTP/1.1\r\nhost: h\r\nx: ");
    let open_body = head(100_000, &signature(body.as_bytes())) + "{";
    let open_chunks =
        format!("POST {PATH} HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n2000\r\n{{");
    let mut dripping = Vec::new();
    for begun in [&open_head, &open_body, &open_chunks] {
        for _ in 0..150 {
            dripping.push(drip(Peer::connect(ingress.at).await, begun.clone()));
        }
    }
    let honest = async {
        for order in 1..=100 {
            let status = ingress.post(&order_paid(order)).await;
            assert_eq!(status, StatusCode::NO_CONTENT);
        }
    };
    let (answers, ()) = tokio::join!(join_all(dripping), honest);
    for answer in &answers[..150] {
        assert_eq!(answer, "", "a head that is no head is not answered");
    }
    for answer in &answers[150..] {
        // The rest of the body may reset the connection before the answer is read.
        assert!(
            answer.is_empty() || answer.contains("503 Service"),
            "{answer}"
        );
    }
    let answered = answers.iter().filter(|answer| !answer.is_empty());
    assert!(answered.count() > 100, "bodies that drip are answered");
}

#[tokio::test]
async fn bodies_that_are_too_large_are_refused_before_they_are_read() {
    let vhost = RabbitMq::vhost().await;
    let ingress = Ingress::start(vhost.url(), &[]).await;
    let announced = [
        "content-length: 300000",
        "content-length: 10000000000",
        "content-length: 18446744073709551615",
        "content-length: 300000\r\nexpect: 100-continue",
    ];
    for framing in announced {
        let mut peer = Peer::connect(ingress.at).await;
        let head = format!("POST {PATH} HTTP/1.1\r\nhost: h\r\n{framing}\r\n\r\n");
        assert!(peer.send(head).await);
        let answers = statuses(&peer.rest().await);
        let huge = framing.contains("18446744073709551615");
        assert!(
            answers == [503] || (huge && answers.is_empty()),
            "{framing}: {answers:?}"
        );
    }

    let mut peer = Peer::connect(ingress.at).await;
    let head = format!("POST {PATH} HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n");
    assert!(peer.send(head).await);
    let chunk = format!("2000\r\n{}\r\n", "x".repeat(0x2000));
    let mut sent = 0;
    while peer.send(&chunk).await {
        sent += chunk.len();
        // The kernels' buffers take some megabytes that nobody reads.
        assert!(sent < 64 << 20, "an endless body is read for ever");
    }
    assert_eq!(ingress.post(&order_paid(1)).await, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn connections_above_the_cap_wait_and_are_served_in_their_turn() {
    let vhost = RabbitMq::vhost().await;
    let mut keys = IMPATIENT.to_vec();
    keys.push(("INGRESS__LIMITS__MAX_CONNECTIONS", "20"));
    let ingress = Ingress::start(vhost.url(), &keys).await;
    let mut silent = Vec::new();
    for _ in 0..60 {
        silent.push(Peer::connect(ingress.at).await);
    }
    let begun = Instant::now();
    let mut waiting = Peer::connect(ingress.at).await;
    assert!(waiting.send(request(&order_paid(1))).await);
    // Twenty at a time, a second each; one place is that of this test's own client.
    sleep(Duration::from_millis(500)).await;
    let mut early = [0; 1];
    let early = waiting.0.try_read(&mut early);
    assert!(early.is_err(), "served beside as many as are allowed");
    let mut answer = [0; 12];
    let reading = tokio::io::AsyncReadExt::read_exact(&mut waiting.0, &mut answer);
    reading.await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 204");
    assert!(begun.elapsed() >= Duration::from_secs(2));
    for mut peer in silent {
        assert_eq!(peer.rest().await, "");
    }
}
