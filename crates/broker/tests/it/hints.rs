use std::time::{Duration, Instant};

use broker::{HintEvent, HintReceiver, State};
use order::Status;
use task::{Hint, Hints};
use testkit::{CuttingProxy, RabbitMq};

use crate::{PATIENCE, connect, start, wait_for};

fn hints(offset: i64) -> Hints {
    Hints {
        epoch: "e1".to_owned(),
        rows: vec![Hint {
            project: "44056".parse().expect("a project"),
            player: "mira".parse().expect("a player"),
            offset,
            order: "7".parse().expect("an order"),
            status: Status::Done,
        }],
    }
}

async fn next(receiver: &mut HintReceiver) -> HintEvent {
    let event = tokio::time::timeout(PATIENCE, receiver.next()).await;
    event.expect("an event in time").expect("an open broker")
}

#[tokio::test]
async fn every_publisher_hears_every_hint_after_a_first_gap() {
    let vhost = RabbitMq::vhost().await;
    let worker = connect(vhost.config()).await;
    let publishers = [connect(vhost.config()).await, connect(vhost.config()).await];
    let mut receivers = [publishers[0].hints(), publishers[1].hints()];
    for receiver in &mut receivers {
        assert_eq!(next(receiver).await, HintEvent::Gap);
    }
    for offset in 1..=3 {
        worker.send_hints(&hints(offset));
    }
    for receiver in &mut receivers {
        for offset in 1..=3 {
            assert_eq!(next(receiver).await, HintEvent::Hints(hints(offset)));
        }
    }
    worker.close().await;
    for (broker, mut receiver) in publishers.into_iter().zip(receivers) {
        broker.close().await;
        assert_eq!(receiver.next().await, None);
    }
}

#[tokio::test]
async fn a_reconnect_is_told_as_a_gap() {
    let vhost = RabbitMq::vhost().await;
    let worker = connect(vhost.config()).await;
    let proxy = CuttingProxy::before(vhost.url()).await;
    let publisher = start(vhost.config_through(&proxy));
    let mut receiver = publisher.hints();
    assert_eq!(next(&mut receiver).await, HintEvent::Gap);
    proxy.cut();
    wait_for(&publisher, "down", |state| !state.consuming.is_healthy()).await;
    worker.send_hints(&hints(1));
    proxy.heal();
    assert_eq!(next(&mut receiver).await, HintEvent::Gap);
    worker.send_hints(&hints(2));
    assert_eq!(next(&mut receiver).await, HintEvent::Hints(hints(2)));
    publisher.close().await;
    worker.close().await;
}

/// Nobody reads, so what does not fit is dropped here; the reader learns it as a gap.
#[tokio::test]
async fn more_hints_than_can_be_taken_in_end_in_a_gap() {
    let vhost = RabbitMq::vhost().await;
    let broker = connect(vhost.config()).await;
    let mut receiver = broker.hints();
    wait_for(&broker, "connected", State::is_healthy).await;
    assert_eq!(next(&mut receiver).await, HintEvent::Gap);
    for offset in 1..=3_000 {
        broker.send_hints(&hints(offset));
        if offset % 100 == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    let mut heard = 0;
    while let HintEvent::Hints(_) = next(&mut receiver).await {
        heard += 1;
    }
    assert!(heard < 3_000, "{heard}");
    broker.close().await;
}

#[tokio::test]
async fn hints_never_hold_anybody_up() {
    let vhost = RabbitMq::vhost().await;
    let proxy = CuttingProxy::before(vhost.url()).await;
    let broker = connect(vhost.config_through(&proxy)).await;
    proxy.stall();
    let asked = Instant::now();
    for offset in 1..=20_000 {
        broker.send_hints(&hints(offset));
    }
    assert!(
        asked.elapsed() < Duration::from_secs(5),
        "{:?}",
        asked.elapsed()
    );
}
