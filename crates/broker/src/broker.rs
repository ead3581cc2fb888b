//! What everybody is given, whichever back end is behind it.

use std::time::Duration;

use opentelemetry::metrics::Meter;
use sqlite::{File, WriteError};
use task::{Hints, Lane, Task};
use tokio::sync::watch;

use crate::spans::Publishing;
use crate::{
    Config, Delivery, Depth, EmbeddedConfig, HintEvent, PublishError, State, Tag, Tier, embedded,
    names, rabbitmq,
};

/// A process's handle to the broker. Clones share what is behind it.
///
/// Dropping the last clone leaves that as it is; [`Broker::close`] ends it.
#[derive(Clone, Debug)]
pub struct Broker(Handle);

#[derive(Clone, Debug)]
enum Handle {
    RabbitMq(rabbitmq::Broker),
    Embedded(embedded::Broker),
}

impl Broker {
    /// On RabbitMQ. Starts connecting and returns at once, whether or not there is a
    /// broker: what can go wrong shows in [`Broker::state`], and connections are made anew
    /// for ever. `role` names them in RabbitMQ's own views. Must be called within a tokio
    /// runtime.
    #[must_use]
    pub fn connect(config: Config, role: &str, meter: &Meter) -> Self {
        Self(Handle::RabbitMq(rabbitmq::Broker::connect(
            config, role, meter,
        )))
    }

    /// On the embedded stack's file. Only one such broker may be on a file at a time, and
    /// the file stays open when it is closed. What another process held unfinished when it
    /// died is in its queue again. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub async fn embedded(
        file: File,
        config: EmbeddedConfig,
        meter: &Meter,
    ) -> Result<Self, WriteError> {
        let broker = embedded::Broker::open(file, config, meter).await?;
        Ok(Self(Handle::Embedded(broker)))
    }

    /// Puts a task on the queue of its lane and waits until the broker has confirmed that
    /// it is safe there. Waits no longer than `slot_timeout` plus `confirm_timeout`.
    ///
    /// Dropping the future changes nothing for a message that was handed over: it is sent
    /// once, or not at all.
    ///
    /// Where traces are set up, the message carries the place of this publish, which is below
    /// the current place or else the task's own.
    ///
    /// # Errors
    /// When there was no confirm. The message may be on the queue all the same.
    pub async fn publish(&self, task: &Task) -> Result<(), PublishError> {
        let publishing = Publishing::begin(task);
        let headers = &publishing.headers;
        let outcome = match &self.0 {
            Handle::RabbitMq(broker) => broker.publish(task, headers).await,
            Handle::Embedded(broker) => broker.publish(task, headers).await,
        };
        publishing.end(self, task, &outcome);
        outcome
    }

    /// Tells all publishers of new rows. Never waits: a hint that cannot leave is dropped,
    /// and the publishers find its rows in the ledger.
    pub fn send_hints(&self, hints: &Hints) {
        if hints.rows.is_empty() {
            return;
        }
        match &self.0 {
            Handle::RabbitMq(broker) => broker.send_hints(hints),
            Handle::Embedded(broker) => broker.send_hints(hints),
        }
    }

    /// Hears hints, from now on.
    #[must_use]
    pub fn hints(&self) -> HintReceiver {
        HintReceiver(match &self.0 {
            Handle::RabbitMq(broker) => Ear::RabbitMq(broker.hints()),
            Handle::Embedded(broker) => Ear::Embedded(broker.hints()),
        })
    }

    /// Takes from the work queue of a lane; at most `prefetch` deliveries are held
    /// unfinished at once.
    #[must_use]
    pub fn consume(&self, lane: Lane, prefetch: u16) -> Consumer {
        self.consume_queue(names::work(lane), prefetch)
    }

    /// Takes from the parking queue.
    #[must_use]
    pub fn consume_parked(&self, prefetch: u16) -> Consumer {
        self.consume_queue(names::PARKED, prefetch)
    }

    /// Takes what was accepted and found no queue: a binding was missing, or the message was
    /// for a lane that the topology does not have.
    #[must_use]
    pub fn consume_unrouted(&self, prefetch: u16) -> Consumer {
        self.consume_queue(names::UNROUTED, prefetch)
    }

    pub(crate) const fn is_embedded(&self) -> bool {
        matches!(self.0, Handle::Embedded(_))
    }

    fn consume_queue(&self, queue: &'static str, prefetch: u16) -> Consumer {
        let prefetch = prefetch.max(1);
        Consumer(match &self.0 {
            Handle::RabbitMq(broker) => Hand::RabbitMq(broker.consume(queue, prefetch)),
            Handle::Embedded(broker) => Hand::Embedded(broker.consume(queue, prefetch)),
        })
    }

    /// How the ways to the broker are doing, now and on every change.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<State> {
        match &self.0 {
            Handle::RabbitMq(broker) => broker.state(),
            Handle::Embedded(broker) => broker.state(),
        }
    }

    /// How full every queue of the topology is.
    ///
    /// # Errors
    /// When the broker does not answer; RabbitMQ within `connect_timeout`.
    pub async fn depths(&self) -> Result<Vec<Depth>, PublishError> {
        match &self.0 {
            Handle::RabbitMq(broker) => broker.depths().await,
            Handle::Embedded(broker) => broker.depths().await,
        }
    }

    /// How many messages of each queue this process holds unfinished: what the broker counts
    /// as unacknowledged, but for those it is about to give to somebody else.
    #[must_use]
    pub fn held(&self) -> Vec<(&'static str, u64)> {
        match &self.0 {
            Handle::RabbitMq(broker) => broker.held(),
            Handle::Embedded(broker) => broker.held(),
        }
    }

    /// Refuses further publishes, waits for the confirms that are due, at most
    /// `confirm_timeout`, then disconnects. Cancel and close consumers before.
    pub async fn close(&self) {
        match &self.0 {
            Handle::RabbitMq(broker) => broker.close().await,
            Handle::Embedded(broker) => broker.close().await,
        }
    }
}

