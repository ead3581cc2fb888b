//! One write on its way through the writer, whatever it gives back.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::WriteError;

/// A write as the writer sees it: run once, then answered once.
pub(crate) trait Work: Send {
    /// Runs it inside the caller's savepoint. Whether its effects are to be kept.
    fn run(&mut self, connection: &Connection) -> bool;

    /// Tells whoever asked. A write that failed by itself keeps its own error whatever
    /// became of its group.
    fn answer(self: Box<Self>, group: Result<(), WriteError>);
}

/// A closure and where its outcome goes.
pub(crate) struct Write<F, T, E> {
    closure: Option<F>,
    outcome: Option<Result<T, E>>,
    answer: oneshot::Sender<Result<T, E>>,
}

impl<F, T, E> Write<F, T, E> {
    pub(crate) fn new(closure: F, answer: oneshot::Sender<Result<T, E>>) -> Self {
        Self {
            closure: Some(closure),
            outcome: None,
            answer,
        }
    }
}

impl<F, T, E> Work for Write<F, T, E>
where
    F: FnOnce(&Connection) -> Result<T, E> + Send,
    T: Send,
    E: From<WriteError> + Send,
{
    fn run(&mut self, connection: &Connection) -> bool {
        let Some(closure) = self.closure.take() else {
            return false;
        };
        // Whatever it had begun is undone with its savepoint.
        let outcome = catch_unwind(AssertUnwindSafe(|| closure(connection)))
            .unwrap_or_else(|_| Err(WriteError::Panicked.into()));
        self.outcome.insert(outcome).is_ok()
    }

    fn answer(self: Box<Self>, group: Result<(), WriteError>) {
        let outcome = match (self.outcome, group) {
            (Some(Err(own)), _) => Err(own),
            (_, Err(error)) => Err(error.into()),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (None, Ok(())) => Err(WriteError::Closed.into()),
        };
        // Nobody may be waiting any more.
        let _ = self.answer.send(outcome);
    }
}
