//! The life of a process: it runs, drains, and stops.
//!
//! *Drain* asks every task to take nothing new and to finish what it holds; *abort*
//! drops whatever is still running. Both are one-way. Drain begins with the first
//! signal, a call, or the end of any supervised task: a process that lost a part is
//! replaced as a whole, because a half-alive one answers probes and does no work.
//!
//! Nothing here is global but the signal handlers, so a test may hold several
//! lifecycles in one process.

mod signals;

use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long [`Lifecycle::wait`] waits for tasks to be dropped after abort. Only a task
/// that blocks its thread needs any of it.
const ABORT_LIMIT: Duration = Duration::from_secs(2);

/// The tokens and tasks of one process. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Lifecycle {
    drain: CancellationToken,
    abort: CancellationToken,
    stopped: CancellationToken,
    tasks: TaskTracker,
    first_death: Arc<OnceLock<&'static str>>,
}

/// How the process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was asked to stop and every task finished.
    Finished,
    /// It was asked to stop, and some tasks were cut off: grace over, or a second signal.
    CutOff,
    /// A supervised task ended unasked, failed or panicked; the first one is named.
    TaskDied(&'static str),
}

impl Verdict {
    /// What the process should exit with: 0 only for [`Verdict::Finished`].
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Finished => 0,
            Self::CutOff | Self::TaskDied(_) => 1,
        }
    }
}

impl Lifecycle {
    /// A lifecycle that runs until somebody calls [`Lifecycle::drain`].
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks every task to take nothing new and finish. Idempotent.
    pub fn drain(&self) {
        self.drain.cancel();
    }

    /// Drops every task at its next await point. Implies [`Lifecycle::drain`].
    pub fn abort(&self) {
        self.drain.cancel();
        self.abort.cancel();
    }

    /// Whether the process takes nothing new.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.drain.is_cancelled()
    }

    /// Cancelled when the process should take nothing new and finish what it holds.
    #[must_use]
    pub fn drain_token(&self) -> &CancellationToken {
        &self.drain
    }

    /// Cancelled when nothing may be waited for any more.
    #[must_use]
    pub fn abort_token(&self) -> &CancellationToken {
        &self.abort
    }

    /// Runs a long-lived task. Its end, however it comes, drains the process.
    ///
    /// `task` has to end by itself once the drain token is cancelled; abort drops it.
    /// A return before the drain counts as a death as much as an error or a panic does.
    pub fn supervise<F, E>(&self, name: &'static str, task: F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<anyhow::Error>,
    {
        let lifecycle = self.clone();
        // An `async` block has room for what it was given and for what it awaits, so each of
        // those below would double the role's whole state.
        let task = Box::pin(self.abort.clone().run_until_cancelled_owned(task));
        self.tasks.spawn(async move {
            // Runs on every way out, a drop of this very future included.
            let _drain_on_end = lifecycle.drain.clone().drop_guard();
            // A task of its own, so that a panic comes back as a value.
            let outcome = tokio::spawn(async move {
                match task.await {
                    Some(outcome) => outcome.map_err(Into::into),
                    None => Ok(()),
                }
            })
            .await;
            lifecycle.judge(name, outcome);
        });
    }

    /// Runs a task that may end at any time and which a drain waits for, such as one
    /// connection. Its end drains nothing; abort drops it.
    pub fn track<F>(&self, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let task = self.abort.clone().run_until_cancelled_owned(task);
        self.tasks.spawn(task);
    }

    /// Runs a task that lives as long as [`Lifecycle::wait`] has anything to wait for,
    /// such as the probes and metrics of a draining process. Its end by itself drains
    /// the process; a drain neither ends it nor waits for it.
    pub fn outlast<F, E>(&self, name: &'static str, task: F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<anyhow::Error>,
    {
        let lifecycle = self.clone();
        let task = Box::pin(self.stopped.clone().run_until_cancelled_owned(task));
        tokio::spawn(async move {
            let outcome = tokio::spawn(async move {
                match task.await {
                    Some(outcome) => outcome.map_err(Into::into),
                    None => Ok(()),
                }
            })
            .await;
            if !lifecycle.stopped.is_cancelled() {
                lifecycle.judge(name, outcome);
                lifecycle.drain();
            }
        });
    }

    /// Waits for the drain to begin, then for all tasks, at most `grace`; then aborts.
    ///
    /// Keep `grace` below the time the platform leaves between its signals.
    pub async fn wait(&self, grace: Duration) -> Verdict {
        self.drain.cancelled().await;
        tracing::info!(tasks = self.tasks.len(), ?grace, "Draining");
        self.tasks.close();
        let finished = tokio::select! {
            biased;
            () = self.tasks.wait() => !self.abort.is_cancelled(),
            () = self.abort.cancelled() => false,
            () = tokio::time::sleep(grace) => false,
        };
        if !finished {
            tracing::warn!(tasks = self.tasks.len(), "Cutting off what did not finish");
            self.abort();
            if tokio::time::timeout(ABORT_LIMIT, self.tasks.wait())
                .await
                .is_err()
            {
                tracing::error!(tasks = self.tasks.len(), "Tasks block their threads");
            }
        }
        self.stopped.cancel();
        match self.first_death.get() {
            Some(name) => Verdict::TaskDied(name),
            None if finished => Verdict::Finished,
            None => Verdict::CutOff,
        }
    }

    /// Records and reports how a long-lived task ended.
    fn judge(
        &self,
        name: &'static str,
        outcome: Result<anyhow::Result<()>, tokio::task::JoinError>,
    ) {
        match outcome {
            Ok(Ok(())) if self.is_draining() => {
                tracing::debug!(task.name = name, "Task finished");
                return;
            }
            Ok(Ok(())) => tracing::error!(task.name = name, "Task ended unasked"),
            Ok(Err(error)) => {
                tracing::error!(task.name = name, error = %format_args!("{error:#}"), "Task failed");
            }
            Err(_) => tracing::error!(task.name = name, "Task panicked"),
        }
        // The first death is the cause; what dies after it is mostly consequence.
        let _ = self.first_death.set(name);
    }
}
