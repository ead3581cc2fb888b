//! From the broker's hints to the connections they concern.

use std::sync::Arc;

use broker::{HintEvent, HintReceiver};
use tokio::sync::Notify;

use crate::hub::Hub;
use crate::metrics::Metrics;

/// Passes hints on until the broker is closed. A gap is told to the comparison of
/// positions.
pub(crate) async fn pass_on(
    mut hints: HintReceiver,
    hub: Arc<Hub>,
    gap: Arc<Notify>,
    metrics: Metrics,
) {
    while let Some(event) = hints.next().await {
        match event {
            HintEvent::Hints(hints) => {
                let concerned = hub.tell(&hints);
                metrics.heard(hints.rows.len(), concerned);
            }
            HintEvent::Gap => {
                metrics.gap();
                gap.notify_one();
            }
        }
    }
}
