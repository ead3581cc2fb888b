//! What clients read: streams, tops and the epoch.

use ledger::{Config, Ledger};
use order::Status;
use testkit::Postgres;

use crate::notices::{book, book_one, created, id, paid, player, project};

async fn read(ledger: &Ledger, name: &str, after: i64) -> (i64, Vec<i64>) {
    let stream = ledger.stream(project(), &player(name), after).await;
    let stream = stream.unwrap();
    let offsets = stream.rows.iter().map(|row| row.offset).collect();
    (stream.top, offsets)
}

#[tokio::test]
async fn a_stream_is_read_from_any_offset_with_its_top() {
    let database = Postgres::database().await;
    let ledger = database.ledger();
    book(&ledger, (1..=4).map(|order| created(order, "mira"))).await;
    assert_eq!(read(&ledger, "mira", 0).await, (4, vec![1, 2, 3, 4]));
    assert_eq!(read(&ledger, "mira", 2).await, (4, vec![3, 4]));
    assert_eq!(read(&ledger, "mira", 4).await, (4, vec![]));
    assert_eq!(read(&ledger, "mira", 99).await, (4, vec![]));
}

#[tokio::test]
async fn an_unknown_player_has_an_empty_stream_in_the_same_epoch() {
    let database = Postgres::database().await;
    let ledger = database.ledger();
    assert_eq!(read(&ledger, "nobody", 0).await, (0, vec![]));
    let stream = ledger.stream(project(), &player("nobody"), 0).await;
    let stream = stream.unwrap();
    assert_eq!(stream.epoch, ledger.epoch().await.unwrap());
}

#[tokio::test]
async fn a_stream_is_trimmed_to_the_newest_rows() {
    let database = Postgres::database().await;
    let trimmed = Ledger::open(&Config {
        history_rows: 3,
        ..database.config()
    })
    .unwrap();
    book(&trimmed, (1..=5).map(|order| created(order, "mira"))).await;
    assert_eq!(read(&trimmed, "mira", 0).await, (5, vec![3, 4, 5]));
    assert_eq!(read(&trimmed, "mira", 1).await, (5, vec![3, 4, 5]));
    assert_eq!(read(&trimmed, "mira", 4).await, (5, vec![5]));
}

#[tokio::test]
async fn hints_name_the_rows_that_were_written() {
    let database = Postgres::database().await;
    let ledger = database.ledger();
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

#[tokio::test]
async fn a_repeat_tells_nobody_anything() {
    let database = Postgres::database().await;
    let ledger = database.ledger();
    book_one(&ledger, paid(7, "mira", 900)).await;
    let again = book(&ledger, [paid(7, "mira", 900)]).await;
    assert!(again.hints.rows.is_empty());
}

#[tokio::test]
async fn tops_come_in_the_order_asked_for() {
    let database = Postgres::database().await;
    let ledger = database.ledger();
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

#[tokio::test]
async fn the_epoch_outlives_every_connection_and_is_each_databases_own() {
    let database = Postgres::database().await;
    let ledger = database.ledger();
    let epoch = ledger.epoch().await.unwrap();
    assert!(!epoch.is_empty());
    sqlx::query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    .execute(database.pool())
    .await
    .unwrap();
    assert_eq!(ledger.epoch().await.unwrap(), epoch);
    let reopened = Ledger::open(&database.config()).unwrap();
    assert_eq!(reopened.epoch().await.unwrap(), epoch);

    let other = Postgres::database().await;
    assert_ne!(other.ledger().epoch().await.unwrap(), epoch);
}
