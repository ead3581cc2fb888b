use std::time::Duration;

use broker::{PublishError, Tier};
use futures_util::FutureExt;
use order::Kind;
use task::Lane;

use crate::stack::Stack;
use crate::{order, orders, publish, take, task};

on_both_stacks! {
    async fn a_confirmed_task_is_on_the_queue_of_its_lane_byte_for_byte(stack: Stack) {
        let broker = stack.broker().await;
        let kinds = [Kind::OrderPaid, Kind::Refund, Kind::Other("new".into())];
        for (kind, lane) in kinds.into_iter().zip(Lane::ALL) {
            let task = task(kind, 7);
            broker.publish(&task).await.unwrap();
            let consumer = broker.consume(lane, 10);
            let delivery = take(&consumer, 1).await.remove(0);
            assert_eq!(delivery.task.unwrap(), task);
            assert_eq!(delivery.lane, Some(lane));
            assert!(!delivery.redelivered);
            assert_eq!(delivery.parked, None);
            consumer.finish([delivery.tag]).await;
            consumer.close().await;
        }
        broker.close().await;
    }

    async fn a_caller_that_gives_up_neither_loses_nor_doubles_its_task(stack: Stack) {
        let broker = stack.broker().await;
        for number in 1..=50 {
            let task = task(Kind::OrderPaid, number);
            let given_up = broker.publish(&task).now_or_never();
            assert!(given_up.is_none(), "a confirm takes a round trip");
        }
        broker.publish(&task(Kind::OrderPaid, 51)).await.unwrap();
        let consumer = broker.consume(Lane::Grant, 100);
        let mut seen: Vec<i64> = take(&consumer, 51).await.iter().map(order).collect();
        seen.sort_unstable();
        assert_eq!(seen, (1..=51).collect::<Vec<_>>());
        let more = consumer.batch(1, Duration::ZERO);
        let more = tokio::time::timeout(Duration::from_millis(500), more).await;
        assert!(more.is_err(), "{more:?}");
        broker.close().await;
    }

    async fn closing_waits_for_the_confirms_that_are_due_and_takes_nothing_more(stack: Stack) {
        let broker = stack.broker().await;
        let tasks: Vec<_> = (1..=100).map(|n| task(Kind::OrderPaid, n)).collect();
        let publishes = futures_util::future::join_all(tasks.iter().map(|task| broker.publish(task)));
        let closing = async {
            tokio::task::yield_now().await;
            broker.close().await;
        };
        let (outcomes, ()) = tokio::join!(publishes, closing);
        assert_eq!(outcomes, vec![Ok(()); 100]);
        let late = broker.publish(&tasks[0]).await.unwrap_err();
        assert!(matches!(late, PublishError::Unavailable { .. }), "{late}");
    }

    async fn a_full_queue_refuses_and_keeps_what_it_had_accepted(stack: Stack) {
        let stack = stack.with_queue_bytes(10_000).await;
        let broker = stack.broker().await;
        let mut safe = Vec::new();
        let mut refused = 0;
        for number in 1..=500 {
            match broker.publish(&task(Kind::OrderPaid, number)).await {
                Ok(()) => safe.push(number),
                Err(PublishError::Refused) => refused += 1,
                Err(other) => panic!("{other}"),
            }
        }
        assert!(safe.len() > 10 && refused > 100, "{} {refused}", safe.len());
        // Another queue has room.
        broker.publish(&task(Kind::Refund, 1)).await.unwrap();
        let consumer = broker.consume(Lane::Grant, 500);
        let held = take(&consumer, safe.len()).await;
        assert_eq!(orders(&held), safe);
        consumer.finish(held.iter().map(|delivery| delivery.tag)).await;
        stack.wait_for_messages("grantline.grant.v1", 0).await;
        broker.publish(&task(Kind::OrderPaid, 501)).await.unwrap();
        broker.close().await;
    }

    async fn depths_count_what_waits_and_who_takes(stack: Stack) {
        let broker = stack.broker().await;
        publish(&broker, 1..=5).await;
        let consumer = broker.consume(Lane::Grant, 2);
        let held = take(&consumer, 2).await;
        consumer.park(&held[0], "a person").await.unwrap();
        consumer.retry(&held[1], Tier::OneHour).await.unwrap();
        take(&consumer, 2).await;
        let depths = broker.depths().await.unwrap();
        assert_eq!(depths.len(), 9);
        let depth = |name: &str| {
            let depth = depths.iter().find(|depth| depth.queue == name).unwrap();
            (depth.ready, depth.consumers)
        };
        assert_eq!(depth("grantline.grant.v1"), (1, 1));
        assert_eq!(depth("grantline.revoke.v1"), (0, 0));
        assert_eq!(depth("grantline.parked.v1"), (1, 0));
        assert_eq!(depth("grantline.retry.1h.v1"), (1, 0));
        let held = broker.held();
        let held = |name: &str| held.iter().find(|(queue, _)| *queue == name).unwrap().1;
        assert_eq!((held("grantline.grant.v1"), held("grantline.revoke.v1")), (2, 0));
        let mut depths = depths.iter();
        let grant = depths.find(|depth| depth.queue == "grantline.grant.v1").unwrap();
        // RabbitMQ does not tell.
        let told = matches!(stack, Stack::Embedded(_)).then(|| task(Kind::OrderPaid, 5).received_at);
        assert_eq!(grant.oldest, told);
        consumer.close().await;
        assert!(broker.held().iter().all(|(_, held)| *held == 0));
        broker.close().await;
    }
}
