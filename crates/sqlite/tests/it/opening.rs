use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use futures_util::FutureExt as _;
use rusqlite::Connection;
use sqlite::{File, OpenError};
use testkit::Folder;

use crate::{Fault, insert, numbers, open, put};

#[tokio::test]
async fn the_file_and_all_beside_it_are_for_their_owner_alone() {
    let folder = Folder::new();
    let file = open(&folder).await;
    let mut names = Vec::new();
    for entry in fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", entry.file_name());
        names.push(entry.file_name().into_string().unwrap());
    }
    names.sort();
    assert_eq!(
        names,
        ["line.db", "line.db-lock", "line.db-shm", "line.db-wal"]
    );
    file.close().await;
}

#[tokio::test]
async fn a_second_server_is_refused_until_the_first_has_closed() {
    let folder = Folder::new();
    let file = open(&folder).await;
    insert(&file, 1).await.unwrap();
    let detour = folder
        .path()
        .join("..")
        .join(folder.path().file_name().unwrap());
    for path in [folder.join("line.db"), detour.join("line.db")] {
        let refused = File::open(&path).unwrap_err();
        let pid = std::process::id();
        assert!(
            matches!(refused, OpenError::Locked { holder: Some(holder), .. } if holder == pid),
            "{refused}"
        );
        assert!(refused.to_string().contains(&format!("(pid {pid})")));
    }
    // The one that was refused has not touched the locks of the first.
    insert(&file, 2).await.unwrap();
    file.close().await;
    let second = File::open(&folder.join("line.db")).unwrap();
    assert_eq!(numbers(&second).await, [1, 2]);
    second.close().await;
}

#[tokio::test]
async fn a_closed_file_is_one_file_and_answers_everybody() {
    let folder = Folder::new();
    let file = open(&folder).await;
    insert(&file, 1).await.unwrap();
    file.close().await;
    file.close().await;
    assert!(!folder.join("line.db-wal").exists());
    let late = insert(&file, 2).await.unwrap_err();
    assert!(matches!(late, Fault::Write(sqlite::WriteError::Closed)));
    let late = file.read(|_| Ok::<_, Fault>(())).await.unwrap_err();
    assert!(matches!(late, Fault::Read(sqlite::ReadError::Closed)));
}

/// As two owners of the file do when their process ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_closes_waits_until_the_lock_is_free() {
    let folder = Folder::new();
    let file = open(&folder).await;
    for number in 0..100 {
        let put = move |connection: &Connection| crate::put(connection, number, 500_000);
        assert!(file.write(put).now_or_never().is_none());
    }
    let lock = folder.join("line.db-lock");
    let closing = || async {
        file.close().await;
        fs::File::open(&lock).unwrap().try_lock().is_ok()
    };
    assert_eq!(tokio::join!(closing(), closing()), (true, true));
}

#[tokio::test]
async fn a_lock_that_is_not_ours_to_take_is_named() {
    let folder = Folder::new();
    fs::create_dir(folder.join("line.db-lock")).unwrap();
    let refused = File::open(&folder.join("line.db")).unwrap_err();
    assert!(matches!(refused, OpenError::LockFile { .. }), "{refused}");
    let said = refused.to_string();
    assert!(said.contains("line.db-lock"), "{said}");
    assert!(said.contains("the user who served it"), "{said}");
}

#[tokio::test]
async fn commands_read_beside_a_server_and_write_nothing() {
    let folder = Folder::new();
    let path = folder.join("line.db");
    let missing = File::open_to_read(&path).unwrap_err();
    assert!(matches!(missing, OpenError::Missing { .. }), "{missing}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);

    let file = open(&folder).await;
    let reader = File::open_to_read(&path).unwrap();
    insert(&file, 1).await.unwrap();
    assert_eq!(numbers(&reader).await, [1]);
    let refused = insert(&reader, 2).await.unwrap_err();
    assert!(matches!(
        refused,
        Fault::Write(sqlite::WriteError::ReadOnly)
    ));
    file.close().await;
    assert_eq!(numbers(&reader).await, [1]);
    reader.close().await;
}

/// Everything in a folder, with its bytes.
fn content(folder: &Folder) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder.path()).unwrap();
    let content = entries.map(|entry| {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        (name, fs::read(entry.path()).unwrap())
    });
    content.collect()
}

/// So it can be read in a folder that takes no files, and a server of another user finds
/// nothing that it may not open.
#[tokio::test]
async fn to_read_a_file_that_nobody_has_open_leaves_its_folder_as_it_was() {
    let folder = Folder::new();
    let path = folder.join("who? #1, 100%.db");
    let file = open(&folder).await;
    insert(&file, 1).await.unwrap();
    file.close().await;
    fs::rename(folder.join("line.db"), &path).unwrap();
    fs::remove_file(folder.join("line.db-lock")).unwrap();
    let before = content(&folder);
    assert_eq!(before.len(), 1);

    let reader = File::open_to_read(&path).unwrap();
    assert_eq!(numbers(&reader).await, [1]);
    assert!(content(&folder) == before);
    reader.close().await;
    assert!(content(&folder) == before);
}

#[tokio::test]
async fn what_a_killed_server_left_in_the_log_is_read_and_stays_there() {
    let (folder, left) = (Folder::new(), Folder::new());
    let file = open(&folder).await;
    insert(&file, 1).await.unwrap();
    for name in ["line.db", "line.db-wal", "line.db-shm"] {
        fs::copy(folder.join(name), left.join(name)).unwrap();
    }
    file.close().await;
    let log = |content: BTreeMap<String, Vec<u8>>| content["line.db-wal"].clone();
    let before = log(content(&left));
    assert!(!before.is_empty());
    let reader = File::open_to_read(&left.join("line.db")).unwrap();
    assert_eq!(numbers(&reader).await, [1]);
    reader.close().await;
    assert!(log(content(&left)) == before);
}

