//! One worker looks at queues and ledger, and tells for all of them.
//!
//! Which one is decided by a lease in the ledger: whoever has it asks again every fifteen
//! seconds, and one that dies is replaced within a minute. While the database is away nobody
//! can have it, and every worker tells how full the queues are.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use broker::{Broker, Depth};
use ledger::{Ledger, LedgerError, QueueHead, Survey};
use task::Lane;
use time::OffsetDateTime;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, timeout};
use tokio_util::sync::CancellationToken;

/// How often is looked.
const PERIOD: Duration = Duration::from_secs(15);

/// How long somebody has the watch who does not ask again. With one period more, until the
/// next worker asks, it is less than a minute.
const LEASE: Duration = Duration::from_secs(35);

/// How long a worker that stops tries to hand the watch over.
const FAREWELL: Duration = Duration::from_secs(2);

/// What the newest look has shown. Nothing while another worker looks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    /// Whether this worker tells for all of them.
    pub(crate) watching: bool,
    /// Every queue; none while the broker does not answer, for an old depth would look like a
    /// queue that nobody works on.
    pub(crate) queues: Vec<Queue>,
    /// What is open in the ledger; `None` while it does not answer.
    pub(crate) survey: Option<Survey>,
}

/// One queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Queue {
    pub(crate) depth: Depth,
    /// For the queue of a lane: since when the oldest task waits that no worker has taken, at
    /// the earliest.
    pub(crate) waits: Option<Waits>,
}

/// How long a queue has kept somebody waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waits {
    /// Nothing waits.
    Nothing,
    /// Something does, since then at the earliest.
    Since(OffsetDateTime),
}

/// When the ingress had read the newest task that this process has taken, by queue.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heads(Arc<Mutex<BTreeMap<&'static str, OffsetDateTime>>>);

impl Heads {
    /// A lane has taken a task.
    pub(crate) fn taken(&self, lane: Lane, received_at: OffsetDateTime) {
        let mut heads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let head = heads.entry(broker::work_queue(lane)).or_insert(received_at);
        *head = received_at.max(*head);
    }

    fn reached(&self) -> Vec<QueueHead> {
        let heads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let head = |(queue, received_at): (&&str, &OffsetDateTime)| QueueHead {
            queue: (*queue).to_owned(),
            received_at: *received_at,
        };
        heads.iter().map(head).collect()
    }
}

/// Looks again and again.
pub(crate) struct Watch {
    pub(crate) ledger: Ledger,
    pub(crate) broker: Broker,
    pub(crate) heads: Heads,
    pub(crate) told: watch::Sender<Told>,
    pub(crate) drain: CancellationToken,
}

impl Watch {
    /// Until the drain; then lets another worker have it.
    pub(crate) async fn run(self) -> Result<(), Infallible> {
        let holder = format!("{:032x}", rand::random::<u128>());
        let mut sightings = Sightings::default();
        let mut ticks = tokio::time::interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while self.drain.run_until_cancelled(ticks.tick()).await.is_some() {
            // One that lasts longer might tell of it when another worker has the watch.
            let look = timeout(PERIOD, self.look(&holder, &mut sightings));
            let Some(told) = self.drain.run_until_cancelled(look).await else {
                break;
            };
            self.told.send_replace(told.unwrap_or_default());
        }
        self.told.send_replace(Told::default());
        // Where it does not succeed the lease runs out.
        let _ = timeout(FAREWELL, self.ledger.leave_watch(&holder)).await;
        Ok(())
    }

    async fn look(&self, holder: &str, sightings: &mut Sightings) -> Told {
        let own = self.heads.reached();
        let (heads, survey) = match self.ledger.keep_watch(holder, LEASE, &own).await {
            Ok(None) => return Told::default(),
            Ok(Some(heads)) => (heads, self.survey().await),
            Err(error) => {
                not_told("who watches", &error);
                (own, None)
            }
        };
        Told {
            watching: true,
            queues: self.queues(&heads, sightings).await,
            survey,
        }
    }

    async fn survey(&self) -> Option<Survey> {
        let survey = self.ledger.survey().await;
        survey
            .inspect_err(|error| not_told("what is open in the ledger", error))
            .ok()
    }

    async fn queues(&self, heads: &[QueueHead], sightings: &mut Sightings) -> Vec<Queue> {
        match self.broker.depths().await {
            Ok(depths) => {
                let now = task::now();
                let seen = depths.into_iter();
                seen.map(|depth| sightings.see(depth, heads, now)).collect()
            }
            Err(error) => {
                tracing::debug!(%error, "How full the queues are cannot be told");
                Vec::new()
            }
        }
    }
}

fn not_told(what: &'static str, error: &LedgerError) {
    tracing::debug!(
        error = telemetry::chain(error),
        what,
        "Something cannot be told"
    );
}

/// What was seen of each queue, look by look.
#[derive(Debug, Default)]
struct Sightings(BTreeMap<&'static str, Sighting>);

#[derive(Clone, Copy, Debug)]
struct Sighting {
    first_at: OffsetDateTime,
    empty_at: Option<OffsetDateTime>,
}

impl Sightings {
    /// Queues hand out in order, so what waits came after the newest task that was taken, and
    /// after the queue was last seen empty. Where neither is known, as after a first start on
    /// a full queue, it counts from the first look.
    fn see(&mut self, depth: Depth, heads: &[QueueHead], now: OffsetDateTime) -> Queue {
        let queue = depth.queue;
        let sighting = self.0.entry(queue).or_insert(Sighting {
            first_at: now,
            empty_at: None,
        });
        if depth.ready == 0 {
            sighting.empty_at = Some(now);
        }
        let head = heads.iter().find(|head| head.queue == queue);
        let taken_at = head.map(|head| head.received_at);
        let after = taken_at.max(sighting.empty_at);
        let waits = match (depth.ready, depth.oldest) {
            (0, _) => Waits::Nothing,
            (_, Some(received_at)) => Waits::Since(received_at),
            (_, None) => Waits::Since(after.unwrap_or(sighting.first_at)),
        };
        let is_work = Lane::ALL.map(broker::work_queue).contains(&queue);
        Queue {
            depth,
            waits: is_work.then_some(waits),
        }
    }
}

#[cfg(test)]
mod tests;
