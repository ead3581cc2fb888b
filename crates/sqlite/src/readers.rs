//! Connections that read.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use crate::still::Still;
use crate::{ReadError, open};

/// Reads that run at once. Further ones wait for a place.
const READERS: u32 = 4;

/// Connections, made when there are too few, kept for the next.
#[derive(Debug)]
pub(crate) struct Readers {
    path: PathBuf,
    /// Whether this process serves the file, which is then never still.
    served: bool,
    idle: Mutex<Vec<Connection>>,
    places: Arc<Semaphore>,
}

/// Connections that read, at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReaderCount {
    /// Open, and nobody reads on them.
    pub idle: u64,
    /// At work.
    pub used: u64,
    /// The most there may be.
    pub max: u64,
}

impl Readers {
    pub(crate) fn new(path: PathBuf, served: bool) -> Arc<Self> {
        Arc::new(Self {
            path,
            served,
            idle: Mutex::default(),
            places: Arc::new(Semaphore::new(READERS as usize)),
        })
    }

    /// Runs a closure on one of them, off the runtime's threads.
    pub(crate) async fn run<T, E, F>(self: &Arc<Self>, closure: F) -> Result<T, E>
    where
        F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<ReadError> + Send + 'static,
    {
        let place = Arc::clone(&self.places).acquire_owned().await;
        let place = place.map_err(|_| ReadError::Closed)?;
        let readers = Arc::clone(self);
        let reading = tokio::task::spawn_blocking(move || {
            let outcome = readers.on_one(closure);
            drop(place);
            outcome
        });
        // Not run at all if the runtime ends first.
        reading
            .await
            .unwrap_or_else(|_| Err(ReadError::Closed.into()))
    }

    fn on_one<T, E, F>(&self, closure: F) -> Result<T, E>
    where
        F: FnOnce(&Connection) -> Result<T, E>,
        E: From<ReadError>,
    {
        if let Some(still) = Still::of(&self.path).filter(|_| !self.served) {
            return on_still(&still, closure);
        }
        let connection = self.take().map_err(ReadError::from)?;
        let outcome = guarded(&connection, closure);
        let ended = connection.is_autocommit()
            || connection.execute_batch("ROLLBACK").is_ok() && connection.is_autocommit();
        // One that will not end its snapshot would keep the log from ever being cut.
        if ended {
            self.lock().push(connection);
        }
        outcome
    }

    pub(crate) fn count(&self) -> ReaderCount {
        let free = self.places.available_permits() as u64;
        ReaderCount {
            idle: self.lock().len() as u64,
            used: u64::from(READERS).saturating_sub(free),
            max: u64::from(READERS),
        }
    }

    fn take(&self) -> rusqlite::Result<Connection> {
        let idle = self.lock().pop();
        idle.map_or_else(|| open::reading(&self.path), Ok)
    }

    /// Waits for those who read and lets nobody read any more.
    pub(crate) async fn close(&self) {
        let all = self.places.acquire_many(READERS).await;
        self.places.close();
        self.lock().clear();
        drop(all);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is read of a file that has changed meanwhile may be damaged, and the file is not.
fn on_still<T, E, F>(still: &Still, closure: F) -> Result<T, E>
where
    F: FnOnce(&Connection) -> Result<T, E>,
    E: From<ReadError>,
{
    let opened = still.open().map_err(|error| ReadError::from(error).into());
    let outcome = opened.and_then(|connection| guarded(&connection, closure));
    if still.has_changed() {
        return Err(ReadError::Changed.into());
    }
    outcome
}

fn guarded<T, E, F>(connection: &Connection, closure: F) -> Result<T, E>
where
    F: FnOnce(&Connection) -> Result<T, E>,
    E: From<ReadError>,
{
    catch_unwind(AssertUnwindSafe(|| snapshot(connection, closure)))
        .unwrap_or_else(|_| Err(ReadError::Panicked.into()))
}

/// Everything the closure reads is of one moment.
fn snapshot<T, E, F>(connection: &Connection, closure: F) -> Result<T, E>
where
    F: FnOnce(&Connection) -> Result<T, E>,
    E: From<ReadError>,
{
    connection.execute_batch("BEGIN").map_err(ReadError::from)?;
    closure(connection)
}