#[tokio::test]
async fn what_was_read_while_somebody_began_to_write_does_not_count() {
    let folder = Folder::new();
    let path = folder.join("line.db");
    open(&folder).await.close().await;
    let reader = File::open_to_read(&path).unwrap();
    let (hand_over, writer) = std::sync::mpsc::channel();
    for goes_on in [true, false] {
        let (path, hand_over) = (path.clone(), hand_over.clone());
        let read = reader.read(move |_| {
            let writer = Connection::open(path)?;
            put(&writer, 1, 0)?;
            if goes_on {
                hand_over.send(writer).unwrap();
            }
            Ok::<_, Fault>(())
        });
        let fault = read.await.unwrap_err();
        assert!(
            matches!(fault, Fault::Read(sqlite::ReadError::Changed)),
            "{fault:?}"
        );
        drop(writer.try_recv());
    }
    assert_eq!(numbers(&reader).await, [1, 1]);
}

#[tokio::test]
async fn a_reader_cannot_write() {
    let folder = Folder::new();
    let file = open(&folder).await;
    let written = file.read(|connection| crate::put(connection, 1, 0)).await;
    assert!(matches!(written, Err(Fault::Sql(_))), "{written:?}");
    assert_eq!(numbers(&file).await, Vec::<i64>::new());
    file.close().await;
}

/// Changes the file behind our back, while nobody has it open.
fn tamper(path: &Path, sql: &str) {
    let connection = Connection::open(path).unwrap();
    connection.execute_batch(sql).unwrap();
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_named_and_left_alone() {
    let folder = Folder::new();
    let path = folder.join("line.db");
    open(&folder).await.close().await;
    let version: i64 = Connection::open(&path)
        .unwrap()
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .unwrap();
    tamper(&path, "PRAGMA user_version = 999");
    let before = fs::read(&path).unwrap();
    for refused in [File::open(&path), File::open_to_read(&path)] {
        let refused = refused.unwrap_err();
        assert!(
            matches!(refused, OpenError::Newer { found: 999, .. }),
            "{refused}"
        );
    }
    assert!(before == fs::read(&path).unwrap());
    // Nor is it locked by the one that was refused.
    tamper(&path, &format!("PRAGMA user_version = {version}"));
    File::open(&path).unwrap().close().await;
}

#[tokio::test]
async fn a_file_of_an_older_version_is_brought_up_to_date_by_a_server_alone() {
    let folder = Folder::new();
    let path = folder.join("line.db");
    tamper(
        &path,
        &format!(
            "{}; PRAGMA application_id = 0x47724C6E; PRAGMA user_version = 1",
            include_str!("../../../../migrations/sqlite/0001_ledger.sql")
        ),
    );
    let refused = File::open_to_read(&path).unwrap_err();
    assert!(
        matches!(refused, OpenError::Older { found: 1, .. }),
        "{refused}"
    );
    File::open(&path).unwrap().close().await;
    File::open_to_read(&path).unwrap().close().await;
}

#[tokio::test]
async fn the_database_of_another_program_is_named_and_left_alone() {
    let folder = Folder::new();
    let path = folder.join("line.db");
    for sql in ["CREATE TABLE theirs (x)", "PRAGMA application_id = 7"] {
        tamper(&path, sql);
        let before = fs::read(&path).unwrap();
        for refused in [File::open(&path), File::open_to_read(&path)] {
            let refused = refused.unwrap_err();
            assert!(matches!(refused, OpenError::Foreign { .. }), "{refused}");
        }
        assert!(before == fs::read(&path).unwrap());
        fs::remove_file(&path).unwrap();
    }
}

#[tokio::test]
async fn what_is_no_database_is_named_and_left_alone() {
    let folder = Folder::new();
    let path = folder.join("line.db");
    let letter = "Dear Mira, this is no database. ".repeat(200);
    fs::write(&path, &letter).unwrap();
    for refused in [File::open(&path), File::open_to_read(&path)] {
        let refused = refused.unwrap_err();
        assert!(
            matches!(refused, OpenError::NotADatabase { .. }),
            "{refused}"
        );
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), letter);
}

#[tokio::test]
async fn a_damaged_file_is_named_as_such() {
    let folder = Folder::new();
    let path = folder.join("line.db");
    open(&folder).await.close().await;
    let mut bytes = fs::read(&path).unwrap();
    // The first page after its header: where SQLite keeps the list of the tables.
    bytes[100..4_096].fill(0xA5);
    fs::write(&path, &bytes).unwrap();
    for refused in [File::open(&path), File::open_to_read(&path)] {
        let refused = refused.unwrap_err();
        assert!(matches!(refused, OpenError::Damaged { .. }), "{refused}");
        assert!(refused.to_string().contains("restore a backup"));
    }
    assert!(bytes == fs::read(&path).unwrap());
}

/// Not even root makes files in `/sys`.
#[tokio::test]
async fn a_folder_that_takes_no_files_is_named() {
    let folder = Folder::new();
    for path in [
        Path::new("/sys/line.db").to_owned(),
        folder.join("missing/line.db"),
    ] {
        let refused = File::open(&path).unwrap_err();
        assert!(matches!(refused, OpenError::Folder { .. }), "{refused}");
        assert!(refused.to_string().contains(&path.display().to_string()));
    }
}
