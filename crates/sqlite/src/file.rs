//! The handle that everybody shares.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::lock::Lock;
use crate::open::Moved;
use crate::readers::{ReaderCount, Readers};
use crate::work::Write;
use crate::writer::Writer;
use crate::{BackupError, OpenError, ReadError, WriteError, backup, open};

/// The embedded stack's file. Clones share it.
///
/// Dropping the last clone finishes what waits and releases the lock a moment later;
/// [`File::close`] waits for that.
#[derive(Clone, Debug)]
pub struct File(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    /// None in one that was opened to be read.
    writer: Option<Writer>,
    readers: Arc<Readers>,
}

impl File {
    /// Opens the file to serve it: makes it where there is none (mode 0600), locks it
    /// against every other server for as long as this lives, and brings it up to date.
    /// Blocks for some milliseconds.
    ///
    /// # Errors
    /// When it cannot be had; see [`OpenError`].
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let path = open::resolve(path)?;
        let lock = Lock::take(&path)?;
        open::create(&path)?;
        Self::locked(path, lock, Moved::Refused)
    }

    /// Opens a file that is there to move its content away, or to go on with that: locks it
    /// as a server does, and takes one that was moved, too.
    ///
    /// # Errors
    /// When it cannot be had; see [`OpenError`].
    pub fn open_to_move(path: &Path) -> Result<Self, OpenError> {
        let path = open::resolve(path)?;
        open::check_to_copy(&path)?;
        let lock = Lock::take(&path)?;
        Self::locked(path, lock, Moved::Welcome)
    }

    fn locked(path: PathBuf, lock: Lock, moved: Moved) -> Result<Self, OpenError> {
        let connection = open::writing(&path, moved)?;
        let writer =
            Writer::start(connection, lock, &path).map_err(|source| OpenError::Thread {
                path: path.clone(),
                source,
            })?;
        Ok(Self::new(path, Some(writer)))
    }

    /// Opens the file to be read, whether or not somebody serves it. It is neither made nor
    /// locked nor brought up to date, and beside one that nobody has open no file is made.
    ///
    /// # Errors
    /// When it cannot be read or is of another version; see [`OpenError`].
    pub fn open_to_read(path: &Path) -> Result<Self, OpenError> {
        let path = open::resolve(path)?;
        open::check_to_read(&path)?;
        Ok(Self::new(path, None))
    }

    fn new(path: PathBuf, writer: Option<Writer>) -> Self {
        let readers = Readers::new(path.clone(), writer.is_some());
        Self(Arc::new(Inner {
            path,
            writer,
            readers,
        }))
    }

    /// Runs `closure` in a transaction on the thread that writes, and answers once that is
    /// safely on disk. Writes run in the order in which they were handed over.
    ///
    /// The transaction is shared with all that wait at that moment. An error or a panic of
    /// the closure undoes its own effects and nobody else's. It must not begin or end
    /// transactions (savepoints are fine), and should be short: everybody waits for it.
    ///
    /// Dropping the future is safe: the closure runs wholly or not at all.
    ///
    /// # Errors
    /// The closure's own, or a [`WriteError`] when the group could not be committed.
    pub async fn write<T, E, F>(&self, closure: F) -> Result<T, E>
    where
        F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<WriteError> + Send + 'static,
    {
        let Some(writer) = &self.0.writer else {
            return Err(WriteError::ReadOnly.into());
        };
        let (answer, outcome) = oneshot::channel();
        writer
            .hand_over(Box::new(Write::new(closure, answer)))
            .await?;
        outcome
            .await
            .unwrap_or_else(|_| Err(WriteError::Closed.into()))
    }

    /// Runs `closure` on a connection that cannot write. All it reads is of one moment,
    /// with everything that was committed before.
    ///
    /// Dropping the future is safe; a closure that has begun runs on.
    ///
    /// # Errors
    /// The closure's own, or a [`ReadError`].
    pub async fn read<T, E, F>(&self, closure: F) -> Result<T, E>
    where
        F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<ReadError> + Send + 'static,
    {
        self.0.readers.run(closure).await
    }

    /// Copies the file as [`backup`](fn@crate::backup) does, off the runtime's threads.
    ///
    /// # Errors
    /// When `to` exists, or cannot be written; see [`BackupError`].
    pub async fn backup(&self, to: &Path) -> Result<(), BackupError> {
        let (from, to) = (self.0.path.clone(), to.to_owned());
        let copying = tokio::task::spawn_blocking(move || backup::backup(&from, &to));
        let copied = copying.await.unwrap_or(Err(BackupError::Interrupted));
        copied.map(drop)
    }

    /// Where it is, its folder resolved.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// How many groups of writes were committed.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.0.writer.as_ref().map_or(0, Writer::commits)
    }

    /// How many connections read at this moment, of how many.
    #[must_use]
    pub fn readers(&self) -> ReaderCount {
        self.0.readers.count()
    }

    /// Finishes what waits, refuses what comes, moves the log into the file and releases
    /// the lock. Returns when another server may open it.
    pub async fn close(&self) {
        self.0.readers.close().await;
        if let Some(writer) = &self.0.writer {
            writer.close().await;
        }
    }
}
