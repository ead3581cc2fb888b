//! The least a durable row costs: a loop that does nothing but commit.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::Connection;

/// An empty file with room for rows, flushed at every commit as the embedded stack's is.
pub(crate) struct Rows {
    connection: Connection,
    body: Vec<u8>,
}

impl Rows {
    pub(crate) fn create(path: &Path, body: &[u8]) -> Self {
        let connection = Connection::open(path).unwrap();
        let mode: String = connection
            .query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))
            .unwrap();
        assert_eq!(mode, "wal");
        let prepared = connection.execute_batch(
            "PRAGMA synchronous = FULL;
             PRAGMA wal_autocheckpoint = 2048;
             CREATE TABLE rows (id INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;",
        );
        prepared.unwrap();
        Self {
            connection,
            body: body.to_vec(),
        }
    }

    /// Commits so many rows, a group at a time, and says how long that took.
    pub(crate) fn commit(&self, rows: usize, group: usize) -> Duration {
        let run = |sql| self.connection.prepare_cached(sql).unwrap().execute([]);
        let began = Instant::now();
        for _ in 0..rows / group {
            run("BEGIN IMMEDIATE").unwrap();
            for _ in 0..group {
                let sql = "INSERT INTO rows (body) VALUES (?1)";
                let mut insert = self.connection.prepare_cached(sql).unwrap();
                insert.execute([&self.body]).unwrap();
            }
            run("COMMIT").unwrap();
        }
        began.elapsed()
    }
}
