use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::PathBuf;

use rusqlite::Connection;
use sqlite::{File, OpenError, RestoreError, Stop};
use testkit::Folder;

use crate::{Fault, insert, numbers, open, put};

/// A file with a backup that holds 1, and 2 written after it.
async fn scene(folder: &Folder) -> (File, PathBuf) {
    let file = open(folder).await;
    insert(&file, 1).await.unwrap();
    let backup = folder.join("copy.db");
    file.backup(&backup).await.unwrap();
    insert(&file, 2).await.unwrap();
    (file, backup)
}

async fn numbers_in(path: &std::path::Path) -> Vec<i64> {
    let file = File::open(path).unwrap();
    let numbers = numbers(&file).await;
    file.close().await;
    numbers
}

#[tokio::test]
async fn a_restore_puts_the_backup_in_place_and_keeps_what_was_there() {
    let folder = Folder::new();
    let (file, backup) = scene(&folder).await;
    let path = file.path().to_owned();

    let served = sqlite::restore(&backup, &path, |_| Ok(()), &Stop::default()).unwrap_err();
    let locked = matches!(served, RestoreError::Target(OpenError::Locked { .. }));
    assert!(locked, "{served}");
    insert(&file, 3).await.unwrap();
    file.close().await;

    let before = fs::read(&backup).unwrap();
    let prepare = |copy: &Connection| {
        copy.execute("INSERT INTO probe VALUES (9, NULL)", [])?;
        Ok("prepared")
    };
    let restored = sqlite::restore(&backup, &path, prepare, &Stop::default()).unwrap();
    assert_eq!(restored.prepared, "prepared");
    assert_eq!(numbers_in(&path).await, [1, 9]);
    assert_eq!(numbers_in(&restored.replaced.unwrap()).await, [1, 2, 3]);
    assert!(
        before == fs::read(&backup).unwrap(),
        "the backup is as it was"
    );
}

/// Root alone gives files away; for anybody else the owner is the same anyway.
#[tokio::test]
async fn a_restore_keeps_the_owner() {
    let folder = Folder::new();
    let (file, backup) = scene(&folder).await;
    file.close().await;
    let path = folder.join("line.db");
    let somebody = 12_345;
    let is_root = chown(&path, Some(somebody), Some(somebody)).is_ok();
    let owner = fs::metadata(&path).unwrap().uid();
    assert_eq!(is_root, owner == somebody);
    sqlite::restore(&backup, &path, |_| Ok(()), &Stop::default()).unwrap();
    let restored = fs::metadata(&path).unwrap();
    assert_eq!(restored.uid(), owner);
    assert_eq!(restored.mode() & 0o777, 0o600);
}

#[tokio::test]
async fn a_restore_to_where_nothing_is_needs_nothing() {
    let folder = Folder::new();
    let (file, backup) = scene(&folder).await;
    file.close().await;
    let path = folder.join("new.db");
    let restored = sqlite::restore(&backup, &path, |_| Ok(()), &Stop::default()).unwrap();
    assert!(restored.replaced.is_none());
    assert_eq!(numbers_in(&path).await, [1]);
}

/// A process that died leaves its log beside the file. What it holds was acknowledged, and
/// beside another file it would be taken for that one's.
#[tokio::test]
async fn a_log_that_was_left_goes_with_the_file_it_belongs_to() {
    let folder = Folder::new();
    let (file, backup) = scene(&folder).await;
    file.close().await;
    let path = folder.join("line.db");
    let log = folder.join("line.db-wal");
    for damaged in [false, true] {
        let dying = Connection::open(&path).unwrap();
        dying
            .execute_batch("PRAGMA wal_autocheckpoint = 0")
            .unwrap();
        put(&dying, 4, 0).unwrap();
        // A copy of both while they are in use: that is what a kill leaves.
        let (left, left_log) = (fs::read(&path).unwrap(), fs::read(&log).unwrap());
        drop(dying);
        fs::write(
            &path,
            if damaged {
                vec![0xA5; left.len()]
            } else {
                left
            },
        )
        .unwrap();
        fs::write(&log, &left_log).unwrap();

        let restored = sqlite::restore(&backup, &path, |_| Ok(()), &Stop::default()).unwrap();
        assert!(!log.exists());
        assert_eq!(numbers_in(&path).await, [1]);
        let aside = restored.replaced.unwrap();
        if damaged {
            let mut kept = aside.into_os_string();
            kept.push("-wal");
            assert!(fs::read(kept).unwrap() == left_log);
        } else {
            assert_eq!(numbers_in(&aside).await, [1, 2, 4]);
        }
    }
}

