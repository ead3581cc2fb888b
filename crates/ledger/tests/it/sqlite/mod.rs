//! What is the embedded file's alone: opening it again, closing it, a full disk.

use std::path::Path;

use ::sqlite::{File, WriteError};
use ledger::{Disposition, Ledger, LedgerError, StoreError};
use rusqlite::Connection;
use testkit::{Embedded, Folder};

use crate::notices::{batch, book, holds, noon, order, paid, player, project, told};

fn open(path: &Path) -> (File, Ledger) {
    let file = File::open(path).unwrap();
    (file.clone(), Ledger::embedded(file, 1_000))
}

#[tokio::test]
async fn a_file_that_is_opened_again_holds_all_that_was_booked_in_the_same_epoch() {
    let folder = Folder::new();
    let path = folder.join("grantline.db");
    let (file, ledger) = open(&path);
    book(&ledger, [paid(7, "mira", 900)]).await;
    let (epoch, view) = (ledger.epoch().await.unwrap(), order(&ledger, 7).await);
    file.close().await;

    let (file, ledger) = open(&path);
    assert_eq!(ledger.epoch().await.unwrap(), epoch);
    assert_eq!(order(&ledger, 7).await, view);
    assert_eq!(holds(&ledger, "mira").await, [("sword".into(), 2)]);
    assert_eq!(told(&ledger, "mira").await.len(), 2);
    let again = book(&ledger, [paid(7, "mira", 900)]).await;
    assert!(again.verdicts[0].repeat);
    file.close().await;
}

#[tokio::test]
async fn an_opened_file_has_the_schema_and_each_has_an_epoch_of_its_own() {
    let (one, other) = (Embedded::new(), Embedded::new());
    for file in [&one, &other] {
        file.ledger().check_schema().await.unwrap();
        file.ledger().migrate().await.unwrap();
        file.ledger().ping().await.unwrap();
    }
    let (one, other) = (one.ledger().epoch().await, other.ledger().epoch().await);
    assert_ne!(one.unwrap(), other.unwrap());
}

/// The queue is in the file, too, and is acknowledged to after the ledger is done.
#[tokio::test]
async fn closing_the_ledger_leaves_the_file_to_whoever_opened_it() {
    let embedded = Embedded::new();
    embedded.ledger().close().await;
    book(&embedded.ledger(), [paid(7, "mira", 900)]).await;
    let held = holds(&embedded.ledger(), "mira").await;
    assert_eq!(held, [("sword".into(), 2)]);
}

#[tokio::test]
async fn a_closed_file_is_not_available() {
    let embedded = Embedded::new();
    let ledger = embedded.ledger();
    embedded.file().close().await;
    let booked = ledger.book(&batch([paid(7, "mira", 900)]), noon()).await;
    for fault in [
        booked.unwrap_err(),
        ledger.ping().await.unwrap_err(),
        ledger.epoch().await.unwrap_err(),
    ] {
        assert!(matches!(fault, LedgerError::Unavailable(_)), "{fault:?}");
        assert_eq!(fault.disposition(), Disposition::Retry);
    }
    // Nothing left to wait for.
    ledger.close().await;
}

async fn limit_pages(file: &File, pages: &'static str) {
    let limit = move |connection: &Connection| {
        let sql = format!("PRAGMA max_page_count = {pages}");
        Ok::<_, LedgerError>(connection.query_row(&sql, [], |_| Ok(()))?)
    };
    file.write(limit).await.unwrap();
}

#[tokio::test]
async fn a_full_disk_loses_nothing_and_is_tried_again() {
    let embedded = Embedded::new();
    let (file, ledger) = (embedded.file(), embedded.ledger());
    // As small as the file is now.
    limit_pages(&file, "1").await;
    let mut booked = 0;
    let fault = loop {
        let number = booked + 1;
        match ledger
            .book(&batch([paid(number, "mira", number)]), noon())
            .await
        {
            Ok(_) => booked = number,
            Err(fault) => break fault,
        }
        assert!(booked < 10_000, "the file does not become full");
    };
    assert!(
        matches!(
            fault,
            LedgerError::Unavailable(StoreError::Write(WriteError::Full(_)))
        ),
        "{fault:?}"
    );
    assert_eq!(fault.disposition(), Disposition::Retry);
    // What was told is there, and nothing of what was not.
    assert_eq!(holds(&ledger, "mira").await, swords(booked));
    let rows = usize::try_from(2 * booked).unwrap();
    assert_eq!(told(&ledger, "mira").await.len(), rows);

    limit_pages(&file, "1000000").await;
    let number = booked + 1;
    book(&ledger, [paid(number, "mira", number)]).await;
    assert_eq!(holds(&ledger, "mira").await, swords(number));
    let stream = ledger.stream(project(), &player("mira"), 0).await.unwrap();
    assert_eq!(stream.top, 2 * number);
}

fn swords(orders: i64) -> Vec<(String, i64)> {
    let held = (orders > 0).then(|| ("sword".to_owned(), 2 * orders));
    held.into_iter().collect()
}
