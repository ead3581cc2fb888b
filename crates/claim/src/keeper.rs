//! The connection to Redis: dropped at the first fault, tried again once a second.
//!
//! The client's own connection manager stays with a primary that was demoted, since
//! READONLY is no lost connection to it, and pays the full time-out for every command to a
//! Redis that hangs. Here the first fault opens the circuit: nobody asks Redis until a
//! probe has written to it.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, ErrorKind, RedisError, ServerErrorKind,
    TlsCertificates,
};
use secret::Revealed;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout};

use crate::diary::Diary;
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
    pub(crate) const ALL: [Self; 4] = [Self::TimedOut, Self::ReadOnly, Self::Loading, Self::Other];

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
        let mut diary = Diary::new();
        loop {
            match self.open(url).await {
                Ok(connection) => {
                    if diary.found() {
                        tracing::info!("Connected to Redis");
                    }
                    let failed = Arc::<Notify>::default();
                    self.offered.send_replace(Some(Line {
                        connection,
                        failed: Arc::clone(&failed),
                    }));
                    self.state.send_replace(State::Connected);
                    failed.notified().await;
                    self.offered.send_replace(None);
                    self.down(&mut diary, "call", "a call failed".to_owned());
                }
                Err(error) => {
                    let failure = Failure::of(&error);
                    self.metrics.failed(failure);
                    self.down(&mut diary, failure.as_str(), reason(url, &error));
                }
            }
            sleep(PROBE_EVERY).await;
        }
    }

    fn down(&self, diary: &mut Diary, loss: &'static str, reason: String) {
        if let Some(held_back) = diary.lost(loss, Instant::now()) {
            tracing::warn!(
                reason,
                held_back,
                "Redis is passed over; the ledger does without"
            );
        }
        let news = State::Down { reason };
        self.state.send_if_modified(|state| {
            let changed = *state != news;
            *state = news;
            changed
        });
    }

    fn client(&self, url: &secret::Secret) -> Result<Client, RedisError> {
        let (url, tls) = (url.reveal(), &self.config.tls);
        if tls.is_default() {
            return Client::open(&*url);
        }
        let bytes = |pem: Revealed| pem.as_bytes().to_vec();
        let client_tls = tls.identity().map(|(certificate, key)| ClientTlsConfig {
            client_cert: bytes(certificate),
            client_key: bytes(key),
        });
        let root_cert = tls.ca.as_ref().map(|ca| bytes(ca.reveal()));
        Client::build_with_tls(
            &*url,
            TlsCertificates {
                client_tls,
                root_cert,
            },
        )
    }

    /// Connects and writes, for a replica and a full memory can be read as well.
    async fn open(&self, url: &secret::Secret) -> Result<MultiplexedConnection, RedisError> {
        let client = self.client(url)?;
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

/// What is wrong, where, and what to do. Never shows the password in the address.
fn reason(url: &secret::Secret, error: &RedisError) -> String {
    let Ok(client) = Client::open(&*url.reveal()) else {
        return "`claim.url` is not the address of a Redis: expected \
                redis://user:password@host:6379/0, or rediss:// for TLS"
            .to_owned();
    };
    let at = client.get_connection_info().addr();
    let kind = error.kind();
    if kind == ErrorKind::AuthenticationFailed {
        format!(
            "Redis at {at} refuses user or password; expected those of `claim.url`: correct \
             it, or the user in Redis"
        )
    } else if kind == ErrorKind::Io {
        format!(
            "cannot reach Redis at {at} ({error}); expected a running one there: start it, or \
             correct `claim.url`, or `claim.tls` where a certificate is at fault"
        )
    } else {
        format!("Redis at {at} does not serve: {error}")
    }
}