#[tokio::test]
async fn what_is_no_whole_backup_replaces_nothing() {
    let folder = Folder::new();
    let (file, backup) = scene(&folder).await;
    file.close().await;
    let path = folder.join("line.db");
    let before = fs::read(&path).unwrap();
    let entries = || fs::read_dir(folder.path()).unwrap().count();

    let itself = sqlite::restore(&path, &path, |_| Ok(()), &Stop::default()).unwrap_err();
    assert!(matches!(itself, RestoreError::Itself { .. }), "{itself}");

    let bad = folder.join("bad.db");
    let whole = fs::read(&backup).unwrap();
    let mut damaged = whole.clone();
    let last = damaged.len() - 4_096;
    damaged[last..].fill(0xA5);
    let mut newer = whole.clone();
    newer[60..64].copy_from_slice(&999_u32.to_be_bytes());
    for (bytes, says) in [
        (damaged, "is damaged"),
        (whole[..whole.len() / 2].to_vec(), "is damaged"),
        (newer, "of version 999"),
        (b"Dear Mira".repeat(100), "no SQLite database"),
        (Vec::new(), "nothing was ever written into it"),
    ] {
        fs::write(&bad, bytes).unwrap();
        let there = entries();
        let refused = sqlite::restore(&bad, &path, |_| Ok(()), &Stop::default()).unwrap_err();
        let RestoreError::Backup(why) = &refused else {
            panic!("{refused}");
        };
        assert!(why.to_string().contains(says), "{why}");
        assert!(before == fs::read(&path).unwrap());
        assert_eq!(entries(), there, "nothing is left behind");
    }
    let failing = |_: &Connection| Err::<(), _>(rusqlite::Error::InvalidQuery);
    sqlite::restore(&backup, &path, failing, &Stop::default()).unwrap_err();
    assert!(before == fs::read(&path).unwrap());
}

/// What a reader keeps from being folded in would be left to a file that has another name.
#[tokio::test]
async fn a_file_that_somebody_reads_is_not_replaced() {
    let folder = Folder::new();
    let (file, backup) = scene(&folder).await;
    let path = file.path().to_owned();
    let reader = Connection::open(&path).unwrap();
    let read = "BEGIN; SELECT count(*) FROM probe;";
    reader.execute_batch(read).unwrap();
    insert(&file, 3).await.unwrap();
    file.close().await;

    let refused = sqlite::restore(&backup, &path, |_| Ok(()), &Stop::default()).unwrap_err();
    let said = format!(
        "{refused}: {}",
        std::error::Error::source(&refused).unwrap()
    );
    assert!(said.contains("somebody is reading it"), "{said}");
    drop(reader);
    assert_eq!(numbers_in(&path).await, [1, 2, 3]);
    sqlite::restore(&backup, &path, |_| Ok(()), &Stop::default()).unwrap();
    assert_eq!(numbers_in(&path).await, [1]);
}

#[tokio::test]
async fn a_restore_over_a_file_that_was_moved_says_so() {
    let folder = Folder::new();
    let (file, backup) = scene(&folder).await;
    let path = file.path().to_owned();
    file.close().await;
    let at = time::macros::datetime!(2027-01-15 12:00 UTC);
    let moving = File::open_to_move(&path).unwrap();
    moving.begin_move("db", "mq", at).await.unwrap();
    moving.end_move(at).await.unwrap();
    moving.close().await;
    let restored = sqlite::restore(&backup, &path, |_| Ok(()), &Stop::default()).unwrap();
    assert_eq!(restored.moved.unwrap().moved_at, Some(at));
    let again = sqlite::restore(&backup, &path, |_| Ok(()), &Stop::default()).unwrap();
    assert_eq!(again.moved, None);
}

#[tokio::test]
async fn a_restore_that_is_interrupted_leaves_the_file_and_nothing_else() {
    let folder = Folder::new();
    let (file, _) = scene(&folder).await;
    // Enough to be looked through for a while.
    file.write(|connection| -> Result<(), Fault> {
        (3..1_000).try_for_each(|number| put(connection, number, 1))
    })
    .await
    .unwrap();
    let backup = folder.join("large.db");
    file.backup(&backup).await.unwrap();
    let path = file.path().to_owned();
    file.close().await;
    let before = fs::read(&path).unwrap();
    let entries = || fs::read_dir(folder.path()).unwrap().count();
    let there = entries();
    let stop = Stop::default();
    // Between the copy and the look through it.
    let asking = |_: &Connection| {
        stop.ask();
        Ok(())
    };
    let refused = sqlite::restore(&backup, &path, asking, &stop).unwrap_err();
    assert!(matches!(refused, RestoreError::Interrupted), "{refused}");
    assert!(before == fs::read(&path).unwrap());
    assert_eq!(entries(), there, "nothing is left behind");
}
