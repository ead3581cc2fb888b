//! SIGTERM and SIGINT.

use std::io;

use tokio::signal::unix::{SignalKind, signal};

use crate::Lifecycle;

impl Lifecycle {
    /// From now on the first SIGTERM or SIGINT drains and the second aborts, in place of
    /// the default, which kills. Takes effect at once and for the whole process.
    ///
    /// # Errors
    /// The operating system refused a handler.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub fn listen_for_signals(&self) -> io::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let lifecycle = self.clone();
        tokio::spawn(async move {
            for stop in [Lifecycle::drain, Lifecycle::abort] {
                let name = tokio::select! {
                    _ = terminate.recv() => "SIGTERM",
                    _ = interrupt.recv() => "SIGINT",
                };
                tracing::info!(signal = name, "Asked to stop");
                stop(&lifecycle);
            }
        });
        Ok(())
    }
}
