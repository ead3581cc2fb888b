use std::sync::mpsc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use sqlite::{File, WriteError};
use testkit::Folder;

use crate::{Fault, check, insert, numbers, open, put};

/// Holds the writer up until it is let go, so that everything handed over meanwhile waits.
async fn held_up(file: &File) -> (mpsc::Sender<()>, impl Future<Output = ()>) {
    let (go, gate) = mpsc::channel::<()>();
    let (begun, has_begun) = tokio::sync::oneshot::channel();
    let holding = tokio::spawn({
        let file = file.clone();
        async move {
            let held = file.write(move |_| {
                begun.send(()).unwrap();
                let _ = gate.recv();
                Ok::<_, Fault>(())
            });
            held.await.unwrap();
        }
    });
    has_begun.await.unwrap();
    (go, holding.map(|held| held.unwrap()))
}

#[tokio::test]
async fn all_that_wait_are_committed_at_once() {
    let folder = Folder::new();
    let file = open(&folder).await;
    let (go, held) = held_up(&file).await;
    let before = file.commits();
    let writes = join_all((1..=100).map(|number| insert(&file, number)));
    let letting = async {
        tokio::task::yield_now().await;
        drop(go);
        held.await;
    };
    let (outcomes, ()) = tokio::join!(writes, letting);
    assert!(outcomes.iter().all(Result::is_ok));
    // The one that held the writer up is a group of its own.
    assert_eq!(file.commits() - before, 2);
    assert_eq!(numbers(&file).await, (1..=100).collect::<Vec<_>>());
    file.close().await;
}

#[tokio::test]
async fn a_write_that_fails_or_panics_undoes_itself_and_nobody_else() {
    let folder = Folder::new();
    let file = open(&folder).await;
    let (go, held) = held_up(&file).await;
    let before = file.commits();
    let failing = file.write(|connection| {
        put(connection, 100, 0)?;
        Err::<(), _>(Fault::Own)
    });
    let panicking = file.write(|connection| -> Result<(), Fault> {
        put(connection, 200, 0)?;
        panic!("on purpose");
    });
    let rejected = file.write(|connection| -> Result<(), Fault> {
        put(connection, 300, 0)?;
        connection.execute_batch("SELECT * FROM no_such_table")?;
        Ok(())
    });
    let letting = async {
        tokio::task::yield_now().await;
        drop(go);
        held.await;
    };
    let (first, failed, second, panicked, third, rejected, ()) = tokio::join!(
        insert(&file, 1),
        failing,
        insert(&file, 2),
        panicking,
        insert(&file, 3),
        rejected,
        letting
    );
    assert!(first.is_ok() && second.is_ok() && third.is_ok());
    assert!(matches!(failed, Err(Fault::Own)));
    assert!(matches!(panicked, Err(Fault::Write(WriteError::Panicked))));
    assert!(matches!(rejected, Err(Fault::Sql(_))));
    assert_eq!(file.commits() - before, 2);
    assert_eq!(numbers(&file).await, [1, 2, 3]);
    file.close().await;
}

/// As SQLite does by itself when the disk fails in the middle of a statement.
#[tokio::test]
async fn a_transaction_that_is_lost_is_told_to_everyone_of_the_group() {
    let folder = Folder::new();
    let file = open(&folder).await;
    let (go, held) = held_up(&file).await;
    let losing = file.write(|connection| -> Result<(), Fault> {
        connection.execute_batch("ROLLBACK")?;
        Ok(())
    });
    let letting = async {
        tokio::task::yield_now().await;
        drop(go);
        held.await;
    };
    let (before, lost, after, ()) =
        tokio::join!(insert(&file, 1), losing, insert(&file, 2), letting);
    assert!(matches!(before, Err(Fault::Write(WriteError::GivenUp))));
    assert!(matches!(lost, Err(Fault::Write(WriteError::GivenUp))));
    assert!(after.is_ok(), "it is run in the next transaction");
    insert(&file, 3).await.unwrap();
    assert_eq!(numbers(&file).await, [2, 3]);
    file.close().await;
}

#[tokio::test]
async fn a_write_whose_caller_has_gone_is_done_wholly() {
    let folder = Folder::new();
    let file = open(&folder).await;
    let (go, held) = held_up(&file).await;
    for number in 1..=50 {
        assert!(insert(&file, number).now_or_never().is_none());
    }
    drop(go);
    held.await;
    insert(&file, 51).await.unwrap();
    assert_eq!(numbers(&file).await, (1..=51).collect::<Vec<_>>());
    file.close().await;
}

