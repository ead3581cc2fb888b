//! What is asked for when somebody reads the metrics. The meter keeps every callback.
//!
//! Ages are told as of that moment, by this machine's clock, never below 0.

use broker::{Broker, Depth};
use ledger::{OpenObligations, OpenParked, Survey, Unfulfilled};
use opentelemetry::KeyValue;
use opentelemetry::metrics::Meter;
use order::{ParkReason, ProjectId};
use time::OffsetDateTime;
use tokio::sync::watch;

use crate::epoch::Epoch;
use crate::watching::{Queue, Told, Waits};

/// Most currencies of one project. Prices come with notices, so others choose their names.
const CURRENCIES_MAX: usize = 64;

/// Parked for a reason of another version.
const OTHER: &str = "other";

type Seen = watch::Receiver<Told>;

/// Which epoch the ledger is in, while it answers.
pub(crate) fn tell_epoch(meter: &Meter, epoch: Epoch) {
    let _ = meter
        .u64_observable_gauge("grantline.ledger.epoch")
        .with_description("Always 1; its label tells the ledger's epoch, while the ledger answers")
        .with_callback(move |gauge| {
            if let Some(epoch) = epoch.current() {
                gauge.observe(1, &[KeyValue::new("epoch", epoch)]);
            }
        })
        .build();
}

/// What this process holds of each queue.
pub(crate) fn tell_held(meter: &Meter, broker: Broker) {
    let _ = meter
        .u64_observable_gauge("grantline.worker.queue_unacknowledged")
        .with_unit("{message}")
        .with_description("Messages that this process has taken and not finished, by queue")
        .with_callback(move |gauge| {
            for (queue, held) in broker.held() {
                gauge.observe(held, &[KeyValue::new("queue", queue)]);
            }
        })
        .build();
}

/// What the one worker that watches has seen last.
pub(crate) fn tell_watch(meter: &Meter, seen: &Seen, projects: &[ProjectId]) {
    let watching = seen.clone();
    let _ = meter
        .u64_observable_gauge("grantline.worker.watching")
        .with_description(
            "1 in the worker that tells of queues and ledger for all of them, 0 in the others; \
             1 in every one while the database is away",
        )
        .with_callback(move |gauge| gauge.observe(watching.borrow().watching.into(), &[]))
        .build();
    tell_queues(meter, seen);
    tell_unfulfilled(meter, seen, projects);
    tell_parked(meter, seen);
    tell_obligations(meter, seen);
}

fn tell_queues(meter: &Meter, seen: &Seen) {
    let count = |name, unit, description, value: fn(&Depth) -> u64| {
        let seen = seen.clone();
        let _ = meter
            .u64_observable_gauge(name)
            .with_unit(unit)
            .with_description(description)
            .with_callback(move |gauge| {
                for Queue { depth, .. } in &seen.borrow().queues {
                    gauge.observe(value(depth), &[KeyValue::new("queue", depth.queue)]);
                }
            })
            .build();
    };
    count(
        "grantline.worker.queue_depth",
        "{message}",
        "Messages that wait on a queue for a worker or for their time",
        |depth| depth.ready,
    );
    count(
        "grantline.worker.queue_consumers",
        "{consumer}",
        "Consumers of a queue, of all processes",
        |depth| depth.consumers,
    );
    let seen = seen.clone();
    let _ = meter
        .f64_observable_gauge("grantline.worker.queue_oldest")
        .with_unit("s")
        .with_description(
            "How long the oldest task waits that no worker has taken, 0 for an empty queue. On \
             RabbitMQ at most so long: since the newest task was received that a worker has \
             taken, or since the queue was last seen empty. Exact on the embedded file",
        )
        .with_callback(move |gauge| {
            let now = task::now();
            for Queue { depth, waits } in &seen.borrow().queues {
                let age = match waits {
                    None => continue,
                    Some(Waits::Nothing) => 0.0,
                    Some(Waits::Since(at)) => age(now, *at),
                };
                gauge.observe(age, &[KeyValue::new("queue", depth.queue)]);
            }
        })
        .build();
}

