//! Exchanges, queues, bindings and policies.
//!
//! A queue's arguments can never change, so only its type is one; limits, times and dead
//! letters are policies, which AMQP itself cannot set. The alternate exchange is an
//! argument, for without it a message of an unknown lane would be confirmed and gone.
//!
//! The dead-letter settings belong together: at-least-once needs `reject-publish` and a
//! dead-letter exchange, or RabbitMQ quietly goes back to at-most-once.

use std::collections::BTreeMap;
use std::time::Duration;

use hyper::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use task::Lane;
use tokio::time::sleep;

use super::management::{Management, TopologyError, segment};
use crate::{Config, Tier, names};

/// A broker killed within about a second of declaring a quorum queue may forget it: the
/// name is written down half a second late. There is nothing to wait on but time.
const SETTLE: Duration = Duration::from_secs(2);

/// Beats policies that operators give to all queues.
const PRIORITY: i64 = 10;

/// RabbitMQ 4 drops a message after 20 deliveries where nothing else is said.
const DELIVERIES_UNLIMITED: u32 = 1_000_000;

/// Mends what is missing, and policies.
const MIGRATE: &str = "run `grantline migrate`";

/// Mends what can never change.
const REPLACE: &str = "move its messages away, delete it and run `grantline migrate`";

/// Exchanges, queues, bindings and policies, as `grantline migrate` sets them up.
#[derive(Debug)]
pub struct Topology;

/// One deviation from the topology, to be read by a person.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{object}: {found}")]
pub struct Fault {
    /// What it is about, such as `queue grantline.grant.v1`.
    pub object: String,
    /// What is wrong and what was expected.
    pub found: String,
}

impl Topology {
    /// Declares what is missing and sets the policies. Returns what was new, such as
    /// `queue grantline.grant.v1`; nothing the second time. After it declared a queue it
    /// waits two seconds.
    ///
    /// # Errors
    /// When the management API does not answer, refuses, or something exists otherwise.
    pub async fn declare(config: &Config) -> Result<Vec<String>, TopologyError> {
        let api = Management::new(config)?;
        let vhost = segment(&api.vhost);
        let mut new = Vec::new();
        let mut fresh_queue = false;
        // Policies first, so that no queue is ever without its own.
        for policy in policies(config) {
            let object = format!("policy {}", policy.name);
            let path = format!("policies/{vhost}/{}", segment(&policy.name));
            if api.put(Method::PUT, &object, &path, &policy).await? {
                new.push(object);
            }
        }
        for exchange in exchanges() {
            let object = format!("exchange {}", exchange.name);
            let path = format!("exchanges/{vhost}/{}", exchange.name);
            if api.put(Method::PUT, &object, &path, &exchange).await? {
                new.push(object);
            }
        }
        for name in names::queues() {
            let object = format!("queue {name}");
            let path = format!("queues/{vhost}/{name}");
            if api
                .put(Method::PUT, &object, &path, &Queue::quorum())
                .await?
            {
                new.push(object);
                fresh_queue = true;
            }
        }
        for (exchange, queue, key) in bindings() {
            let object = format!("binding {exchange} → {queue}");
            let path = format!("bindings/{vhost}/e/{exchange}/q/{queue}");
            let binding = json!({ "routing_key": key });
            // Never says whether it is new.
            api.put(Method::POST, &object, &path, &binding).await?;
        }
        if fresh_queue {
            sleep(SETTLE).await;
        }
        Ok(new)
    }

