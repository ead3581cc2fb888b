//! A file that nobody has open, read as it lies there.
//!
//! To read a file with a write-ahead log SQLite makes the log and its index beside it, even
//! for a connection that cannot write, and leaves them there. In a folder that takes no new
//! files that fails; elsewhere they may belong to another user than the server's, who then
//! cannot open them. So a file without a log is read as one that does not change, and what
//! was read counts only if it has not.

use std::fs::{self, File};
use std::io::{ErrorKind, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use crate::lock::beside;

/// Where the header of a file says what it takes to write and to read it.
const VERSIONS: std::ops::Range<usize> = 18..20;
/// It takes a write-ahead log.
const LOGGED: [u8; 2] = [2, 2];

/// A file as it was when nobody had it open.
#[derive(Debug)]
pub(crate) struct Still {
    path: PathBuf,
    was: Stamp,
}

/// Of two equal ones the file is the same.
#[derive(Debug, PartialEq, Eq)]
struct Stamp {
    inode: (u64, u64),
    bytes: u64,
    changed: (i64, i64),
}

impl Still {
    /// The file at `path`, unless somebody has it open, or left a log beside it.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let was = Stamp::of(path)?;
        (is_logged(path)? && has_no_log(path)).then(|| Self {
            path: path.to_owned(),
            was,
        })
    }

    /// A connection that takes no locks and makes no files.
    pub(crate) fn open(&self) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_URI;
        Connection::open_with_flags(uri(&self.path), flags)
    }

    /// Whether somebody may have written since.
    pub(crate) fn has_changed(&self) -> bool {
        !has_no_log(&self.path) || Stamp::of(&self.path).as_ref() != Some(&self.was)
    }
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let found = fs::metadata(path).ok()?;
        Some(Self {
            inode: (found.dev(), found.ino()),
            bytes: found.len(),
            changed: (found.ctime(), found.ctime_nsec()),
        })
    }
}

/// `None` for a file that has no header, or cannot be read.
fn is_logged(path: &Path) -> Option<bool> {
    let mut header = [0; VERSIONS.end];
    File::open(path).ok()?.read_exact(&mut header).ok()?;
    Some(header[VERSIONS] == LOGGED)
}

fn has_no_log(path: &Path) -> bool {
    let log = fs::symlink_metadata(beside(path, "-wal"));
    log.is_err_and(|error| error.kind() == ErrorKind::NotFound)
}

/// The path as SQLite's `file:` address of something that does not change.
fn uri(path: &Path) -> String {
    use std::fmt::Write as _;
    let mut uri = "file:".to_owned();
    for byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(byte) {
            uri.push((*byte).into());
        } else {
            // Writing to a text cannot fail.
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri + "?immutable=1"
}
