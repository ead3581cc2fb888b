//! The connection to Redis: dropped at the first fault, tried again once a second.
//!
//! The client's own connection manager stays with a primary that was demoted, since
//! READONLY is no lost connection to it, and pays the full time-out for every command to a
//! Redis that hangs. Here the first fault opens the circuit: nobody asks Redis until a
//! probe has written to it.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ErrorKind, RedisError, ServerErrorKind};
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};

use crate::metrics::Metrics;
use crate::{Config, State};

const PROBE_EVERY: Duration = Duration::from_secs(1);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// What became of a call, as counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// No answer in time.
    TimedOut,
    /// A replica, or a primary that was demoted.
    ReadOnly,
    /// Still reading its data.
    Loading,
    /// Anything else, a lost connection and a full memory among them.
    Other,
}

impl Failure {
    pub(crate) fn of(error: &RedisError) -> Self {
        let kind = error.kind();
        if kind == ErrorKind::Server(ServerErrorKind::ReadOnly) {
            Self::ReadOnly
        } else if kind == ErrorKind::Server(ServerErrorKind::BusyLoading) {
            Self::Loading
        } else if error.is_timeout() {
            Self::TimedOut
        } else {
            Self::Other
        }
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::TimedOut => "timed_out",
            Self::ReadOnly => "read_only",
            Self::Loading => "loading",
            Self::Other => "other",
        }
    }
}

/// A connection that worked a moment ago.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) connection: MultiplexedConnection,
    /// Told by whoever saw a call fail on it.
    pub(crate) failed: Arc<Notify>,
}

/// Makes connections, one after the other.
pub(crate) struct Keeper {
    pub(crate) config: Arc<Config>,
    pub(crate) offered: watch::Sender<Option<Line>>,
    pub(crate) state: watch::Sender<State>,
    pub(crate) metrics: Metrics,
}

impl Keeper {
    /// Runs until the last user is gone.
    pub(crate) async fn run(self, url: secret::Secret) {
        tokio::select! {
            () = self.offered.closed() => {}
            () = self.keep(&url) => {}
        }
    }

    async fn keep(&self, url: &secret::Secret) {
        loop {
            match self.open(url).await {
                Ok(connection) => {
                    tracing::info!("Connected to Redis");
                    let failed = Arc::<Notify>::default();
                    self.offered.send_replace(Some(Line {
                        connection,
                        failed: Arc::clone(&failed),
                    }));
                    self.state.send_replace(State::Connected);
                    failed.notified().await;
                    self.offered.send_replace(None);
                    self.down("a call failed".to_owned());
                }
                Err(error) => {
                    self.metrics.failed(Failure::of(&error));
                    self.down(reason(&error));
                }
            }
            sleep(PROBE_EVERY).await;
        }
    }

    fn down(&self, reason: String) {
        let news = State::Down { reason };
        let changed = self.state.send_if_modified(|state| {
            let changed = *state != news;
            state.clone_from(&news);
            changed
        });
        if changed {
            tracing::warn!(state = ?news, "Redis is passed over; the ledger does without");
        }
    }

    /// Connects and writes, for a replica and a full memory can be read as well.
    async fn open(&self, url: &secret::Secret) -> Result<MultiplexedConnection, RedisError> {
        let client = Client::open(&*url.reveal())?;
        let settings = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(self.config.timeout));
        let open = async {
            let mut connection = client
                .get_multiplexed_async_connection_with_config(&settings)
                .await?;
            redis::cmd("SET")
                .arg(format!("{}probe", self.config.key_prefix))
                .arg(1)
                .arg("PX")
                .arg(1_000)
                .exec_async(&mut connection)
                .await?;
            Ok(connection)
        };
        let limit = CONNECT_TIMEOUT + self.config.timeout;
        timeout(limit, open).await.unwrap_or_else(|_| {
            let error = std::io::Error::from(std::io::ErrorKind::TimedOut);
            Err(error.into())
        })
    }
}

/// Never shows the address, which holds a password.
fn reason(error: &RedisError) -> String {
    let kind = error.kind();
    if kind == ErrorKind::InvalidClientConfig {
        "claim.url is no redis:// or rediss:// address".to_owned()
    } else if kind == ErrorKind::AuthenticationFailed {
        "user or password are wrong".to_owned()
    } else {
        error.to_string()
    }
}
