//! The broker on the embedded stack's file: queues are rows, hints stay in the process.
//!
//! A message is in one place from its commit to the commit that removes it. Who holds what
//! is in memory alone, for only one process may have the file: with it everything it held
//! is in its queue again. How often a message was handed out is written down before it is,
//! so that one that kills its process is parked in the end.

mod consume;
mod desk;
mod due;
mod fault;
mod health;
mod hints;
pub(crate) mod outgoing;
mod table;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry::metrics::Meter;
use serde::Serializer as _;
use sqlite::{File, ReadError, WriteError};
use task::{Headers, Hints, Lane, Task};
use telemetry::chain;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, broadcast, watch};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::metrics::Metrics;
use crate::{Depth, EmbeddedConfig, Link, PublishError, State, names};
use desk::Desk;
use fault::Fault;

pub(crate) use consume::Consumer;
pub(crate) use hints::HintReceiver;

/// Room for the headers of a task of the usual size.
const HEADERS_BYTES: usize = 512;

/// Pause after the file could not be read or written.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Clone, Debug)]
pub(crate) struct Broker(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    file: File,
    config: EmbeddedConfig,
    metrics: Metrics,
    state: watch::Sender<State>,
    /// Whether the newest write failed.
    failing: Mutex<bool>,
    /// The next number of a message, or of its turn.
    next: AtomicI64,
    desks: BTreeMap<&'static str, Arc<Desk>>,
    /// When the first message of the retry queues is due.
    due: Mutex<Option<i64>>,
    due_changed: Notify,
    hints: broadcast::Sender<Arc<Hints>>,
    places: Arc<Semaphore>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Broker {
    pub(crate) async fn open(
        file: File,
        config: EmbeddedConfig,
        meter: &Meter,
    ) -> Result<Self, WriteError> {
        let limit = config.delivery_limit.get();
        let begin = file.write(move |connection| -> Result<i64, WriteError> {
            Ok(table::begin(connection, limit)?)
        });
        let next = begin.await?;
        let waiting = [names::PARKED, names::UNROUTED];
        let queues = Lane::ALL.map(names::work).into_iter().chain(waiting);
        let (state, _) = watch::channel(State {
            publishing: Link::Connected,
            consuming: Link::Unused,
        });
        let (hints, _) = broadcast::channel(hints::WAITING_MAX);
        let places = usize::from(config.in_flight.get());
        let metrics = Metrics::new(meter);
        metrics.begin_links([health::LINK]);
        let shared = Arc::new(Shared {
            file,
            config,
            metrics,
            state,
            failing: Mutex::new(false),
            next: AtomicI64::new(next),
            desks: queues
                .map(|name| (name, Arc::new(Desk::new(name))))
                .collect(),
            due: Mutex::new(None),
            due_changed: Notify::new(),
            hints,
            places: Arc::new(Semaphore::new(places)),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        });
        for desk in shared.desks.values() {
            let serving = Arc::clone(&shared).serve(Arc::clone(desk));
            shared.tasks.spawn(serving);
        }
        shared.tasks.spawn(Arc::clone(&shared).keep_time());
        Ok(Self(shared))
    }

    pub(crate) async fn publish(&self, task: &Task, headers: &Headers) -> Result<(), PublishError> {
        let outcome = self.0.publish(task, headers).await;
        if let Err(error) = &outcome {
            self.0.metrics.publish_failed(error);
        }
        outcome
    }

    pub(crate) fn send_hints(&self, hints: &Hints) {
        // An error means that nobody listens.
        let _ = self.0.hints.send(Arc::new(hints.clone()));
    }

    pub(crate) fn hints(&self) -> HintReceiver {
        self.0.in_use();
        let said = self.0.hints.subscribe();
        HintReceiver::new(said, self.0.stop.clone(), self.0.metrics.clone())
    }

    pub(crate) fn consume(&self, queue: &'static str, prefetch: u16) -> Consumer {
        self.0.in_use();
        Consumer::start(&self.0, queue, prefetch)
    }

    pub(crate) fn state(&self) -> watch::Receiver<State> {
        self.0.state.subscribe()
    }

    pub(crate) async fn depths(&self) -> Result<Vec<Depth>, PublishError> {
        let fronts = Lane::ALL.map(|lane| self.0.desk(names::work(lane)).front());
        let looked = self.0.file.read(move |connection| -> Result<_, ReadError> {
            let mut oldest = BTreeMap::new();
            for (queue, front) in fronts {
                oldest.insert(queue, table::oldest(connection, queue, front)?);
            }
            Ok((table::sizes(connection)?, oldest))
        });
        let (sizes, oldest) = match looked.await {
            Ok(looked) => looked,
            Err(error) => {
                let reason = chain(&error);
                return Err(PublishError::Unavailable { reason });
            }
        };
        let sizes: BTreeMap<String, u64> = sizes.into_iter().collect();
        let depth = |queue: &'static str| {
            let messages = sizes.get(queue).copied().unwrap_or(0);
            let desk = self.0.desks.get(queue);
            let (held, consumers) = desk.map_or((0, 0), |desk| desk.count());
            Depth {
                queue,
                ready: messages.saturating_sub(held),
                consumers,
                oldest: oldest.get(queue).copied().flatten(),
            }
        };
        Ok(names::queues().map(depth).collect())
    }

    pub(crate) fn held(&self) -> Vec<(&'static str, u64)> {
        let desks = self.0.desks.values();
        desks.map(|desk| (desk.queue, desk.count().0)).collect()
    }

    pub(crate) async fn close(&self) {
        let shared = &self.0;
        shared.stop.cancel();
        let all = shared.config.in_flight.get().into();
        let due = shared.places.acquire_many(all);
        if timeout(shared.config.confirm_timeout, due).await.is_err() {
            tracing::warn!("Closing before every message was confirmed");
        }
        shared.tasks.close();
        shared.tasks.wait().await;
        shared.set(&Link::Down {
            reason: "closed".to_owned(),
        });
    }
}

