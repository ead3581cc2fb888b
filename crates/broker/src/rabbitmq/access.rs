//! Whether a broker lets us do what we have to, found out over AMQP and without a trace.
//!
//! RabbitMQ tells nobody what they are allowed to do; it refuses when they try. So each right
//! is tried with a request that is refused for another reason if it is granted: a message whose
//! expiry is no number; a consumer and a queue with an argument of the wrong type; a binding of
//! a queue that does not exist. RabbitMQ looks at the rights before all of these. A refusal
//! closes the channel, so each has its own.

use std::collections::BTreeSet;

use lapin::options::{
    BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
    ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable, LongString};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, ExchangeKind};
use task::{Lane, Role};
use tokio::time::timeout;

use super::link::{address, connect, depth, is_not_found};
use super::place::{Place, is_refusal};
use crate::{Config, Tier, names};

/// Behind the name of the exchange, as a publisher's own queue of hints has it.
const OWN_QUEUE: &str = "doctor";

/// What a user may do at a broker, and what is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// Host, port and virtual host, without user and password.
    pub at: String,
    /// Exchanges and queues of the topology that do not exist.
    pub missing: Vec<&'static str>,
    /// Rights that the roles need and the user does not have.
    pub refused: BTreeSet<Right>,
    /// Messages that found no queue and wait.
    pub unrouted: u64,
}

/// A right, as `rabbitmqctl set_permissions` grants it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    /// `configure`, `write` or `read`.
    pub verb: &'static str,
    /// Of which exchange or queue; a name that ends in `.*` stands for all that begin so.
    pub name: String,
}

/// Why nothing could be asked: what is wrong, where, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unusable(String);

