use super::*;

const START: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;
const GRANT: &str = broker::work_queue(Lane::Grant);

fn at(second: i64) -> OffsetDateTime {
    START + time::Duration::seconds(second)
}

fn depth(ready: u64) -> Depth {
    Depth {
        queue: GRANT,
        ready,
        consumers: 1,
        oldest: None,
    }
}

fn head(second: i64) -> [QueueHead; 1] {
    [QueueHead {
        queue: GRANT.to_owned(),
        received_at: at(second),
    }]
}

/// Since which second the oldest task waits, at the earliest.
fn since(sightings: &mut Sightings, ready: u64, heads: &[QueueHead], now: i64) -> Option<i64> {
    match sightings.see(depth(ready), heads, at(now)).waits.unwrap() {
        Waits::Nothing => None,
        Waits::Since(since) => Some((since - START).whole_seconds()),
    }
}

#[test]
fn what_waits_came_after_what_was_taken() {
    let mut sightings = Sightings::default();
    assert_eq!(since(&mut sightings, 9, &head(100), 160), Some(100));
    assert_eq!(since(&mut sightings, 9, &head(100), 175), Some(100));
    assert_eq!(since(&mut sightings, 9, &head(170), 190), Some(170));
}

#[test]
fn what_waits_came_after_the_queue_was_empty() {
    let mut sightings = Sightings::default();
    // The newest that was taken is of an hour ago: a quiet night.
    assert_eq!(since(&mut sightings, 0, &head(100), 3_700), None);
    assert_eq!(since(&mut sightings, 1, &head(100), 3_715), Some(3_700));
    assert_eq!(since(&mut sightings, 1, &head(100), 3_730), Some(3_700));
    assert_eq!(since(&mut sightings, 0, &head(3_701), 3_745), None);
}

#[test]
fn a_queue_of_which_nothing_is_known_counts_from_the_first_look() {
    let mut sightings = Sightings::default();
    assert_eq!(since(&mut sightings, 5, &[], 40), Some(40));
    assert_eq!(since(&mut sightings, 5, &[], 55), Some(40));
    assert_eq!(since(&mut sightings, 5, &head(50), 70), Some(50));
}

#[test]
fn a_queue_that_tells_is_believed() {
    let exact = Depth {
        oldest: Some(at(7)),
        ..depth(1)
    };
    let seen = Sightings::default().see(exact, &head(100), at(160));
    assert_eq!(seen.waits, Some(Waits::Since(at(7))));
}

#[test]
fn queues_without_a_lane_have_no_age() {
    let parked = Depth {
        queue: "grantline.parked.v1",
        ..depth(3)
    };
    assert_eq!(Sightings::default().see(parked, &[], at(1)).waits, None);
}

#[test]
fn the_newest_task_taken_counts_whichever_lane_took_it_last() {
    let heads = Heads::default();
    heads.taken(Lane::Grant, at(9));
    // One that was retried comes late.
    heads.taken(Lane::Grant, at(3));
    assert_eq!(heads.reached(), head(9));
}
