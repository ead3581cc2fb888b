//! The names of topology version 1, the same with every broker. A change of what a name stands for takes a new
//! version beside the old one, until the old queues are empty.

use task::Lane;

use crate::Tier;

/// Direct; the routing key is the lane.
pub(crate) const TASKS: &str = "grantline.tasks.v1";
/// Fanout exchange and queue for what [`TASKS`] cannot route.
pub(crate) const UNROUTED: &str = "grantline.unrouted.v1";
/// Fanout exchange and queue for what waits for a person.
pub(crate) const PARKED: &str = "grantline.parked.v1";
/// Fanout; every publisher binds a queue of its own.
pub(crate) const HINTS: &str = "grantline.hints.v1";

/// The work queue of a lane.
#[must_use]
pub const fn work(lane: Lane) -> &'static str {
    match lane {
        Lane::Grant => "grantline.grant.v1",
        Lane::Revoke => "grantline.revoke.v1",
        Lane::Record => "grantline.record.v1",
    }
}

/// Fanout exchange and queue of a retry tier.
pub(crate) const fn retry(tier: Tier) -> &'static str {
    match tier {
        Tier::FiveSeconds => "grantline.retry.5s.v1",
        Tier::OneMinute => "grantline.retry.1m.v1",
        Tier::TenMinutes => "grantline.retry.10m.v1",
        Tier::OneHour => "grantline.retry.1h.v1",
    }
}

/// Every queue that `grantline migrate` declares.
pub(crate) fn queues() -> impl Iterator<Item = &'static str> {
    Lane::ALL
        .into_iter()
        .map(work)
        .chain(Tier::ALL.into_iter().map(retry))
        .chain([PARKED, UNROUTED])
}

/// Every exchange that `grantline migrate` declares.
pub(crate) fn exchanges() -> impl Iterator<Item = &'static str> {
    Tier::ALL
        .into_iter()
        .map(retry)
        .chain([TASKS, PARKED, UNROUTED, HINTS])
}
