//! What can go wrong with the file, and what to do about it.

use std::path::PathBuf;
use std::sync::Arc;

use rusqlite::ErrorCode;
use time::{OffsetDateTime, UtcOffset};

/// Why a file was not opened. Nothing in it has changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It is not there, and was to be read.
    #[error(
        "there is no data file {}, or nothing was ever written into it; name the one that \
         `grantline serve` made",
        path.display()
    )]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// Its folder is missing, or takes no new files.
    #[error(
        "cannot keep files beside {}; expected a folder that exists and that this user may \
         write: SQLite's log and the lock stand beside the file",
        path.display()
    )]
    Folder {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Its lock is there, and not ours to take.
    #[error(
        "cannot open the lock {} of {}; expected a file that this user may write: run as the \
         user who served it before, or give this one all files of that name (`chown`)",
        lock.display(), path.display()
    )]
    LockFile {
        /// The file.
        path: PathBuf,
        /// Its lock.
        lock: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file itself cannot be written.
    #[error(
        "{} is read-only; expected a file that this user may write: make it writable (`chown`, \
         `chmod`, or the mount it is on)",
        path.display()
    )]
    ReadOnly {
        /// The file.
        path: PathBuf,
    },
    /// Another process serves it.
    #[error(
        "{} is served by another process{}; a file has one server: stop that one, or use another \
         file",
        path.display(), holder.map(|pid| format!(" (pid {pid})")).unwrap_or_default()
    )]
    Locked {
        /// The file.
        path: PathBuf,
        /// That process, where it said so.
        holder: Option<u32>,
    },
    /// It holds something else.
    #[error("{} is no SQLite database; expected a data file of Grantline: give another path", path.display())]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// It is the database of another program.
    #[error(
        "{} is the database of another program; expected a data file of Grantline: give another \
         path",
        path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A later version of this program wrote it.
    #[error(
        "{} is of version {found} and this program knows version {known}; use a newer program, \
         or restore a backup from before the upgrade",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest this program knows.
        known: i64,
    },
    /// An earlier version of this program wrote it, and it was to be read only.
    #[error(
        "{} is of version {found} and this program reads version {known}; serve it once to \
         bring it up to date",
        path.display()
    )]
    Older {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest this program knows.
        known: i64,
    },
    /// Its content is elsewhere.
    #[error(
        "{} was moved at {} to {ledger} and {broker}, and is served no more; serve those, with \
         `ledger.url` and `broker.url` in place of `embedded.file`",
        path.display(), shown(*at)
    )]
    Moved {
        /// The file.
        path: PathBuf,
        /// The database it was moved to, without user and password.
        ledger: String,
        /// The broker it was moved to, without user and password.
        broker: String,
        /// When.
        at: OffsetDateTime,
    },
    /// It is a database and cannot be read.
    #[error(
        "{} is damaged; expected a whole data file: restore a backup (`grantline restore`), which \
         keeps this one aside",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite found.
        source: rusqlite::Error,
    },
    /// There is no room for it.
    #[error("the disk of {} is full; make room: nothing that was accepted is lost", path.display())]
    Full {
        /// The file.
        path: PathBuf,
        /// What SQLite found.
        source: rusqlite::Error,
    },
    /// The system does not let this process have another thread.
    #[error("cannot start the thread that writes {}; raise this user's limit of processes", path.display())]
    Thread {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Anything else.
    #[error(
        "cannot open {}; expected a data file in a folder that this user may write, on a disk of \
         this machine",
        path.display()
    )]
    Failed {
        /// The file.
        path: PathBuf,
        /// What SQLite found.
        source: rusqlite::Error,
    },
}

impl OpenError {
    /// What an error of SQLite means for somebody who opens a file.
    pub(crate) fn of(path: PathBuf, source: rusqlite::Error) -> Self {
        // Most of SQLite's codes mean nothing special here.
        match source.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => Self::NotADatabase { path },
            Some(ErrorCode::DatabaseCorrupt) => Self::Damaged { path, source },
            Some(ErrorCode::DiskFull) => Self::Full { path, source },
            Some(ErrorCode::ReadOnly) => Self::ReadOnly { path },
            _ => Self::Failed { path, source },
        }
    }
}

/// To the second: it is for people.
fn shown(at: OffsetDateTime) -> String {
    let at = at.to_offset(UtcOffset::UTC);
    format!(
        "{} {:02}:{:02}:{:02} UTC",
        at.date(),
        at.hour(),
        at.minute(),
        at.second()
    )
}

/// Why a write was not committed. The file is as if it had never been asked for, but for
/// [`WriteError::Closed`], [`WriteError::Full`] and [`WriteError::Failed`] after a crash:
/// a commit that could not be flushed may be found done then.
#[derive(Clone, Debug, thiserror::Error)]
pub enum WriteError {
    /// The file was closed.
    #[error("the file is closed")]
    Closed,
    /// It was opened to be read.
    #[error("the file is open for reading only")]
    ReadOnly,
    /// The closure panicked.
    #[error("a write panicked")]
    Panicked,
    /// SQLite gave up the transaction in another write of the same group, as it does when
    /// the disk is full or fails.
    #[error("the transaction was given up with another write of it")]
    GivenUp,
    /// There is no room.
    #[error("the disk of the file is full; make room")]
    Full(#[source] Arc<rusqlite::Error>),
    /// Anything else, such as a failing disk.
    #[error("the file could not be written")]
    Failed(#[source] Arc<rusqlite::Error>),
}

impl From<rusqlite::Error> for WriteError {
    fn from(error: rusqlite::Error) -> Self {
        if error.sqlite_error_code() == Some(ErrorCode::DiskFull) {
            Self::Full(Arc::new(error))
        } else {
            Self::Failed(Arc::new(error))
        }
    }
}

/// Why nothing was read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file was closed.
    #[error("the file is closed")]
    Closed,
    /// The closure panicked.
    #[error("a read panicked")]
    Panicked,
    /// Somebody began to write while a file that nobody had open was read: what was read of
    /// it may be of two moments.
    #[error("somebody began to write the file while it was read; read it again")]
    Changed,
    /// Anything else, such as a failing disk.
    #[error("the file could not be read")]
    Failed(#[from] rusqlite::Error),
}
