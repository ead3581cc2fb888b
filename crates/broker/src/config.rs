//! The `[broker]` section.

use std::num::{NonZeroU16, NonZeroU32, NonZeroU64};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const GIB: u64 = 1 << 30;

/// The broker: where it is, how long it may take, how much it may hold.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Address with user, password and virtual host: `amqp://user:password@host:5672/vhost`,
    /// or `amqps://` for TLS.
    pub url: String,
    /// Address of RabbitMQ's management API, used by `grantline migrate` alone:
    /// `http://user:password@host:15672`. Without user and password those of `url` are
    /// used; without the key, port 15672 of the host in `url`.
    pub management_url: Option<String>,
    /// How often both sides show that they are alive. A silent peer is given up after
    /// twice this time. Whole seconds.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub heartbeat: Duration,
    /// Longest wait for a connection, a channel or the answer to a question.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub connect_timeout: Duration,
    /// Longest wait for the broker's confirm of one message.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub confirm_timeout: Duration,
    /// Longest wait for a free place among the messages that await their confirm.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub slot_timeout: Duration,
    /// Channels that publish side by side.
    pub channels: NonZeroU16,
    /// Messages per channel that may await their confirm at once.
    pub in_flight: NonZeroU16,
    /// A consumer whose queue holds messages and that was given none for this long is
    /// built anew.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub silence: Duration,
    /// Bytes each work queue may hold. A full one refuses messages, and the ingress
    /// answers 503. Applied by `grantline migrate`.
    pub work_queue_bytes: NonZeroU64,
    /// Bytes each retry queue may hold. Applied by `grantline migrate`.
    pub retry_queue_bytes: NonZeroU64,
    /// Bytes the parking queue and the queue of unrouted messages may each hold. Applied
    /// by `grantline migrate`.
    pub parked_queue_bytes: NonZeroU64,
    /// How often a message may come back without being finished before the broker itself
    /// parks it. Applied by `grantline migrate`.
    pub delivery_limit: NonZeroU32,
}

impl Default for Config {
    fn default() -> Self {
        let nonzero = |bytes| NonZeroU64::new(bytes).unwrap_or(NonZeroU64::MIN);
        Self {
            url: "amqp://127.0.0.1:5672/%2f".to_owned(),
            management_url: None,
            heartbeat: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(3),
            confirm_timeout: Duration::from_millis(1_500),
            slot_timeout: Duration::from_millis(200),
            channels: NonZeroU16::new(4).unwrap_or(NonZeroU16::MIN),
            in_flight: NonZeroU16::new(200).unwrap_or(NonZeroU16::MIN),
            silence: Duration::from_secs(30),
            work_queue_bytes: nonzero(GIB),
            retry_queue_bytes: nonzero(GIB),
            parked_queue_bytes: nonzero(GIB),
            delivery_limit: NonZeroU32::new(50).unwrap_or(NonZeroU32::MIN),
        }
    }
}