/// One value of a gauge.
type Value<T> = (T, Vec<KeyValue>);

/// A gauge of numbers that a survey gives; none while there is no survey.
fn tell_numbers(
    meter: &Meter,
    seen: &Seen,
    (name, unit, description): (&'static str, &'static str, &'static str),
    of: impl Fn(&Survey) -> Vec<Value<u64>> + Send + Sync + 'static,
) {
    let seen = seen.clone();
    let _ = meter
        .u64_observable_gauge(name)
        .with_unit(unit)
        .with_description(description)
        .with_callback(move |gauge| {
            let values = seen.borrow().survey.as_ref().map(&of);
            for (value, labels) in values.into_iter().flatten() {
                gauge.observe(value, &labels);
            }
        })
        .build();
}

/// As [`tell_numbers`], for what is no whole number. `of` is given the time.
fn tell_measures(
    meter: &Meter,
    seen: &Seen,
    (name, unit, description): (&'static str, Option<&'static str>, &'static str),
    of: impl Fn(&Survey, OffsetDateTime) -> Vec<Value<f64>> + Send + Sync + 'static,
) {
    let seen = seen.clone();
    let gauge = meter.f64_observable_gauge(name);
    let gauge = match unit {
        Some(unit) => gauge.with_unit(unit),
        None => gauge,
    };
    let _ = gauge
        .with_description(description)
        .with_callback(move |gauge| {
            let now = task::now();
            let values = seen.borrow().survey.as_ref().map(|survey| of(survey, now));
            for (value, labels) in values.into_iter().flatten() {
                gauge.observe(value, &labels);
            }
        })
        .build();
}

fn tell_unfulfilled(meter: &Meter, seen: &Seen, projects: &[ProjectId]) {
    let known = projects.to_vec();
    tell_numbers(
        meter,
        seen,
        (
            "grantline.ledger.paid_not_granted",
            "{order}",
            "Orders that were paid with money and not granted, neither canceled nor refunded; at \
             100000 at least so many",
        ),
        move |survey| {
            let number = |project| found(survey, project).map_or(0, |found| found.orders);
            let each = all(&known, survey).into_iter();
            each.map(|project| (number(project), vec![of(project)]))
                .collect()
        },
    );
    tell_measures(
        meter,
        seen,
        (
            "grantline.ledger.paid_not_granted_amount",
            None,
            "The prices of those orders, in units of their currency; without those of which the \
             payment alone was heard",
        ),
        |survey, _| survey.unfulfilled.iter().flat_map(amounts).collect(),
    );
    let known = projects.to_vec();
    tell_measures(
        meter,
        seen,
        (
            "grantline.ledger.paid_not_granted_oldest",
            Some("s"),
            "Since the payment of the oldest of those orders was booked; 0 without any",
        ),
        move |survey, now| {
            let oldest = |project| found(survey, project).map(|found| found.oldest_at);
            let each = all(&known, survey).into_iter();
            each.map(|project| (age_of(now, oldest(project)), vec![of(project)]))
                .collect()
        },
    );
}

/// The configured projects, and those of which there is something to tell.
fn all(known: &[ProjectId], survey: &Survey) -> Vec<ProjectId> {
    let found = survey.unfulfilled.iter().map(|found| found.project);
    let others = found.filter(|project| !known.contains(project));
    known.iter().copied().chain(others).collect()
}

fn found(survey: &Survey, project: ProjectId) -> Option<&Unfulfilled> {
    let mut all = survey.unfulfilled.iter();
    all.find(|unfulfilled| unfulfilled.project == project)
}

fn of(project: ProjectId) -> KeyValue {
    KeyValue::new("project", project.get())
}

/// Sums by currency. What is no code of a currency comes from no store, and has no end.
fn amounts(unfulfilled: &Unfulfilled) -> Vec<Value<f64>> {
    let is_code = |code: &str| code.len() == 3 && code.bytes().all(|b| b.is_ascii_uppercase());
    let mut amounts: Vec<_> = unfulfilled
        .amounts
        .iter()
        .filter(|(currency, _)| is_code(currency))
        .collect();
    amounts.sort();
    amounts.truncate(CURRENCIES_MAX);
    let value = |(currency, millionths): &(Box<str>, i128)| {
        let currency = KeyValue::new("currency", currency.to_string());
        (units(*millionths), vec![of(unfulfilled.project), currency])
    };
    amounts.into_iter().map(value).collect()
}

/// The sum is exact to here.
#[expect(clippy::cast_precision_loss, reason = "a gauge has 53 bits")]
fn units(millionths: i128) -> f64 {
    millionths as f64 / 1e6
}

fn tell_parked(meter: &Meter, seen: &Seen) {
    tell_numbers(
        meter,
        seen,
        (
            "grantline.ledger.parked",
            "{entry}",
            "Parked entries that wait for a person, by reason; at 100000 at least so many",
        ),
        |survey| {
            let each = reasons(survey).into_iter();
            each.map(|(reason, open)| (open.map_or(0, |open| open.entries), vec![reason]))
                .collect()
        },
    );
    tell_measures(
        meter,
        seen,
        (
            "grantline.ledger.parked_oldest",
            Some("s"),
            "Since the oldest of those entries was parked, for the last time where it was \
             replayed in vain; 0 without any",
        ),
        |survey, now| {
            let each = reasons(survey).into_iter();
            each.map(|(reason, open)| (age_of(now, open.map(|open| open.oldest_at)), vec![reason]))
                .collect()
        },
    );
}

/// Every reason of this version, and one word for those of others.
fn reasons(survey: &Survey) -> Vec<(KeyValue, Option<OpenParked>)> {
    let label = |reason: &'static str| KeyValue::new("reason", reason);
    let open = |reason| {
        let mut parked = survey.parked.iter();
        parked.find(|open| open.reason == reason).copied()
    };
    let mut all: Vec<_> = ParkReason::ALL
        .into_iter()
        .map(|reason| (label(reason.as_str()), open(Some(reason))))
        .collect();
    if let Some(other) = open(None) {
        all.push((label(OTHER), Some(other)));
    }
    all
}

fn tell_obligations(meter: &Meter, seen: &Seen) {
    tell_numbers(
        meter,
        seen,
        (
            "grantline.ledger.obligations",
            "{obligation}",
            "Grants and revokes that are booked and not carried out, by direction and state; at \
             100000 at least so many",
        ),
        |survey| {
            let kinds = OpenObligations::DIRECTIONS
                .into_iter()
                .flat_map(|direction| OpenObligations::STATES.map(|state| (direction, state)));
            let number = |kind| {
                let mut all = survey.obligations.iter();
                let open = all.find(|open| (open.direction, open.state) == kind);
                open.map_or(0, |open| open.obligations)
            };
            kinds
                .map(|kind| {
                    let direction = KeyValue::new("direction", kind.0);
                    (
                        number(kind),
                        vec![direction, KeyValue::new("state", kind.1)],
                    )
                })
                .collect()
        },
    );
    tell_measures(
        meter,
        seen,
        (
            "grantline.ledger.obligations_oldest",
            Some("s"),
            "Since the oldest of those was booked, by direction; 0 without any",
        ),
        |survey, now| {
            let oldest = |direction| {
                let of = survey.obligations.iter();
                let of = of.filter(|open| open.direction == direction);
                of.map(|open| open.oldest_at).min()
            };
            let value = |direction| {
                let label = KeyValue::new("direction", direction);
                (age_of(now, oldest(direction)), vec![label])
            };
            OpenObligations::DIRECTIONS.map(value).to_vec()
        },
    );
}

fn age_of(now: OffsetDateTime, at: Option<OffsetDateTime>) -> f64 {
    at.map_or(0.0, |at| age(now, at))
}

fn age(now: OffsetDateTime, at: OffsetDateTime) -> f64 {
    (now - at).as_seconds_f64().max(0.0)
}

#[cfg(test)]
mod tests;
