//! Migrations, and what a role makes of a schema that does not fit it.

use ledger::SchemaError;
use testkit::Postgres;

#[tokio::test]
async fn a_migrated_database_fits_and_an_empty_one_is_older() {
    let database = Postgres::database().await;
    database.ledger().check_schema().await.unwrap();

    let empty = Postgres::empty_database().await;
    let fault = empty.ledger().check_schema().await.unwrap_err();
    assert!(
        matches!(fault, SchemaError::Older { found: 0, needed, .. } if needed > 0),
        "{fault:?}"
    );
    assert!(fault.to_string().contains("grantline migrate"), "{fault}");
}

#[tokio::test]
async fn a_schema_from_the_future_is_refused() {
    let database = Postgres::database().await;
    sqlx::query("UPDATE _sqlx_migrations SET version = version + 9000")
        .execute(database.pool())
        .await
        .unwrap();
    let fault = database.ledger().check_schema().await.unwrap_err();
    assert!(
        matches!(fault, SchemaError::Newer { found, known, .. } if found > known),
        "{fault:?}"
    );
}

#[tokio::test]
async fn two_migrations_at_once_both_end_well() {
    let database = Postgres::empty_database().await;
    let (one, other) = (
        ledger::Ledger::open(&database.config()).unwrap(),
        ledger::Ledger::open(&database.config()).unwrap(),
    );
    let (one, other) = tokio::join!(one.migrate(), other.migrate());
    one.unwrap();
    other.unwrap();
    database.ledger().check_schema().await.unwrap();
}

#[tokio::test]
async fn a_migrated_database_can_be_migrated_again() {
    let database = Postgres::database().await;
    database.ledger().migrate().await.unwrap();
}

#[tokio::test]
async fn the_version_before_can_be_migrated_to_again_and_changes_nothing() {
    let database = Postgres::database().await;
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9001, 'of a newer version', true, '', 0)",
    )
    .execute(database.pool())
    .await
    .unwrap();
    database.ledger().migrate().await.unwrap();
    let fault = database.ledger().check_schema().await.unwrap_err();
    assert!(
        matches!(fault, SchemaError::Newer { found: 9001, .. }),
        "{fault:?}"
    );
}
