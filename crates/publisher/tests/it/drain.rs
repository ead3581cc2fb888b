//! How the role stops.

use std::time::{Duration, Instant};

use lifecycle::Verdict;
use testkit::{Heard, WebSocket, WebSocketOptions};
use tokio::task::JoinSet;

use crate::entries::created;
use crate::line::{PATIENCE, SOCKET, Setup, push};

fn shutdown() -> Heard {
    Heard::Close(3001, "shutdown".to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_drain_sends_everybody_elsewhere_and_ends() {
    let line = Setup::new().start().await;
    let (mut connected, _) = line.connect("mira").await;
    let mut silent = line.open().await;
    line.lifecycle.drain();
    let verdict = {
        let waiting = line.lifecycle.wait(PATIENCE);
        let ((_, one), (_, two), verdict) = tokio::join!(connected.end(), silent.end(), waiting);
        assert_eq!((one, two), (shutdown(), shutdown()));
        verdict
    };
    assert_eq!(verdict, Verdict::Finished);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_drain_is_spread_and_statuses_are_pushed_meanwhile() {
    const CLIENTS: usize = 20;
    let spread = Duration::from_secs(2);
    let setup = Setup::new().with(|config| {
        config.drain_spread = spread;
        config.max_sockets_per_player = CLIENTS;
    });
    let line = setup.start().await;
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(line.connect("mira").await.0);
    }
    let began_at = Instant::now();
    line.lifecycle.drain();
    line.book([created(1, "mira")]).await;
    let mut ending = JoinSet::new();
    for mut client in clients {
        ending.spawn(async move {
            let (messages, end) = client.end().await;
            (messages, end, began_at.elapsed())
        });
    }
    let (ends, verdict) = tokio::join!(ending.join_all(), line.lifecycle.wait(PATIENCE));
    let (mut told, mut after) = (0, Vec::new());
    for (messages, end, elapsed) in ends {
        assert_eq!(end, shutdown());
        told += usize::from(messages.contains(&push("mira", 1, 1, "new")));
        after.push(elapsed);
    }
    assert_eq!(verdict, Verdict::Finished);
    assert!(told > 0, "nobody was told during the drain");
    let (first, last) = (after.iter().min().unwrap(), after.iter().max().unwrap());
    let apart = last.saturating_sub(*first);
    // Twenty moments out of two seconds lie closer than a quarter of it once in 10^10.
    assert!(apart > spread / 4, "{after:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_draining_process_takes_no_new_clients() {
    let setup = Setup::new().with(|config| config.drain_spread = Duration::from_secs(5));
    let line = setup.start().await;
    let (_client, _) = line.connect("mira").await;
    line.lifecycle.drain();
    let refused = tokio::spawn(WebSocket::open_with(
        line.at,
        SOCKET,
        WebSocketOptions::default(),
    ));
    // Refused by the kernel, or closed without an answer.
    assert!(!matches!(refused.await, Ok(Ok(_))));
}
