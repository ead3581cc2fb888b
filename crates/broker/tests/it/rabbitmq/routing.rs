//! What no queue takes, and what goes on around it.

use std::time::{Duration, Instant};

use broker::{Broker, PublishError, State, Topology};
use order::Kind;
use task::Lane;
use testkit::{RabbitMq, Vhost};

use crate::{PATIENCE, connect, take, task, wait_for};

#[tokio::test]
async fn a_task_that_cannot_be_routed_waits_in_the_unrouted_queue() {
    let vhost = RabbitMq::vhost().await;
    unbind(&vhost, "grantline.tasks.v1", "grantline.grant.v1", "grant").await;
    let broker = connect(vhost.config()).await;
    broker.publish(&task(Kind::OrderPaid, 7)).await.unwrap();
    let depths = broker.depths().await.unwrap();
    let ready = |name: &str| depths.iter().find(|d| d.queue == name).unwrap().ready;
    assert_eq!(ready("grantline.unrouted.v1"), 1);
    assert_eq!(ready("grantline.grant.v1"), 0);
    let unrouted = broker.consume_unrouted(10);
    let delivery = take(&unrouted, 1).await.remove(0);
    assert_eq!(delivery.lane, Some(Lane::Grant));
    assert_eq!(delivery.task.unwrap(), task(Kind::OrderPaid, 7));
    unrouted.finish([delivery.tag]).await;
    vhost.wait_for_messages("grantline.unrouted.v1", 0).await;
    broker.close().await;
}

/// The client ties a returned message to any confirm that is due, and the wrong one is then
/// taken for safe. So nothing may be returned: what has no queue goes to another exchange.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_task_without_a_queue_is_lost_among_those_that_have_one() {
    const WRITERS: i64 = 16;
    const EACH: i64 = 100;
    let vhost = RabbitMq::vhost().await;
    unbind(&vhost, "grantline.tasks.v1", "grantline.grant.v1", "grant").await;
    let broker = connect(vhost.config()).await;
    let writers = (0..WRITERS).map(|writer| {
        let broker = broker.clone();
        tokio::spawn(async move {
            for step in 0..EACH {
                let number = 1 + writer * EACH + step;
                let (lost, kept) = (task(Kind::OrderPaid, number), task(Kind::Refund, number));
                let both = tokio::join!(broker.publish(&lost), broker.publish(&kept));
                assert_eq!(both, (Ok(()), Ok(())));
            }
        })
    });
    for writer in futures_util::future::join_all(writers).await {
        writer.unwrap();
    }
    let depths = broker.depths().await.unwrap();
    for queue in ["grantline.unrouted.v1", "grantline.revoke.v1"] {
        let depth = depths.iter().find(|depth| depth.queue == queue).unwrap();
        assert_eq!(depth.ready, (WRITERS * EACH).unsigned_abs(), "{queue}");
    }
    broker.close().await;
}

#[tokio::test]
async fn a_task_that_nothing_on_the_broker_takes_is_not_reported_as_safe() {
    let vhost = RabbitMq::vhost().await;
    unbind(&vhost, "grantline.tasks.v1", "grantline.grant.v1", "grant").await;
    unbind(
        &vhost,
        "grantline.unrouted.v1",
        "grantline.unrouted.v1",
        "~",
    )
    .await;
    let broker = connect(vhost.config()).await;
    let returned = broker.publish(&task(Kind::OrderPaid, 1)).await;
    assert_eq!(returned, Err(PublishError::Returned));
    // No confirm on that connection can be trusted any more, so there is another one.
    until_taken(&broker, Kind::Refund).await;
    broker.close().await;
}

/// A publish to an exchange that is gone closes its channel, with whatever else is under way
/// on it.
#[tokio::test]
async fn an_exchange_deleted_under_load_costs_a_delay_and_is_named() {
    let vhost = RabbitMq::vhost().await;
    let broker = connect(vhost.config()).await;
    let deleted = vhost.call_api(
        hyper::Method::DELETE,
        "exchanges",
        "grantline.tasks.v1",
        None,
    );
    assert!(deleted.await.is_some());
    let tasks: Vec<_> = (1..=100).map(|n| task(Kind::OrderPaid, n)).collect();
    let publishes = tasks.iter().map(|task| broker.publish(task));
    for outcome in futures_util::future::join_all(publishes).await {
        let unavailable = matches!(outcome, Err(PublishError::Unavailable { .. }));
        assert!(unavailable, "{outcome:?}");
    }
    let names_it = |state: &State| {
        let reason = state.publishing.reason().unwrap_or_default();
        reason.contains("grantline.tasks.v1") && reason.contains("grantline migrate")
    };
    wait_for(&broker, "missing", names_it).await;
    Topology::declare(&vhost.config()).await.unwrap();
    until_taken(&broker, Kind::OrderPaid).await;
    broker.close().await;
}

async fn unbind(vhost: &Vhost, exchange: &str, queue: &str, key: &str) {
    let rest = format!("e/{exchange}/q/{queue}/{key}");
    let unbound = vhost.call_api(hyper::Method::DELETE, "bindings", &rest, None);
    assert!(unbound.await.is_some(), "no such binding: {rest}");
}

/// Publishes until one is confirmed.
async fn until_taken(broker: &Broker, kind: Kind) {
    let deadline = Instant::now() + PATIENCE;
    let task = task(kind, 9);
    while let Err(fault) = broker.publish(&task).await {
        assert!(Instant::now() < deadline, "{fault}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
