//! Queues and publishes at their limits.

use std::collections::BTreeSet;
use std::time::Duration;

use broker::Broker;
use futures_util::future::join_all;
use hyper::StatusCode;
use task::Lane;
use testkit::{CuttingProxy, Postgres, RabbitMq};
use tokio::time::timeout;

use crate::ingress::{Ingress, PATIENCE, migrate, order_paid, refund};

/// The limit is set as an operator sets it, and the queue is filled by notices.
#[tokio::test]
async fn a_full_queue_answers_503_and_takes_again_when_it_is_drained() {
    let (vhost, database) = tokio::join!(RabbitMq::empty_vhost(), Postgres::empty_database());
    let management = vhost.config().management_url.unwrap().reveal();
    let keys = [
        ("BROKER__WORK_QUEUE_BYTES", "20000"),
        ("BROKER__MANAGEMENT_URL", &*management),
    ];
    migrate(database.url(), vhost.url(), &keys).await;
    let ingress = Ingress::start(vhost.url(), &keys).await;
    let mut accepted = BTreeSet::new();
    for order in 1.. {
        match ingress.post(&order_paid(order)).await {
            StatusCode::NO_CONTENT => assert!(accepted.insert(order)),
            refused => {
                assert_eq!(refused, StatusCode::SERVICE_UNAVAILABLE);
                break;
            }
        }
        assert!(order < 1_000, "200 kilobytes fit into 20");
    }
    assert_eq!(
        ingress.post(&refund(2)).await,
        StatusCode::NO_CONTENT,
        "another queue"
    );

    let meter = telemetry::Telemetry::quiet().meter("broker");
    let broker = Broker::connect(vhost.config(), "test", &meter);
    let consumer = broker.consume(Lane::Grant, 100);
    let mut taken = BTreeSet::new();
    while taken.len() < accepted.len() {
        let batch = timeout(PATIENCE, consumer.batch(100, Duration::ZERO)).await;
        let batch = batch.expect("what was accepted is on the queue");
        for delivery in &batch {
            taken.insert(delivery.task.as_ref().unwrap().order.unwrap().get());
        }
        consumer
            .finish(batch.iter().map(|delivery| delivery.tag))
            .await;
    }
    assert_eq!(taken, accepted);
    let taking =
        async { while ingress.post(&order_paid(5_000)).await != StatusCode::NO_CONTENT {} };
    assert!(timeout(PATIENCE, taking).await.is_ok(), "it takes again");
    broker.close().await;
}

#[tokio::test]
async fn more_publishes_than_may_be_in_flight_are_503_before_their_turn_comes() {
    let vhost = RabbitMq::vhost().await;
    let proxy = CuttingProxy::before(vhost.url()).await;
    let keys = [("BROKER__CHANNELS", "1"), ("BROKER__IN_FLIGHT", "2")];
    let ingress = Ingress::start(&proxy.url(vhost.url()), &keys).await;
    proxy.stall();
    let bodies: Vec<_> = (1..=30).map(order_paid).collect();
    let answers = join_all(bodies.iter().map(|body| ingress.post(body))).await;
    assert_eq!(answers, [StatusCode::SERVICE_UNAVAILABLE; 30]);
    let full = ingress.counted(("grantline_broker_publish_failures_total", "full"));
    assert!(full.await >= 20.0);
    proxy.heal();
    ingress.takes().await;
}
