//! The file's promises, on a real disk.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod backup;
mod killed;
mod moving;
mod opening;
mod restore;
mod writing;

use rusqlite::Connection;
use sqlite::{File, ReadError, WriteError};
use testkit::Folder;

/// What the tests' closures fail with.
#[derive(Debug)]
enum Fault {
    Write(WriteError),
    Read(ReadError),
    Sql(rusqlite::Error),
    Own,
}

impl From<WriteError> for Fault {
    fn from(error: WriteError) -> Self {
        Self::Write(error)
    }
}

impl From<ReadError> for Fault {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

/// A new file with a table to write numbers into.
async fn open(folder: &Folder) -> File {
    let file = File::open(&folder.join("line.db")).unwrap();
    file.write(|connection| {
        let made = connection.execute_batch("CREATE TABLE probe (number INTEGER, bulk BLOB)");
        made.map_err(Fault::from)
    })
    .await
    .unwrap();
    file
}

async fn insert(file: &File, number: i64) -> Result<(), Fault> {
    file.write(move |connection| put(connection, number, 0))
        .await
}

fn put(connection: &Connection, number: i64, bulk: usize) -> Result<(), Fault> {
    let mut statement = connection.prepare_cached("INSERT INTO probe VALUES (?1, ?2)")?;
    statement.execute((number, vec![7_u8; bulk]))?;
    Ok(())
}

/// All numbers, the smallest first.
async fn numbers(file: &File) -> Vec<i64> {
    let read = file.read(|connection| -> Result<Vec<i64>, Fault> {
        let mut statement = connection.prepare_cached("SELECT number FROM probe ORDER BY 1")?;
        let rows = statement.query_map([], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    });
    read.await.unwrap()
}

/// That the file holds together.
async fn check(file: &File) {
    let verdict = file.read(|connection| -> Result<String, Fault> {
        Ok(connection.query_row("PRAGMA integrity_check", [], |row| row.get(0))?)
    });
    assert_eq!(verdict.await.unwrap(), "ok");
}
