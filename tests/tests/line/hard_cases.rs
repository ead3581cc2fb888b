//! The cases that cost money elsewhere, each over HTTP.

use futures_util::future::join_all;
use hyper::StatusCode;

use crate::harness::{Line, Setup, Stack, eventually, on_both_stacks};
use crate::notices;

on_both_stacks!(
    sixty_four_concurrent_copies_of_one_order_paid_grant_once,
    cancellation_before_payment_voids_the_later_grant,
    a_cancellation_takes_back_what_the_ledger_granted_not_what_it_lists,
    one_real_transaction_on_a_second_order_is_parked_and_still_shown_as_paid,
    one_invoice_on_many_virtual_currency_orders_grants_each,
    a_sandbox_order_is_recorded_shown_as_paid_and_not_granted,
    a_signed_body_that_nobody_can_read_is_accepted_and_parked,
    a_crowd_of_orders_of_one_player_leaves_offsets_without_gaps,
);

async fn sixty_four_concurrent_copies_of_one_order_paid_grant_once(stack: Stack) {
    let line = Line::start_with(Setup {
        stack,
        more_workers: 2,
        ..Setup::default()
    })
    .await;
    let notice = notices::order_paid(7, 70, "mira");
    join_all((0..64).map(|_| line.accepted(&notice))).await;
    eventually("granted", async || !line.inventory("mira").await.is_empty()).await;
    line.queues_are_empty().await;
    assert_eq!(line.inventory("mira").await, ["blade×2"]);
    assert_eq!(line.stream("mira").await, [(1, 7, "paid"), (2, 7, "done")]);
    line.stop().await;
}

async fn cancellation_before_payment_voids_the_later_grant(stack: Stack) {
    let line = Line::start(stack).await;
    line.accepted(&notices::order_canceled(7, 70, "mira")).await;
    line.ends(7, "order_canceled", "nothing_granted").await;
    line.accepted(&notices::order_paid(7, 70, "mira")).await;
    line.ends(7, "order_paid", "canceled").await;
    assert!(line.inventory("mira").await.is_empty());
    assert_eq!(line.stream("mira").await, [(1, 7, "canceled")]);
    line.stop().await;
}

async fn a_cancellation_takes_back_what_the_ledger_granted_not_what_it_lists(stack: Stack) {
    let line = Line::start(stack).await;
    line.accepted(&notices::order_paid(7, 70, "mira")).await;
    line.accepted(&notices::order_paid(8, 80, "mira")).await;
    eventually("both granted", async || {
        line.inventory("mira").await == ["blade×4"]
    })
    .await;
    let mut canceled = notices::order_canceled(7, 70, "mira");
    canceled["items"][0]["quantity"] = 99.into();
    line.accepted(&canceled).await;
    line.ends(7, "order_canceled", "booked").await;
    assert_eq!(line.inventory("mira").await, ["blade×2"]);
    line.stop().await;
}

async fn one_real_transaction_on_a_second_order_is_parked_and_still_shown_as_paid(stack: Stack) {
    let line = Line::start(stack).await;
    line.accepted(&notices::order_paid(7, 70, "mira")).await;
    line.ends(7, "order_paid", "booked").await;
    line.accepted(&notices::order_paid(8, 70, "mira")).await;
    line.ends(8, "order_paid", "other_order").await;
    assert_eq!(line.inventory("mira").await, ["blade×2"]);
    assert_eq!(
        line.stream("mira").await.last().map(|row| (row.1, row.2)),
        Some((8, "paid"))
    );
    let parked = line.parked().await;
    assert_eq!(parked.len(), 1, "{parked:?}");
    line.stop().await;
}

async fn one_invoice_on_many_virtual_currency_orders_grants_each(stack: Stack) {
    let line = Line::start(stack).await;
    for order in 1..=5 {
        let mut notice = notices::order_paid(order, 1, "mira");
        notice["order"]["currency_type"] = "virtual".into();
        notice["order"]["currency"] = "com.example.crystals".into();
        line.accepted(&notice).await;
    }
    eventually("all granted", async || {
        line.inventory("mira").await == ["blade×10"]
    })
    .await;
    assert_eq!(line.parked().await, []);
    line.stop().await;
}

async fn a_sandbox_order_is_recorded_shown_as_paid_and_not_granted(stack: Stack) {
    let line = Line::start(stack).await;
    let mut notice = notices::order_paid(7, 70, "mira");
    notice["order"]["mode"] = "sandbox".into();
    line.accepted(&notice).await;
    line.ends(7, "order_paid", "sandbox").await;
    assert!(line.inventory("mira").await.is_empty());
    assert_eq!(line.stream("mira").await, [(1, 7, "paid")]);
    line.stop().await;
}

async fn a_signed_body_that_nobody_can_read_is_accepted_and_parked(stack: Stack) {
    let line = Line::start(stack).await;
    for body in [
        "",
        "{",
        "\u{feff}[]",
        "{\"notification_type\":\"order_paid\"}",
    ] {
        let answer = line.webhook_bytes(body).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{body:?}");
    }
    eventually("all parked", async || line.parked().await.len() == 4).await;
    line.stop().await;
}

async fn a_crowd_of_orders_of_one_player_leaves_offsets_without_gaps(stack: Stack) {
    let line = Line::start_with(Setup {
        stack,
        more_workers: 2,
        ..Setup::default()
    })
    .await;
    let notices: Vec<_> = (1..=150)
        .map(|order| notices::order_paid(order, 1_000 + order, "mira"))
        .collect();
    join_all(notices.iter().map(|notice| line.accepted(notice))).await;
    eventually("all granted", async || {
        line.inventory("mira").await == ["blade×300"]
    })
    .await;
    let offsets: Vec<_> = line.stream("mira").await.iter().map(|row| row.0).collect();
    assert_eq!(offsets, (1..=300).collect::<Vec<_>>());
    line.stop().await;
}
