//! A file's ledger on its way to PostgreSQL.

use ledger::{Arrival, Copied, Destination, MoveError, SchemaError};
use testkit::{Database, Embedded, Postgres};

use crate::notices::{batch, noon, paid};

async fn filled() -> Embedded {
    let file = Embedded::new();
    let entries = batch([paid(1, "mira", 900), paid(2, "nina", None)]);
    file.ledger().book(&entries, noon()).await.unwrap();
    file
}

async fn rows(database: &Database, table: &str) -> i64 {
    let sql = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
    let rows = sqlx::query_scalar(sql).fetch_one(database.pool());
    rows.await.unwrap()
}

/// Past the ledger, whose connections would stay.
async fn epoch(database: &Database) -> String {
    let epoch = sqlx::query_scalar("SELECT ledger_epoch()");
    epoch.fetch_one(database.pool()).await.unwrap()
}

fn of<'a>(copied: &'a [Copied], table: &str) -> &'a Copied {
    copied.iter().find(|copied| copied.table == table).unwrap()
}

#[tokio::test]
async fn an_unfinished_copy_is_used_by_no_role_and_replaced_by_the_next() {
    let (file, database) = (filled().await, Postgres::database().await);
    let destination = Destination::open(&database.config()).unwrap();
    assert_eq!(destination.arrival("one").await.unwrap(), Arrival::Nothing);
    destination.copy(&file.file(), "one", noon()).await.unwrap();
    let unfinished = destination.arrival("one").await.unwrap();
    assert_eq!(unfinished, Arrival::Unfinished);
    let refused = database.ledger().check_schema().await.unwrap_err();
    assert!(matches!(refused, SchemaError::Arriving { .. }), "{refused}");

    // The file went on in between.
    let before = epoch(&database).await;
    let late = batch([paid(3, "mira", None)]);
    file.ledger().book(&late, noon()).await.unwrap();
    let copied = destination.copy(&file.file(), "one", noon()).await.unwrap();
    for (table, count) in [
        ("orders", 3),
        ("bookings", 3),
        ("stream_rows", 6),
        ("parked", 0),
    ] {
        let copied = of(&copied, table);
        assert_eq!((copied.file, copied.database), (count, count), "{table}");
        let there = rows(&database, table).await;
        assert_eq!(there, i64::try_from(count).unwrap());
    }
    let after = epoch(&database).await;
    assert_ne!(
        after, before,
        "what was seen of the first copy proves nothing"
    );

    destination.finish("one", noon()).await.unwrap();
    assert_eq!(destination.arrival("one").await.unwrap(), Arrival::Finished);
    database.ledger().check_schema().await.unwrap();
    let again = destination
        .copy(&file.file(), "one", noon())
        .await
        .unwrap_err();
    assert!(matches!(again, MoveError::Other { .. }), "{again}");
    assert_eq!(rows(&database, "orders").await, 3);
}

#[tokio::test]
async fn a_database_with_anything_in_it_is_refused_and_left_alone() {
    let (file, database) = (filled().await, Postgres::database().await);
    let ava = "INSERT INTO players VALUES (44056, 'ava', now())";
    sqlx::query(ava).execute(database.pool()).await.unwrap();
    let destination = Destination::open(&database.config()).unwrap();
    let refused = destination
        .copy(&file.file(), "one", noon())
        .await
        .unwrap_err();
    assert!(
        matches!(
            refused,
            MoveError::NotEmpty {
                table: "players",
                rows: 1,
                ..
            }
        ),
        "{refused}"
    );
    assert_eq!(rows(&database, "orders").await, 0);

    let half = Postgres::database().await;
    let destination = Destination::open(&half.config()).unwrap();
    destination.copy(&file.file(), "one", noon()).await.unwrap();
    let refused = destination
        .copy(&file.file(), "two", noon())
        .await
        .unwrap_err();
    assert!(matches!(refused, MoveError::Other { .. }), "{refused}");
    assert_eq!(rows(&half, "orders").await, 2);
}

/// What it writes would be gone with the next attempt.
#[tokio::test]
async fn a_role_that_is_connected_is_in_the_way() {
    let (file, database) = (filled().await, Postgres::database().await);
    let destination = Destination::open(&database.config()).unwrap();
    let role = database.ledger();
    role.ping().await.unwrap();
    let refused = destination
        .copy(&file.file(), "one", noon())
        .await
        .unwrap_err();
    assert!(matches!(refused, MoveError::InUse { .. }), "{refused}");
    role.close().await;
    destination.copy(&file.file(), "one", noon()).await.unwrap();
}

