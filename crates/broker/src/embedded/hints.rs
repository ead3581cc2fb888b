//! Hints within the process.

use std::sync::Arc;

use task::Hints;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use crate::HintEvent;
use crate::metrics::Metrics;

/// Hint messages that may wait for a publisher; the oldest go first.
pub(super) const WAITING_MAX: usize = 1_024;

/// Hears hints.
#[derive(Debug)]
pub(crate) struct HintReceiver {
    said: broadcast::Receiver<Arc<Hints>>,
    /// Whether it begins: what was said before was not heard.
    is_new: bool,
    stop: CancellationToken,
    metrics: Metrics,
}

impl HintReceiver {
    pub(super) fn new(
        said: broadcast::Receiver<Arc<Hints>>,
        stop: CancellationToken,
        metrics: Metrics,
    ) -> Self {
        Self {
            said,
            is_new: true,
            stop,
            metrics,
        }
    }

    pub(crate) async fn next(&mut self) -> Option<HintEvent> {
        if std::mem::take(&mut self.is_new) {
            return Some(HintEvent::Gap);
        }
        let heard = self.stop.run_until_cancelled(self.said.recv()).await?;
        match heard {
            Ok(hints) => Some(HintEvent::Hints(Hints::clone(&hints))),
            Err(RecvError::Lagged(dropped)) => {
                self.metrics.hints_dropped(dropped);
                Some(HintEvent::Gap)
            }
            Err(RecvError::Closed) => None,
        }
    }
}