impl Shared {
    async fn publish(self: &Arc<Self>, task: &Task, headers: &Headers) -> Result<(), PublishError> {
        if self.stop.is_cancelled() {
            return Err(Fault::from(WriteError::Closed).into());
        }
        let place = self.place().await.ok_or(PublishError::Full)?;
        let started = Instant::now();
        let message = table::Message {
            lane: task.lane(),
            headers: text(headers),
            body: task.body.clone(),
        };
        let bytes_max = self.config.work_queue_bytes.get();
        let shared = Arc::clone(self);
        let write = self.write(move |connection| {
            table::insert(connection, shared.number(), &message, bytes_max)?;
            Ok(Arrival {
                desk: shared.desk(names::work(message.lane)),
                _place: place,
            })
        });
        match timeout(self.config.confirm_timeout, write).await {
            Ok(Ok(_arrival)) => {
                self.metrics.confirmed(started.elapsed());
                Ok(())
            }
            Ok(Err(fault)) => Err(fault.into()),
            Err(_) => Err(PublishError::TimedOut),
        }
    }

    async fn place(&self) -> Option<OwnedSemaphorePermit> {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return Some(place);
        }
        let free = Arc::clone(&self.places).acquire_owned();
        timeout(self.config.slot_timeout, free).await.ok()?.ok()
    }

    /// Hands out what a queue holds whenever there is something and somebody has room.
    async fn serve(self: Arc<Self>, desk: Arc<Desk>) {
        while self
            .stop
            .run_until_cancelled(desk.bell.notified())
            .await
            .is_some()
        {
            while let Some(plan) = desk.plan() {
                let (queue, after, most) = (desk.queue, plan.after, plan.most);
                let returned = plan.returned.clone();
                let had_returned = !returned.is_empty();
                let taking = self.write(move |connection| {
                    Ok(table::take(connection, queue, &returned, after, most)?)
                });
                match taking.await {
                    Ok(taken) => {
                        let is_last = taken.len() < most && !had_returned;
                        desk.deal(&plan, taken);
                        if is_last {
                            break;
                        }
                    }
                    Err(_) => {
                        if !self.recovered().await {
                            return;
                        }
                    }
                }
            }
        }
    }

    fn desk(&self, queue: &'static str) -> Arc<Desk> {
        let desk = self.desks.get(queue);
        Arc::clone(desk.expect("every queue that is consumed has a desk"))
    }

    /// A number that no message and no turn has had. Drawn while writing, so that the order
    /// of numbers is the order of commits.
    fn number(&self) -> i64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }
}

/// A message that was committed. Rings even if whoever sent it is no longer there to hear
/// it.
struct Arrival {
    desk: Arc<Desk>,
    _place: OwnedSemaphorePermit,
}

impl Drop for Arrival {
    fn drop(&mut self) {
        self.desk.bell.notify_one();
    }
}

/// Headers as they are kept.
fn text(headers: &Headers) -> String {
    let mut text = Vec::with_capacity(HEADERS_BYTES);
    let written = serde_json::Serializer::new(&mut text).collect_map(headers.iter());
    written.expect("a map of texts is JSON");
    String::from_utf8(text).expect("JSON is UTF-8")
}

/// In microseconds since 1970.
fn now() -> i64 {
    i64::try_from(task::now().unix_timestamp_nanos() / 1_000).unwrap_or(i64::MAX)
}
