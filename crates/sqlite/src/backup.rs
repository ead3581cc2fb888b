//! A copy of the file while it is written.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use crate::lock::beside;
use crate::open::{folder_of, reading};
use crate::{ReadError, readers};

/// Pages copied in one go: 4 MB.
const PAGES: i32 = 1_024;

/// Why there is no backup. What was half written is removed.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There is something already.
    #[error("{} exists; a backup overwrites nothing", path.display())]
    Exists {
        /// Where the copy was to be.
        path: PathBuf,
    },
    /// It cannot be written there.
    #[error("cannot write {}", path.display())]
    Target {
        /// Where the copy was to be.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file could not be read, or the copy not written.
    #[error("the file could not be copied")]
    Copy(#[source] rusqlite::Error),
    /// The process is about to end.
    #[error("the backup was interrupted")]
    Interrupted,
}

impl From<ReadError> for BackupError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Failed(source) => Self::Copy(source),
            ReadError::Closed | ReadError::Panicked | ReadError::Changed => Self::Interrupted,
        }
    }
}

/// Blocks until the copy is whole, under its name and flushed.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<(), BackupError> {
    let target = |source| BackupError::Target {
        path: to.to_owned(),
        source,
    };
    if fs::exists(to).map_err(target)? {
        return Err(BackupError::Exists {
            path: to.to_owned(),
        });
    }
    let partial = beside(to, &format!("-partial-{}", std::process::id()));
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&partial)
        .map_err(target)?;
    let copied = fill(from, &partial).and_then(|()| {
        flush(&partial)
            .and_then(|()| fs::rename(&partial, to))
            .and_then(|()| flush(folder_of(to)))
            .map_err(target)
    });
    if copied.is_err() {
        let _ = fs::remove_file(&partial);
    }
    copied
}

fn flush(path: &Path) -> std::io::Result<()> {
    fs::File::open(path)?.sync_all()
}

fn fill(from: &Path, to: &Path) -> Result<(), BackupError> {
    let source = reading(from).map_err(BackupError::Copy)?;
    // One snapshot for the whole copy: without it every write would begin the copy anew.
    readers::snapshot(&source, |source| {
        let seen: rusqlite::Result<i64> =
            source.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0));
        seen.and_then(|_| copy_pages(source, to))
            .map_err(BackupError::Copy)
    })
}

fn copy_pages(source: &Connection, to: &Path) -> rusqlite::Result<()> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut copy = Connection::open_with_flags(to, flags)?;
    // It is worth nothing until it is whole, and flushed then.
    copy.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")?;
    let backup = Backup::new(source, &mut copy)?;
    while backup.step(PAGES)? != StepResult::Done {}
    Ok(())
}
