//! A database that takes no writes for a while, or none of us.

use ledger::{Disposition, Ledger, LedgerError};
use order::Status;
use testkit::Postgres;

use crate::notices::{batch, book, noon, order, paid};

#[tokio::test]
async fn who_only_reads_sees_everything_and_can_write_nothing() {
    let database = Postgres::database().await;
    book(&database.ledger(), [paid(7, "mira", 900)]).await;
    let reader = Ledger::open_to_read(&database.config()).unwrap();
    reader.check_schema().await.unwrap();
    assert_eq!(order(&reader, 7).await.status, Status::Done);
    let fault = reader.book(&batch([paid(8, "mira", 901)]), noon()).await;
    assert!(matches!(fault, Err(LedgerError::Unavailable(_))));
    assert_eq!(order(&reader, 7).await.statuses.len(), 2);
}

/// A primary that was demoted, or one whose disk is full.
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
