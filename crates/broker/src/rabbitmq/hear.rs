//! Hearing hints, on a queue of one's own that goes away with its connection.

use std::sync::Arc;

use futures_util::StreamExt;
use lapin::Channel;
use lapin::options::{BasicConsumeOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, LongString};
use task::Hints;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::consume::{Sessions, pause, session};
use super::link::{Session, is_not_found};
use crate::{Config, HintEvent, names};

/// Events that may wait for their reader.
const WAITING_MAX: usize = 1_024;
/// Messages the broker keeps for a publisher that does not read; the oldest go first.
const QUEUE_MAX: i32 = 10_000;

/// Hears hints.
#[derive(Debug)]
pub(crate) struct HintReceiver {
    events: mpsc::Receiver<HintEvent>,
    _closed: DropGuard,
}

impl HintReceiver {
    pub(super) fn start(config: Arc<Config>, sessions: Sessions, tasks: &TaskTracker) -> Self {
        let (told, events) = mpsc::channel(WAITING_MAX);
        let closed = CancellationToken::new();
        let ear = Ear { config, told };
        let stop = closed.clone();
        tasks.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = ear.run(sessions) => {}
            }
        });
        Self {
            events,
            _closed: closed.drop_guard(),
        }
    }

    pub(crate) async fn next(&mut self) -> Option<HintEvent> {
        self.events.recv().await
    }
}

struct Ear {
    config: Arc<Config>,
    told: mpsc::Sender<HintEvent>,
}

impl Ear {
    async fn run(self, mut sessions: Sessions) {
        while let Some(session) = session(&mut sessions).await {
            let limit = self.config.connect_timeout;
            let reason = match timeout(limit, open(&session)).await {
                Ok(Ok((_channel, mut stream))) => tokio::select! {
                    () = session.doubt.cancelled() => "the connection ended".to_owned(),
                    reason = self.hear(&mut stream) => reason,
                },
                Ok(Err(error)) => {
                    if is_not_found(&error) {
                        // The connection's next owner says what is missing.
                        session.doubt.cancel();
                    }
                    error.to_string()
                }
                Err(_) => "no channel in time".to_owned(),
            };
            tracing::warn!(reason, "Hints are not heard");
            sleep(pause()).await;
        }
    }

    /// Passes hints on until the stream fails. What cannot be passed on becomes a gap.
    async fn hear(&self, stream: &mut lapin::Consumer) -> String {
        // What was said before the queue existed was not heard.
        let mut gap = true;
        loop {
            tokio::select! {
                biased;
                place = self.told.reserve(), if gap => match place {
                    Ok(place) => {
                        place.send(HintEvent::Gap);
                        gap = false;
                    }
                    Err(_) => return "nobody listens".to_owned(),
                },
                next = stream.next() => match next {
                    // Always taken off the stream, for the client buffers without a bound.
                    Some(Ok(message)) => {
                        let hints = Hints::from_bytes(&message.data).map(HintEvent::Hints);
                        let told = hints.is_ok_and(|hints| self.told.try_send(hints).is_ok());
                        gap |= !told;
                    }
                    Some(Err(error)) => return error.to_string(),
                    None => return "the broker cancelled the consumer".to_owned(),
                },
            }
        }
    }
}

async fn open(session: &Session) -> lapin::Result<(Channel, lapin::Consumer)> {
    let channel = session.connection.create_channel().await?;
    let queue = format!("{}.{:016x}", names::HINTS, rand::random::<u64>());
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-length".into(), AMQPValue::LongInt(QUEUE_MAX));
    let drop_head = AMQPValue::LongString(LongString::from("drop-head"));
    arguments.insert("x-overflow".into(), drop_head);
    let options = QueueDeclareOptions::exclusive().auto_delete();
    channel
        .queue_declare(queue.as_str().into(), options, arguments)
        .await?;
    channel
        .queue_bind(
            queue.as_str().into(),
            names::HINTS.into(),
            "".into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        )
        .await?;
    let options = BasicConsumeOptions {
        no_ack: true,
        exclusive: true,
        ..BasicConsumeOptions::default()
    };
    let stream = channel
        .basic_consume(
            queue.as_str().into(),
            "".into(),
            options,
            FieldTable::default(),
        )
        .await?;
    Ok((channel, stream))
}
