//! Many writers on the same rows at the same time.

use std::sync::Arc;

use order::Status;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::notices::{
    batch, book, holds, id, noon, order, paid, payment, player, project, refund, told,
};
use crate::stores::{Store, on_both_stores};

on_both_stores!(multi_thread:
    sixty_four_concurrent_copies_of_a_paid_order_grant_once,
    a_refund_and_a_payment_racing_order_paid_are_seen_by_the_order,
    concurrent_bookings_for_one_player_leave_gapless_offsets,
    a_refused_booking_leaves_no_gap,
);

async fn sixty_four_concurrent_copies_of_a_paid_order_grant_once(store: Store) {
    let ledger = store.ledger_with(16);
    let start = Arc::new(Barrier::new(64));
    let mut copies = JoinSet::new();
    for _ in 0..64 {
        let (ledger, start) = (ledger.clone(), Arc::clone(&start));
        copies.spawn(async move {
            start.wait().await;
            let booked = ledger.book(&batch([paid(7, "mira", 900)]), noon()).await;
            booked.unwrap()
        });
    }
    let booked = copies.join_all().await;

    let firsts = booked.iter().filter(|booked| !booked.verdicts[0].repeat);
    assert_eq!(firsts.count(), 1);
    let hints: usize = booked.iter().map(|booked| booked.hints.rows.len()).sum();
    assert_eq!(hints, 2);
    assert_eq!(holds(&ledger, "mira").await, [("sword".into(), 2)]);
    let view = order(&ledger, 7).await;
    assert_eq!((view.bookings.len(), view.notices[0].seen), (1, 64));
    assert_eq!(
        told(&ledger, "mira").await,
        [(7, Status::Paid), (7, Status::Done)]
    );
}

async fn a_refund_and_a_payment_racing_order_paid_are_seen_by_the_order(store: Store) {
    let ledger = store.ledger_with(16);
    for number in 1..=40 {
        let transaction = 900 + number;
        let start = Arc::new(Barrier::new(3));
        let mut racers = JoinSet::new();
        for entry in [
            paid(number, "mira", transaction),
            refund(transaction, "mira"),
            payment(transaction, None, "mira"),
        ] {
            let (ledger, start) = (ledger.clone(), Arc::clone(&start));
            racers.spawn(async move {
                start.wait().await;
                ledger.book(&batch([entry]), noon()).await.unwrap();
            });
        }
        racers.join_all().await;
        let view = order(&ledger, number).await;
        assert!(
            view.facts.paid && view.facts.refunded && view.facts.payment,
            "{:?}",
            view.facts
        );
        assert_eq!(view.status, Status::Done);
    }
    assert_eq!(holds(&ledger, "mira").await, [("sword".into(), 80)]);
}

/// One reader watches while eight writers book for one player: every reading must be a
/// prefix of the final stream, which is so only if offsets become visible in their order.
async fn concurrent_bookings_for_one_player_leave_gapless_offsets(store: Store) {
    const WRITERS: i64 = 8;
    const BATCHES: i64 = 12;
    let ledger = store.ledger_with(16);
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let ledger = ledger.clone();
        writers.spawn(async move {
            for number in 0..BATCHES {
                let order = 1 + 2 * (writer * BATCHES + number);
                let entries = [paid(order, "mira", None), paid(order + 1, "mira", None)];
                let mut booked = book(&ledger, entries).await;
                let offsets: Vec<i64> = booked
                    .hints
                    .rows
                    .drain(..)
                    .map(|hint| hint.offset)
                    .collect();
                let first = offsets[0];
                assert_eq!(offsets, [first, first + 1, first + 2, first + 3]);
            }
        });
    }
    let mut readings = Vec::new();
    while !writers.is_empty() {
        let stream = ledger.stream(project(), &player("mira"), 0).await.unwrap();
        let offsets: Vec<i64> = stream.rows.iter().map(|row| row.offset).collect();
        assert_eq!(offsets, (1..=stream.top).collect::<Vec<_>>());
        readings.push(stream.rows);
        while let Some(writer) = writers.try_join_next() {
            writer.unwrap();
        }
    }
    let last = ledger.stream(project(), &player("mira"), 0).await.unwrap();
    assert_eq!(last.top, 4 * WRITERS * BATCHES);
    for rows in readings {
        assert_eq!(rows, last.rows[..rows.len()]);
    }
}

async fn a_refused_booking_leaves_no_gap(store: Store) {
    let ledger = store.ledger();
    book(&ledger, [paid(7, "mira", None)]).await;
    store.refuse(8).await;
    let refused = ledger.book(&batch([paid(8, "mira", None)]), noon()).await;
    refused.unwrap_err();
    let next = book(&ledger, [paid(9, "mira", None)]).await;
    assert_eq!(next.hints.rows[0].offset, 3);
    let (_, tops) = ledger.tops(&[(id(44_056), player("mira"))]).await.unwrap();
    assert_eq!(tops, [4]);
}
