//! A batch is booked whole or not at all, whatever is in it and whoever stops waiting.

use std::time::Duration;

use ledger::{Disposition, Entry};
use order::{Assertion, Money};
use sqlx::PgPool;
use tokio::time::{Instant, sleep};

use crate::notices::{batch, book, canceled, holds, noon, paid, player, project, told};
use crate::stores::{Store, on_both_stores};

on_both_stores!(
    a_batch_with_one_impossible_row_books_nothing,
    a_batch_whose_last_statement_fails_books_nothing,
    a_key_too_long_for_its_index_is_the_datas_fault,
    a_balance_beyond_what_can_be_stored_is_the_datas_fault,
    callers_that_stop_waiting_leave_nothing_behind,
    the_keys_refuse_a_second_grant_whatever_the_program_thinks,
);

async fn rows(store: &Store) -> i64 {
    let tables = [
        "notices",
        "transactions",
        "orders",
        "bookings",
        "booking_lines",
        "obligations",
        "balances",
        "streams",
        "stream_rows",
        "conflicts",
        "parked",
    ];
    let mut sum = 0;
    for table in tables {
        sum += store.number(format!("SELECT count(*) FROM {table}")).await;
    }
    sum
}

async fn is_refused_whole(store: &Store, entries: impl IntoIterator<Item = Entry>) {
    let ledger = store.ledger();
    let fault = ledger.book(&batch(entries), noon()).await.unwrap_err();
    assert_eq!(fault.disposition(), Disposition::Park, "{fault:?}");
    assert_eq!(rows(store).await, 0);
    // The connection it was refused on serves the next.
    book(&ledger, [paid(1, "mira", 899)]).await;
    assert_eq!(holds(&ledger, "mira").await, [("sword".into(), 2)]);
}

async fn a_batch_with_one_impossible_row_books_nothing(store: Store) {
    let mut impossible = paid(8, "mira", 901);
    if let Assertion::Paid { content, .. } = &mut impossible.assertion {
        content.price = Some(Money {
            amount: "1".parse().unwrap(),
            currency: "US\u{0}".into(),
        });
    }
    let entries = [paid(7, "mira", 900), impossible, paid(9, "mira", 902)];
    is_refused_whole(&store, entries).await;
}

async fn a_batch_whose_last_statement_fails_books_nothing(store: Store) {
    store.refuse(9).await;
    let entries = [
        paid(7, "mira", 900),
        canceled(7, "mira", 900),
        paid(9, "mira", 902),
    ];
    is_refused_whole(&store, entries).await;
}

async fn a_key_too_long_for_its_index_is_the_datas_fault(store: Store) {
    // Without a pattern, so that compression does not make it fit.
    let endless: String = (0..2_000_u16)
        .map(|number| task::MessageId::of(&number.to_be_bytes()).to_string())
        .collect();
    let mut entry = paid(7, "mira", 900);
    let reference = order::Reference::subscription(&endless, "2027-01-01");
    entry.notice.as_mut().unwrap().reference = reference;
    is_refused_whole(&store, [entry]).await;
}

async fn a_balance_beyond_what_can_be_stored_is_the_datas_fault(store: Store) {
    let ledger = store.ledger();
    book(&ledger, [paid(1, "mira", 900)]).await;
    let all = "UPDATE balances SET quantity = 9223372036854775807";
    store.run(all.into()).await;
    let before = rows(&store).await;
    let one_more = batch([paid(2, "mira", 901)]);
    let fault = ledger.book(&one_more, noon()).await.unwrap_err();
    assert_eq!(fault.disposition(), Disposition::Park, "{fault:?}");
    assert_eq!(rows(&store).await, before);
    assert_eq!(holds(&ledger, "mira").await, [("sword".into(), i64::MAX)]);
}

/// A program with a fault, or a person with a console, cannot grant an order twice.
async fn the_keys_refuse_a_second_grant_whatever_the_program_thinks(store: Store) {
    book(&store.ledger(), [paid(7, "mira", 900)]).await;
    let before = rows(&store).await;
    let keyed = [
        "notices",
        "transactions",
        "orders",
        "bookings",
        "booking_lines",
        "obligations",
        "balances",
        "streams",
        "stream_rows",
    ];
    for table in keyed {
        let again = format!("INSERT INTO {table} SELECT * FROM {table}");
        let fault = store.try_to_run(again).await.unwrap_err();
        assert_eq!(fault.disposition(), Disposition::Park, "{table}: {fault:?}");
    }
    let another = "INSERT INTO bookings (project, source, direction, player, kind, ref, booked_at)
                   SELECT project, source, direction, 'oleg', kind, '8', booked_at FROM bookings";
    store.try_to_run(another.into()).await.unwrap_err();
    assert_eq!(rows(&store).await, before);
}

/// Whoever waits for a booking may stop at any instant. A connection that went back to the
/// pool inside a transaction would swallow what the next one writes, so each is followed by
/// a single statement, which another session must see.
async fn callers_that_stop_waiting_leave_nothing_behind(store: Store) {
    const ORDERS: i64 = 150;
    let ledger = store.ledger_with(1);
    for number in 1..=ORDERS {
        let entries = batch([paid(number, "mira", number)]);
        // Polls, not time: a timer is too coarse to fall between two round trips.
        let patience = async {
            for _ in 0..number * 4 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            booked = ledger.book(&entries, noon()) => drop(booked.unwrap()),
            () = patience => {}
        }
        let next = player(&format!("player {number}"));
        let registered = ledger.register_player(project(), &next, noon()).await;
        assert!(registered.unwrap());
        let seen = store.ledger().is_registered(project(), &next).await;
        assert!(seen.unwrap(), "after {number}");
    }
    // Each booking went on after its caller had gone.
    assert_eq!(holds(&ledger, "mira").await, [("sword".into(), 2 * ORDERS)]);
    let rows = usize::try_from(2 * ORDERS).unwrap();
    assert_eq!(told(&ledger, "mira").await.len(), rows);

    if let Store::Postgres(database) = &store {
        no_session_is_busy(database.pool()).await;
    }
}

async fn no_session_is_busy(pool: &PgPool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let open: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_stat_activity
             WHERE datname = current_database() AND application_name = 'grantline'
               AND state <> 'idle'",
        )
        .fetch_one(pool)
        .await
        .unwrap();
        if open == 0 {
            break;
        }
        assert!(Instant::now() < deadline, "{open} sessions are not idle");
        sleep(Duration::from_millis(20)).await;
    }
}
