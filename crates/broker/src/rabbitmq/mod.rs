//! The broker on RabbitMQ.
//!
//! The connections are kept up in the background and made anew for ever. Dropping the last
//! clone of the handle leaves them.

mod consume;
mod hear;
mod holding;
mod link;
mod management;
mod message;
mod place;
mod publish;
mod topology;
mod window;

use std::sync::{Arc, OnceLock};

use opentelemetry::metrics::Meter;
use task::{Headers, Hints, Task};
use time::OffsetDateTime;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::metrics::Metrics;
use crate::{Config, Depth, Link, PublishError, State, moving, names};
use consume::{Sessions, Source};
use holding::Holding;
use link::{Dialer, Session, Way};
use publish::Publisher;

pub(crate) use consume::Consumer;
pub(crate) use hear::HintReceiver;
pub use management::TopologyError;
pub use topology::{Fault, Topology};

/// Host, port and virtual host, or what is wrong with the address.
pub(crate) fn place(config: &Config) -> String {
    link::address(config).map_or_else(|fault| fault, |uri| place::Place::of(&uri).full())
}

#[derive(Clone, Debug)]
pub(crate) struct Broker(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: Arc<Config>,
    role: Arc<str>,
    metrics: Metrics,
    held: Holding,
    state: watch::Sender<State>,
    publisher: Publisher,
    /// Made when somebody first wants to consume.
    sessions: OnceLock<Sessions>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Broker {
    pub(crate) fn connect(config: Config, role: &str, meter: &Meter) -> Self {
        let config = Arc::new(config);
        let role = Arc::<str>::from(role);
        let metrics = Metrics::new(meter);
        metrics.begin_links([Way::Publishing, Way::Consuming].map(Way::as_str));
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
            held: Holding::default(),
            state,
            publisher,
            sessions: OnceLock::new(),
            tasks,
            stop,
        }))
    }

    pub(crate) async fn publish(&self, task: &Task, headers: &Headers) -> Result<(), PublishError> {
        self.0.publisher.send(message::work(task, headers)).await
    }

    /// Publishes a message of the file where it belongs here.
    pub(crate) async fn carry(
        &self,
        message: &moving::Outgoing,
        now: OffsetDateTime,
    ) -> Result<(), PublishError> {
        self.0.publisher.send(message::carried(message, now)).await
    }

    pub(crate) fn send_hints(&self, hints: &Hints) {
        self.0.publisher.send_hints(message::hints(hints));
    }

    pub(crate) fn hints(&self) -> HintReceiver {
        let config = Arc::clone(&self.0.config);
        HintReceiver::start(config, self.sessions(), &self.0.tasks)
    }

    pub(crate) fn consume(&self, queue: &'static str, prefetch: u16) -> Consumer {
        let source = Source {
            queue,
            prefetch,
            config: Arc::clone(&self.0.config),
            metrics: self.0.metrics.clone(),
            held: self.0.held.of(queue),
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

    pub(crate) fn state(&self) -> watch::Receiver<State> {
        self.0.state.subscribe()
    }

    pub(crate) fn held(&self) -> Vec<(&'static str, u64)> {
        self.0.held.counts()
    }

    pub(crate) async fn depths(&self) -> Result<Vec<Depth>, PublishError> {
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

    pub(crate) async fn close(&self) {
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
            oldest: None,
        });
    }
    Ok(depths)
}
