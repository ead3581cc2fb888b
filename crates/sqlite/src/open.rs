//! Opening: what the file must be, how its connections are set up, migrations.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use crate::still::Still;
use crate::{OpenError, moving};

/// Says in the header of a file that it is ours.
pub(crate) const APPLICATION: i64 = 0x4772_4C6E;

/// What each version adds to the one before. Only ever appended to.
const MIGRATIONS: [&str; 5] = [
    include_str!("../../../migrations/sqlite/0001_ledger.sql"),
    include_str!("../../../migrations/sqlite/0002_queue.sql"),
    include_str!("../../../migrations/sqlite/0003_quarantine.sql"),
    include_str!("../../../migrations/sqlite/0004_move.sql"),
    include_str!("../../../migrations/sqlite/0005_survey.sql"),
];

/// The version this program writes.
#[expect(clippy::cast_possible_wrap, reason = "a handful")]
pub(crate) const VERSION: i64 = MIGRATIONS.len() as i64;

/// Longest wait for a lock of SQLite's. Nobody but tools from outside holds one for long.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Prepared statements a connection keeps.
const STATEMENTS_MAX: usize = 256;

/// The path with its folder resolved, so that one file has one lock.
pub(crate) fn resolve(path: &Path) -> Result<PathBuf, OpenError> {
    let folder = |source| OpenError::Folder {
        path: path.to_owned(),
        source,
    };
    match path.canonicalize() {
        Ok(found) => return Ok(found),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(folder(error)),
    }
    let name = path
        .file_name()
        .ok_or_else(|| folder(ErrorKind::InvalidFilename.into()))?;
    let parent = folder_of(path).canonicalize().map_err(folder)?;
    Ok(parent.join(name))
}

pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// Makes the file if there is none, for its owner alone. SQLite gives the files beside it
/// the same mode.
pub(crate) fn create(path: &Path) -> Result<(), OpenError> {
    let created = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        // A file is there after a power cut only if its folder was flushed.
        .and_then(|_| File::open(folder_of(path))?.sync_all());
    match created {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(source) => Err(OpenError::Folder {
            path: path.to_owned(),
            source,
        }),
    }
}

/// What somebody wants with a file that was moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moved {
    Refused,
    Welcome,
}

/// A connection that writes, on a file brought up to date. The caller holds the lock.
pub(crate) fn writing(path: &Path, moved: Moved) -> Result<Connection, OpenError> {
    let failed = |source| OpenError::of(path.to_owned(), source);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    // SQLite opens what it may not write for reading, and says nothing.
    if connection.is_readonly("main").map_err(failed)? {
        return Err(OpenError::ReadOnly {
            path: path.to_owned(),
        });
    }
    let found = version(&connection, path)?;
    if moved == Moved::Refused && found >= moving::SINCE {
        moving::refuse(&connection, path)?;
    }
    prepare(&connection).map_err(failed)?;
    migrate(&mut connection, found).map_err(failed)?;
    Ok(connection)
}

/// A connection that cannot write.
pub(crate) fn reading(path: &Path) -> Result<Connection, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

/// That a file to be read is ours and not of a later version. Which version it is of.
pub(crate) fn check_to_copy(path: &Path) -> Result<i64, OpenError> {
    let missing = || OpenError::Missing {
        path: path.to_owned(),
    };
    if !path.exists() {
        return Err(missing());
    }
    let still = Still::of(path);
    let connection = match &still {
        Some(still) => still.open(),
        None => reading(path),
    };
    let connection = connection.map_err(|source| OpenError::of(path.to_owned(), source))?;
    match version(&connection, path)? {
        // Nothing has ever been written into it.
        0 => Err(missing()),
        found => Ok(found),
    }
}

/// That a file to be read is ours and of this version.
pub(crate) fn check_to_read(path: &Path) -> Result<(), OpenError> {
    match check_to_copy(path)? {
        VERSION => Ok(()),
        found => Err(OpenError::Older {
            path: path.to_owned(),
            found,
            known: VERSION,
        }),
    }
}

/// The version of a file of ours, 0 for an empty one.
fn version(connection: &Connection, path: &Path) -> Result<i64, OpenError> {
    let failed = |source| OpenError::of(path.to_owned(), source);
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    let application = number("PRAGMA application_id").map_err(failed)?;
    let tables = number("SELECT count(*) FROM sqlite_schema").map_err(failed)?;
    let found = number("PRAGMA user_version").map_err(failed)?;
    let is_empty = application == 0 && tables == 0 && found == 0;
    if application != APPLICATION && !is_empty {
        return Err(OpenError::Foreign {
            path: path.to_owned(),
        });
    }
    if found > VERSION {
        return Err(OpenError::Newer {
            path: path.to_owned(),
            found,
            known: VERSION,
        });
    }
    Ok(found)
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    // The answer is the mode in force.
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        tracing::warn!(
            mode,
            "The file cannot have a write-ahead log here; it is slow"
        );
    }
    connection.execute_batch(
        "PRAGMA synchronous = FULL;
         PRAGMA fullfsync = ON;
         PRAGMA foreign_keys = ON;
         PRAGMA temp_store = MEMORY;
         PRAGMA cache_size = -16000;
         PRAGMA journal_size_limit = 67108864;
         PRAGMA wal_autocheckpoint = 0;",
    )
}

/// One transaction a version, so that a crash leaves a version and never a half.
fn migrate(connection: &mut Connection, found: i64) -> rusqlite::Result<()> {
    for (version, sql) in (1..)
        .zip(MIGRATIONS)
        .filter(|(version, _)| *version > found)
    {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(sql)?;
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.pragma_update(None, "user_version", version)?;
        transaction.commit()?;
        tracing::info!(version, "The file was brought up to date");
    }
    Ok(())
}
