//! The one thread that writes.

use std::cell::Cell;
use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{mpsc, watch};

use crate::WriteError;
use crate::lock::Lock;
use crate::open::BUSY_TIMEOUT;
use crate::work::Work;

/// Writes that may wait for the writer. Further ones wait for a place.
const WAITING_MAX: usize = 1_024;
/// Writes of one transaction.
const GROUP_MAX: usize = 256;

/// Pages of the write-ahead log after which they are moved into the file: 8 MB.
const CHECKPOINT_EVERY: u32 = 2_048;
/// Pages of the log that are too many: 128 MB. The writer then waits for readers, so that
/// the log can begin anew.
const LOG_MAX: u32 = 32_768;
/// So long it waits, for every [`LOG_MAX`] pages once. A backup may read for longer.
const READERS_TIMEOUT: Duration = Duration::from_millis(250);

thread_local! {
    /// Pages in the log after this thread's newest commit.
    static LOG: Cell<u32> = const { Cell::new(0) };
}

/// What the writer is told.
enum Message {
    Work(Box<dyn Work>),
    /// Finish what waits and put everything into the file.
    Close,
}

/// The way to the writer.
#[derive(Debug)]
pub(crate) struct Writer {
    inbox: mpsc::Sender<Message>,
    commits: Arc<AtomicU64>,
    /// Ends with the thread.
    running: watch::Receiver<()>,
}

impl Writer {
    /// Starts the thread. It ends, and releases the lock, when it is closed or this is
    /// dropped.
    pub(crate) fn start(
        connection: Connection,
        lock: Lock,
        path: &Path,
    ) -> Result<Self, std::io::Error> {
        let (inbox, messages) = mpsc::channel(WAITING_MAX);
        let commits = Arc::<AtomicU64>::default();
        let seat = Seat {
            connection,
            commits: Arc::clone(&commits),
            checkpoint_at: CHECKPOINT_EVERY,
            restart_at: LOG_MAX,
            log_before: 0,
        };
        let path = path.to_owned();
        let (ended, running) = watch::channel(());
        std::thread::Builder::new()
            .name("sqlite-writer".to_owned())
            .spawn(move || {
                seat.run(messages);
                // Only now: the next server finds a file that nobody has open.
                drop(lock);
                tracing::debug!(path = %path.display(), "The file is closed");
                drop(ended);
            })?;
        Ok(Self {
            inbox,
            commits,
            running,
        })
    }

    /// Hands a write over: at once where there is a place, else in its turn.
    pub(crate) async fn hand_over(&self, work: Box<dyn Work>) -> Result<(), WriteError> {
        match self.inbox.try_send(Message::Work(work)) {
            Ok(()) => Ok(()),
            Err(mpsc::error::TrySendError::Full(message)) => {
                let sent = self.inbox.send(message).await;
                sent.map_err(|_| WriteError::Closed)
            }
            Err(mpsc::error::TrySendError::Closed(_)) => Err(WriteError::Closed),
        }
    }

    /// Returns when the lock is released, whoever asked first.
    pub(crate) async fn close(&self) {
        // An error means that somebody else has asked.
        let _ = self.inbox.send(Message::Close).await;
        // Nothing is ever sent: this ends when the thread has.
        let _ = self.running.clone().changed().await;
    }

    pub(crate) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }
}

/// What the thread holds.
struct Seat {
    connection: Connection,
    commits: Arc<AtomicU64>,
    checkpoint_at: u32,
    restart_at: u32,
    log_before: u32,
}

impl Seat {
    fn run(mut self, mut messages: mpsc::Receiver<Message>) {
        self.connection.wal_hook(Some(|_, pages| {
            LOG.set(pages.unsigned_abs());
            Ok(())
        }));
        let mut group = VecDeque::new();
        while let Some(first) = messages.blocking_recv() {
            let mut next = Some(first);
            while let Some(message) = next {
                match message {
                    Message::Work(work) => group.push_back(work),
                    // What is in the queue by now is still done.
                    Message::Close => messages.close(),
                }
                next = (group.len() < GROUP_MAX)
                    .then(|| messages.try_recv().ok())
                    .flatten();
            }
            while !group.is_empty() {
                self.commit(&mut group);
            }
            self.tend_log();
        }
        self.end();
    }

