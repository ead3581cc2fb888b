//! The file's messages on their way to RabbitMQ.

use std::time::Duration;

use broker::{Broker, Carried, Config, Destination, EmbeddedConfig, MoveError, Tier};
use order::Kind;
use sqlite::{File, WriteError};
use testkit::{Embedded, RabbitMq};

use crate::{connect, orders, publish, take, task};

async fn served(file: &File) -> Broker {
    let meter = telemetry::Telemetry::quiet().meter("broker");
    let broker = Broker::embedded(file.clone(), EmbeddedConfig::default(), &meter);
    broker.await.unwrap()
}

async fn destination(config: Config) -> Result<Destination, MoveError> {
    let meter = telemetry::Telemetry::quiet().meter("broker");
    Destination::connect(config, &meter).await
}

/// Messages in the file and at the broker, by kind.
fn counts(carried: &[Carried]) -> Vec<(u64, u64)> {
    carried.iter().map(|it| (it.file, it.broker)).collect()
}

#[tokio::test]
async fn every_message_arrives_where_it_was_with_what_is_left_of_its_delay() {
    let (file, vhost) = (Embedded::new(), RabbitMq::vhost().await);
    let broker = served(&file.file()).await;
    publish(&broker, 1..=5).await;
    let consumer = broker.consume(task::Lane::Grant, 5);
    let held = take(&consumer, 5).await;
    consumer.retry(&held[0], Tier::FiveSeconds).await.unwrap();
    consumer.retry(&held[1], Tier::OneHour).await.unwrap();
    consumer.park(&held[2], "a reason").await.unwrap();
    consumer.close().await;
    let canceled = task(Kind::OrderCanceled, 6);
    broker.publish(&canceled).await.unwrap();
    broker.close().await;
    // The tier of five seconds has a tenth of one left; that of an hour, a minute.
    for (queue, left) in [("5s", 100_000), ("1h", 60_000_000)] {
        let due = task::now().unix_timestamp_nanos() / 1_000 + left;
        let due = i64::try_from(due).unwrap();
        let queue = format!("grantline.retry.{queue}.v1");
        let file = file.file();
        let change = file.write(move |connection| -> Result<usize, WriteError> {
            let sql = "UPDATE queue_places SET rank = ?1 WHERE queue = ?2";
            Ok(connection.execute(sql, (due, queue))?)
        });
        assert_eq!(change.await.unwrap(), 1);
    }

    let destination = destination(vhost.config()).await.unwrap();
    destination.expect_empty().await.unwrap();
    let carried = destination.carry(&file.file(), task::now).await.unwrap();
    destination.close().await;
    assert_eq!(counts(&carried), [(5, 5), (1, 1), (0, 0)]);

    let broker = connect(vhost.config()).await;
    let consumer = broker.consume(task::Lane::Grant, 9);
    // Those that wait, and the one that is due in a moment; long before five seconds.
    let mut arrived = take(&consumer, 3).await;
    arrived.sort_by_key(|delivery| orders(std::slice::from_ref(delivery)));
    assert_eq!(orders(&arrived), [1, 4, 5]);
    let attempts = arrived.iter().map(|it| it.task.as_ref().unwrap().attempt);
    assert_eq!(attempts.collect::<Vec<_>>(), [1, 0, 0]);
    let mut first = arrived[0].task.clone().unwrap();
    first.attempt = 0;
    assert_eq!(first, task(Kind::OrderPaid, 1), "byte for byte");
    let revokes = broker.consume(task::Lane::Revoke, 9);
    assert_eq!(orders(&take(&revokes, 1).await), [6]);
    let parked = take(&broker.consume_parked(9), 1).await;
    assert_eq!(orders(&parked), [3]);
    assert_eq!(parked[0].parked.as_deref(), Some("a reason"));
    vhost.wait_for_messages("grantline.retry.1h.v1", 1).await;
    broker.close().await;
}

#[tokio::test]
async fn what_was_confirmed_is_not_sent_again_unless_it_is_gone() {
    let (file, vhost) = (Embedded::new(), RabbitMq::vhost().await);
    let broker = served(&file.file()).await;
    publish(&broker, 1..=300).await;
    broker.close().await;
    let destination = destination(vhost.config()).await.unwrap();
    let carry = async || {
        let carried = destination.carry(&file.file(), task::now).await;
        counts(&carried.unwrap())[0]
    };
    assert_eq!(carry().await, (300, 300));
    assert_eq!(carry().await, (300, 300));

    // Interrupted after a confirm and before the note of it.
    let opened = file.file();
    let forget = |what: &'static str| {
        opened.write(move |connection| -> Result<usize, WriteError> {
            Ok(connection.execute(what, [])?)
        })
    };
    let newest = "DELETE FROM move_sent WHERE message > 290";
    assert_eq!(forget(newest).await.unwrap(), 10);
    assert_eq!(carry().await, (300, 310));

    let purged = vhost.call_api(
        hyper::Method::DELETE,
        "queues",
        "grantline.grant.v1/contents",
        None,
    );
    purged.await.unwrap();
    assert_eq!(carry().await, (300, 300));

    // Served in between, numbers mean other messages.
    served(&file.file()).await.close().await;
    assert_eq!(carry().await, (300, 600));
    destination.close().await;
}

#[tokio::test]
async fn a_broker_in_use_or_not_empty_is_refused() {
    let vhost = RabbitMq::vhost().await;
    let broker = connect(vhost.config()).await;
    publish(&broker, [1]).await;
    let at = destination(vhost.config()).await.unwrap();
    let refused = at.expect_empty().await.unwrap_err();
    assert!(
        matches!(
            refused,
            MoveError::NotEmpty {
                queue: "grantline.grant.v1",
                messages: 1,
                ..
            }
        ),
        "{refused}"
    );
    at.close().await;
    let consumer = broker.consume(task::Lane::Grant, 1);
    take(&consumer, 1).await;
    let refused = destination(vhost.config()).await.unwrap_err();
    assert!(
        matches!(refused, MoveError::InUse { consumers: 1, .. }),
        "{refused}"
    );
    broker.close().await;
}

/// A queue that is full takes nothing; what it took is not sent twice once there is room.
#[tokio::test]
async fn a_full_queue_ends_the_move_and_the_next_one_goes_on() {
    let (file, vhost) = (Embedded::new(), RabbitMq::vhost().await);
    let broker = served(&file.file()).await;
    publish(&broker, 1..=400).await;
    broker.close().await;
    let little = serde_json::json!({"max-length": 200, "overflow": "reject-publish"});
    vhost.set_policy("little", "^grantline.grant", little).await;
    let destination = destination(vhost.config()).await.unwrap();
    let refused = destination
        .carry(&file.file(), task::now)
        .await
        .unwrap_err();
    assert!(matches!(refused, MoveError::Publish { .. }), "{refused}");
    let policy = vhost.call_api(hyper::Method::DELETE, "policies", "little", None);
    policy.await.unwrap();
    let deadline = tokio::time::Instant::now() + crate::PATIENCE;
    // The policy goes a moment later.
    let carried = loop {
        match destination.carry(&file.file(), task::now).await {
            Ok(carried) => break carried,
            Err(refused) => assert!(tokio::time::Instant::now() < deadline, "{refused}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(counts(&carried)[0], (400, 400));
    destination.close().await;
}
