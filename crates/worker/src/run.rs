//! The worker role.

use std::sync::Arc;

use broker::Broker;
use claim::Claims;
use ledger::Ledger;
use lifecycle::Lifecycle;
use opentelemetry::metrics::Meter;
use order::ProjectId;
use tokio::sync::watch;

use crate::claims::Claimer;
use crate::lane::Lane;
use crate::metrics::{Metrics, tell_epoch, tell_held, tell_watch};
use crate::parking::{Origin, Parker};
use crate::spans::Desk;
use crate::watching::{Heads, Told, Watch};
use crate::{Config, Handler, epoch};

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
    /// The projects whose numbers begin at 0; those of others are told while there are some.
    pub projects: Vec<ProjectId>,
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
        projects,
    } = deps;
    let drain = lifecycle.drain_token();
    let metrics = Metrics::new(&meter);
    let (epoch, follow) = epoch::follow(ledger.clone(), drain.clone());
    lifecycle.supervise("worker.epoch", follow);
    tell_epoch(&meter, epoch.clone());
    tell_held(&meter, broker.clone());
    let (told, seen) = watch::channel(Told::default());
    tell_watch(&meter, &seen, &projects);
    let heads = Heads::default();
    let watch = Watch {
        ledger: ledger.clone(),
        broker: broker.clone(),
        heads: heads.clone(),
        told,
        drain: drain.clone(),
    };
    lifecycle.supervise("worker.watch", watch.run());
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
    let (desk, endings) = Desk::new(broker.clone(), ledger.clone(), drain.clone());
    lifecycle.supervise("worker.endings", endings.run());
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
                heads: heads.clone(),
                desk: desk.clone(),
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
