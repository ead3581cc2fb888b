//! Consuming one queue.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use sqlite::WriteError;
use telemetry::chain;
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::Shared;
use super::desk::Desk;
use super::fault::Fault;
use super::table::{self, Destination, Key};
use crate::inbox::Inbox;
use crate::{Delivery, PublishError, Tag, Tier, names};

/// Takes deliveries from one queue.
#[derive(Debug)]
pub(crate) struct Consumer {
    inbox: Mutex<Inbox>,
    desk: Arc<Desk>,
    generation: u64,
    shared: Arc<Shared>,
    /// Cancelled to take nothing more.
    drain: CancellationToken,
    /// Cancelled, on drop at the latest, to give back what is unfinished.
    closed: DropGuard,
    gone: CancellationToken,
}

impl Consumer {
    pub(super) fn start(shared: &Arc<Shared>, queue: &'static str, prefetch: u16) -> Self {
        let (arrivals, arrived) = mpsc::channel(usize::from(prefetch));
        let desk = shared.desk(queue);
        let generation = desk.join(usize::from(prefetch), arrivals);
        let [drain, closed, gone] = [(); 3].map(|()| CancellationToken::new());
        let (asked, ended) = (closed.clone(), gone.clone().drop_guard());
        let (to, from) = (Arc::clone(&desk), Arc::clone(shared));
        shared.tasks.spawn(async move {
            let _ended = ended;
            tokio::select! {
                () = asked.cancelled() => {}
                () = from.stop.cancelled() => {}
            }
            from.leave(&to, generation).await;
        });
        Self {
            inbox: Mutex::new(Inbox::new(arrived)),
            desk,
            generation,
            shared: Arc::clone(shared),
            drain,
            closed: closed.drop_guard(),
            gone,
        }
    }

    pub(crate) async fn batch(&self, max: usize, linger: Duration) -> Vec<Delivery> {
        let mut inbox = self.inbox.lock().await;
        tokio::select! {
            biased;
            () = self.drain.cancelled() => Vec::new(),
            () = self.gone.cancelled() => Vec::new(),
            batch = inbox.gather(max, linger, |_| true) => batch,
        }
    }

    /// Returns when they are gone from the file. If that cannot be written they come again.
    pub(crate) async fn finish(&self, tags: impl IntoIterator<Item = Tag>) {
        let held = self.desk.held(self.generation, tags);
        if held.is_empty() {
            return;
        }
        let (queue, keys) = (self.desk.queue, keys(&held));
        let forget = move |connection: &Connection| table::delete(connection, queue, &keys);
        let finished = self.settle(held.clone(), move |connection| Ok(forget(connection)?));
        if let Err(fault) = finished.await {
            let error = PublishError::from(fault);
            tracing::warn!(%error, queue, "Finished tasks could not be removed; they come again");
            let still_held = self.desk.release(self.generation, &held);
            self.desk.give_back(still_held);
        }
    }

    pub(crate) async fn retry(&self, delivery: &Delivery, tier: Tier) -> Result<(), PublishError> {
        let (lane, headers) = delivery.next_attempt();
        let due = super::now().saturating_add(table::micros(tier));
        let to = Destination {
            queue: names::retry(tier),
            bytes_max: self.shared.config.retry_queue_bytes.get(),
            reason: None,
            rewritten: Some((lane, super::text(&headers))),
        };
        self.relocate(delivery.tag, to, Some(due)).await?;
        self.shared.due_by(due);
        Ok(())
    }

    pub(crate) async fn park(&self, delivery: &Delivery, reason: &str) -> Result<(), PublishError> {
        let to = Destination {
            queue: names::PARKED,
            bytes_max: self.shared.config.parked_queue_bytes.get(),
            reason: Some(reason.to_owned()),
            rewritten: None,
        };
        self.relocate(delivery.tag, to, None).await?;
        self.shared.desk(names::PARKED).bell.notify_one();
        Ok(())
    }

    /// One that is not held any more comes again by itself.
    async fn relocate(
        &self,
        tag: Tag,
        to: Destination,
        due: Option<i64>,
    ) -> Result<(), PublishError> {
        let held = self.desk.held(self.generation, [tag]);
        let Some(key) = held.values().next().copied() else {
            return Ok(());
        };
        let (queue, shared) = (self.desk.queue, Arc::clone(&self.shared));
        let moved = self.settle(held, move |connection| {
            // Its turn is drawn here, where nobody can draw and commit in between.
            let rank = due.unwrap_or_else(|| shared.number());
            table::relocate(connection, queue, key, &to, rank)
        });
        let outcome = moved.await.map_err(PublishError::from);
        if let Err(error) = &outcome {
            self.shared.metrics.publish_failed(error);
        }
        outcome
    }

    /// Writes, then lets go of what was held. Goes on if the caller goes away, for what is
    /// committed must not stay held.
    async fn settle(
        &self,
        held: BTreeMap<u64, Key>,
        closure: impl FnOnce(&Connection) -> Result<(), Fault> + Send + 'static,
    ) -> Result<(), Fault> {
        let (desk, generation) = (Arc::clone(&self.desk), self.generation);
        let shared = Arc::clone(&self.shared);
        let settling = self.shared.tasks.spawn(async move {
            shared.write(closure).await?;
            desk.release(generation, &held);
            Ok(())
        });
        settling
            .await
            .unwrap_or_else(|_| Err(WriteError::Closed.into()))
    }

    pub(crate) fn cancel(&self) {
        self.drain.cancel();
        self.desk.drain(self.generation);
    }

    pub(crate) async fn close(self) {
        let Self { closed, gone, .. } = self;
        drop(closed);
        gone.cancelled().await;
    }
}

impl Shared {
    /// Gives back what a consumer held; what came back too often goes to the parking queue.
    async fn leave(self: &Arc<Self>, desk: &Arc<Desk>, generation: u64) {
        let held = desk.leave(generation);
        let is_work = task::Lane::ALL.map(names::work).contains(&desk.queue);
        let mut parked = Vec::new();
        if is_work && !held.is_empty() {
            let (queue, keys, shared) = (desk.queue, held.clone(), Arc::clone(self));
            let limit = self.config.delivery_limit.get();
            let judged = self.write(move |connection| {
                let rank = || shared.number();
                Ok(table::park_exhausted(
                    connection, queue, &keys, limit, rank,
                )?)
            });
            match judged.await {
                Ok(found) => parked = found,
                // They are counted again the next time.
                Err(Fault::Refused | Fault::File(WriteError::Closed)) => {}
                Err(Fault::File(error)) => {
                    tracing::warn!(error = chain(&error), queue, "Deliveries were not counted");
                }
            }
        }
        desk.give_back(held.into_iter().filter(|key| !parked.contains(key)));
        if !parked.is_empty() {
            tracing::warn!(
                queue = desk.queue,
                messages = parked.len(),
                "Messages came back too often and are parked"
            );
            self.desk(names::PARKED).bell.notify_one();
        }
    }
}

fn keys(held: &BTreeMap<u64, Key>) -> Vec<Key> {
    held.values().copied().collect()
}
