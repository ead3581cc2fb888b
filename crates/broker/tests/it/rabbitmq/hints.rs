use std::time::{Duration, Instant};

use broker::HintEvent;
use testkit::{CuttingProxy, RabbitMq};

use crate::hints::{hints, next};
use crate::{connect, start, wait_for};

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
