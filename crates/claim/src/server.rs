//! What a Redis says of itself, for whoever looks for what is wrong with it.

use redis::aio::MultiplexedConnection;
use redis::{ErrorKind, FromRedisValue, InfoDict, RedisError, ServerErrorKind};
use time::{Duration, OffsetDateTime};

use crate::Config;
use crate::keeper::{connect, reason};
use crate::store::RELEASE;

/// The key that is tried: it is gone after a second.
const KEY: &str = "doctor";
const KEY_MILLIS: u32 = 1_000;

/// A Redis as it answered once. Nothing in it is judged.
#[derive(Clone, Debug)]
pub struct Server {
    /// Where it is, without user and password.
    pub at: String,
    /// Its version, such as `7.0.15`; none where this user may not see it.
    pub version: Option<String>,
    /// What it does when its memory is full, such as `noeviction`.
    pub eviction: Option<String>,
    /// How far its clock is ahead of ours, to the half of a round trip.
    pub clock_ahead: Option<Duration>,
    /// What a worker asks of it and it refuses, with its own words.
    pub refused: Vec<String>,
}

/// Why nothing could be asked: what is wrong, where, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unusable(String);

impl Server {
    /// Asks the configured Redis about itself, and does with a key of its own, which expires
    /// within a second, what a worker does with its keys. `now` reads our clock. `None` where
    /// no Redis is configured.
    ///
    /// # Errors
    /// When it cannot be reached, or refuses the user.
    pub async fn examine(
        config: &Config,
        now: fn() -> OffsetDateTime,
    ) -> Result<Option<Self>, Unusable> {
        let Some(url) = &config.url else {
            return Ok(None);
        };
        let unusable = |error: RedisError| Unusable(reason(url, &error));
        let mut connection = connect(config, url).await.map_err(unusable)?;
        let asked_at = now();
        let time: Option<(i64, i64)> = ask(&mut connection, redis::cmd("TIME"))
            .await
            .map_err(unusable)?;
        let ours = asked_at + (now() - asked_at) / 2;
        let info: Option<InfoDict> = ask(&mut connection, redis::cmd("INFO"))
            .await
            .map_err(unusable)?;
        let said = |name: &str| info.as_ref()?.get::<String>(name);
        let refused = tried(config, &mut connection).await.map_err(unusable)?;
        let at = config.endpoint();
        Ok(Some(Self {
            at: at.map_or_else(
                || "a socket".to_owned(),
                |at| format!("{}:{}", at.host, at.port),
            ),
            version: said("redis_version"),
            eviction: said("maxmemory_policy"),
            clock_ahead: time.and_then(|time| ahead(time, ours)),
            refused,
        }))
    }
}

/// Asks for what a worker can do without: `None` where the user may not ask.
async fn ask<T: FromRedisValue>(
    connection: &mut MultiplexedConnection,
    command: redis::Cmd,
) -> Result<Option<T>, RedisError> {
    match command.query_async(connection).await {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoPerm) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Claims and releases.
async fn tried(
    config: &Config,
    connection: &mut MultiplexedConnection,
) -> Result<Vec<String>, RedisError> {
    let key = format!("{}{KEY}", config.key_prefix);
    let mut claim = redis::cmd("SET");
    claim
        .arg(&key)
        .arg(KEY)
        .arg(&["NX", "GET", "PX"])
        .arg(KEY_MILLIS);
    let mut release = redis::cmd("EVAL");
    release.arg(RELEASE).arg(1).arg(&key).arg(KEY);
    let mut refused = Vec::new();
    for command in [claim, release] {
        match command.exec_async(connection).await {
            Ok(()) => {}
            // The connection is at fault, and not the command.
            Err(error) if error.kind() == ErrorKind::Io => return Err(error),
            Err(error) => refused.push(error.to_string()),
        }
    }
    Ok(refused)
}

fn ahead((seconds, micros): (i64, i64), ours: OffsetDateTime) -> Option<Duration> {
    let theirs = OffsetDateTime::from_unix_timestamp(seconds).ok()?;
    Some(theirs + Duration::microseconds(micros) - ours)
}
