//! What a consumer is given, and what becomes of it.

use std::time::Duration;

use bytes::Bytes;
use task::{HeaderError, Headers, Hints, Lane, Task};
use time::OffsetDateTime;

/// One message taken from a queue. It stays the broker's until it is finished, retried or
/// parked; one that is dropped comes back when its consumer closes.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// By which it is finished.
    pub tag: Tag,
    /// The work queue it came from or, parked or unrouted, was meant for. `None` if its routing key
    /// names no lane.
    pub lane: Option<Lane>,
    /// The task, or what could be read of it.
    pub task: Result<Task, Box<Unreadable>>,
    /// Whether it was handed out before, to anybody.
    pub redelivered: bool,
    /// Why the message was parked, on deliveries of the parking queue: the reason given to
    /// [`Consumer::park`](crate::Consumer::park), or [`Delivery::GIVEN_UP`].
    pub parked: Option<String>,
}

impl Delivery {
    /// The broker's own reason to park a message: it came back too often. RabbitMQ's word.
    pub const GIVEN_UP: &str = "delivery_limit";

    /// The message, byte for byte.
    pub(crate) fn body(&self) -> &Bytes {
        match &self.task {
            Ok(task) => &task.body,
            Err(unreadable) => &unreadable.body,
        }
    }

    /// Routing key and headers with which it is tried again: one attempt on, if it is a task.
    pub(crate) fn next_attempt(&self) -> (Lane, Headers) {
        match &self.task {
            Ok(task) => {
                let mut next = task.clone();
                next.attempt = next.attempt.saturating_add(1);
                (self.lane.unwrap_or_else(|| task.lane()), next.headers())
            }
            Err(unreadable) => {
                let lane = self.lane.unwrap_or(Lane::Record);
                (lane, unreadable.headers.clone())
            }
        }
    }
}

/// A message as a task, or what could be read of it.
pub(crate) fn read(headers: Headers, body: Bytes) -> Result<Task, Box<Unreadable>> {
    Task::from_parts(&headers, body.clone()).map_err(|fault| {
        Box::new(Unreadable {
            fault,
            headers,
            body,
        })
    })
}

/// Names one delivery of one consumer. Worthless after that consumer was built anew, for
/// the broker then hands the message out again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag {
    pub(crate) generation: u64,
    pub(crate) number: u64,
}

/// A message whose headers are not those of a task of this version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// What is wrong with them.
    pub fault: HeaderError,
    /// All that are texts.
    pub headers: Headers,
    /// The body, byte for byte.
    pub body: Bytes,
}

/// How long a task waits before it is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// 5 seconds.
    FiveSeconds,
    /// 1 minute.
    OneMinute,
    /// 10 minutes.
    TenMinutes,
    /// 1 hour.
    OneHour,
}

impl Tier {
    /// Every tier, shortest first.
    pub const ALL: [Self; 4] = [
        Self::FiveSeconds,
        Self::OneMinute,
        Self::TenMinutes,
        Self::OneHour,
    ];

    /// The tier after `attempt` failures before this one: each longer than the last, then
    /// hourly.
    #[must_use]
    pub const fn after(attempt: u32) -> Self {
        match attempt {
            0 => Self::FiveSeconds,
            1 => Self::OneMinute,
            2 => Self::TenMinutes,
            _ => Self::OneHour,
        }
    }

    /// How long a task waits in it.
    #[must_use]
    pub const fn delay(self) -> Duration {
        Duration::from_secs(match self {
            Self::FiveSeconds => 5,
            Self::OneMinute => 60,
            Self::TenMinutes => 600,
            Self::OneHour => 3_600,
        })
    }

    /// As in queue names and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FiveSeconds => "5s",
            Self::OneMinute => "1m",
            Self::TenMinutes => "10m",
            Self::OneHour => "1h",
        }
    }
}

/// What a publisher hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HintEvent {
    /// New rows of status streams.
    Hints(Hints),
    /// Hints may have been missed: look at the ledger. Told after every (re)connect, the
    /// first one too, and after more hints than could be taken in.
    Gap,
}

/// How full one queue is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Depth {
    /// Its name.
    pub queue: &'static str,
    /// Messages that wait for a consumer.
    pub ready: u64,
    /// Consumers on it, of all processes.
    pub consumers: u64,
    /// When the ingress had read the first of those that wait. `None` where nothing waits,
    /// and with RabbitMQ, which tells nobody without handing the message out; and in queues
    /// without a worker's lane.
    pub oldest: Option<OffsetDateTime>,
}
