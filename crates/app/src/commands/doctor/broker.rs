//! RabbitMQ: what it lets us do, and what it says of itself.

use std::collections::BTreeMap;

use broker::{Access, Cluster, Config, Members, Node, Right, Topology, TopologyError};

use super::Patient;
use super::clock;
use super::finding::{Finding, Grade, chain};

/// The first with time limits and safe dead letters on queues that several nodes keep.
const OLDEST: (u64, u64) = (3, 10);
/// RabbitMQ's own default of 50 MB is used up before anybody has looked.
const DISK_LEAST: u64 = 1 << 30;

/// Over AMQP, as the roles use it.
pub(super) async fn access(patient: &Patient, config: &Config) -> Vec<Finding> {
    let access = match Access::examine(config, &patient.roles).await {
        Ok(access) => access,
        Err(error) => return vec![Finding::fail("broker.reach", chain(error))],
    };
    let reached = format!("RabbitMQ answers at {}", access.at);
    let mut found = vec![Finding::ok("broker.reach", reached)];
    found.push(present(&access));
    found.push(rights(&access.refused));
    if access.unrouted > 0 {
        let text = format!(
            "{} message(s) found no queue and wait in `grantline.unrouted.v1`; a worker parks \
             them: start one, and run `grantline migrate` for the binding that is missing",
            access.unrouted
        );
        found.push(Finding::warn("broker.unrouted", text));
    }
    found
}

fn present(access: &Access) -> Finding {
    let check = "broker.queues";
    if access.missing.is_empty() {
        return Finding::ok(check, "every exchange and queue is there");
    }
    let text = format!(
        "missing at {}: `{}`; expected the topology of this version: run `grantline migrate`",
        access.at,
        access.missing.join("`, `")
    );
    Finding::fail(check, text)
}

fn rights<'a>(refused: impl IntoIterator<Item = &'a Right>) -> Finding {
    let check = "broker.rights";
    let mut by_verb: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for Right { verb, name } in refused {
        by_verb.entry(verb).or_default().push(name);
    }
    if by_verb.is_empty() {
        return Finding::ok(check, "the user may do all that the roles do");
    }
    let each = by_verb
        .iter()
        .map(|(verb, names)| format!("{verb} `{}`", names.join("`, `")));
    let text = format!(
        "the user may not {}; expected a pattern that fits these names: `rabbitmqctl \
         set_permissions -p VHOST USER CONFIGURE WRITE READ`",
        each.collect::<Vec<_>>().join("; may not ")
    );
    Finding::fail(check, text)
}

/// Arguments and policies, which AMQP does not show.
pub(super) async fn topology(config: &Config) -> Vec<Finding> {
    let check = "broker.topology";
    match Topology::check(config).await {
        Ok(faults) if faults.is_empty() => {
            let text = "queues, exchanges, bindings and policies are as this version needs them";
            vec![Finding::ok(check, text)]
        }
        Ok(faults) => {
            let each = faults.into_iter();
            each.map(|fault| Finding::fail(check, fault.to_string()))
                .collect()
        }
        Err(error) => vec![unseen(
            check,
            "arguments and policies were not compared",
            error,
        )],
    }
}

/// Roles do without the management API, so that it may be away where they run.
fn unseen(check: &'static str, what: &str, error: TopologyError) -> Finding {
    let grade = match error {
        TopologyError::Unreachable { .. }
        | TopologyError::TimedOut { .. }
        | TopologyError::Refused { .. } => Grade::Warn,
        TopologyError::Address(_)
        | TopologyError::Certificates(_)
        | TopologyError::NoVhost { .. }
        | TopologyError::Differs { .. }
        | TopologyError::Unexpected { .. } => Grade::Fail,
    };
    Finding::new(check, grade, format!("{what}: {}", chain(error)))
}

/// Version, clock, nodes, members.
pub(super) async fn cluster(config: &Config) -> Vec<Finding> {
    let cluster = match Cluster::examine(config, task::now).await {
        Ok(cluster) => cluster,
        Err(error) => {
            let what = "version, alarms and members were not looked at";
            return vec![unseen("broker.management", what, error)];
        }
    };
    let answers = format!("RabbitMQ's management API answers at {}", cluster.at);
    let mut found = vec![
        Finding::ok("broker.management", answers),
        version(&cluster.version),
    ];
    let ahead = cluster.clock_ahead;
    found.extend(ahead.map(|ahead| clock::judge("broker.clock", "RabbitMQ", ahead)));
    found.extend(match &cluster.nodes {
        Some(nodes) => each_node(nodes),
        None => vec![Finding::warn(
            "broker.nodes",
            "nodes and alarms were not looked at; expected a user with the tag `monitoring`: \
             `rabbitmqctl set_user_tags`",
        )],
    });
    found.extend(members(&cluster.queues));
    found
}

