//! The lock that one server holds.
//!
//! It is on a file of its own: closing any handle of a database file drops the locks that
//! SQLite itself holds on it in this process.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::OpenError;

/// Held for as long as it lives. The system releases it when the process dies.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of the database at `path`, or says who has it.
    pub(crate) fn take(path: &Path) -> Result<Self, OpenError> {
        let lock = beside(path, "-lock");
        let refused = |source: std::io::Error| {
            let path = path.to_owned();
            // One that is there and cannot be had says nothing about the folder.
            if std::fs::symlink_metadata(&lock).is_ok() {
                let lock = lock.clone();
                return OpenError::LockFile { path, lock, source };
            }
            OpenError::Folder { path, source }
        };
        // Never deleted: whoever opened it before would lock a file that nobody sees.
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&lock)
            .map_err(refused)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let read = file.read_to_string(&mut holder);
                return Err(OpenError::Locked {
                    path: path.to_owned(),
                    holder: read.ok().and_then(|_| holder.trim().parse().ok()),
                });
            }
            Err(TryLockError::Error(source)) => return Err(refused(source)),
        }
        // Only for people; an unwritten number harms nobody.
        let noted = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()));
        if let Err(error) = noted {
            tracing::debug!(%error, "The lock does not say who holds it");
        }
        Ok(Self { _file: file })
    }
}

/// The path with something at its end, as SQLite names its own files.
pub(crate) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}
