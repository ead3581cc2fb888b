//! A database that takes no writes for a while.

use ledger::{Disposition, Ledger, LedgerError};
use testkit::Postgres;

use crate::notices::{batch, book, noon, paid};

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