    /// Everything that is not as [`Topology::declare`] would leave it, arguments and
    /// policies included. Changes nothing. RabbitMQ reports which policy a queue follows
    /// some seconds late; a foreign policy that just took over is found then.
    ///
    /// # Errors
    /// When the management API does not answer or refuses.
    pub async fn check(config: &Config) -> Result<Vec<Fault>, TopologyError> {
        let api = Management::new(config)?;
        let vhost = segment(&api.vhost);
        let mut faults = Vec::new();
        let path = format!("policies/{vhost}");
        let Some(found) = api.get::<Vec<Policy>>("policies", &path).await? else {
            return Err(api.no_vhost());
        };
        compare_policies(&policies(config), &found, &mut faults);
        for exchange in exchanges() {
            let object = format!("exchange {}", exchange.name);
            let path = format!("exchanges/{vhost}/{}", exchange.name);
            let found = api.get::<Exchange>(&object, &path).await?;
            faults.extend(difference(object, found.as_ref(), &exchange, REPLACE));
        }
        for name in names::queues() {
            let object = format!("queue {name}");
            let path =
                format!("queues/{vhost}/{name}?columns=durable,auto_delete,arguments,policy");
            let found = api.get::<Queue>(&object, &path).await?;
            faults.extend(foreign_policy(&object, name, found.as_ref()));
            let found = found.map(|queue| Queue {
                policy: None,
                ..queue
            });
            faults.extend(difference(
                object,
                found.as_ref(),
                &Queue::quorum(),
                REPLACE,
            ));
        }
        for (exchange, queue, key) in bindings() {
            let object = format!("binding {exchange} → {queue}");
            let path = format!("bindings/{vhost}/e/{exchange}/q/{queue}");
            let found = api.get::<Vec<Binding>>(&object, &path).await?;
            if !found
                .unwrap_or_default()
                .iter()
                .any(|b| b.routing_key == key)
            {
                faults.push(Fault {
                    object,
                    found: format!("missing, expected routing key `{key}`: {MIGRATE}"),
                });
            }
        }
        Ok(faults)
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Policy {
    name: String,
    pattern: String,
    #[serde(rename = "apply-to")]
    apply_to: String,
    priority: i64,
    definition: BTreeMap<String, Value>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Exchange {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    durable: bool,
    auto_delete: bool,
    arguments: Map<String, Value>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Queue {
    durable: bool,
    #[serde(default)]
    auto_delete: bool,
    arguments: Map<String, Value>,
    /// Which policy it follows, where RabbitMQ knows already.
    #[serde(default, skip_serializing)]
    policy: Option<String>,
}

#[derive(Deserialize)]
struct Binding {
    routing_key: String,
}

impl Queue {
    fn quorum() -> Self {
        Self {
            durable: true,
            auto_delete: false,
            arguments: arguments("x-queue-type", "quorum"),
            policy: None,
        }
    }
}

fn arguments(name: &str, value: &str) -> Map<String, Value> {
    Map::from_iter([(name.to_owned(), value.into())])
}

fn exchanges() -> impl Iterator<Item = Exchange> {
    names::exchanges().map(|name| {
        let (kind, arguments) = if name == names::TASKS {
            ("direct", arguments("alternate-exchange", names::UNROUTED))
        } else {
            ("fanout", Map::new())
        };
        Exchange {
            name: name.to_owned(),
            kind: kind.to_owned(),
            durable: true,
            auto_delete: false,
            arguments,
        }
    })
}

/// Exchange, queue and routing key.
fn bindings() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    let work = Lane::ALL.map(|lane| (names::TASKS, names::work(lane), lane.as_str()));
    let retry = Tier::ALL.map(|tier| (names::retry(tier), names::retry(tier), ""));
    let rest = [names::PARKED, names::UNROUTED].map(|name| (name, name, ""));
    work.into_iter().chain(retry).chain(rest)
}

fn policies(config: &Config) -> Vec<Policy> {
    let policy = |name: &str, bytes: u64, more: Vec<(&str, Value)>| {
        let mut definition = BTreeMap::from([
            ("max-length-bytes".to_owned(), bytes.into()),
            ("overflow".to_owned(), "reject-publish".into()),
            ("delivery-limit".to_owned(), DELIVERIES_UNLIMITED.into()),
        ]);
        definition.extend(more.into_iter().map(|(key, value)| (key.to_owned(), value)));
        Policy {
            name: name.to_owned(),
            pattern: format!("^{}$", name.replace('.', "\\.")),
            apply_to: "queues".to_owned(),
            priority: PRIORITY,
            definition,
        }
    };
    let dead_letters = |exchange: &str| {
        vec![
            ("dead-letter-exchange", exchange.into()),
            ("dead-letter-strategy", "at-least-once".into()),
        ]
    };
    let work = Lane::ALL.map(|lane| {
        let mut more = dead_letters(names::PARKED);
        more.push(("delivery-limit", config.delivery_limit.get().into()));
        policy(names::work(lane), config.work_queue_bytes.get(), more)
    });
    let retry = Tier::ALL.map(|tier| {
        let mut more = dead_letters(names::TASKS);
        more.push(("message-ttl", (tier.delay().as_secs() * 1_000).into()));
        policy(names::retry(tier), config.retry_queue_bytes.get(), more)
    });
    let rest = [names::PARKED, names::UNROUTED]
        .map(|name| policy(name, config.parked_queue_bytes.get(), Vec::new()));
    work.into_iter().chain(retry).chain(rest).collect()
}

fn compare_policies(expected: &[Policy], found: &[Policy], faults: &mut Vec<Fault>) {
    for policy in expected {
        let object = format!("policy {}", policy.name);
        let found = found.iter().find(|found| found.name == policy.name);
        faults.extend(difference(object, found, policy, MIGRATE));
    }
}

fn foreign_policy(object: &str, name: &str, found: Option<&Queue>) -> Option<Fault> {
    let policy = found?
        .policy
        .as_deref()
        .filter(|policy| !policy.is_empty())?;
    (policy != name).then(|| Fault {
        object: object.to_owned(),
        found: format!("follows policy `{policy}`, expected `{name}`: give ours priority"),
    })
}

fn difference<T: PartialEq + Serialize>(
    object: String,
    found: Option<&T>,
    expected: &T,
    mend: &str,
) -> Option<Fault> {
    let text = |value: &T| serde_json::to_string(value).unwrap_or_default();
    let (expects, found) = (
        text(expected),
        match found {
            None => None,
            Some(found) if found == expected => return None,
            Some(found) => Some(text(found)),
        },
    );
    let found = match found {
        None => format!("missing, expected {expects}: {MIGRATE}"),
        Some(found) => format!("found {found}, expected {expects}: {mend}"),
    };
    Some(Fault { object, found })
}
