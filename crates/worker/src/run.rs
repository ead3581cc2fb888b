//! The worker role.

use std::sync::Arc;

use broker::Broker;
use claim::Claims;
use ledger::Ledger;
use lifecycle::Lifecycle;
use opentelemetry::metrics::Meter;
use tokio::sync::watch;

use crate::claims::Claimer;
use crate::lane::Lane;
use crate::metrics::{self, Metrics};
use crate::parking::{Origin, Parker};
use crate::{Config, Handler, depths, epoch};

/// Deliveries of the parking queue, or of the unrouted one, that are held at once.
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

/// Starts the lanes of each handler's work queue, and the ways from the parking queue and
/// the queue of unrouted messages into the ledger. Returns at once; the lanes live in `lifecycle`, work until its drain, and
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
    let (told, depths) = watch::channel(Vec::new());
    metrics::tell_depths(&meter, depths);
    lifecycle.supervise(
        "worker.depths",
        depths::follow(broker.clone(), told, drain.clone()),
    );
    let grants = handlers
        .iter()
        .find(|handler| handler.lane() == task::Lane::Grant);
    let parker = Parker {
        ledger: ledger.clone(),
        broker: broker.clone(),
        grants: grants.cloned(),
        metrics: metrics.clone(),
        drain: drain.clone(),
    };
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
                parker: parker.clone(),
                metrics: metrics.clone(),
                drain: drain.clone(),
            };
            lifecycle.supervise(name_of(kind), lane.run());
        }
    }
    let given_up = broker.consume_parked(PARKED_PREFETCH);
    let unrouted = broker.consume_unrouted(PARKED_PREFETCH);
    lifecycle.supervise(
        "worker.parking",
        parker.clone().run(given_up, Origin::Parked),
    );
    lifecycle.supervise("worker.unrouted", parker.run(unrouted, Origin::Unrouted));
}

const fn name_of(lane: task::Lane) -> &'static str {
    match lane {
        task::Lane::Grant => "worker.grant",
        task::Lane::Revoke => "worker.revoke",
        task::Lane::Record => "worker.record",
    }
}
