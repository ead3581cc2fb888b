//! One connection, made anew for ever.
//!
//! The client's own recovery is off: it leaves consumers silent and confirms hanging.
//! Here a connection is used until the first sign of trouble, then dropped whole.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use lapin::options::{ExchangeDeclareOptions, QueueDeclareOptions};
use lapin::tcp::{AMQPUriTcpExt as _, RustlsConnector};
use lapin::types::FieldTable;
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{Channel, Connection, ConnectionProperties, ErrorKind, Event, ExchangeKind};
use secret::Tls;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::place::Place;
use crate::metrics::Metrics;
use crate::{Config, Link, State, names};

const BACKOFF_FIRST: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(5);
/// A connection that held this long was a good one: the next backoff begins anew.
const SETTLED_AFTER: Duration = Duration::from_secs(10);
/// An attempt that hangs is kept this long, because the client's thread lives on behind a
/// dropped one until its socket fails.
const ABANDON_AFTER: Duration = Duration::from_mins(1);
const NO_ADDRESS: &str = "`broker.url` is not the address of a RabbitMQ: expected \
    amqp://user:password@host:5672/vhost, or amqps:// for TLS";
/// How often a connection that says nothing is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Which of the two connections of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Publishing,
    Consuming,
}

impl Way {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Publishing => "publishing",
            Self::Consuming => "consuming",
        }
    }

    fn of(self, state: &mut State) -> &mut Link {
        match self {
            Self::Publishing => &mut state.publishing,
            Self::Consuming => &mut state.consuming,
        }
    }
}

/// Makes connections for one way, one after the other.
pub(super) struct Dialer {
    pub(super) way: Way,
    pub(super) config: Arc<Config>,
    pub(super) role: Arc<str>,
    pub(super) state: watch::Sender<State>,
    pub(super) metrics: Metrics,
    pub(super) stop: CancellationToken,
    backoff: Duration,
    since: Instant,
    hanging: Option<Attempt>,
}

/// A connection on its way.
struct Attempt {
    since: Instant,
    connection: JoinHandle<lapin::Result<Connection>>,
}

/// A connection in use.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) connection: Arc<Connection>,
    /// Cancelled by whoever finds the connection or the topology unusable.
    pub(super) doubt: CancellationToken,
}

impl Dialer {
    pub(super) fn new(
        way: Way,
        config: Arc<Config>,
        role: Arc<str>,
        state: watch::Sender<State>,
        metrics: Metrics,
        stop: CancellationToken,
    ) -> Self {
        Self {
            way,
            config,
            role,
            state,
            metrics,
            stop,
            backoff: BACKOFF_FIRST,
            since: Instant::now(),
            hanging: None,
        }
    }

    /// The next connection that works and sees the topology, or `None` once the broker is
    /// closed.
    pub(super) async fn next(&mut self) -> Option<(Session, BoxStream<'static, Event>)> {
        loop {
            let stop = self.stop.clone();
            let attempt = self.dial();
            let outcome = tokio::select! {
                biased;
                () = stop.cancelled() => return None,
                outcome = attempt => outcome,
            };
            match outcome {
                Ok(connection) => {
                    self.since = Instant::now();
                    let events = connection.events_listener().boxed();
                    let session = Session {
                        connection: Arc::new(connection),
                        doubt: CancellationToken::new(),
                    };
                    return Some((session, events));
                }
                Err(reason) => self.lost(reason).await,
            }
        }
    }

    /// Says that everything on the connection works from now on.
    pub(super) fn up(&self) {
        tracing::info!(link = self.way.as_str(), "Connected to the broker");
        self.set(Link::Connected);
    }

    /// Says that there is no connection, and waits before the next one is made.
    async fn lost(&mut self, reason: String) {
        if self.stop.is_cancelled() {
            self.set(Link::Down { reason });
            return;
        }
        let link = self.way.as_str();
        tracing::warn!(link, reason, "No connection to the broker");
        self.metrics.lost(link);
        self.set(Link::Down { reason });
        if self.since.elapsed() > SETTLED_AFTER {
            self.backoff = BACKOFF_FIRST;
        }
        // Jitter, so that a fleet does not come back all at once.
        let pause = self.backoff.mul_f64(rand::random_range(0.5..1.0));
        self.backoff = BACKOFF_MAX.min(self.backoff * 2);
        let _ = timeout(pause, self.stop.cancelled()).await;
        self.since = Instant::now();
    }

