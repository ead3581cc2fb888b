//! The broker on RabbitMQ.

use std::time::Duration;

use opentelemetry::metrics::Meter;
use task::{Hints, Lane, Task};
use tokio::sync::watch;

use crate::{Config, Delivery, Depth, HintEvent, PublishError, State, Tag, Tier};

/// A process's handle to the broker. Clones share its connections, which are kept up in
/// the background and made anew for ever.
#[derive(Clone, Debug)]
pub struct Broker {}

impl Broker {
    /// Starts connecting and returns at once, whether or not there is a broker: what can
    /// go wrong shows in [`Broker::state`]. `role` names the connections in RabbitMQ's own
    /// views. Must be called within a tokio runtime.
    #[must_use]
    pub fn connect(config: Config, role: &str, meter: &Meter) -> Self {
        todo!()
    }

    /// Puts a task on the queue of its lane and waits until the broker has confirmed that
    /// it is safe there. Waits no longer than `slot_timeout` plus `confirm_timeout`.
    ///
    /// Dropping the future changes nothing for a message that was handed over: it is sent
    /// once, or not at all.
    ///
    /// # Errors
    /// When there was no confirm. The message may be on the queue all the same.
    pub async fn publish(&self, task: &Task) -> Result<(), PublishError> {
        todo!()
    }

    /// Tells all publishers of new rows. Never waits: a hint that cannot leave is dropped,
    /// and the publishers find its rows in the ledger.
    pub fn send_hints(&self, hints: &Hints) {
        todo!()
    }

    /// Hears hints, from now on.
    #[must_use]
    pub fn hints(&self) -> HintReceiver {
        todo!()
    }

    /// Takes from the work queue of a lane; at most `prefetch` deliveries are held
    /// unfinished at once.
    #[must_use]
    pub fn consume(&self, lane: Lane, prefetch: u16) -> Consumer {
        todo!()
    }

    /// Takes from the parking queue.
    #[must_use]
    pub fn consume_parked(&self, prefetch: u16) -> Consumer {
        todo!()
    }

    /// How the connections are doing, now and on every change.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<State> {
        todo!()
    }

    /// How full every queue of the topology is.
    ///
    /// # Errors
    /// When the broker does not answer within `connect_timeout`.
    pub async fn depths(&self) -> Result<Vec<Depth>, PublishError> {
        todo!()
    }

    /// Refuses further publishes, waits for the confirms that are due, at most
    /// `confirm_timeout`, then disconnects. Cancel and close consumers before.
    pub async fn close(&self) {
        todo!()
    }
}

/// Takes deliveries from one queue. Its channel is built anew whenever it breaks; what was
/// unfinished then comes again, as another delivery. Dropping it gives everything
/// unfinished back to the queue.
#[derive(Debug)]
pub struct Consumer {}

impl Consumer {
    /// Waits for at least one delivery, then takes what has arrived, at most `max`. Only
    /// if the batch before was full it waits up to `linger` for this one to fill.
    ///
    /// Empty once the consumer was cancelled or the broker closed. Safe to drop.
    pub async fn batch(&self, max: usize, linger: Duration) -> Vec<Delivery> {
        todo!()
    }

    /// Tells the broker that these are done. Allowed only once their effects are
    /// committed.
    ///
    /// The broker is told as soon as everything delivered before is done too. Deliveries
    /// from before a reconnect are passed over: the broker hands those out again.
    pub async fn finish(&self, tags: impl IntoIterator<Item = Tag>) {
        todo!()
    }

    /// Has the task delivered again after the tier's delay, its `attempt` one higher, and
    /// finishes this delivery. An unreadable one is delivered again unchanged.
    ///
    /// # Errors
    /// When the copy was not confirmed; the delivery is then as unfinished as before.
    pub async fn retry(&self, delivery: &Delivery, tier: Tier) -> Result<(), PublishError> {
        todo!()
    }

    /// Moves the message to the parking queue with `reason`, which must hold no personal
    /// data, and finishes this delivery.
    ///
    /// # Errors
    /// When the copy was not confirmed; the delivery is then as unfinished as before.
    pub async fn park(&self, delivery: &Delivery, reason: &str) -> Result<(), PublishError> {
        todo!()
    }

    /// Takes nothing more. What was handed out can still be finished, retried and parked.
    pub async fn cancel(&self) {
        todo!()
    }

    /// Ends it: everything unfinished goes back to the queue.
    pub async fn close(self) {
        todo!()
    }
}

/// Hears hints.
#[derive(Debug)]
pub struct HintReceiver {}

impl HintReceiver {
    /// The next event. `None` once the broker was closed. Safe to drop.
    pub async fn next(&mut self) -> Option<HintEvent> {
        todo!()
    }
}

/// Exchanges, queues, bindings and policies, as `grantline migrate` sets them up.
#[derive(Debug)]
pub struct Topology;

impl Topology {
    /// Declares what is missing and sets the policies. Returns the names of what was new;
    /// empty the second time. After a first declaration it waits two seconds.
    ///
    /// # Errors
    /// When the management API does not answer, refuses, or something exists otherwise.
    pub async fn declare(config: &Config) -> Result<Vec<String>, TopologyError> {
        todo!()
    }

    /// Everything that is not as [`Topology::declare`] would leave it, arguments and
    /// effective policies included. Changes nothing.
    ///
    /// # Errors
    /// When the management API does not answer or refuses.
    pub async fn check(config: &Config) -> Result<Vec<Fault>, TopologyError> {
        todo!()
    }
}

/// One deviation from the topology, to be read by a person.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{object}: {found}")]
pub struct Fault {
    /// What it is about, such as `queue grantline.grant.v1`.
    pub object: String,
    /// What is wrong and what was expected.
    pub found: String,
}

/// Why the topology could not be declared or checked.
#[derive(Debug, thiserror::Error)]
#[error("x")]
pub struct TopologyError {}
