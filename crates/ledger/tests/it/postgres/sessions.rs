//! Sessions on a server: away, waiting for locks, ended by somebody else.

use std::time::Duration;

use ledger::{Config, Disposition, Ledger, LedgerError};
use secret::Secret;
use testkit::Postgres;
use tokio::task::JoinSet;

use crate::notices::{batch, book, canceled, created, holds, noon, paid};

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

/// A trigger gives each row of a statement time to meet another writer's.
#[tokio::test(flavor = "multi_thread")]
async fn writers_of_the_same_balances_and_streams_take_them_in_one_order() {
    const WRITERS: i64 = 6;
    const BATCHES: i64 = 8;
    let database = Postgres::database().await;
    sqlx::raw_sql(
        "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN PERFORM pg_sleep(0.003); RETURN NEW; END $$;
         CREATE TRIGGER dawdle BEFORE INSERT ON balances FOR EACH ROW EXECUTE FUNCTION dawdle();
         CREATE TRIGGER dawdle BEFORE INSERT ON streams FOR EACH ROW EXECUTE FUNCTION dawdle()",
    )
    .execute(database.pool())
    .await
    .unwrap();
    let ledger = Ledger::open(&Config {
        max_connections: 16,
        ..database.config()
    })
    .unwrap();
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let ledger = ledger.clone();
        writers.spawn(async move {
            for number in 0..BATCHES {
                let first = 1 + 4 * (writer * BATCHES + number);
                let names = ["mira", "nina", "oleg", "petr"];
                // Each writer names the players in another order.
                let entries = (0..4).map(|place| {
                    let name = names[usize::try_from((place + writer) % 4).unwrap()];
                    // A registration moves no balance, so it meets others at the streams.
                    if number % 2 == 0 {
                        paid(first + place, name, None)
                    } else {
                        created(first + place, name)
                    }
                });
                ledger.book(&batch(entries), noon()).await.unwrap();
            }
        });
    }
    while let Some(writer) = writers.join_next().await {
        writer.unwrap();
    }
    for name in ["mira", "nina", "oleg", "petr"] {
        let swords = WRITERS * BATCHES;
        assert_eq!(holds(&ledger, name).await, [("sword".into(), swords)]);
    }
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
