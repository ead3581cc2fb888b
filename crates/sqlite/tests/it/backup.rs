use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use rusqlite::Connection;
use sqlite::{BackupError, File, Stop};
use testkit::Folder;

use crate::{Fault, check, numbers, open, put};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_made_while_writing_is_whole_and_of_one_moment() {
    let folder = Folder::new();
    let file = open(&folder).await;
    let stop = Arc::new(AtomicBool::new(false));
    let newest = Arc::new(AtomicI64::new(0));
    let write = |number| {
        // Pairs, so that a copy of two moments would show.
        file.write(move |connection| -> Result<(), Fault> {
            put(connection, number, 20_000)?;
            put(connection, -number, 20_000)
        })
    };
    for number in 1..=500 {
        write(number).await.unwrap();
    }
    let writing = async {
        let mut number = 500;
        while !stop.load(Ordering::Relaxed) {
            number += 1;
            write(number).await.unwrap();
            newest.store(number, Ordering::Relaxed);
        }
    };
    let to = folder.join("copy.db");
    let copying = async {
        file.backup(&to).await.unwrap();
        stop.store(true, Ordering::Relaxed);
    };
    tokio::join!(writing, copying);
    assert!(
        newest.load(Ordering::Relaxed) > 501,
        "nothing was written meanwhile"
    );
    file.close().await;

    let mode = fs::metadata(&to).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let left = names(&folder);
    assert!(
        left.iter().all(|name| !name.contains("partial")),
        "{left:?}"
    );
    let copy = File::open(&to).unwrap();
    check(&copy).await;
    let numbers = numbers(&copy).await;
    assert!(numbers.len() >= 1_000);
    assert!(numbers.iter().all(|number| numbers.contains(&-number)));
    copy.close().await;
}

#[tokio::test]
async fn a_backup_overwrites_nothing_and_leaves_nothing_half() {
    let folder = Folder::new();
    let file = open(&folder).await;
    let to = folder.join("copy.db");
    fs::write(&to, "mine").unwrap();
    let refused = file.backup(&to).await.unwrap_err();
    assert!(matches!(refused, BackupError::Exists { .. }), "{refused}");
    assert_eq!(fs::read_to_string(&to).unwrap(), "mine");
    let refused = file
        .backup(&folder.join("missing/copy.db"))
        .await
        .unwrap_err();
    assert!(matches!(refused, BackupError::Target { .. }), "{refused}");
    file.close().await;
}

#[tokio::test]
async fn a_command_backs_up_beside_the_server() {
    let folder = Folder::new();
    let file = open(&folder).await;
    crate::insert(&file, 1).await.unwrap();
    let command = File::open_to_read(file.path()).unwrap();
    let to = folder.join("copy.db");
    command.backup(&to).await.unwrap();
    crate::insert(&file, 2).await.unwrap();
    file.close().await;
    let copy = File::open(&to).unwrap();
    assert_eq!(numbers(&copy).await, [1]);
    copy.close().await;
}

#[tokio::test]
async fn a_damaged_file_makes_no_backup() {
    let folder = Folder::new();
    let file = open(&folder).await;
    for number in 0..50 {
        crate::insert(&file, number).await.unwrap();
    }
    let path = file.path().to_owned();
    file.close().await;
    let mut bytes = fs::read(&path).unwrap();
    let last = bytes.len() - 4_096;
    // A page of rows or of an index: the schema is whole, so that it opens.
    bytes[last..].fill(0xA5);
    fs::write(&path, &bytes).unwrap();
    let to = folder.join("copy.db");
    let refused = sqlite::backup(&path, &to, &Stop::default()).unwrap_err();
    assert!(refused.to_string().contains("is damaged"), "{refused}");
    assert!(!to.exists());
    let left = names(&folder);
    assert!(
        left.iter().all(|name| !name.contains("partial")),
        "{left:?}"
    );
}

#[tokio::test]
async fn a_backup_that_is_interrupted_leaves_nothing() {
    let folder = Folder::new();
    let file = open(&folder).await;
    // More than is copied in one go.
    file.write(|connection| -> Result<(), Fault> {
        (0..3_000).try_for_each(|number| put(connection, number, 2_000))
    })
    .await
    .unwrap();
    let path = file.path().to_owned();
    file.close().await;
    let before = names(&folder);
    let stop = Stop::default();
    stop.ask();
    let refused = sqlite::backup(&path, &folder.join("copy.db"), &stop).unwrap_err();
    assert!(matches!(refused, BackupError::Interrupted), "{refused}");
    assert_eq!(names(&folder), before);
}

#[tokio::test]
async fn a_file_of_an_older_version_is_backed_up_as_it_is() {
    let folder = Folder::new();
    let path = folder.join("line.db");
    let old = format!(
        "{}; PRAGMA application_id = 0x47724C6E; PRAGMA user_version = 1",
        include_str!("../../../../migrations/sqlite/0001_ledger.sql")
    );
    Connection::open(&path)
        .unwrap()
        .execute_batch(&old)
        .unwrap();
    let to = folder.join("copy.db");
    sqlite::backup(&path, &to, &Stop::default()).unwrap();
    let version = "PRAGMA user_version";
    let copy = Connection::open(&to).unwrap();
    let found: i64 = copy.query_row(version, [], |row| row.get(0)).unwrap();
    assert_eq!(found, 1);
}

/// Everything in the folder, sorted.
fn names(folder: &Folder) -> Vec<String> {
    let entries = fs::read_dir(folder.path()).unwrap();
    let name = |entry: fs::DirEntry| entry.file_name().into_string().unwrap();
    let mut names: Vec<_> = entries.map(|entry| name(entry.unwrap())).collect();
    names.sort();
    names
}