    /// Runs one transaction with as much of the group as it can hold, and answers that
    /// much.
    fn commit(&mut self, group: &mut VecDeque<Box<dyn Work>>) {
        let mut done = Vec::with_capacity(group.len());
        let outcome = self.transaction(group, &mut done);
        if let Err(error) = &outcome {
            tracing::error!(error = %chain(error), writes = done.len(), "A group was not committed");
            self.give_up();
        }
        for work in done {
            work.answer(outcome.clone());
        }
    }

    fn transaction(
        &self,
        group: &mut VecDeque<Box<dyn Work>>,
        done: &mut Vec<Box<dyn Work>>,
    ) -> Result<(), WriteError> {
        if let Err(error) = self.say("BEGIN IMMEDIATE") {
            done.extend(group.drain(..));
            return Err(error);
        }
        while let Some(mut work) = group.pop_front() {
            let outcome = self.run_one(work.as_mut());
            done.push(work);
            outcome?;
        }
        self.say("COMMIT")?;
        self.commits.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// An error is the end of the whole transaction.
    fn run_one(&self, work: &mut dyn Work) -> Result<(), WriteError> {
        self.say("SAVEPOINT one")?;
        let keep = work.run(&self.connection);
        // On some errors SQLite gives up the transaction and not the statement alone.
        if self.connection.is_autocommit() {
            return Err(WriteError::GivenUp);
        }
        if !keep {
            self.say("ROLLBACK TO one")?;
        }
        self.say("RELEASE one")
    }

    fn say(&self, sql: &str) -> Result<(), WriteError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        statement.execute([])?;
        Ok(())
    }

    /// Leaves the connection without a transaction.
    fn give_up(&self) {
        if self.connection.is_autocommit() {
            return;
        }
        if let Err(error) = self.say("ROLLBACK") {
            tracing::error!(error = %chain(&error), "A transaction could not be given up");
        }
    }

    /// Keeps the log short. After the answers, for it can take a while.
    fn tend_log(&mut self) {
        let log = LOG.get();
        if log < self.log_before {
            // It began anew.
            self.checkpoint_at = CHECKPOINT_EVERY;
            self.restart_at = LOG_MAX;
        }
        self.log_before = log;
        if log >= self.restart_at {
            self.restart_at = log.saturating_add(LOG_MAX);
            self.checkpoint_at = log.saturating_add(CHECKPOINT_EVERY);
            if let Err(error) = self.restart_log() {
                tracing::warn!(%error, pages = log, "The log of the file could not be cut");
            }
        } else if log >= self.checkpoint_at {
            self.checkpoint_at = log.saturating_add(CHECKPOINT_EVERY);
            if let Err(error) = self.checkpoint("PASSIVE") {
                tracing::warn!(%error, pages = log, "The log could not be moved into the file");
            }
        }
    }

    /// Waits a moment for readers. Whoever begins to read meanwhile is not in the way.
    fn restart_log(&self) -> rusqlite::Result<()> {
        self.connection.busy_timeout(READERS_TIMEOUT)?;
        let cut = self.checkpoint("TRUNCATE");
        self.connection.busy_timeout(BUSY_TIMEOUT)?;
        if cut? {
            LOG.set(0);
        } else {
            tracing::debug!("A long read keeps the log of the file from being cut");
        }
        Ok(())
    }

    /// Whether nobody was in the way.
    fn checkpoint(&self, how: &str) -> rusqlite::Result<bool> {
        let sql = format!("PRAGMA wal_checkpoint({how})");
        let mut statement = self.connection.prepare_cached(&sql)?;
        statement.query_row([], |row| Ok(row.get::<_, i64>(0)? == 0))
    }

    fn end(self) {
        if let Err(error) = self.restart_log() {
            tracing::warn!(%error, "The log stays beside the file; the next start reads it");
        }
        if let Err((_, error)) = self.connection.close() {
            tracing::warn!(%error, "The file was not closed in order");
        }
    }
}

/// The error and its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
