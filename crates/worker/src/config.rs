//! The section `[worker]`.

use std::num::{NonZeroU16, NonZeroUsize};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

/// How the worker takes and books notices.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Lanes per kind of work in one process, each with a channel and a database
    /// connection of its own.
    #[schemars(range(min = 1, max = 64))]
    pub lanes: NonZeroU16,
    /// The most notices booked in one database transaction.
    #[schemars(range(min = 1, max = 2000))]
    pub batch: NonZeroUsize,
    /// Deliveries a lane holds unacknowledged. Twice `batch` keeps the next one ready.
    #[schemars(range(min = 1, max = 2000))]
    pub prefetch: NonZeroU16,
    /// How long a lane waits for a batch to fill, and only while batches come full.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub linger: Duration,
    /// How long a batch is held and tried again while the database is away. After that it
    /// goes to the retry queues. Keep it well below the broker's acknowledgement time-out.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub hold: Duration,
    /// Grace between SIGTERM and abort. Keep it below the pod's
    /// `terminationGracePeriodSeconds`, or Kubernetes wins the race.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub drain_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            lanes: NonZeroU16::new(2).expect("not zero"),
            batch: NonZeroUsize::new(200).expect("not zero"),
            prefetch: NonZeroU16::new(400).expect("not zero"),
            linger: Duration::from_millis(3),
            hold: Duration::from_mins(1),
            drain_timeout: Duration::from_secs(25),
        }
    }
}
