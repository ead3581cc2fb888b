//! Consuming one queue, over as many channels as it takes one after the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use lapin::Channel;
use lapin::options::{BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use tokio::sync::{Mutex, mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::link::{Dialer, Session, depth, is_not_found};
use super::message;
use super::publish::Publisher;
use super::window::Window;
use crate::inbox::Inbox;
use crate::metrics::Metrics;
use crate::{Config, Delivery, PublishError, Tag, Tier};

/// Longest pause before a consumer is built anew.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// The connection that consumers share, while there is one.
pub(super) type Sessions = watch::Receiver<Option<Session>>;

/// Keeps the consuming connection up.
pub(super) async fn keep(mut dialer: Dialer, offered: watch::Sender<Option<Session>>) {
    while let Some((session, mut events)) = dialer.next().await {
        offered.send_replace(Some(session.clone()));
        dialer.up();
        let reason = dialer.watch(&session, &mut events).await;
        offered.send_replace(None);
        dialer.end(&session, reason).await;
    }
}

/// Waits for a connection. `None` once the broker is closed.
pub(super) async fn session(sessions: &mut Sessions) -> Option<Session> {
    sessions.wait_for(Option::is_some).await.ok()?.clone()
}

/// How long to wait before a consumer is built anew.
pub(super) fn pause() -> Duration {
    PAUSE_MAX.mul_f64(rand::random_range(0.1..1.0))
}

/// Takes deliveries from one queue. Its channel is built anew whenever it breaks; what was
/// unfinished then comes again, as another delivery. Dropping it gives everything
/// unfinished back to the queue.
#[derive(Debug)]
pub(crate) struct Consumer {
    inbox: Mutex<Inbox>,
    current: Arc<Current>,
    publisher: Publisher,
    /// Cancelled to take nothing more.
    drain: CancellationToken,
    /// Cancelled when the broker hands out nothing more.
    drained: CancellationToken,
    /// Cancelled, on drop at the latest, to give back what is unfinished.
    closed: DropGuard,
    gone: CancellationToken,
}

/// The channel in use, shared by those who finish and by the intake.
#[derive(Debug, Default)]
struct Current {
    open: Mutex<Option<Open>>,
    generation: AtomicU64,
    /// What all consumers of the queue hold.
    held: Arc<AtomicU64>,
}

#[derive(Debug)]
struct Open {
    generation: u64,
    channel: Channel,
    window: Window,
    /// When the broker was last given room for more.
    room_since: Instant,
}

impl Consumer {
    pub(super) fn start(
        source: Source,
        sessions: Sessions,
        publisher: Publisher,
        tasks: &TaskTracker,
    ) -> Self {
        let (arrivals, arrived) = mpsc::channel(usize::from(source.prefetch.max(1)));
        let current = Arc::new(Current {
            held: Arc::clone(&source.held),
            ..Current::default()
        });
        let [drain, drained, closed, gone] = [(); 4].map(|()| CancellationToken::new());
        let intake = Intake {
            source,
            arrivals,
            current: Arc::clone(&current),
            drain: drain.clone(),
            drained: drained.clone(),
            closed: closed.clone(),
        };
        let ended = (drained.clone().drop_guard(), gone.clone().drop_guard());
        tasks.spawn(async move {
            let _ended = ended;
            intake.run(sessions).await;
        });
        Self {
            inbox: Mutex::new(Inbox::new(arrived)),
            current,
            publisher,
            drain,
            drained,
            closed: closed.drop_guard(),
            gone,
        }
    }

    pub(crate) async fn batch(&self, max: usize, linger: Duration) -> Vec<Delivery> {
        let mut inbox = self.inbox.lock().await;
        // One from an earlier channel is handed out by the broker once more.
        let is_current = |delivery: &Delivery| {
            delivery.tag.generation == self.current.generation.load(Ordering::Acquire)
        };
        tokio::select! {
            biased;
            () = self.drain.cancelled() => Vec::new(),
            batch = inbox.gather(max, linger, is_current) => batch,
        }
    }

    /// The broker is told as soon as everything delivered before is done too. Deliveries
    /// from before a reconnect are passed over: the broker hands those out again.
    pub(crate) async fn finish(&self, tags: impl IntoIterator<Item = Tag>) {
        let mut open = self.current.open.lock().await;
        let Some(open) = open.as_mut() else { return };
        for tag in tags {
            if tag.generation == open.generation {
                open.window.finish(tag.number);
            }
        }
        let held = open.window.held();
        // Under the lock, for a smaller number after a larger one would end the channel.
        if let Some(number) = open.window.advance() {
            self.current.release(held - open.window.held());
            open.room_since = Instant::now();
            let options = BasicAckOptions { multiple: true };
            if let Err(error) = open.channel.basic_ack(number, options).await {
                tracing::debug!(%error, "An acknowledgement was lost; its tasks come again");
            }
        }
    }

    pub(crate) async fn retry(&self, delivery: &Delivery, tier: Tier) -> Result<(), PublishError> {
        self.publisher.send(message::retry(delivery, tier)).await?;
        self.finish([delivery.tag]).await;
        Ok(())
    }

    pub(crate) async fn park(&self, delivery: &Delivery, reason: &str) -> Result<(), PublishError> {
        self.publisher
            .send(message::parked(delivery, reason))
            .await?;
        self.finish([delivery.tag]).await;
        Ok(())
    }

    pub(crate) async fn cancel(&self) {
        self.drain.cancel();
        self.drained.cancelled().await;
    }

    pub(crate) async fn close(self) {
        let Self { closed, gone, .. } = self;
        drop(closed);
        gone.cancelled().await;
    }
}

/// What is consumed, and how.
pub(super) struct Source {
    pub(super) queue: &'static str,
    pub(super) prefetch: u16,
    pub(super) config: Arc<Config>,
    pub(super) metrics: Metrics,
    pub(super) held: Arc<AtomicU64>,
}

/// Moves deliveries from the broker into the inbox.
struct Intake {
    source: Source,
    arrivals: mpsc::Sender<Delivery>,
    current: Arc<Current>,
    drain: CancellationToken,
    drained: CancellationToken,
    closed: CancellationToken,
}

/// Why a channel is used no longer.
enum End {
    /// Drained or closed.
    Asked,
    /// It failed.
    Failed(String),
}

impl Intake {
    async fn run(self, mut sessions: Sessions) {
        loop {
            let session = tokio::select! {
                biased;
                () = self.closed.cancelled() => return,
                () = self.drain.cancelled() => return,
                session = session(&mut sessions) => session,
            };
            let Some(session) = session else { return };
            let reason = match self.serve(&session).await {
                End::Asked => return,
                End::Failed(reason) => reason,
            };
            let queue = self.source.queue;
            tracing::warn!(queue, reason, "A consumer is built anew");
            self.source.metrics.rebuilt(queue);
            let _ = timeout(pause(), self.closed.cancelled()).await;
        }
    }

    async fn serve(&self, session: &Session) -> End {
        let limit = self.source.config.connect_timeout;
        let (channel, mut stream) = match timeout(limit, self.open(session)).await {
            Ok(Ok(opened)) => opened,
            Ok(Err(error)) => {
                if is_not_found(&error) {
                    // The connection's next owner says what is missing.
                    session.doubt.cancel();
                }
                return End::Failed(error.to_string());
            }
            Err(_) => return End::Failed("no channel in time".to_owned()),
        };
        let generation = self.current.begin(channel.clone()).await;
        let end = tokio::select! {
            biased;
            () = self.closed.cancelled() => End::Asked,
            () = session.doubt.cancelled() => End::Failed("the connection ended".to_owned()),
            end = self.pump(generation, &channel, &mut stream) => end,
        };
        self.current.end().await;
        // This is what gives the unfinished back.
        let _ = timeout(limit, channel.close(200, "closed".into())).await;
        end
    }

    async fn open(&self, session: &Session) -> lapin::Result<(Channel, lapin::Consumer)> {
        let channel = session.connection.create_channel().await?;
        let prefetch = self.source.prefetch.max(1);
        channel
            .basic_qos(prefetch, BasicQosOptions::default())
            .await?;
        let consumer = channel
            .basic_consume(
                self.source.queue.into(),
                "".into(),
                BasicConsumeOptions::default(),
                FieldTable::default(),
            )
            .await?;
        Ok((channel, consumer))
    }

    async fn pump(&self, generation: u64, channel: &Channel, stream: &mut lapin::Consumer) -> End {
        let silence = self.source.config.silence;
        let mut heard = Instant::now();
        loop {
            tokio::select! {
                biased;
                () = self.drain.cancelled() => return self.linger(channel, stream).await,
                next = stream.next() => match next {
                    Some(Ok(delivery)) => {
                        self.current.delivered(delivery.delivery_tag).await;
                        let delivery = message::delivery(generation, delivery);
                        let taken = tokio::select! {
                            taken = self.arrivals.send(delivery) => taken.is_ok(),
                            () = self.drain.cancelled() => true,
                        };
                        if !taken {
                            return End::Asked;
                        }
                        heard = Instant::now();
                    }
                    Some(Err(error)) => return End::Failed(error.to_string()),
                    None => return End::Failed("the broker cancelled it".to_owned()),
                },
                () = sleep_until(heard + silence) => {
                    if self.is_stuck(channel).await {
                        return End::Failed(format!("nothing was delivered for {silence:?}"));
                    }
                    heard = Instant::now();
                }
            }
        }
    }

    /// Takes nothing more and keeps the channel for what is being finished.
    async fn linger(&self, channel: &Channel, stream: &mut lapin::Consumer) -> End {
        let limit = self.source.config.connect_timeout;
        let cancel = channel.basic_cancel(stream.tag(), BasicCancelOptions::default());
        let _ = timeout(limit, cancel).await;
        self.drained.cancel();
        self.closed.cancelled().await;
        End::Asked
    }

    /// Whether the queue holds messages that we have long had room for and are not given.
    async fn is_stuck(&self, channel: &Channel) -> bool {
        let prefetch = u64::from(self.source.prefetch.max(1));
        let silence = self.source.config.silence;
        if !self.current.has_had_room(prefetch, silence).await {
            return false;
        }
        let limit = self.source.config.connect_timeout;
        match timeout(limit, depth(channel, self.source.queue)).await {
            Ok(Ok((ready, _))) => ready > 0,
            Ok(Err(_)) | Err(_) => true,
        }
    }
}

impl Current {
    async fn begin(&self, channel: Channel) -> u64 {
        let generation = self.generation.fetch_add(1, Ordering::AcqRel) + 1;
        *self.open.lock().await = Some(Open {
            generation,
            channel,
            window: Window::default(),
            room_since: Instant::now(),
        });
        generation
    }

    async fn end(&self) {
        if let Some(open) = self.open.lock().await.take() {
            self.release(open.window.held());
        }
    }

    async fn delivered(&self, number: u64) {
        if let Some(open) = self.open.lock().await.as_mut() {
            let held = open.window.held();
            open.window.delivered(number);
            self.held
                .fetch_add(open.window.held() - held, Ordering::Relaxed);
        }
    }

    fn release(&self, deliveries: u64) {
        self.held.fetch_sub(deliveries, Ordering::Relaxed);
    }

    /// Whether fewer than `prefetch` have been held for all of `time`.
    async fn has_had_room(&self, prefetch: u64, time: Duration) -> bool {
        let open = self.open.lock().await;
        let has_room =
            |open: &Open| open.window.held() < prefetch && open.room_since.elapsed() >= time;
        open.as_ref().is_some_and(has_room)
    }
}