/// Nothing of a copy is there when something of it is refused.
#[tokio::test]
async fn a_copy_is_there_whole_or_not_at_all() {
    let (file, database) = (filled().await, Postgres::database().await);
    let destination = Destination::open(&database.config()).unwrap();
    // `stream_rows` comes late.
    let never = "ALTER TABLE stream_rows ADD CHECK (status <> 'done')";
    sqlx::query(never).execute(database.pool()).await.unwrap();
    let refused = destination
        .copy(&file.file(), "one", noon())
        .await
        .unwrap_err();
    assert!(matches!(refused, MoveError::Database { .. }), "{refused}");
    assert_eq!(rows(&database, "orders").await, 0);
    assert_eq!(destination.arrival("one").await.unwrap(), Arrival::Nothing);

    // A row that does not arrive, though nobody says so.
    let drop_checks = "ALTER TABLE stream_rows DROP CONSTRAINT stream_rows_status_check1";
    sqlx::query(drop_checks)
        .execute(database.pool())
        .await
        .unwrap();
    for sql in [
        "CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN RETURN NULL; END $$",
        "CREATE TRIGGER swallow BEFORE INSERT ON stream_rows
             FOR EACH ROW WHEN (NEW.status = 'done') EXECUTE FUNCTION swallow()",
    ] {
        sqlx::query(sql).execute(database.pool()).await.unwrap();
    }
    let refused = destination
        .copy(&file.file(), "one", noon())
        .await
        .unwrap_err();
    assert!(
        matches!(
            refused,
            MoveError::Counts {
                table: "stream_rows",
                file: 4,
                database: 2
            }
        ),
        "{refused}"
    );
    assert_eq!(destination.arrival("one").await.unwrap(), Arrival::Nothing);
}

/// Roles look once, when they start: the mark has to be there before the first row is.
#[tokio::test]
async fn a_role_that_starts_during_the_copy_is_kept_out() {
    let (file, database) = (filled().await, Postgres::database().await);
    let destination = Destination::open(&database.config()).unwrap();
    let mut holder = database.pool().begin().await.unwrap();
    let hold = "LOCK TABLE players IN ROW EXCLUSIVE MODE";
    sqlx::query(hold).execute(&mut *holder).await.unwrap();
    let file = file.file();
    let copying = destination.copy(&file, "one", noon());
    let kept_out = async {
        let ledger = database.ledger();
        while ledger.check_schema().await.is_ok() {}
        let refused = ledger.check_schema().await.unwrap_err();
        assert!(matches!(refused, SchemaError::Arriving { .. }), "{refused}");
        holder.rollback().await.unwrap();
    };
    let (copied, ()) = tokio::join!(copying, kept_out);
    assert!(!copied.unwrap().is_empty());
}

#[tokio::test]
async fn a_place_is_looked_at_before_anything_is_changed_there() {
    let (used, other) = tokio::join!(Postgres::database(), Postgres::database());
    let place = Destination::open(&used.config()).unwrap();
    place.expect_vacant(None).await.unwrap();
    let ava = "INSERT INTO players VALUES (44056, 'ava', now())";
    sqlx::query(ava).execute(used.pool()).await.unwrap();
    let refused = place.expect_vacant(None).await.unwrap_err();
    assert!(matches!(refused, MoveError::NotEmpty { .. }), "{refused}");
    // As an older version left it.
    let older = "DROP TABLE move";
    sqlx::query(older).execute(used.pool()).await.unwrap();
    let refused = place.expect_vacant(None).await.unwrap_err();
    assert!(matches!(refused, MoveError::NotEmpty { .. }), "{refused}");

    let place = Destination::open(&other.config()).unwrap();
    let gone = place.finish("one", noon()).await.unwrap_err();
    assert!(matches!(gone, MoveError::Gone { .. }), "{gone}");
    let file = filled().await;
    place.copy(&file.file(), "one", noon()).await.unwrap();
    place.expect_vacant(Some("one")).await.unwrap();
    let refused = place.expect_vacant(Some("two")).await.unwrap_err();
    assert!(matches!(refused, MoveError::Other { .. }), "{refused}");
}
