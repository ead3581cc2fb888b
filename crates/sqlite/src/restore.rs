//! A backup in place of the file.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use crate::backup::{Partial, flush};
use crate::lock::{Lock, beside};
use crate::open::{self, folder_of};
use crate::{BackupError, Move, OpenError, Stop, moving};

/// What a restore has done.
#[derive(Debug)]
pub struct Restored<T> {
    /// The file that can be served now.
    pub path: PathBuf,
    /// Where the file is that was there before, with its log if that could not be folded in.
    pub replaced: Option<PathBuf>,
    /// Where the content of the replaced file had gone for good.
    pub moved: Option<Move>,
    /// What was done to the copy before it took its place.
    pub prepared: T,
}

/// Why nothing was restored. The file is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The backup cannot be used.
    #[error("the backup cannot be used")]
    Backup(#[source] BackupError),
    /// The process was asked to end before the backup took the place of the file.
    #[error("the restore was interrupted, and the file is as it was; run it again")]
    Interrupted,
    /// The file is the backup.
    #[error("{} is the file itself; name a backup of it", path.display())]
    Itself {
        /// Both.
        path: PathBuf,
    },
    /// The file cannot be replaced: most likely somebody serves it.
    #[error("the file cannot be replaced")]
    Target(#[source] OpenError),
    /// What is there cannot be kept aside.
    #[error(
        "cannot keep {} aside; expected a folder that this user may write, on a disk with hard \
         links",
        path.display()
    )]
    Aside {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}

/// Puts a copy of the file at `backup` in the place of the file at `to`, after `prepare` has
/// changed the copy and SQLite has found it whole. What was at `to` is kept beside it under
/// another name. A backup of an older version is brought up to date when it is served.
///
/// Interrupted at any moment it leaves at `to` what was there before, or the whole backup;
/// of a file so damaged that its log cannot be folded in, that file without its log.
/// Blocks for as long as that takes, unless `stop` is asked for while it copies, and holds the
/// lock of a server meanwhile.
///
/// # Errors
/// When the backup is none or damaged, or the file is being served.
pub fn restore<T>(
    backup: &Path,
    to: &Path,
    prepare: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    stop: &Stop,
) -> Result<Restored<T>, RestoreError> {
    let unusable = |error: OpenError| RestoreError::Backup(error.into());
    let backup = open::resolve(backup).map_err(unusable)?;
    open::check_to_copy(&backup).map_err(unusable)?;
    let path = open::resolve(to).map_err(RestoreError::Target)?;
    if backup == path {
        return Err(RestoreError::Itself { path });
    }
    let _lock = Lock::take(&path).map_err(RestoreError::Target)?;
    let moved = moving::ended(&path);
    let copied = Partial::of(&backup, &path, prepare, stop);
    let (copy, prepared) = copied.map_err(|error| {
        if matches!(error, BackupError::Interrupted) {
            return RestoreError::Interrupted;
        }
        RestoreError::Backup(error)
    })?;
    let replaced = keep_owner(&path, &copy.path)
        .and_then(|()| set_aside(&path, &copy.path))
        .map_err(|source| RestoreError::Aside {
            path: path.clone(),
            source,
        })?;
    Ok(Restored {
        path,
        replaced,
        moved,
        prepared,
    })
}

/// Whoever could serve the file before can serve the copy, also when root restores it.
fn keep_owner(path: &Path, copy: &Path) -> std::io::Result<()> {
    let Ok(before) = fs::metadata(path) else {
        return Ok(());
    };
    let now = fs::metadata(copy)?;
    if (before.uid(), before.gid()) == (now.uid(), now.gid()) {
        return Ok(());
    }
    chown(copy, Some(before.uid()), Some(before.gid()))
}

/// Gives the file a second name, then its first name to the copy.
///
/// The log goes first: one that stood beside the copy would be taken for its own. Until the
/// copy is there the file stands without it, which loses something only where it could not
/// be folded in, and then that is kept beside the second name.
fn set_aside(path: &Path, copy: &Path) -> std::io::Result<Option<PathBuf>> {
    let is_there = fs::symlink_metadata(path).is_ok();
    let aside = beside(path, &format!("-replaced-{:016x}", rand::random::<u64>()));
    if is_there {
        fold_log_in(path)?;
        fs::hard_link(path, &aside)?;
    }
    let (log, log_aside) = (beside(path, "-wal"), beside(&aside, "-wal"));
    if_there(fs::rename(&log, &log_aside))?;
    let replaced = if_there(fs::remove_file(beside(path, "-shm")))
        .and_then(|()| flush(folder_of(path)))
        .and_then(|()| fs::rename(copy, path));
    if let Err(error) = replaced {
        if_there(fs::rename(&log_aside, &log))?;
        return Err(error);
    }
    flush(folder_of(path))?;
    Ok(is_there.then_some(aside))
}

fn if_there(done: std::io::Result<()>) -> std::io::Result<()> {
    match done {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// One that cannot be read keeps its log as it is: SQLite would move even that into the
/// file, and delete it.
///
/// # Errors
/// When somebody reads the file: the log then has what the file has not.
fn fold_log_in(path: &Path) -> std::io::Result<()> {
    if open::check_to_copy(path).is_err() {
        return Ok(());
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let folded = Connection::open_with_flags(path, flags).and_then(|connection| {
        connection.busy_timeout(open::BUSY_TIMEOUT)?;
        let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
        let is_busy: bool = connection.query_row(sql, [], |row| row.get(0))?;
        connection.close().map_err(|(_, error)| error)?;
        Ok(is_busy)
    });
    match folded {
        Ok(false) => Ok(()),
        Ok(true) => Err(std::io::Error::other(
            "somebody is reading it, a backup for instance; wait for that, or end it",
        )),
        Err(error) => {
            tracing::debug!(%error, "The log of the replaced file is kept beside it");
            Ok(())
        }
    }
}