fn version(version: &str) -> Finding {
    let check = "broker.version";
    let mut numbers = version.split(['.', '-', '+']).map(str::parse::<u64>);
    let read = match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => Some((major, minor)),
        _ => None,
    };
    match read {
        Some(read) if read >= OLDEST => Finding::ok(check, format!("RabbitMQ {version}")),
        Some(_) => Finding::fail(
            check,
            format!(
                "RabbitMQ is of version {version}; expected {}.{} or later: upgrade it",
                OLDEST.0, OLDEST.1
            ),
        ),
        None => Finding::warn(
            check,
            format!("RabbitMQ is of an unknown version, {version}"),
        ),
    }
}

fn each_node(nodes: &[Node]) -> Vec<Finding> {
    let check = "broker.nodes";
    let mut found = Vec::new();
    for node in nodes {
        let name = &node.name;
        if !node.running {
            let text = format!("node {name} is not running; expected every node: start it");
            found.push(Finding::fail(check, text));
            continue;
        }
        for (is_short, of) in [
            (node.is_short_of_memory, "memory"),
            (node.is_short_of_disk, "disk"),
        ] {
            if is_short {
                let text = format!(
                    "node {name} is short of {of} and the whole broker takes no messages; free \
                     some, or give it more"
                );
                found.push(Finding::fail(check, text));
            }
        }
        if let Some(limit) = node.disk_free_limit.filter(|limit| *limit < DISK_LEAST) {
            let text = format!(
                "node {name} takes messages until {} MB of its disk are left, and may run out of \
                 it; expected `disk_free_limit.absolute = 2GB` or more in rabbitmq.conf",
                limit / 1_000_000
            );
            found.push(Finding::warn(check, text));
        }
    }
    if found.is_empty() {
        let text = format!("{} node(s) run, none short of memory or disk", nodes.len());
        found.push(Finding::ok(check, text));
    }
    found
}

/// A queue takes messages while most of its members are there, and loses them with the last.
fn members(queues: &[Members]) -> Option<Finding> {
    let check = "broker.members";
    let said = |of: Vec<&Members>| {
        // All at once it is a matter of the nodes, and no queue's own.
        if let (true, [first, _, ..]) = (of.len() == queues.len(), &of[..])
            && of
                .iter()
                .all(|it| (it.online, it.all) == (first.online, first.all))
        {
            return format!("{} of {} of each queue", first.online, first.all);
        }
        let each = of
            .iter()
            .map(|it| format!("`{}` {}/{}", it.queue, it.online, it.all));
        each.collect::<Vec<_>>().join(", ")
    };
    let those = |is: fn(&Members) -> bool| queues.iter().filter(|it| is(it)).collect::<Vec<_>>();
    let stuck = those(|it| it.online * 2 <= it.all);
    let fewer = those(|it| it.online < it.all);
    let alone = those(|it| it.all < 3);
    let found = if queues.is_empty() {
        return None;
    } else if !stuck.is_empty() {
        Finding::fail(
            check,
            format!(
                "too few members are online: {}; start the other nodes",
                said(stuck)
            ),
        )
    } else if !fewer.is_empty() {
        Finding::warn(
            check,
            format!(
                "not all members are online: {}; start the other nodes",
                said(fewer)
            ),
        )
    } else if alone.is_empty() {
        let text = format!("all members of {} queues are online", queues.len());
        Finding::ok(check, text)
    } else {
        Finding::warn(
            check,
            format!(
                "fewer than three nodes keep each message: {}; one lost disk loses what waits, \
                 and one stopped node stops the queue: expected three (`rabbitmq-queues grow`)",
                said(alone)
            ),
        )
    };
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(all: usize, online: usize) -> Members {
        Members {
            queue: "q",
            all,
            online,
        }
    }

    #[test]
    fn a_queue_needs_most_of_its_members() {
        for (all, online, grade) in [
            (3, 3, Grade::Ok),
            (5, 4, Grade::Warn),
            (3, 2, Grade::Warn),
            (3, 1, Grade::Fail),
            (4, 2, Grade::Fail),
            (1, 1, Grade::Warn),
            (1, 0, Grade::Fail),
        ] {
            let found = members(&[queue(3, 3), queue(all, online)]).unwrap();
            assert_eq!(found.grade, grade, "{online} of {all}: {}", found.text);
        }
        assert_eq!(members(&[]), None);
    }

    #[test]
    fn an_old_broker_is_a_failure() {
        assert_eq!(version("3.9.27").grade, Grade::Fail);
        assert_eq!(version("3.10.8").grade, Grade::Ok);
        assert_eq!(version("4.1.0-rc.1").grade, Grade::Ok);
        assert_eq!(version("next").grade, Grade::Warn);
    }

    #[test]
    fn alarms_and_stopped_nodes_are_failures_and_a_low_limit_is_a_warning() {
        let node: Node = serde_json::from_str(
            r#"{"name": "a", "running": true, "mem_alarm": true, "disk_free_limit": 50000000}"#,
        )
        .unwrap();
        let stopped: Node = serde_json::from_str(r#"{"name": "b", "running": false}"#).unwrap();
        let grades: Vec<_> = each_node(&[node, stopped])
            .iter()
            .map(|it| it.grade)
            .collect();
        assert_eq!(grades, [Grade::Fail, Grade::Warn, Grade::Fail]);
    }
}