    /// Resolves with the reason when the connection is no good any more.
    pub(super) async fn watch(
        &self,
        session: &Session,
        events: &mut BoxStream<'static, Event>,
    ) -> String {
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return "closed".to_owned(),
                () = session.doubt.cancelled() => return "a channel failed".to_owned(),
                event = events.next() => match event {
                    Some(Event::ConnectionBlocked(reason)) => {
                        tracing::warn!(reason, "The broker takes no messages");
                        self.set(Link::Blocked { reason });
                    }
                    Some(Event::ConnectionUnblocked) => {
                        tracing::info!("The broker takes messages again");
                        self.set(Link::Connected);
                    }
                    // A channel's error comes here too; whoever uses that channel judges it.
                    Some(Event::Error(error)) if !error.is_amqp_soft_error() => {
                        return error.to_string();
                    }
                    Some(_) => {}
                    None => return "the connection ended".to_owned(),
                },
                () = sleep(LOOK_EVERY) => {
                    if !session.connection.status().connected() {
                        return "the connection ended".to_owned();
                    }
                }
            }
        }
    }

    /// Ends a connection for everybody who uses it, then waits as [`Dialer::lost`] does.
    pub(super) async fn end(&mut self, session: &Session, reason: String) {
        session.doubt.cancel();
        let closing = session.connection.close(200, "closed".into());
        let _ = timeout(self.config.connect_timeout, closing).await;
        self.lost(reason).await;
    }

    fn set(&self, link: Link) {
        self.state.send_modify(|state| *self.way.of(state) = link);
    }

    async fn dial(&mut self) -> Result<Connection, String> {
        let place = Place::of(&address(&self.config)?);
        let connection = self.open(&place).await?;
        let limit = self.config.connect_timeout;
        match timeout(limit, see_topology(&connection, &place)).await {
            Ok(Ok(())) => Ok(connection),
            Ok(Err(reason)) => Err(reason),
            Err(_) => Err(place.silent(limit)),
        }
    }

    async fn open(&mut self, place: &Place) -> Result<Connection, String> {
        let mut attempt = match self.hanging.take() {
            Some(attempt) if attempt.since.elapsed() < ABANDON_AFTER => attempt,
            Some(_) | None => self.attempt()?,
        };
        let limit = self.config.connect_timeout;
        match timeout(limit, &mut attempt.connection).await {
            Ok(Ok(connection)) => connection.map_err(|error| place.refused(&error)),
            Ok(Err(fault)) => Err(fault.to_string()),
            Err(_) => {
                self.hanging = Some(attempt);
                Err(place.silent(limit))
            }
        }
    }

    fn attempt(&self) -> Result<Attempt, String> {
        let uri = address(&self.config)?;
        let name = format!("grantline {} {}", self.role, self.way.as_str());
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        Ok(Attempt {
            since: Instant::now(),
            connection: tokio::spawn(connect(uri, properties, self.config.tls.clone())),
        })
    }
}

/// The client's own way over TLS trusts the system's authorities beside those it is given,
/// and fails where the system has none.
pub(super) async fn connect(
    uri: AMQPUri,
    properties: ConnectionProperties,
    tls: Tls,
) -> lapin::Result<Connection> {
    if tls.is_default() || uri.scheme == AMQPScheme::AMQP {
        return Connection::connect_uri(uri, properties).await;
    }
    let encrypted = async move |uri: AMQPUri, runtime| {
        let config = tls.client_config().map_err(io::Error::other)?;
        let plain = AMQPUri {
            scheme: AMQPScheme::AMQP,
            ..uri.clone()
        };
        let stream = plain.connect_async(&runtime).await?;
        let connector = RustlsConnector::from(config);
        Ok(stream.into_rustls(&connector, &uri.authority.host).await?)
    };
    let runtime = lapin::runtime::default_runtime()?;
    Connection::connector(uri, runtime, encrypted, properties).await
}

/// The configured address, read each time, for a secret file may have changed. What cannot
/// be read is not repeated: it holds a password.
pub(super) fn address(config: &Config) -> Result<AMQPUri, String> {
    let mut uri: AMQPUri = config
        .url
        .reveal()
        .parse()
        .map_err(|_| NO_ADDRESS.to_owned())?;
    let heartbeat = config.heartbeat.as_secs().clamp(1, 600);
    uri.query.heartbeat = Some(u16::try_from(heartbeat).unwrap_or(600));
    let limit = config.connect_timeout.as_millis();
    uri.query.connection_timeout = Some(u64::try_from(limit).unwrap_or(u64::MAX));
    Ok(uri)
}

/// Looks for every name of the topology. A passive declaration compares no arguments;
/// `grantline migrate --check` does.
async fn see_topology(connection: &Connection, place: &Place) -> Result<(), String> {
    let channel = connection
        .create_channel()
        .await
        .map_err(|error| place.refused(&error))?;
    for exchange in names::exchanges() {
        let options = ExchangeDeclareOptions {
            passive: true,
            ..ExchangeDeclareOptions::default()
        };
        // The kind is not compared either.
        let seen = channel.exchange_declare(
            exchange.into(),
            ExchangeKind::Direct,
            options,
            FieldTable::default(),
        );
        seen.await.map_err(|error| place.lacks(exchange, &error))?;
    }
    for queue in names::queues() {
        depth(&channel, queue)
            .await
            .map_err(|error| place.lacks(queue, &error))?;
    }
    Ok(())
}

/// Messages ready in a queue, and its consumers.
pub(super) async fn depth(channel: &Channel, queue: &str) -> lapin::Result<(u32, u32)> {
    let options = QueueDeclareOptions::durable().passive();
    let seen = channel
        .queue_declare(queue.into(), options, FieldTable::default())
        .await?;
    Ok((seen.message_count(), seen.consumer_count()))
}

/// Whether the broker says that something does not exist.
pub(super) fn is_not_found(error: &lapin::Error) -> bool {
    matches!(error.kind(), ErrorKind::ProtocolError(fault) if fault.get_id() == 404)
}
