//! The ledger's epoch, fresh enough to trust a mark in Redis.

use std::convert::Infallible;
use std::time::Duration;

use ledger::Ledger;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

const PERIOD: Duration = Duration::from_secs(1);

/// A database that fails over is away for longer than this, so its old epoch has expired
/// before the new primary answers.
const LIFETIME: Duration = Duration::from_secs(3);

/// The newest epoch heard of, while it is fresh.
#[derive(Clone, Debug)]
pub(crate) struct Epoch(watch::Receiver<Option<(String, Instant)>>);

impl Epoch {
    /// `None` when the ledger has not answered lately. Then no mark proves anything.
    pub(crate) fn current(&self) -> Option<String> {
        let heard = self.0.borrow();
        heard
            .as_ref()
            .filter(|(_, at)| at.elapsed() < LIFETIME)
            .map(|(epoch, _)| epoch.clone())
    }
}

/// Asks the ledger for its epoch, again and again, until the drain.
pub(crate) fn follow(
    ledger: Ledger,
    drain: CancellationToken,
) -> (
    Epoch,
    impl Future<Output = Result<(), Infallible>> + Send + 'static,
) {
    let (sender, receiver) = watch::channel(None);
    let follow = async move {
        let mut ticks = tokio::time::interval(PERIOD);
        while drain.run_until_cancelled(ticks.tick()).await.is_some() {
            if let Ok(epoch) = ledger.epoch().await {
                sender.send_replace(Some((epoch, Instant::now())));
            }
        }
        Ok(())
    };
    (Epoch(receiver), follow)
}
