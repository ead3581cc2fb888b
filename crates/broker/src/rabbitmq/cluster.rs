//! What RabbitMQ says of itself over its management API.

use serde::Deserialize;
use time::format_description::well_known::Rfc2822;
use time::{Duration, OffsetDateTime};

use super::management::{Management, TopologyError, segment};
use crate::{Config, names};

/// RabbitMQ as it answered once. Nothing in it is judged.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// Where its management API is.
    pub at: String,
    /// Its version, such as `3.10.8`.
    pub version: String,
    /// How far its clock is ahead of ours; it tells whole seconds.
    pub clock_ahead: Option<Duration>,
    /// Its nodes; none where this user may not see them.
    pub nodes: Option<Vec<Node>>,
    /// The queues of the topology that have members.
    pub queues: Vec<Members>,
}

/// One of RabbitMQ's nodes.
#[derive(Clone, Debug, Deserialize)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Whether it takes part.
    #[serde(default)]
    pub running: bool,
    /// Whether it takes no messages for want of memory.
    #[serde(default, rename = "mem_alarm")]
    pub is_short_of_memory: bool,
    /// Whether it takes no messages for want of disk.
    #[serde(default, rename = "disk_free_alarm")]
    pub is_short_of_disk: bool,
    /// How many free bytes it insists on, where it says so.
    #[serde(default)]
    pub disk_free_limit: Option<u64>,
}

/// The nodes that keep a queue's messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Members {
    /// The queue.
    pub queue: &'static str,
    /// All of them.
    pub all: usize,
    /// Those that are there.
    pub online: usize,
}

#[derive(Deserialize)]
struct Overview {
    rabbitmq_version: String,
}

#[derive(Deserialize)]
struct Queue {
    #[serde(default)]
    members: Vec<String>,
    #[serde(default)]
    online: Vec<String>,
}

impl Cluster {
    /// Asks the management API. Changes nothing. `now` reads our clock.
    ///
    /// # Errors
    /// When the management API does not answer or refuses.
    pub async fn examine(
        config: &Config,
        now: fn() -> OffsetDateTime,
    ) -> Result<Self, TopologyError> {
        let api = Management::new(config)?;
        let asked_at = now();
        let (overview, date) = api
            .get_dated::<Overview>("the overview", "overview")
            .await?;
        let ours = asked_at + (now() - asked_at) / 2;
        let Some(overview) = overview else {
            return Err(api.no_vhost());
        };
        let theirs = date.and_then(|date| OffsetDateTime::parse(&date, &Rfc2822).ok());
        let nodes = match api.get("the nodes", "nodes").await {
            Ok(nodes) => nodes,
            // Only a user with the tag `monitoring` may see them.
            Err(TopologyError::Refused { .. }) => None,
            Err(error) => return Err(error),
        };
        let vhost = segment(&api.vhost);
        let mut queues = Vec::new();
        for name in names::queues() {
            let path = format!("queues/{vhost}/{name}?columns=members,online");
            let Some(found) = api.get::<Queue>(name, &path).await? else {
                continue;
            };
            if !found.members.is_empty() {
                queues.push(Members {
                    queue: name,
                    all: found.members.len(),
                    online: found.online.len(),
                });
            }
        }
        Ok(Self {
            at: api.address().to_owned(),
            version: overview.rabbitmq_version,
            // The second that it names has begun, and half of it is over on average.
            clock_ahead: theirs.map(|theirs| theirs + Duration::milliseconds(500) - ours),
            nodes,
            queues,
        })
    }
}
