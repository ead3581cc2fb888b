//! How full the queues are, asked again and again for the metrics.

use std::convert::Infallible;
use std::time::Duration;

use broker::{Broker, Depth};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

const PERIOD: Duration = Duration::from_secs(15);

/// Asks the broker until the drain. While it does not answer nothing is told, for an old
/// depth would look like a queue that nobody works on.
pub(crate) async fn follow(
    broker: Broker,
    told: watch::Sender<Vec<Depth>>,
    drain: CancellationToken,
) -> Result<(), Infallible> {
    let mut ticks = tokio::time::interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while drain.run_until_cancelled(ticks.tick()).await.is_some() {
        let Some(depths) = drain.run_until_cancelled(broker.depths()).await else {
            break;
        };
        let depths = depths.unwrap_or_else(|error| {
            tracing::debug!(%error, "How full the queues are cannot be told");
            Vec::new()
        });
        told.send_replace(depths);
    }
    Ok(())
}
