//! Memory while as much comes as is let in, and more.

use std::pin::pin;
use std::process::Command;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use testkit::RabbitMq;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use crate::ingress::{Ingress, PATH, PATIENCE, order_paid, signature};
use crate::peer::{Peer, statuses};

const MIB: u64 = 1 << 20;
const IDLE: usize = 3_000;
const LARGEST: usize = 256 << 10;
/// So many of the largest bodies fit into the default of `max_held_body_bytes`.
const FIT: u32 = 256;
const FLOOD: u32 = 320;
/// What may be held: once by the role and once by the client of the broker.
const BODIES: u64 = 2 * 64 * MIB;
/// 24 KiB a connection.
const CONNECTIONS: u64 = 72 * MIB;
/// What the allocator keeps for later.
const SLACK: u64 = 32 * MIB;

const NO_ROOM: (&str, &str) = ("grantline_ingress_requests_total", "body_no_room");

#[tokio::test]
async fn memory_is_bounded_under_idle_connections_and_a_flood_of_bodies() {
    allow_files(10_000);
    let vhost = RabbitMq::vhost().await;
    // The flood is to get as far as the broker, and not on its disk.
    let full = json!({ "max-length-bytes": 1_000_000, "overflow": "reject-publish" });
    vhost.set_policy("full", "^grantline.record", full).await;
    // A busy machine takes its time for it.
    let patient = [
        ("INGRESS__LIMITS__HEADER_READ_TIMEOUT", "1m"),
        ("INGRESS__LIMITS__BODY_TIMEOUT", "1m"),
        ("INGRESS__DEADLINE", "2m"),
        ("BROKER__CONFIRM_TIMEOUT", "1m"),
        ("BROKER__HEARTBEAT", "1m"),
    ];
    let ingress = Ingress::start(vhost.url(), &patient).await;
    for order in 1..=200 {
        ingress.post(&order_paid(order)).await;
    }
    let before = ingress.resident_bytes();

    let mut idle = Vec::new();
    for _ in 0..IDLE {
        idle.push(TcpStream::connect(ingress.at).await.unwrap());
    }
    ingress.takes().await;
    let with_idle = ingress.resident_bytes();
    let (first, second) = (flood(&ingress).await, flood(&ingress).await);
    drop(idle);
    ingress.takes().await;
    let after = ingress.resident_bytes();

    let shown = [before, with_idle, first, second, after].map(|bytes| bytes / MIB);
    let shown = format!("MiB before, with idle connections, at two heights, after: {shown:?}");
    assert!(with_idle < before + CONNECTIONS, "{shown}");
    assert!(first > before + BODIES / 4, "it was no flood: {shown}");
    assert!(first < before + CONNECTIONS + BODIES + SLACK, "{shown}");
    assert!(second < first + SLACK, "it grows with each flood: {shown}");
    assert!(after < first + SLACK, "{shown}");
}

/// Sends many of the largest bodies at once: all but the last byte of each, and that when
/// there is no room for more. Returns the most memory seen meanwhile.
async fn flood(ingress: &Ingress) -> u64 {
    let flooding = async {
        let no_room = ingress.counted(NO_ROOM).await;
        // No notice: it goes to the broker as it is.
        let body = "x".repeat(LARGEST);
        let (most, last) = body.split_at(LARGEST - 1);
        let signed = signature(body.as_bytes());
        let begun = format!(
            "POST {PATH} HTTP/1.1\r\nhost: h\r\nauthorization: {signed}\r\n\
             connection: close\r\ncontent-length: {LARGEST}\r\n\r\n{most}"
        );
        let opening = (0..FLOOD).map(|_| async {
            let mut peer = Peer::connect(ingress.at).await;
            // What is refused may be closed before all of it is written.
            let _ = peer.send(&begun).await;
            peer
        });
        let mut peers = join_all(opening).await;
        reaches(ingress, NO_ROOM, no_room + f64::from(FLOOD - FIT)).await;
        for peer in &mut peers {
            let _ = peer.send(last).await;
        }
        for mut peer in peers {
            let answers = statuses(&peer.rest().await);
            // The queue takes the first few.
            assert!(matches!(answers[..], [] | [204 | 503]), "{answers:?}");
        }
    };
    let mut flooding = pin!(flooding);
    let mut looks = tokio::time::interval(Duration::from_millis(20));
    let mut height = 0;
    loop {
        tokio::select! {
            () = &mut flooding => return height,
            _ = looks.tick() => height = height.max(ingress.resident_bytes()),
        }
    }
}

/// Waits until the metric is so high.
async fn reaches(ingress: &Ingress, metric: (&str, &str), count: f64) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let now = ingress.counted(metric).await;
        if now >= count {
            return;
        }
        assert!(Instant::now() < deadline, "{metric:?}: {now} of {count}");
        sleep(Duration::from_millis(50)).await;
    }
}

/// Lets this process and those it starts open so many files.
fn allow_files(number: u32) {
    let limit = format!("--nofile={number}:");
    let mut allow = Command::new("prlimit");
    allow.args(["--pid", &std::process::id().to_string(), &limit]);
    let done = allow.output().unwrap();
    assert!(
        done.status.success(),
        "{number} open files are not allowed here: {}",
        String::from_utf8_lossy(&done.stderr)
    );
}