#[tokio::test]
async fn closing_finishes_what_waits() {
    let folder = Folder::new();
    let file = open(&folder).await;
    let (go, held) = held_up(&file).await;
    let writes = join_all((1..=2_000).map(|number| insert(&file, number)));
    let closing = async {
        tokio::task::yield_now().await;
        let letting = async {
            tokio::task::yield_now().await;
            drop(go);
            held.await;
        };
        tokio::join!(file.close(), letting);
    };
    let (outcomes, ()) = tokio::join!(writes, closing);
    let done = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert!(done >= 1_000, "{done}");
    let again = File::open(&folder.join("line.db")).unwrap();
    assert_eq!(numbers(&again).await.len(), done);
    again.close().await;
}

/// The file may not grow: the same error as that of a disk without room, where it comes
/// from the system.
#[tokio::test]
async fn a_full_disk_is_told_and_writing_resumes_when_there_is_room() {
    let folder = Folder::new();
    let file = open(&folder).await;
    insert(&file, 1).await.unwrap();
    let limit = |pages: i64| {
        file.write(move |connection| {
            let set = connection.pragma_update(None, "max_page_count", pages);
            set.map_err(Fault::from)
        })
    };
    limit(1).await.unwrap();
    let bulky = |number| file.write(move |connection| put(connection, number, 1_000_000));
    let outcomes = tokio::join!(bulky(2), bulky(3), bulky(4));
    for outcome in [outcomes.0, outcomes.1, outcomes.2] {
        let Err(Fault::Sql(error)) = outcome else {
            panic!("{outcome:?}");
        };
        assert!(matches!(error.into(), WriteError::Full(_)));
    }
    assert_eq!(numbers(&file).await, [1]);
    limit(1_000_000).await.unwrap();
    bulky(5).await.unwrap();
    assert_eq!(numbers(&file).await, [1, 5]);
    check(&file).await;
    file.close().await;
}

#[tokio::test]
async fn a_read_sees_one_moment_and_holds_no_writer_up() {
    let folder = Folder::new();
    let file = open(&folder).await;
    insert(&file, 1).await.unwrap();
    let (read_once, has_read) = tokio::sync::oneshot::channel();
    let (go, gate) = mpsc::channel::<()>();
    let reading = file.read(move |connection| -> Result<(i64, i64), Fault> {
        let count = || connection.query_row("SELECT count(*) FROM probe", [], |row| row.get(0));
        let first = count()?;
        read_once.send(()).unwrap();
        let _ = gate.recv();
        Ok((first, count()?))
    });
    let writing = async {
        has_read.await.unwrap();
        insert(&file, 2).await.unwrap();
        drop(go);
    };
    let (seen, ()) = tokio::join!(reading, writing);
    assert_eq!(seen.unwrap(), (1, 1));
    assert_eq!(numbers(&file).await, [1, 2]);
    file.close().await;
}

#[tokio::test]
async fn a_read_that_panics_leaves_a_place_for_the_next() {
    let folder = Folder::new();
    let file = open(&folder).await;
    for _ in 0..10 {
        let panicked = file.read(|_| -> Result<(), Fault> { panic!("on purpose") });
        assert!(matches!(
            panicked.await,
            Err(Fault::Read(sqlite::ReadError::Panicked))
        ));
    }
    assert_eq!(numbers(&file).await, Vec::<i64>::new());
    file.close().await;
}

/// Without somebody who cuts it, the log would hold every page ever written.
#[tokio::test]
async fn the_log_stays_short_under_writing_and_reading() {
    let folder = Folder::new();
    let file = open(&folder).await;
    let log = folder.join("line.db-wal");
    let mut longest = 0;
    for round in 0..400 {
        let writes = (0..4).map(|number| {
            let number = round * 4 + number;
            file.write(move |connection| put(connection, number, 100_000))
        });
        let reads = (0..4).map(|_| async {
            let counted = file.read(|connection| -> Result<i64, Fault> {
                let count = connection.query_row("SELECT count(*) FROM probe", [], |r| r.get(0));
                std::thread::sleep(Duration::from_millis(1));
                Ok(count?)
            });
            counted.await.unwrap();
        });
        let (written, _) = tokio::join!(join_all(writes), join_all(reads));
        assert!(written.iter().all(Result::is_ok));
        longest = longest.max(std::fs::metadata(&log).unwrap().len());
    }
    // 160 MB went through it.
    assert!(longest < 140_000_000, "{longest}");
    file.close().await;
}
