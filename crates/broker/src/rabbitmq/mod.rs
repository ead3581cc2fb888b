//! The broker on RabbitMQ.

mod consume;
mod hear;
mod link;
mod management;
mod message;
mod names;
mod publish;
mod topology;
mod window;

use std::sync::{Arc, OnceLock};

use opentelemetry::metrics::Meter;
use task::{Hints, Lane, Task};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::metrics::Metrics;
use crate::{Config, Depth, Link, PublishError, State};
use consume::{Sessions, Source};
use link::{Dialer, Session, Way};
use publish::Publisher;

pub use consume::Consumer;
pub use hear::HintReceiver;
pub use management::TopologyError;
pub use topology::{Fault, Topology};

/// A process's handle to the broker. Clones share its connections, which are kept up in
/// the background and made anew for ever.
///
/// Dropping the last clone leaves the connections; [`Broker::close`] ends them.
#[derive(Clone, Debug)]
pub struct Broker(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: Arc<Config>,
    role: Arc<str>,
    metrics: Metrics,
    state: watch::Sender<State>,
    publisher: Publisher,
    /// Made when somebody first wants to consume.
    sessions: OnceLock<Sessions>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Broker {
    /// Starts connecting and returns at once, whether or not there is a broker: what can
    /// go wrong shows in [`Broker::state`]. `role` names the connections in RabbitMQ's own
    /// views. Must be called within a tokio runtime.
    #[must_use]
    pub fn connect(config: Config, role: &str, meter: &Meter) -> Self {
        let config = Arc::new(config);
        let role = Arc::<str>::from(role);
        let metrics = Metrics::new(meter);
        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();
        let (state, _) = watch::channel(State {
            publishing: not_yet(),
            consuming: Link::Unused,
        });
        let dialer = Dialer::new(
            Way::Publishing,
            Arc::clone(&config),
            Arc::clone(&role),
            state.clone(),
            metrics.clone(),
            stop.clone(),
        );
        let (publisher, keeper) = Publisher::new(dialer, tasks.clone());
        tasks.spawn(keeper);
        Self(Arc::new(Inner {
            config,
            role,
            metrics,
            state,
            publisher,
            sessions: OnceLock::new(),
            tasks,
            stop,
        }))
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
        self.0.publisher.send(message::work(task)).await
    }

    /// Tells all publishers of new rows. Never waits: a hint that cannot leave is dropped,
    /// and the publishers find its rows in the ledger.
    pub fn send_hints(&self, hints: &Hints) {
        if !hints.rows.is_empty() {
            self.0.publisher.send_hints(message::hints(hints));
        }
    }

    /// Hears hints, from now on.
    #[must_use]
    pub fn hints(&self) -> HintReceiver {
        let config = Arc::clone(&self.0.config);
        HintReceiver::start(config, self.sessions(), &self.0.tasks)
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

    fn consume_queue(&self, queue: &'static str, prefetch: u16) -> Consumer {
        let source = Source {
            queue,
            prefetch,
            config: Arc::clone(&self.0.config),
            metrics: self.0.metrics.clone(),
        };
        let publisher = self.0.publisher.clone();
        Consumer::start(source, self.sessions(), publisher, &self.0.tasks)
    }

    fn sessions(&self) -> Sessions {
        let start = || {
            let inner = &self.0;
            inner.state.send_modify(|state| state.consuming = not_yet());
            let dialer = Dialer::new(
                Way::Consuming,
                Arc::clone(&inner.config),
                Arc::clone(&inner.role),
                inner.state.clone(),
                inner.metrics.clone(),
                inner.stop.clone(),
            );
            let (offered, sessions) = watch::channel(None);
            inner.tasks.spawn(consume::keep(dialer, offered));
            sessions
        };
        self.0.sessions.get_or_init(start).clone()
    }

    /// How the connections are doing, now and on every change.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<State> {
        self.0.state.subscribe()
    }

    /// How full every queue of the topology is.
    ///
    /// # Errors
    /// When the broker does not answer within `connect_timeout`.
    pub async fn depths(&self) -> Result<Vec<Depth>, PublishError> {
        let mut sessions = self.sessions();
        let unavailable = |reason: String| PublishError::Unavailable { reason };
        let look = async {
            let Session { connection, .. } = consume::session(&mut sessions)
                .await
                .ok_or_else(|| unavailable("closed".to_owned()))?;
            read_depths(&connection)
                .await
                .map_err(|error| unavailable(error.to_string()))
        };
        timeout(self.0.config.connect_timeout, look)
            .await
            .map_err(|_| unavailable("no answer in time".to_owned()))?
    }

    /// Refuses further publishes, waits for the confirms that are due, at most
    /// `confirm_timeout`, then disconnects. Cancel and close consumers before.
    pub async fn close(&self) {
        self.0.stop.cancel();
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }
}

fn not_yet() -> Link {
    Link::Down {
        reason: "not connected yet".to_owned(),
    }
}

async fn read_depths(connection: &lapin::Connection) -> lapin::Result<Vec<Depth>> {
    let channel = connection.create_channel().await?;
    let mut depths = Vec::new();
    for queue in names::queues() {
        let (ready, consumers) = link::depth(&channel, queue).await?;
        depths.push(Depth {
            queue,
            ready: ready.into(),
            consumers: consumers.into(),
        });
    }
    Ok(depths)
}
