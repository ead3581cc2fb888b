//! Tasks as AMQP messages.

use bytes::Bytes;
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
use task::{Headers, Hints, Lane, Task};
use time::OffsetDateTime;

use crate::delivery::read;
use crate::embedded::outgoing::Exit;
use crate::{Delivery, Tag, Tier, moving, names};

/// Why we parked it.
const PARKED_REASON: &str = "grantline-parked-reason";
/// Where the broker writes down each dead-lettering, the newest first.
const DEATHS: &str = "x-death";
/// What the broker adds itself begins so.
const OF_THE_BROKER: &str = "x-";

const PERSISTENT: u8 = 2;
const TRANSIENT: u8 = 1;
const OCTETS: &str = "application/octet-stream";

/// A message on its way out.
#[derive(Clone, Debug)]
pub(super) struct Outgoing {
    pub(super) exchange: ShortString,
    pub(super) routing_key: ShortString,
    pub(super) properties: BasicProperties,
    pub(super) body: Bytes,
}

/// A task for the queue of its lane.
pub(super) fn work(task: &Task, headers: &Headers) -> Outgoing {
    persistent(
        names::TASKS,
        task.lane().as_str(),
        headers,
        task.body.clone(),
    )
}

/// The copy of a delivery that waits in a retry queue.
pub(super) fn retry(delivery: &Delivery, tier: Tier) -> Outgoing {
    let (lane, headers) = delivery.next_attempt();
    persistent(
        names::retry(tier),
        lane.as_str(),
        &headers,
        delivery.body().clone(),
    )
}

/// The copy of a delivery for the parking queue.
pub(super) fn parked(delivery: &Delivery, reason: &str) -> Outgoing {
    let mut headers = match &delivery.task {
        Ok(task) => task.headers(),
        Err(unreadable) => unreadable.headers.clone(),
    };
    headers.set(PARKED_REASON, reason);
    let lane = delivery.lane.unwrap_or(Lane::Record);
    persistent(
        names::PARKED,
        lane.as_str(),
        &headers,
        delivery.body().clone(),
    )
}

/// A message of the embedded stack's file, for the queue that is its own here.
pub(super) fn carried(message: &moving::Outgoing, now: OffsetDateTime) -> Outgoing {
    let (exchange, wait) = match message.exit(now) {
        Exit::Work => (names::TASKS, None),
        Exit::Retry(tier, millis) => (names::retry(tier), Some(millis)),
        Exit::Parked => (names::PARKED, None),
        Exit::Unrouted => (names::UNROUTED, None),
    };
    let mut headers = message.headers.clone();
    headers.set_some(PARKED_REASON, message.reason.as_deref());
    let mut carried = persistent(exchange, &message.lane, &headers, message.body.clone());
    if let Some(millis) = wait {
        // Shorter than the queue's own, it counts. It is gone when the message is due.
        let expiration = ShortString::from(millis.to_string());
        carried.properties = carried.properties.with_expiration(expiration);
    }
    carried
}

/// New rows, for every publisher.
pub(super) fn hints(hints: &Hints) -> Outgoing {
    Outgoing {
        exchange: names::HINTS.into(),
        routing_key: ShortString::default(),
        properties: BasicProperties::default().with_delivery_mode(TRANSIENT),
        body: hints.to_bytes().into(),
    }
}

/// Nothing the broker added (`x-death`) travels on: its cycle detection would drop the copy
/// one day.
fn persistent(exchange: &str, routing_key: &str, headers: &Headers, body: Bytes) -> Outgoing {
    let mut table = FieldTable::default();
    let ours = |(name, _): &(&str, &str)| !name.starts_with(OF_THE_BROKER);
    for (name, value) in headers.iter().filter(ours) {
        table.insert(
            name.into(),
            AMQPValue::LongString(LongString::from(value.as_bytes())),
        );
    }
    Outgoing {
        exchange: exchange.into(),
        routing_key: routing_key.into(),
        properties: BasicProperties::default()
            .with_delivery_mode(PERSISTENT)
            .with_content_type(OCTETS.into())
            .with_headers(table),
        body,
    }
}

/// A delivery as the worker sees it.
pub(super) fn delivery(generation: u64, message: lapin::message::Delivery) -> Delivery {
    let table = message.properties.headers().as_ref();
    let headers = texts(table);
    let body = Bytes::from(message.data);
    let ours = headers.optional::<String>(PARKED_REASON).ok().flatten();
    let parked = ours.or_else(|| newest_death(table?));
    Delivery {
        tag: Tag {
            generation,
            number: message.delivery_tag,
        },
        lane: message.routing_key.as_str().parse().ok(),
        task: read(headers, body),
        redelivered: message.redelivered,
        parked,
    }
}

/// Why the broker dead-lettered it last: `delivery_limit`, or `expired` after a retry tier.
fn newest_death(table: &FieldTable) -> Option<String> {
    let AMQPValue::FieldArray(deaths) = table.inner().get(DEATHS)? else {
        return None;
    };
    let AMQPValue::FieldTable(newest) = deaths.as_slice().first()? else {
        return None;
    };
    text(newest.inner().get("reason")?)
}

/// The headers that are texts; the others are the broker's own.
fn texts(table: Option<&FieldTable>) -> Headers {
    table
        .into_iter()
        .flat_map(FieldTable::inner)
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), text(value)?)))
        .collect()
}

fn text(value: &AMQPValue) -> Option<String> {
    match value {
        AMQPValue::LongString(text) => std::str::from_utf8(text.as_bytes())
            .ok()
            .map(ToOwned::to_owned),
        AMQPValue::ShortString(text) => Some(text.as_str().to_owned()),
        AMQPValue::Boolean(_)
        | AMQPValue::ShortShortInt(_)
        | AMQPValue::ShortShortUInt(_)
        | AMQPValue::ShortInt(_)
        | AMQPValue::ShortUInt(_)
        | AMQPValue::LongInt(_)
        | AMQPValue::LongUInt(_)
        | AMQPValue::LongLongInt(_)
        | AMQPValue::Float(_)
        | AMQPValue::Double(_)
        | AMQPValue::DecimalValue(_)
        | AMQPValue::FieldArray(_)
        | AMQPValue::Timestamp(_)
        | AMQPValue::FieldTable(_)
        | AMQPValue::ByteArray(_)
        | AMQPValue::Void => None,
    }
}
