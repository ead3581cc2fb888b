//! Publishing with confirms.
//!
//! Exactly one task uses each channel: two that share one swap their confirms in the
//! client, and a refused message is then reported as safe. A message that was handed over
//! belongs to that task; its caller may give up waiting, and nothing is lost or doubled
//! by that.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{Channel, Confirmation};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::task::TaskTracker;

use super::link::{Dialer, Session};
use super::message::Outgoing;
use crate::metrics::Metrics;
use crate::{Config, Link, PublishError, State};

/// Hint messages that may wait for their turn.
const HINTS_WAITING: usize = 1_024;

/// Hands messages to whatever connection there is.
#[derive(Clone, Debug)]
pub(super) struct Publisher {
    config: Arc<Config>,
    outlets: watch::Receiver<Option<Arc<Outlets>>>,
    state: watch::Receiver<State>,
    metrics: Metrics,
    turn: Arc<AtomicUsize>,
}

/// What one connection offers.
#[derive(Debug)]
struct Outlets {
    tasks: Vec<Outlet>,
    hints: mpsc::Sender<Outgoing>,
}

/// The way to the owner of one channel.
#[derive(Clone, Debug)]
struct Outlet {
    places: Arc<Semaphore>,
    requests: mpsc::Sender<Request>,
}

/// A message in an owner's hands. Its place is free again when it is confirmed or lost,
/// whether or not somebody still waits.
struct Request {
    message: Outgoing,
    answer: oneshot::Sender<Result<(), PublishError>>,
    place: OwnedSemaphorePermit,
}

impl Publisher {
    /// The publisher, and what keeps its connection up.
    pub(super) fn new(
        dialer: Dialer,
        tasks: TaskTracker,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (offered, outlets) = watch::channel(None);
        let publisher = Self {
            config: Arc::clone(&dialer.config),
            outlets,
            state: dialer.state.subscribe(),
            metrics: dialer.metrics.clone(),
            turn: Arc::default(),
        };
        (publisher, keep(dialer, offered, tasks))
    }

    /// Resolves when the broker has confirmed the message.
    pub(super) async fn send(&self, message: Outgoing) -> Result<(), PublishError> {
        let outcome = self.attempt(message).await;
        if let Err(error) = &outcome {
            self.metrics.failed(error);
        }
        outcome
    }

    /// Sends, or drops at once.
    pub(super) fn send_hints(&self, message: Outgoing) {
        let outlets = self.outlets.borrow();
        let taken = outlets
            .as_ref()
            .is_some_and(|outlets| outlets.hints.try_send(message).is_ok());
        if !taken {
            self.metrics.hints_dropped(1);
        }
    }

    async fn attempt(&self, message: Outgoing) -> Result<(), PublishError> {
        let outlets = self.outlets()?;
        let (requests, place) = self.place(&outlets).await.ok_or(PublishError::Full)?;
        let (answer, verdict) = oneshot::channel();
        let request = Request {
            message,
            answer,
            place,
        };
        requests.try_send(request).map_err(|_| broken())?;
        let mut state = self.state.clone();
        tokio::select! {
            biased;
            verdict = verdict => verdict.unwrap_or_else(|_| Err(broken())),
            reason = blocked(&mut state) => Err(PublishError::Blocked { reason }),
            () = sleep(self.config.confirm_timeout) => Err(PublishError::TimedOut),
        }
    }

    /// Fails at once where waiting is pointless.
    fn outlets(&self) -> Result<Arc<Outlets>, PublishError> {
        let outlets = self.outlets.borrow().clone();
        let unavailable = |reason: &str| PublishError::Unavailable {
            reason: reason.to_owned(),
        };
        match &self.state.borrow().publishing {
            Link::Connected => outlets.ok_or_else(broken),
            Link::Blocked { reason } => Err(PublishError::Blocked {
                reason: reason.clone(),
            }),
            Link::Down { reason } => Err(unavailable(reason)),
            Link::Unused => Err(unavailable("not connected yet")),
        }
    }

    /// A place on the first channel in turn that has one; if none has, the first to come
    /// free on one of them within the limit.
    async fn place(
        &self,
        outlets: &Outlets,
    ) -> Option<(mpsc::Sender<Request>, OwnedSemaphorePermit)> {
        let all = &outlets.tasks;
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let in_turn = |step: usize| &all[turn.wrapping_add(step) % all.len()];
        for step in 0..all.len() {
            let outlet = in_turn(step);
            if let Ok(place) = Arc::clone(&outlet.places).try_acquire_owned() {
                return Some((outlet.requests.clone(), place));
            }
        }
        let outlet = in_turn(0);
        let free = Arc::clone(&outlet.places).acquire_owned();
        let place = timeout(self.config.slot_timeout, free).await.ok()?.ok()?;
        Some((outlet.requests.clone(), place))
    }
}

fn broken() -> PublishError {
    PublishError::Unavailable {
        reason: "the connection broke before the confirm".to_owned(),
    }
}

/// Resolves when the broker stops taking messages.
async fn blocked(state: &mut watch::Receiver<State>) -> String {
    let is_blocked = |state: &State| matches!(state.publishing, Link::Blocked { .. });
    let reason = state
        .wait_for(is_blocked)
        .await
        .map(|state| state.publishing.reason().unwrap_or_default().to_owned());
    match reason {
        Ok(reason) => reason,
        // The broker is being closed; its owners still settle what they hold.
        Err(_) => std::future::pending().await,
    }
}

