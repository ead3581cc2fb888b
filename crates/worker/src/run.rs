//! The worker role.

use std::sync::Arc;

use broker::Broker;
use claim::Claims;
use ledger::Ledger;
use lifecycle::Lifecycle;
use opentelemetry::metrics::Meter;

use crate::claims::Claimer;
use crate::lane::Lane;
use crate::metrics::Metrics;
use crate::{Config, Handler, epoch, parking};

/// Deliveries of the parking queue that are held at once.
const PARKED_PREFETCH: u16 = 50;

/// What the worker works with.
#[derive(Clone, Debug)]
pub struct Deps {
    /// The truth.
    pub ledger: Ledger,
    /// Where the work comes from.
    pub broker: Broker,
    /// What is known to be done.
    pub claims: Claims,
    /// Where its instruments are made.
    pub meter: Meter,
}

/// Starts the lanes of each handler's work queue, and the way from the parking queue into
/// the ledger. Returns at once; the lanes live in `lifecycle`, work until its drain, and
/// then finish what they hold.
pub fn run(config: &Config, deps: Deps, handlers: &[Arc<dyn Handler>], lifecycle: &Lifecycle) {
    let Deps {
        ledger,
        broker,
        claims,
        meter,
    } = deps;
    let drain = lifecycle.drain_token();
    let metrics = Metrics::new(&meter);
    let (epoch, follow) = epoch::follow(ledger.clone(), drain.clone());
    lifecycle.supervise("worker.epoch", follow);
    for handler in handlers {
        let kind = handler.lane();
        for _ in 0..config.lanes.get() {
            let lane = Lane {
                kind,
                config: config.clone(),
                handler: Arc::clone(handler),
                ledger: ledger.clone(),
                broker: broker.clone(),
                consumer: broker.consume(kind, config.prefetch.get()),
                claimer: Claimer::new(claims.clone(), epoch.clone()),
                metrics: metrics.clone(),
                drain: drain.clone(),
            };
            lifecycle.supervise(name_of(kind), lane.run());
        }
    }
    let parked = broker.consume_parked(PARKED_PREFETCH);
    lifecycle.supervise(
        "worker.parking",
        parking::run(ledger, parked, drain.clone()),
    );
}

const fn name_of(lane: task::Lane) -> &'static str {
    match lane {
        task::Lane::Grant => "worker.grant",
        task::Lane::Revoke => "worker.revoke",
        task::Lane::Record => "worker.record",
    }
}
