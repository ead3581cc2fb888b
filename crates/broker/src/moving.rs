//! The file's messages on their way to RabbitMQ.
//!
//! Every message is published, confirmed, and only then noted in the file as sent. Nothing is
//! taken out of the file: until that is marked as moved it can be served as if nothing had
//! happened. So an interruption leaves nothing behind but messages at the new broker that
//! come once more, or that the file has finished meanwhile; the ledger knows them.

use std::time::Duration;

use futures_util::future::join_all;
use opentelemetry::metrics::Meter;
use sqlite::{File, ReadError, WriteError};
use time::OffsetDateTime;
use tokio::time::{Instant, sleep, timeout};

use crate::embedded::outgoing;
use crate::{Config, Depth, Link, PublishError, State, names, rabbitmq};

pub(crate) use crate::embedded::outgoing::Outgoing;

/// Messages on their way at once.
const BATCH: usize = 128;
/// Longest wait for a connection, and until the broker counts what it has confirmed.
const PATIENCE: Duration = Duration::from_secs(15);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The RabbitMQ that a file's messages move to.
#[derive(Debug)]
pub struct Destination {
    broker: rabbitmq::Broker,
    place: String,
}

/// One kind of messages, counted on both sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carried {
    /// What they are.
    pub what: &'static str,
    /// Messages in the file.
    pub file: u64,
    /// Messages at the broker.
    pub broker: u64,
}

