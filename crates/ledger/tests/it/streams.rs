//! What clients read: streams, tops and the epoch.

use ledger::Ledger;
use order::Status;

use crate::notices::{book, book_one, created, id, paid, player, project};
use crate::stores::{Store, on_both_stores};

on_both_stores!(
    a_stream_is_read_from_any_offset_with_its_top,
    an_unknown_player_has_an_empty_stream_in_the_same_epoch,
    a_stream_is_trimmed_to_the_newest_rows,
    hints_name_the_rows_that_were_written,
    a_repeat_tells_nobody_anything,
    tops_come_in_the_order_asked_for,
);

async fn read(ledger: &Ledger, name: &str, after: i64) -> (i64, Vec<i64>) {
    let stream = ledger.stream(project(), &player(name), after).await;
    let stream = stream.unwrap();
    let offsets = stream.rows.iter().map(|row| row.offset).collect();
    (stream.top, offsets)
}

async fn a_stream_is_read_from_any_offset_with_its_top(store: Store) {
    let ledger = store.ledger();
    book(&ledger, (1..=4).map(|order| created(order, "mira"))).await;
    assert_eq!(read(&ledger, "mira", 0).await, (4, vec![1, 2, 3, 4]));
    assert_eq!(read(&ledger, "mira", 2).await, (4, vec![3, 4]));
    assert_eq!(read(&ledger, "mira", 4).await, (4, vec![]));
    assert_eq!(read(&ledger, "mira", 99).await, (4, vec![]));
}

async fn an_unknown_player_has_an_empty_stream_in_the_same_epoch(store: Store) {
    let ledger = store.ledger();
    assert_eq!(read(&ledger, "nobody", 0).await, (0, vec![]));
    let stream = ledger.stream(project(), &player("nobody"), 0).await;
    let stream = stream.unwrap();
    assert_eq!(stream.epoch, ledger.epoch().await.unwrap());
}

async fn a_stream_is_trimmed_to_the_newest_rows(store: Store) {
    let trimmed = store.trimmed_to(3);
    book(&trimmed, (1..=5).map(|order| created(order, "mira"))).await;
    assert_eq!(read(&trimmed, "mira", 0).await, (5, vec![3, 4, 5]));
    assert_eq!(read(&trimmed, "mira", 1).await, (5, vec![3, 4, 5]));
    assert_eq!(read(&trimmed, "mira", 4).await, (5, vec![5]));
}

async fn hints_name_the_rows_that_were_written(store: Store) {
    let ledger = store.ledger();
    book(&ledger, [created(7, "mira")]).await;
    let booked = book(&ledger, [paid(8, "oleg", 901), paid(7, "mira", 900)]).await;
    let hints: Vec<_> = booked
        .hints
        .rows
        .iter()
        .map(|hint| (hint.player.as_str(), hint.offset, hint.status))
        .collect();
    assert_eq!(
        hints,
        [
            ("oleg", 1, Status::Paid),
            ("oleg", 2, Status::Done),
            ("mira", 2, Status::Paid),
            ("mira", 3, Status::Done)
        ]
    );
    assert_eq!(booked.hints.epoch, ledger.epoch().await.unwrap());
}

async fn a_repeat_tells_nobody_anything(store: Store) {
    let ledger = store.ledger();
    book_one(&ledger, paid(7, "mira", 900)).await;
    let again = book(&ledger, [paid(7, "mira", 900)]).await;
    assert!(again.hints.rows.is_empty());
}

async fn tops_come_in_the_order_asked_for(store: Store) {
    let ledger = store.ledger();
    book(&ledger, [paid(7, "mira", 900), created(8, "oleg")]).await;
    let asked = [
        (project(), player("oleg")),
        (project(), player("nobody")),
        (project(), player("mira")),
        (id(1), player("mira")),
        (project(), player("oleg")),
    ];
    let (epoch, tops) = ledger.tops(&asked).await.unwrap();
    assert_eq!(tops, [1, 0, 2, 0, 1]);
    assert_eq!(
        ledger.tops(&[]).await.unwrap(),
        (epoch, Vec::new()),
        "an epoch without players"
    );
}
