//! A copy of the file while it is written.

use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::lock::beside;
use crate::open::{self, folder_of, reading};
use crate::still::Still;
use crate::{OpenError, Stop};

/// Pages copied in one go: 4 MB.
const PAGES: i32 = 1_024;
/// SQLite's own steps from one look at [`Stop`] to the next.
const STEPS: i32 = 1_000;

/// Why there is no backup. What was half written is removed.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The file cannot be read.
    #[error(transparent)]
    Source(#[from] OpenError),
    /// There is something already.
    #[error("{} exists, and a backup overwrites nothing; give another name", path.display())]
    Exists {
        /// Where the copy was to be.
        path: PathBuf,
    },
    /// It cannot be written there.
    #[error("cannot write {}; expected a folder that this user may write, with room", path.display())]
    Target {
        /// Where the copy was to be.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The disk has no hard links, by which the copy is named without overwriting anything.
    #[error(
        "cannot name the copy {}: its disk has no hard links; make it on another disk and copy it \
         from there",
        path.display()
    )]
    NoLinks {
        /// Where the copy was to be.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// There is no room for the copy.
    #[error("the disk of {} is full; make room, or use another disk", path.display())]
    Full {
        /// Where the copy was to be.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// The copy does not hold together, so neither does the file.
    #[error(
        "{} is damaged ({found}), so it was not copied; keep the backups there are, and restore one",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite found first.
        found: String,
    },
    /// The file could not be read, or the copy not written.
    #[error("{} could not be copied", path.display())]
    Copy {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// Somebody began to write it.
    #[error("somebody began to serve {} while it was copied; run it again", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// The process is about to end, or was asked to.
    #[error("the copy was interrupted, and nothing of it is left; run it again")]
    Interrupted,
}

/// Copies the file at `from` as it is at one moment to `to`, for its owner alone, while
/// everybody goes on. `to` appears when the copy is whole, checked and on disk; until then
/// the log beside the file grows with every write. A file of an older version is copied as
/// it is, and one that nobody has open in a folder that takes no new files. Says how many bytes
/// were copied. Blocks for as long as that takes, unless `stop` is asked for.
///
/// # Errors
/// When `to` exists or cannot be written, or the file cannot be read.
pub fn backup(from: &Path, to: &Path, stop: &Stop) -> Result<u64, BackupError> {
    let target = |source| BackupError::Target {
        path: to.to_owned(),
        source,
    };
    let from = open::resolve(from)?;
    open::check_to_copy(&from)?;
    let exists = || BackupError::Exists {
        path: to.to_owned(),
    };
    if fs::symlink_metadata(to).is_ok() {
        return Err(exists());
    }
    let (copy, ()) = Partial::of(&from, to, |_| Ok(()), stop)?;
    let bytes = fs::metadata(&copy.path).map_err(target)?.len();
    match fs::hard_link(&copy.path, to) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(exists()),
        Err(source)
            if matches!(
                source.kind(),
                ErrorKind::PermissionDenied | ErrorKind::Unsupported
            ) =>
        {
            let path = to.to_owned();
            return Err(BackupError::NoLinks { path, source });
        }
        Err(error) => return Err(target(error)),
    }
    flush(folder_of(to)).map_err(target)?;
    Ok(bytes)
}

/// A whole copy under a name of its own, which goes when this is dropped.
pub(crate) struct Partial {
    pub(crate) path: PathBuf,
}

impl Partial {
    /// Copies `from` into the folder of `to`, does with the copy what is asked for, checks
    /// that it holds together, and flushes it.
    pub(crate) fn of<T>(
        from: &Path,
        to: &Path,
        prepare: impl FnOnce(&Connection) -> rusqlite::Result<T>,
        stop: &Stop,
    ) -> Result<(Self, T), BackupError> {
        let path = beside(to, &format!("-partial-{:016x}", rand::random::<u64>()));
        let target = |source| BackupError::Target {
            path: to.to_owned(),
            source,
        };
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(target)?;
        let partial = Self { path };
        let still = Still::of(from);
        let filled = match &still {
            Some(still) => still.open(),
            None => reading(from),
        }
        .and_then(|source| fill(&source, &partial.path, prepare, stop));
        // What was read of it may be of two moments.
        if still.is_some_and(|still| still.has_changed()) {
            let path = from.to_owned();
            return Err(BackupError::Changed { path });
        }
        let (prepared, found) = filled.map_err(|source| failure(from, to, source))?;
        if found != "ok" {
            let path = from.to_owned();
            return Err(BackupError::Damaged { path, found });
        }
        flush(&partial.path).map_err(target)?;
        Ok((partial, prepared))
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        for ending in ["", "-journal", "-wal", "-shm"] {
            let _ = fs::remove_file(beside(&self.path, ending));
        }
    }
}

fn failure(from: &Path, to: &Path, source: rusqlite::Error) -> BackupError {
    match source.sqlite_error_code() {
        // The copy alone is written.
        Some(ErrorCode::DiskFull) => {
            let path = to.to_owned();
            return BackupError::Full { path, source };
        }
        Some(ErrorCode::OperationInterrupted) => return BackupError::Interrupted,
        _ => {}
    }
    let known = OpenError::of(from.to_owned(), source);
    if let OpenError::Failed { path, source } = known {
        return BackupError::Copy { path, source };
    }
    known.into()
}

pub(crate) fn flush(path: &Path) -> std::io::Result<()> {
    fs::File::open(path)?.sync_all()
}

/// What `prepare` said, and SQLite's verdict on the copy.
fn fill<T>(
    source: &Connection,
    to: &Path,
    prepare: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    stop: &Stop,
) -> rusqlite::Result<(T, String)> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut copy = Connection::open_with_flags(to, flags)?;
    // It is worth nothing until it is whole, and flushed then.
    copy.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")?;
    // One snapshot for the whole copy: without it every write would begin the copy anew.
    source.execute_batch("BEGIN")?;
    source.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    copy_pages(source, &mut copy, stop)?;
    // One file, that can be read from a disk where nothing can be written.
    let sql = "PRAGMA journal_mode = DELETE";
    copy.query_row(sql, [], |_| Ok(()))?;
    let prepared = prepare(&copy)?;
    // The look through all of it takes as long as the copy did.
    let asked = stop.clone();
    copy.progress_handler(STEPS, Some(move || asked.is_asked()))?;
    let sql = "PRAGMA integrity_check(1)";
    let verdict = copy.query_row(sql, [], |row| row.get(0))?;
    copy.close().map_err(|(_, error)| error)?;
    Ok((prepared, verdict))
}

fn copy_pages(source: &Connection, copy: &mut Connection, stop: &Stop) -> rusqlite::Result<()> {
    let backup = Backup::new(source, copy)?;
    while backup.step(PAGES)? != StepResult::Done {
        if stop.is_asked() {
            let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_INTERRUPT);
            return Err(rusqlite::Error::SqliteFailure(code, None));
        }
    }
    Ok(())
}