/// Keeps a connection up and offers its channels.
async fn keep(
    mut dialer: Dialer,
    offered: watch::Sender<Option<Arc<Outlets>>>,
    tasks: TaskTracker,
) {
    while let Some((session, mut events)) = dialer.next().await {
        let reason = match offer(&dialer, &session, &tasks).await {
            Ok(outlets) => {
                offered.send_replace(Some(Arc::new(outlets)));
                dialer.up();
                dialer.watch(&session, &mut events).await
            }
            Err(reason) => reason,
        };
        if dialer.stop.is_cancelled() {
            settle(&dialer.config, &offered).await;
        }
        offered.send_replace(None);
        dialer.end(&session, reason).await;
    }
}

/// Takes nothing more and waits for the confirms that are due.
async fn settle(config: &Config, offered: &watch::Sender<Option<Arc<Outlets>>>) {
    let Some(outlets) = offered.send_replace(None) else {
        return;
    };
    let places = u32::from(config.in_flight.get());
    let all_free = async {
        for outlet in &outlets.tasks {
            let _ = outlet.places.acquire_many(places).await;
        }
    };
    if timeout(config.confirm_timeout, all_free).await.is_err() {
        tracing::warn!("Closing before every message was confirmed");
    }
}

/// Opens the channels of a new connection, each with an owner.
async fn offer(dialer: &Dialer, session: &Session, tasks: &TaskTracker) -> Result<Outlets, String> {
    let config = &dialer.config;
    let open = async {
        let mut channels = Vec::new();
        for _ in 0..config.channels.get() {
            let channel = session.connection.create_channel().await?;
            channel
                .confirm_select(ConfirmSelectOptions::default())
                .await?;
            channels.push(channel);
        }
        Ok((channels, session.connection.create_channel().await?))
    };
    let (channels, for_hints) = timeout(config.connect_timeout, open)
        .await
        .map_err(|_| "no channel in time".to_owned())?
        .map_err(|error: lapin::Error| error.to_string())?;
    let outlets = channels.into_iter().map(|channel| {
        let (requests, inbox) = mpsc::channel(usize::from(config.in_flight.get()));
        let owner = own(channel, inbox, dialer.metrics.clone());
        let session = session.clone();
        tasks.spawn(async move {
            tokio::select! {
                () = session.doubt.cancelled() => {}
                reason = owner => {
                    if let Some(reason) = reason {
                        tracing::warn!(reason, "A publishing channel failed");
                    }
                    session.doubt.cancel();
                }
            }
        });
        Outlet {
            places: Arc::new(Semaphore::new(usize::from(config.in_flight.get()))),
            requests,
        }
    });
    let tasks_out = outlets.collect();
    let (hints, inbox) = mpsc::channel(HINTS_WAITING);
    let session = session.clone();
    tasks.spawn(async move {
        tokio::select! {
            () = session.doubt.cancelled() => {}
            () = pass_hints(for_hints, inbox) => session.doubt.cancel(),
        }
    });
    Ok(Outlets {
        tasks: tasks_out,
        hints,
    })
}

/// Owns one channel until it fails, and says how; what is then unconfirmed is dropped,
/// which tells its callers. `None` once nobody can hand over any more.
async fn own(
    channel: Channel,
    mut inbox: mpsc::Receiver<Request>,
    metrics: Metrics,
) -> Option<String> {
    let mut unconfirmed = FuturesUnordered::new();
    loop {
        tokio::select! {
            biased;
            Some(fault) = unconfirmed.next(), if !unconfirmed.is_empty() => {
                if let Some(fault) = fault {
                    return Some(fault);
                }
            }
            request = inbox.recv() => match request {
                // Only this task ever polls these, so the tag is drawn and the frames are
                // queued without another publish in between.
                Some(request) => unconfirmed.push(deliver(&channel, request, &metrics)),
                None => return None,
            },
        }
    }
}

/// Publishes one message and passes its verdict on. `Some` if the channel is unusable.
async fn deliver(channel: &Channel, request: Request, metrics: &Metrics) -> Option<String> {
    let Request {
        message,
        answer,
        place,
    } = request;
    let started = Instant::now();
    let outcome = publish(channel, message, true).await;
    drop(place);
    let (verdict, fault) = match outcome {
        Ok(Confirmation::Ack(None)) => {
            metrics.confirmed(started.elapsed());
            (Ok(()), None)
        }
        Ok(Confirmation::Nack(None)) => {
            metrics.refused();
            (Err(PublishError::Refused), None)
        }
        // The client may have tied the returned message to the wrong confirm, so no
        // confirm that is still due on this channel can be trusted.
        Ok(Confirmation::Ack(Some(_)) | Confirmation::Nack(Some(_))) => {
            metrics.returned();
            tracing::error!("A message was returned: the broker has no queue for it");
            (Err(PublishError::Returned), Some("a message was returned"))
        }
        Ok(Confirmation::NotRequested) => (Err(broken()), Some("the channel does not confirm")),
        Err(error) => {
            let reason = error.to_string();
            let verdict = PublishError::Unavailable {
                reason: reason.clone(),
            };
            let _ = answer.send(Err(verdict));
            return Some(reason);
        }
    };
    // Nobody may be waiting any more.
    let _ = answer.send(verdict);
    fault.map(ToOwned::to_owned)
}

async fn publish(
    channel: &Channel,
    message: Outgoing,
    mandatory: bool,
) -> lapin::Result<Confirmation> {
    let options = BasicPublishOptions {
        mandatory,
        immediate: false,
    };
    channel
        .basic_publish(
            message.exchange,
            message.routing_key,
            options,
            &message.body,
            message.properties,
        )
        .await?
        .await
}

/// Sends hints as fast as the connection takes them. Returns when the channel fails.
async fn pass_hints(channel: Channel, mut inbox: mpsc::Receiver<Outgoing>) {
    while let Some(message) = inbox.recv().await {
        if let Err(error) = publish(&channel, message, false).await {
            tracing::warn!(%error, "Hints cannot be sent");
            return;
        }
    }
}
