//! Claiming, marking, releasing.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::metrics::Meter;
use redis::aio::MultiplexedConnection;
use redis::{Pipeline, RedisError};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use crate::keeper::{Failure, Keeper, Line};
use crate::key::{self, Said};
use crate::metrics::Metrics;
use crate::{Claimed, Config, Key, Mark};

/// Longest wait for marks and releases: what they speak of is committed or given up
/// already, and the acknowledgement waits behind them.
const AFTERWARDS_TIMEOUT: Duration = Duration::from_millis(50);

/// Deletes a key that still holds the given claim. One key at a time, which a cluster
/// wants.
pub(crate) const RELEASE: &str =
    "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0";

/// Ten years, in milliseconds: Redis refuses an expiry that overflows its clock.
const EXPIRY_MAX_MILLIS: u64 = 10 * 365 * 24 * 60 * 60 * 1_000;

/// How Redis is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// None is configured.
    Unused,
    /// It answers.
    Connected,
    /// It is passed over until it answers.
    Down {
        /// The newest failure.
        reason: String,
    },
}

/// A process's handle to the marks. Clones share one connection.
#[derive(Clone, Debug)]
pub struct Claims(Option<Redis>);

#[derive(Clone, Debug)]
struct Redis {
    config: Arc<Config>,
    line: watch::Receiver<Option<Line>>,
    state: watch::Receiver<State>,
    metrics: Metrics,
}

impl Claims {
    /// No Redis: every notice is [`Claimed::Mine`].
    #[must_use]
    pub const fn none() -> Self {
        Self(None)
    }

    /// Starts connecting and returns at once, whether or not there is a Redis; the same as
    /// [`Claims::none`] if none is configured. Must be called within a tokio runtime.
    #[must_use]
    pub fn connect(config: Config, meter: &Meter) -> Self {
        let Some(url) = config.url.clone() else {
            return Self::none();
        };
        let config = Arc::new(config);
        let metrics = Metrics::new(meter);
        let (offered, line) = watch::channel(None);
        let (state_told, state) = watch::channel(State::Down {
            reason: "not connected yet".to_owned(),
        });
        let keeper = Keeper {
            config: Arc::clone(&config),
            offered,
            state: state_told,
            metrics: metrics.clone(),
        };
        tokio::spawn(keeper.run(url));
        Self(Some(Redis {
            config,
            line,
            state,
            metrics,
        }))
    }

    /// How Redis is doing now.
    #[must_use]
    pub fn state(&self) -> State {
        self.0
            .as_ref()
            .map_or(State::Unused, |redis| redis.state.borrow().clone())
    }

    /// Claims a batch in one round trip and says what is known of each notice, in order.
    ///
    /// `token` names the worker and the batch: the same token claims the same notices
    /// again. Without Redis everything is [`Claimed::Mine`]; waits at most `timeout`, and
    /// not at all while Redis is known to be down.
    pub async fn take(&self, marks: &[Mark], token: &str, epoch: &str) -> Vec<Claimed> {
        let unknown = || vec![Claimed::Mine; marks.len()];
        let Some(redis) = &self.0 else {
            return unknown();
        };
        let keys: Vec<&Key> = marks.iter().flat_map(|mark| &mark.keys).collect();
        if keys.is_empty() {
            return unknown();
        }
        let started = Instant::now();
        let claim = key::claim(token);
        let mut pipeline = Pipeline::with_capacity(keys.len());
        for key in &keys {
            pipeline
                .cmd("SET")
                .arg(redis.name(key))
                .arg(&claim)
                .arg(&["NX", "GET", "PX"])
                .arg(redis.lease_millis());
        }
        let call = |mut connection: MultiplexedConnection| async move {
            pipeline
                .query_async::<Vec<Option<String>>>(&mut connection)
                .await
        };
        let limit = redis.config.timeout;
        let Some(found) = redis.ask(limit, call).await else {
            return unknown();
        };
        let mut found = found.iter();
        let judge = |mark: &Mark| {
            let said: Vec<Said> = found
                .by_ref()
                .take(mark.keys.len())
                .map(|found| key::said(found.as_deref(), &claim, &mark.fingerprint, epoch))
                .collect();
            if said.contains(&Said::Conflict) {
                redis.metrics.conflict();
            }
            key::together(&said)
        };
        let claimed: Vec<Claimed> = marks.iter().map(judge).collect();
        redis.metrics.taken(&claimed, started.elapsed());
        claimed
    }

    /// Remembers that these are booked. Call it after the commit, never before. Waits at
    /// most 50 ms; a mark that is lost costs one look into the ledger.
    pub async fn mark(&self, marks: &[Mark], epoch: &str) {
        let Some(redis) = &self.0 else { return };
        let mut pipeline = Pipeline::new();
        for mark in marks {
            let done = key::done(&mark.fingerprint, epoch);
            for key in &mark.keys {
                pipeline
                    .cmd("SET")
                    .arg(redis.name(key))
                    .arg(&done)
                    .arg("PX")
                    .arg(redis.done_millis())
                    .ignore();
            }
        }
        if pipeline.is_empty() {
            return;
        }
        let call = |mut connection: MultiplexedConnection| async move {
            pipeline.exec_async(&mut connection).await
        };
        redis.ask(AFTERWARDS_TIMEOUT, call).await;
    }

    /// Gives claims of `token` back, so that nobody has to wait for the lease. Touches
    /// nothing else. Waits at most 50 ms.
    pub async fn release(&self, marks: &[Mark], token: &str) {
        let Some(redis) = &self.0 else { return };
        let claim = key::claim(token);
        let mut pipeline = Pipeline::new();
        for key in marks.iter().flat_map(|mark| &mark.keys) {
            pipeline
                .cmd("EVAL")
                .arg(RELEASE)
                .arg(1)
                .arg(redis.name(key))
                .arg(&claim)
                .ignore();
        }
        if pipeline.is_empty() {
            return;
        }
        let call = |mut connection: MultiplexedConnection| async move {
            pipeline.exec_async(&mut connection).await
        };
        redis.ask(AFTERWARDS_TIMEOUT, call).await;
    }
}

impl Redis {
    /// Asks, unless the circuit is open; a failure opens it.
    async fn ask<T, F>(
        &self,
        limit: Duration,
        call: impl FnOnce(MultiplexedConnection) -> F,
    ) -> Option<T>
    where
        F: Future<Output = Result<T, RedisError>>,
    {
        let Line { connection, failed } = self.line.borrow().clone()?;
        let failure = match timeout(limit, call(connection)).await {
            Ok(Ok(answer)) => return Some(answer),
            Ok(Err(error)) => {
                tracing::debug!(%error, "A call to Redis failed");
                Failure::of(&error)
            }
            Err(_) => Failure::TimedOut,
        };
        self.metrics.failed(failure);
        failed.notify_one();
        None
    }

    fn name(&self, key: &Key) -> String {
        format!("{}{}", self.config.key_prefix, key.as_str())
    }

    fn lease_millis(&self) -> u64 {
        millis(self.config.lease)
    }

    fn done_millis(&self) -> u64 {
        millis(self.config.done_ttl)
    }
}

/// Redis refuses an expiry of 0.
fn millis(duration: Duration) -> u64 {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(EXPIRY_MAX_MILLIS);
    millis.clamp(1, EXPIRY_MAX_MILLIS)
}