/// Why messages were not moved. They are all in the file, and some may be at the broker, too.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// There is no connection.
    #[error("cannot use the broker at {at}: {reason}; check `broker.url`, and that RabbitMQ runs")]
    Unreachable {
        /// Host, port and virtual host.
        at: String,
        /// What happened.
        reason: String,
    },
    /// Something is there already.
    #[error(
        "the broker at {at} is not empty: {messages} message(s) in `{queue}`; expected one that no \
         role has used: name another virtual host"
    )]
    NotEmpty {
        /// Host, port and virtual host.
        at: String,
        /// The first queue with something in it.
        queue: &'static str,
        /// Messages in it.
        messages: u64,
    },
    /// Somebody would take what is put there.
    #[error(
        "{consumers} consumer(s) take from `{queue}` of the broker at {at}; expected none before the \
         move has ended: stop the roles there"
    )]
    InUse {
        /// Host, port and virtual host.
        at: String,
        /// Which queue.
        queue: &'static str,
        /// How many.
        consumers: u64,
    },
    /// A message was not confirmed.
    #[error("the broker at {at} did not confirm a message for `{queue}`")]
    Publish {
        /// Host, port and virtual host.
        at: String,
        /// Where it belongs.
        queue: String,
        /// Why.
        source: PublishError,
    },
    /// Fewer are there than were confirmed.
    #[error(
        "the broker at {at} holds {broker} {what} and the file {file}: something takes them away; \
         stop it and run this again"
    )]
    Counts {
        /// Host, port and virtual host.
        at: String,
        /// Which messages.
        what: &'static str,
        /// In the file.
        file: u64,
        /// At the broker.
        broker: u64,
    },
    /// The file could not be read.
    #[error("cannot read the queues of the file")]
    Read(#[from] ReadError),
    /// What was sent could not be noted.
    #[error("cannot note in the file what was sent")]
    Write(#[from] WriteError),
}

impl Destination {
    /// Connects to a broker that has the topology, and insists that nobody consumes there.
    ///
    /// # Errors
    /// When it cannot be reached within 15 seconds, or is in use.
    pub async fn connect(config: Config, meter: &Meter) -> Result<Self, MoveError> {
        let place = config.place();
        // In the order in which they leave: in a retry queue the first is the first due.
        let channels = std::num::NonZeroU16::MIN;
        let config = Config { channels, ..config };
        let destination = Self {
            broker: rabbitmq::Broker::connect(config, "migrate-to", meter),
            place,
        };
        let connected = |state: &State| state.publishing == Link::Connected;
        let mut state = destination.broker.state();
        let waited = timeout(PATIENCE, state.wait_for(connected)).await;
        if !waited.is_ok_and(|state| state.is_ok()) {
            let state = destination.broker.state().borrow().clone();
            let reason = state.publishing.reason().unwrap_or("no answer").to_owned();
            destination.close().await;
            let at = destination.place;
            return Err(MoveError::Unreachable { at, reason });
        }
        if let Err(used) = destination.depths().await {
            destination.close().await;
            return Err(used);
        }
        Ok(destination)
    }

    /// Insists that there is no message at all.
    ///
    /// # Errors
    /// When there is one.
    pub async fn expect_empty(&self) -> Result<(), MoveError> {
        let depths = self.depths().await?;
        match depths.iter().find(|depth| depth.ready > 0) {
            None => Ok(()),
            Some(depth) => Err(MoveError::NotEmpty {
                at: self.place.clone(),
                queue: depth.queue,
                messages: depth.ready,
            }),
        }
    }

    /// Publishes whatever of the file was not noted as sent, and notes it; retries with what
    /// is left of their delay. Then counts on both sides. The file must not be served
    /// meanwhile.
    ///
    /// # Errors
    /// When a message is not confirmed, or the broker holds fewer than the file.
    pub async fn carry(
        &self,
        file: &File,
        now: impl Fn() -> OffsetDateTime,
    ) -> Result<Vec<Carried>, MoveError> {
        let sent = file.read(outgoing::count_sent).await?;
        if !self.holds(sent).await? {
            tracing::warn!(sent, "Messages are gone from the broker: all are sent anew");
            file.write(outgoing::forget_sent).await?;
        }
        let mut after = None;
        loop {
            let from = after.take();
            let batch = file
                .read(move |connection| outgoing::take(connection, from.as_ref(), BATCH))
                .await?;
            let Some(last) = batch.last() else { break };
            after = Some(last.place());
            self.send(file, batch, now()).await?;
        }
        self.compare(file).await
    }

    /// Whether so many messages are there, or will be in a moment: one that is just due is
    /// between two queues.
    async fn holds(&self, messages: u64) -> Result<bool, MoveError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let depths = self.depths().await?;
            if depths.iter().map(|depth| depth.ready).sum::<u64>() >= messages {
                return Ok(true);
            }
            if Instant::now() > deadline {
                return Ok(false);
            }
            sleep(LOOK_EVERY).await;
        }
    }

    async fn send(
        &self,
        file: &File,
        batch: Vec<Outgoing>,
        now: OffsetDateTime,
    ) -> Result<(), MoveError> {
        let sending = batch.iter().map(|message| self.broker.carry(message, now));
        let outcomes = join_all(sending).await;
        let mut confirmed = Vec::with_capacity(batch.len());
        let mut fault = None;
        for (message, outcome) in batch.into_iter().zip(outcomes) {
            match outcome {
                Ok(()) => confirmed.push(message.number),
                Err(source) => {
                    fault.get_or_insert(MoveError::Publish {
                        at: self.place.clone(),
                        queue: message.queue,
                        source,
                    });
                }
            }
        }
        // Only what is confirmed, whatever became of the others.
        file.write(move |connection| outgoing::note_sent(connection, &confirmed))
            .await?;
        fault.map_or(Ok(()), Err)
    }

    /// Waits until the broker holds at least as many as the file.
    async fn compare(&self, file: &File) -> Result<Vec<Carried>, MoveError> {
        let in_file = file.read(outgoing::sizes).await?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let depths = self.depths().await?;
            let at_broker = |what| {
                let of_kind = depths.iter().filter(|depth| kind(depth.queue) == what);
                of_kind.map(|depth| depth.ready).sum()
            };
            let of_file = |what| {
                let of_kind = in_file.iter().filter(|(queue, _)| kind(queue) == what);
                of_kind.map(|(_, messages)| messages).sum()
            };
            let carried = KINDS.map(|what| Carried {
                what,
                file: of_file(what),
                broker: at_broker(what),
            });
            let Some(short) = carried.iter().find(|kind| kind.broker < kind.file) else {
                return Ok(carried.into());
            };
            if Instant::now() > deadline {
                return Err(MoveError::Counts {
                    at: self.place.clone(),
                    what: short.what,
                    file: short.file,
                    broker: short.broker,
                });
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// How full each queue is, where nobody consumes.
    async fn depths(&self) -> Result<Vec<Depth>, MoveError> {
        let depths = self.broker.depths().await;
        let depths = depths.map_err(|error| MoveError::Unreachable {
            at: self.place.clone(),
            reason: error.to_string(),
        })?;
        match depths.iter().find(|depth| depth.consumers > 0) {
            None => Ok(depths),
            Some(depth) => Err(MoveError::InUse {
                at: self.place.clone(),
                queue: depth.queue,
                consumers: depth.consumers,
            }),
        }
    }

    /// Disconnects.
    pub async fn close(&self) {
        self.broker.close().await;
    }
}

const TASKS: &str = "tasks";
const PARKED: &str = "parked tasks";
const UNROUTED: &str = "unrouted tasks";
const KINDS: [&str; 3] = [TASKS, PARKED, UNROUTED];

/// Tasks that wait and tasks to be tried again are one kind: a retry that is due becomes the
/// other by itself. What another version named is for nobody.
fn kind(queue: &str) -> &'static str {
    match queue {
        names::PARKED => PARKED,
        known if known != names::UNROUTED && names::queues().any(|name| name == known) => TASKS,
        _ => UNROUTED,
    }
}