/// What is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Trial {
    Write(&'static str),
    Read(&'static str),
    Hear,
}

impl Access {
    /// Looks for the topology, and tries what these roles do. Nothing changes: no message is
    /// sent or taken, and nothing is declared.
    ///
    /// # Errors
    /// When the broker cannot be reached, refuses the user, or ends the connection.
    pub async fn examine(config: &Config, roles: &BTreeSet<Role>) -> Result<Self, Unusable> {
        let uri = address(config).map_err(Unusable)?;
        let place = Place::of(&uri);
        let name = ConnectionProperties::default().with_connection_name("grantline doctor".into());
        let limit = config.connect_timeout;
        let connection = timeout(limit, connect(uri, name, config.tls.clone()))
            .await
            .map_err(|_| Unusable(place.silent(limit)))?
            .map_err(|error| Unusable(place.refused(&error)))?;
        let looked = look(&connection, roles).await;
        // Nothing waits for it.
        let _ = timeout(limit, connection.close(200, "seen".into())).await;
        let (missing, refused, unrouted) =
            looked.map_err(|error| Unusable(place.refused(&error)))?;
        Ok(Self {
            at: place.full(),
            missing,
            refused,
            unrouted,
        })
    }
}

type Looked = (Vec<&'static str>, BTreeSet<Right>, u64);

async fn look(connection: &Connection, roles: &BTreeSet<Role>) -> lapin::Result<Looked> {
    let mut missing = BTreeSet::new();
    let mut unrouted = 0;
    for exchange in names::exchanges() {
        let channel = connection.create_channel().await?;
        if is_missing(see_exchange(&channel, exchange).await)? {
            missing.insert(exchange);
        }
    }
    for queue in names::queues() {
        let channel = connection.create_channel().await?;
        let seen = depth(&channel, queue).await;
        if let (Ok((ready, _)), true) = (&seen, queue == names::UNROUTED) {
            unrouted = u64::from(*ready);
        }
        if is_missing(seen.map(drop))? {
            missing.insert(queue);
        }
    }
    let mut refused = BTreeSet::new();
    for trial in trials(roles) {
        refused.extend(tried(connection, trial).await?);
    }
    Ok((missing.into_iter().collect(), refused, unrouted))
}

/// What these roles do.
fn trials(roles: &BTreeSet<Role>) -> BTreeSet<Trial> {
    let of = |role: &Role| -> Vec<Trial> {
        match role {
            Role::Ingress => vec![Trial::Write(names::TASKS)],
            Role::Worker => {
                let queues = Lane::ALL.map(names::work);
                let queues = queues.into_iter().chain([names::PARKED, names::UNROUTED]);
                let exchanges = Tier::ALL.map(names::retry);
                let exchanges = exchanges.into_iter().chain([names::PARKED, names::HINTS]);
                queues
                    .map(Trial::Read)
                    .chain(exchanges.map(Trial::Write))
                    .collect()
            }
            Role::Publisher => vec![Trial::Hear],
            Role::Api => vec![Trial::Write(names::TASKS), Trial::Write(names::HINTS)],
        }
    };
    roles.iter().flat_map(of).collect()
}

/// The rights of this trial that are not granted.
async fn tried(connection: &Connection, trial: Trial) -> lapin::Result<Vec<Right>> {
    let channel = async || connection.create_channel().await;
    let right = |verb, name: &str| Right {
        verb,
        name: name.to_owned(),
    };
    let mut refused = Vec::new();
    match trial {
        Trial::Write(exchange) => {
            if is_refused(publish(&channel().await?, exchange).await)? {
                refused.push(right("write", exchange));
            }
        }
        Trial::Read(queue) => {
            if is_refused(consume(&channel().await?, queue).await)? {
                refused.push(right("read", queue));
            }
        }
        Trial::Hear => {
            let (queue, all) = (own(OWN_QUEUE), own("*"));
            if is_refused(declare(&channel().await?, &queue).await)? {
                refused.push(right("configure", &all));
            }
            if is_refused(consume(&channel().await?, &queue).await)? {
                refused.push(right("read", &all));
            }
            if is_refused(bind(&channel().await?, &queue).await)? {
                let text = "write, and read of the exchange,";
                refused.push(right(text, &all));
            }
        }
    }
    Ok(refused)
}

fn own(name: &str) -> String {
    format!("{}.{name}", names::HINTS)
}

async fn see_exchange(channel: &Channel, exchange: &str) -> lapin::Result<()> {
    let options = ExchangeDeclareOptions {
        passive: true,
        ..ExchangeDeclareOptions::default()
    };
    let kind = ExchangeKind::Direct;
    channel
        .exchange_declare(exchange.into(), kind, options, FieldTable::default())
        .await
}

/// An expiry is a number of milliseconds, so there is never a message. The refusal is told to
/// whoever waits for the confirm; any later request would only learn that the channel is closed.
async fn publish(channel: &Channel, exchange: &str) -> lapin::Result<()> {
    let confirmed = ConfirmSelectOptions::default();
    channel.confirm_select(confirmed).await?;
    let options = BasicPublishOptions::default();
    let properties = BasicProperties::default().with_expiration("none".into());
    channel
        .basic_publish(exchange.into(), "".into(), options, b"", properties)
        .await?
        .await
        .map(drop)
}

/// A priority is a number, so there is never a consumer.
async fn consume(channel: &Channel, queue: &str) -> lapin::Result<()> {
    // Should another broker take it for one, it holds a single message until we are gone.
    channel.basic_qos(1, BasicQosOptions::default()).await?;
    let options = BasicConsumeOptions::default();
    channel
        .basic_consume(queue.into(), "".into(), options, no_number("x-priority"))
        .await
        .map(drop)
}

/// An expiry is a number, so there is never a queue.
async fn declare(channel: &Channel, queue: &str) -> lapin::Result<()> {
    let options = QueueDeclareOptions::exclusive().auto_delete();
    channel
        .queue_declare(queue.into(), options, no_number("x-expires"))
        .await
        .map(drop)
}

/// There is no such queue.
async fn bind(channel: &Channel, queue: &str) -> lapin::Result<()> {
    let options = QueueBindOptions::default();
    channel
        .queue_bind(
            queue.into(),
            names::HINTS.into(),
            "".into(),
            options,
            FieldTable::default(),
        )
        .await
}

fn no_number(argument: &'static str) -> FieldTable {
    let mut arguments = FieldTable::default();
    let text = AMQPValue::LongString(LongString::from("none"));
    arguments.insert(argument.into(), text);
    arguments
}

/// Whether the broker looked for something in vain. What it says of anything else counts as
/// there; an end of the connection is an error.
fn is_missing(seen: lapin::Result<()>) -> lapin::Result<bool> {
    judged(seen, is_not_found)
}

/// Whether the broker refused for the user's sake. Refusals for another reason are what was
/// asked for.
fn is_refused(tried: lapin::Result<()>) -> lapin::Result<bool> {
    judged(tried, is_refusal)
}

fn judged(answer: lapin::Result<()>, is: fn(&lapin::Error) -> bool) -> lapin::Result<bool> {
    match answer {
        Ok(()) => Ok(false),
        Err(error) if is(&error) => Ok(true),
        Err(error) if error.is_amqp_soft_error() => Ok(false),
        Err(error) => Err(error),
    }
}
