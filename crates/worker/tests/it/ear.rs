//! What publishers hear of a worker.

use std::time::Duration;

use broker::{HintEvent, HintReceiver};
use tokio::time::timeout;

use crate::bench::{Bench, PATIENCE};

/// Listens on the broker of a bench, from before its worker starts.
pub(crate) struct Ear(HintReceiver);

impl Ear {
    pub(crate) async fn of(bench: &Bench) -> Self {
        let mut hints = bench.broker.hints();
        let heard = timeout(PATIENCE, hints.next()).await;
        assert_eq!(heard, Ok(Some(HintEvent::Gap)));
        Self(hints)
    }

    /// Until the worker's way out is up its hints are dropped. Orders from 101 on are somebody
    /// else's.
    pub(crate) async fn hears(&mut self, bench: &Bench) {
        for order in 101..130 {
            bench.publish(&format!("{order} oleg blade")).await;
            let heard = timeout(Duration::from_secs(1), self.0.next()).await;
            if heard.is_ok() {
                return;
            }
        }
        panic!("no hint of any order");
    }

    /// Offset and status of each row in the first hint that is about `order`.
    pub(crate) async fn first_of(&mut self, order: i64) -> Vec<(i64, &'static str)> {
        let first = async {
            loop {
                let Some(event) = self.0.next().await else {
                    panic!("the broker was closed");
                };
                if let HintEvent::Hints(hints) = event {
                    let of_order = hints.rows.iter().filter(|row| row.order.get() == order);
                    let rows: Vec<_> = of_order
                        .map(|row| (row.offset, row.status.as_str()))
                        .collect();
                    if !rows.is_empty() {
                        return rows;
                    }
                }
            }
        };
        let heard = timeout(PATIENCE, first).await;
        heard.unwrap_or_else(|_| panic!("not within {PATIENCE:?}: a hint of order {order}"))
    }
}
