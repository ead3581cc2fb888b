use std::time::Duration;

use broker::{HintEvent, HintReceiver, State};
use order::Status;
use task::{Hint, Hints};
use time::OffsetDateTime;

use crate::stack::Stack;
use crate::{PATIENCE, wait_for};

pub(crate) fn hints(offset: i64) -> Hints {
    Hints {
        epoch: "e1".to_owned(),
        at: OffsetDateTime::from_unix_timestamp(1_800_000_000).ok(),
        rows: vec![Hint {
            project: "44056".parse().expect("a project"),
            player: "mira".parse().expect("a player"),
            offset,
            order: "7".parse().expect("an order"),
            status: Status::Done,
        }],
        traces: task::RowTraces::default(),
    }
}

pub(crate) async fn next(receiver: &mut HintReceiver) -> HintEvent {
    let event = tokio::time::timeout(PATIENCE, receiver.next()).await;
    event.expect("an event in time").expect("an open broker")
}

on_both_stacks! {
    async fn every_publisher_hears_every_hint_after_a_first_gap(stack: Stack) {
        let worker = stack.broker().await;
        let publishers = [stack.broker().await, stack.broker().await];
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

    /// Nobody reads, so what does not fit is dropped; the reader learns it as a gap.
    async fn more_hints_than_can_be_taken_in_end_in_a_gap(stack: Stack) {
        let broker = stack.broker().await;
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
}