/// Takes deliveries from one queue. What was unfinished when its way to the broker broke
/// comes again, as another delivery. Dropping it gives everything unfinished back to the
/// queue.
#[derive(Debug)]
pub struct Consumer(Hand);

#[derive(Debug)]
enum Hand {
    RabbitMq(rabbitmq::Consumer),
    Embedded(embedded::Consumer),
}

impl Consumer {
    /// Waits for at least one delivery, then takes what has arrived, at most `max`. Only
    /// if the batch before was full it waits up to `linger` for this one to fill.
    ///
    /// Empty once the consumer was cancelled or the broker closed. Safe to drop.
    pub async fn batch(&self, max: usize, linger: Duration) -> Vec<Delivery> {
        match &self.0 {
            Hand::RabbitMq(consumer) => consumer.batch(max, linger).await,
            Hand::Embedded(consumer) => consumer.batch(max, linger).await,
        }
    }

    /// Tells the broker that these are done. Allowed only once their effects are
    /// committed. One that the broker does not hear comes again.
    ///
    /// Deliveries that this consumer no longer holds are passed over: the broker hands
    /// those out again.
    pub async fn finish(&self, tags: impl IntoIterator<Item = Tag>) {
        match &self.0 {
            Hand::RabbitMq(consumer) => consumer.finish(tags).await,
            Hand::Embedded(consumer) => consumer.finish(tags).await,
        }
    }

    /// Has the task delivered again after the tier's delay, its `attempt` one higher, and
    /// finishes this delivery. An unreadable one is delivered again unchanged.
    ///
    /// # Errors
    /// When the copy was not confirmed; the delivery is then as unfinished as before.
    pub async fn retry(&self, delivery: &Delivery, tier: Tier) -> Result<(), PublishError> {
        match &self.0 {
            Hand::RabbitMq(consumer) => consumer.retry(delivery, tier).await,
            Hand::Embedded(consumer) => consumer.retry(delivery, tier).await,
        }
    }

    /// Moves the message to the parking queue with `reason`, which must hold no personal
    /// data, and finishes this delivery.
    ///
    /// # Errors
    /// When the copy was not confirmed; the delivery is then as unfinished as before.
    pub async fn park(&self, delivery: &Delivery, reason: &str) -> Result<(), PublishError> {
        match &self.0 {
            Hand::RabbitMq(consumer) => consumer.park(delivery, reason).await,
            Hand::Embedded(consumer) => consumer.park(delivery, reason).await,
        }
    }

    /// Takes nothing more. What was handed out can still be finished, retried and parked.
    pub async fn cancel(&self) {
        match &self.0 {
            Hand::RabbitMq(consumer) => consumer.cancel().await,
            Hand::Embedded(consumer) => consumer.cancel(),
        }
    }

    /// Ends it: everything unfinished goes back to the queue.
    pub async fn close(self) {
        match self.0 {
            Hand::RabbitMq(consumer) => consumer.close().await,
            Hand::Embedded(consumer) => consumer.close().await,
        }
    }
}

/// Hears hints.
#[derive(Debug)]
pub struct HintReceiver(Ear);

#[derive(Debug)]
enum Ear {
    RabbitMq(rabbitmq::HintReceiver),
    Embedded(embedded::HintReceiver),
}

impl HintReceiver {
    /// The next event. `None` once the broker was closed. Safe to drop.
    pub async fn next(&mut self) -> Option<HintEvent> {
        match &mut self.0 {
            Ear::RabbitMq(receiver) => receiver.next().await,
            Ear::Embedded(receiver) => receiver.next().await,
        }
    }
}
