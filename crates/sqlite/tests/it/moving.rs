use sqlite::{File, OpenError};
use testkit::Folder;
use time::macros::datetime;

use crate::{insert, numbers, open};

const LEDGER: &str = "db:5432/grantline";
const BROKER: &str = "mq:5672/grantline";

#[tokio::test]
async fn a_file_is_served_until_it_was_moved_and_never_after() {
    let folder = Folder::new();
    let path = folder.join("line.db");
    let missing = File::open_to_move(&path).unwrap_err();
    assert!(matches!(missing, OpenError::Missing { .. }), "{missing}");

    open(&folder).await.close().await;
    let file = File::open_to_move(&path).unwrap();
    assert_eq!(file.movement().await.unwrap(), None);
    let begun = datetime!(2027-01-15 12:00 UTC);
    let first = file.begin_move(LEDGER, BROKER, begun).await.unwrap();
    let refused = File::open(&path).unwrap_err();
    assert!(matches!(refused, OpenError::Locked { .. }), "{refused}");
    file.close().await;

    // Interrupted here, the file is the truth as before.
    let served = File::open(&path).unwrap();
    insert(&served, 1).await.unwrap();
    served.close().await;

    let file = File::open_to_move(&path).unwrap();
    let ended = datetime!(2027-01-15 13:00 UTC);
    let again = file.begin_move(LEDGER, BROKER, ended).await.unwrap();
    assert_eq!(again, first, "the same move goes on");
    file.end_move(ended).await.unwrap();
    file.close().await;

    let refused = File::open(&path).unwrap_err();
    assert!(matches!(refused, OpenError::Moved { .. }), "{refused}");
    let said = refused.to_string();
    for part in ["2027-01-15 13:00:00 UTC", LEDGER, BROKER, "`ledger.url`"] {
        assert!(said.contains(part), "{part} in {said}");
    }
    let file = File::open_to_move(&path).unwrap();
    assert_eq!(numbers(&file).await, [1]);
    let known = file.movement().await.unwrap().unwrap();
    assert_eq!(known.moved_at, Some(ended));
    file.close().await;
}

#[tokio::test]
async fn a_move_to_another_place_is_another_move() {
    let folder = Folder::new();
    let file = open(&folder).await;
    let at = datetime!(2027-01-15 12:00 UTC);
    let first = file.begin_move(LEDGER, BROKER, at).await.unwrap();
    let sent = |number: i64| {
        file.write(move |connection| -> Result<usize, crate::Fault> {
            Ok(connection.execute("INSERT INTO move_sent VALUES (?1)", [number])?)
        })
    };
    sent(7).await.unwrap();
    let second = file
        .begin_move(LEDGER, "elsewhere:5672/", at)
        .await
        .unwrap();
    assert_ne!(second.id, first.id);
    // What the first one sent is not at the second's broker.
    sent(7).await.unwrap();
    file.close().await;
}
