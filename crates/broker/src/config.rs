//! The broker's settings: the `[broker]` section for RabbitMQ, and the embedded stack's.

use std::num::{NonZeroU16, NonZeroU32, NonZeroU64};
use std::time::Duration;

use schemars::JsonSchema;
use secret::{Endpoint, Secret, Tls};
use serde::Deserialize;

/// The broker: where it is, how long it may take, how much it may hold.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Address with user, password and virtual host: `amqp://user:password@host:5672/vhost`,
    /// or `amqps://` for TLS.
    pub url: Secret,
    /// Address of RabbitMQ's management API, used by `grantline migrate` alone:
    /// `http://user:password@host:15672`. Without user and password those of `url` are
    /// used; without the key, port 15672 of the host in `url`.
    #[serde(default)]
    pub management_url: Option<Secret>,
    /// Certificates for TLS; they need an `amqps://` address, and count for an `https://`
    /// address of the management API as well.
    #[serde(default)]
    pub tls: Tls,
    /// How often both sides show that they are alive. A silent peer is given up after
    /// twice this time. Whole seconds.
    #[serde(default = "Config::heartbeat", with = "humantime_serde")]
    #[schemars(with = "String")]
    pub heartbeat: Duration,
    /// Longest wait for a connection, a channel or the answer to a question.
    #[serde(default = "Config::connect_timeout", with = "humantime_serde")]
    #[schemars(with = "String")]
    pub connect_timeout: Duration,
    /// Longest wait for the broker's confirm of one message.
    #[serde(default = "Config::confirm_timeout", with = "humantime_serde")]
    #[schemars(with = "String")]
    pub confirm_timeout: Duration,
    /// Longest wait for a free place among the messages that await their confirm.
    #[serde(default = "Config::slot_timeout", with = "humantime_serde")]
    #[schemars(with = "String")]
    pub slot_timeout: Duration,
    /// Channels that publish side by side.
    #[serde(default = "Config::channels")]
    #[schemars(range(min = 1, max = 64))]
    pub channels: NonZeroU16,
    /// Messages per channel that may await their confirm at once.
    #[serde(default = "Config::in_flight")]
    #[schemars(range(min = 1, max = 2_000))]
    pub in_flight: NonZeroU16,
    /// A consumer whose queue holds messages and that was given none for this long is
    /// built anew.
    #[serde(default = "Config::silence", with = "humantime_serde")]
    #[schemars(with = "String")]
    pub silence: Duration,
    /// Bytes each work queue may hold. A full one refuses messages, and the ingress
    /// answers 503. Applied by `grantline migrate`.
    #[serde(default = "Config::queue_bytes")]
    pub work_queue_bytes: NonZeroU64,
    /// Bytes each retry queue may hold. Applied by `grantline migrate`.
    #[serde(default = "Config::queue_bytes")]
    pub retry_queue_bytes: NonZeroU64,
    /// Bytes the parking queue and the queue of unrouted messages may each hold. Applied
    /// by `grantline migrate`.
    #[serde(default = "Config::queue_bytes")]
    pub parked_queue_bytes: NonZeroU64,
    /// How often a message may come back without being finished before the broker itself
    /// parks it. Applied by `grantline migrate`.
    #[serde(default = "Config::delivery_limit")]
    pub delivery_limit: NonZeroU32,
}

impl Config {
    /// Everything at its default but the URL.
    #[must_use]
    pub fn at(url: Secret) -> Self {
        Self {
            url,
            management_url: None,
            tls: Tls::default(),
            heartbeat: Self::heartbeat(),
            connect_timeout: Self::connect_timeout(),
            confirm_timeout: Self::confirm_timeout(),
            slot_timeout: Self::slot_timeout(),
            channels: Self::channels(),
            in_flight: Self::in_flight(),
            silence: Self::silence(),
            work_queue_bytes: Self::queue_bytes(),
            retry_queue_bytes: Self::queue_bytes(),
            parked_queue_bytes: Self::queue_bytes(),
            delivery_limit: Self::delivery_limit(),
        }
    }

    /// Host, port and virtual host of `url`, fit to be shown.
    #[must_use]
    pub fn place(&self) -> String {
        crate::rabbitmq::place(self)
    }

    /// Where the broker is, and where its management API. Nothing of a URL that is none.
    #[must_use]
    pub fn endpoints(&self) -> Vec<Endpoint> {
        crate::rabbitmq::endpoints(self)
    }

    const fn heartbeat() -> Duration {
        Duration::from_secs(5)
    }

    const fn connect_timeout() -> Duration {
        Duration::from_secs(3)
    }

    const fn confirm_timeout() -> Duration {
        Duration::from_millis(1_500)
    }

    const fn slot_timeout() -> Duration {
        Duration::from_millis(200)
    }

    const fn channels() -> NonZeroU16 {
        NonZeroU16::new(4).expect("not zero")
    }

    const fn in_flight() -> NonZeroU16 {
        NonZeroU16::new(200).expect("not zero")
    }

    const fn silence() -> Duration {
        Duration::from_secs(30)
    }

    const fn queue_bytes() -> NonZeroU64 {
        NonZeroU64::new(1 << 30).expect("not zero")
    }

    const fn delivery_limit() -> NonZeroU32 {
        NonZeroU32::new(50).expect("not zero")
    }
}

/// The broker on the embedded stack's file: how long it may take, how much it may hold.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EmbeddedConfig {
    /// Longest wait until one message is on disk.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub confirm_timeout: Duration,
    /// Longest wait for a free place among the messages on their way to the disk.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub slot_timeout: Duration,
    /// Messages that may be on their way to the disk at once.
    #[schemars(range(min = 1, max = 1_000))]
    pub in_flight: NonZeroU16,
    /// Bytes each work queue may hold. A full one refuses messages, and the ingress
    /// answers 503.
    pub work_queue_bytes: NonZeroU64,
    /// Bytes each retry queue may hold.
    pub retry_queue_bytes: NonZeroU64,
    /// Bytes the parking queue may hold.
    pub parked_queue_bytes: NonZeroU64,
    /// How often a message may come back without being finished before the broker itself
    /// parks it.
    pub delivery_limit: NonZeroU32,
}

impl Default for EmbeddedConfig {
    fn default() -> Self {
        Self {
            confirm_timeout: Config::confirm_timeout(),
            slot_timeout: Config::slot_timeout(),
            in_flight: NonZeroU16::new(800).expect("not zero"),
            work_queue_bytes: Config::queue_bytes(),
            retry_queue_bytes: Config::queue_bytes(),
            parked_queue_bytes: Config::queue_bytes(),
            delivery_limit: Config::delivery_limit(),
        }
    }
}
