//! A batch is booked whole or not at all, whatever is in it and whoever stops waiting.

use std::time::Duration;

use ledger::{Config, Disposition, Entry, Ledger, LedgerError};
use order::{Assertion, Money};
use secret::Secret;
use sqlx::PgPool;
use testkit::{Database, Postgres};
use tokio::time::{Instant, sleep};

use crate::notices::{batch, book, canceled, holds, noon, paid, player, project, told};

async fn rows(pool: &PgPool) -> i64 {
    let tables = [
        "notices",
        "transactions",
        "orders",
        "bookings",
        "balances",
        "streams",
        "stream_rows",
        "conflicts",
        "parked",
    ];
    let mut sum = 0;
    for table in tables {
        let count = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
        let count: i64 = sqlx::query_scalar(count).fetch_one(pool).await.unwrap();
        sum += count;
    }
    sum
}

async fn is_refused_whole(database: &Database, entries: impl IntoIterator<Item = Entry>) {
    let ledger = database.ledger();
    let fault = ledger.book(&batch(entries), noon()).await.unwrap_err();
    assert_eq!(fault.disposition(), Disposition::Park, "{fault:?}");
    assert_eq!(rows(database.pool()).await, 0);
    // The connection it was refused on serves the next.
    book(&ledger, [paid(1, "mira", 899)]).await;
    assert_eq!(holds(&ledger, "mira").await, [("sword".into(), 2)]);
}

#[tokio::test]
async fn a_batch_with_one_impossible_row_books_nothing() {
    let database = Postgres::database().await;
    let mut impossible = paid(8, "mira", 901);
    if let Assertion::Paid { content, .. } = &mut impossible.assertion {
        content.price = Some(Money {
            amount: "1".parse().unwrap(),
            currency: "US\u{0}".into(),
        });
    }
    let entries = [paid(7, "mira", 900), impossible, paid(9, "mira", 902)];
    is_refused_whole(&database, entries).await;
}

#[tokio::test]
async fn a_batch_whose_last_statement_fails_books_nothing() {
    let database = Postgres::database().await;
    sqlx::raw_sql(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN RAISE EXCEPTION 'no row for this order'; END $$;
         CREATE TRIGGER refuse BEFORE INSERT ON stream_rows
             FOR EACH ROW WHEN (NEW.order_id = 9) EXECUTE FUNCTION refuse()",
    )
    .execute(database.pool())
    .await
    .unwrap();
    let entries = [
        paid(7, "mira", 900),
        canceled(7, "mira", 900),
        paid(9, "mira", 902),
    ];
    is_refused_whole(&database, entries).await;
}

#[tokio::test]
async fn a_key_too_long_for_its_index_is_the_datas_fault() {
    let database = Postgres::database().await;
    // Without a pattern, so that compression does not make it fit.
    let endless: String = (0..2_000_u16)
        .map(|number| task::MessageId::of(&number.to_be_bytes()).to_string())
        .collect();
    let mut entry = paid(7, "mira", 900);
    let reference = order::Reference::subscription(&endless, "2027-01-01");
    entry.notice.as_mut().unwrap().reference = reference;
    is_refused_whole(&database, [entry]).await;
}

#[tokio::test]
async fn a_database_that_is_away_or_busy_is_tried_again() {
    let nowhere = Secret::inline("postgres://nobody:secret@127.0.0.1:1/nothing").unwrap();
    let away = Ledger::open(&Config {
        acquire_timeout: Duration::from_millis(200),
        ..Config::at(nowhere)
    })
    .unwrap();
    let fault = away.book(&batch([paid(7, "mira", 900)]), noon()).await;
    assert_eq!(fault.unwrap_err().disposition(), Disposition::Retry);
    let fault = format!("{:#?}", away.check_schema().await.unwrap_err());
    assert!(fault.contains("127.0.0.1:1/nothing"), "{fault}");
    assert!(!fault.contains("secret"), "{fault}");

    let database = Postgres::database().await;
    book(&database.ledger(), [paid(7, "mira", 900)]).await;
    let impatient = Ledger::open(&Config {
        lock_timeout: Duration::from_millis(50),
        ..database.config()
    })
    .unwrap();
    let mut holder = database.pool().begin().await.unwrap();
    sqlx::query("SELECT FROM orders FOR UPDATE")
        .execute(&mut *holder)
        .await
        .unwrap();
    let fault = impatient
        .book(&batch([canceled(7, "mira", 900)]), noon())
        .await
        .unwrap_err();
    assert!(matches!(fault, LedgerError::Unavailable(_)), "{fault:?}");
    assert_eq!(fault.disposition(), Disposition::Retry);
    holder.rollback().await.unwrap();
    book(&impatient, [canceled(7, "mira", 900)]).await;
    assert_eq!(holds(&impatient, "mira").await, []);
}

/// So is a primary that was demoted, and one whose disk is full.
#[tokio::test]
async fn a_database_that_takes_no_writes_is_tried_again() {
    let database = Postgres::database().await;
    let writes = async |allowed: &str| {
        let set = "ALTER DATABASE %I SET default_transaction_read_only =";
        let set =
            format!("DO $$ BEGIN EXECUTE format('{set} {allowed}', current_database()); END $$");
        let set = sqlx::raw_sql(sqlx::AssertSqlSafe(set));
        set.execute(database.pool()).await.unwrap();
    };
    // The setting counts for new connections.
    let connect = || Ledger::open(&database.config()).unwrap();
    writes("on").await;
    let fault = connect().book(&batch([paid(7, "mira", 900)]), noon()).await;
    let fault = fault.unwrap_err();
    assert!(matches!(fault, LedgerError::Unavailable(_)), "{fault:?}");
    assert_eq!(fault.disposition(), Disposition::Retry);
    writes("off").await;
    book(&connect(), [paid(7, "mira", 900)]).await;
}

/// Whoever waits for a booking may stop at any instant. A connection that went back to the
/// pool inside a transaction would swallow what the next one writes, so each is followed by
/// a single statement, which another session must see.
#[tokio::test]
async fn callers_that_stop_waiting_leave_nothing_behind() {
    const ORDERS: i64 = 150;
    let database = Postgres::database().await;
    let ledger = Ledger::open(&Config {
        max_connections: 1,
        ..database.config()
    })
    .unwrap();
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
        let seen = database.ledger().is_registered(project(), &next).await;
        assert!(seen.unwrap(), "after {number}");
    }
    // Each booking went on after its caller had gone.
    assert_eq!(holds(&ledger, "mira").await, [("sword".into(), 2 * ORDERS)]);
    let rows = usize::try_from(2 * ORDERS).unwrap();
    assert_eq!(told(&ledger, "mira").await.len(), rows);

    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let open: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_stat_activity
             WHERE datname = current_database() AND application_name = 'grantline'
               AND state <> 'idle'",
        )
        .fetch_one(database.pool())
        .await
        .unwrap();
        if open == 0 {
            break;
        }
        assert!(Instant::now() < deadline, "{open} sessions are not idle");
        sleep(Duration::from_millis(20)).await;
    }
}
