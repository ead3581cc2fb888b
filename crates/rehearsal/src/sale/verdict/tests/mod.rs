mod any_order;
mod model;
mod red;

use crate::sale::journal::{Answer, Fault, Kind, Notice, Says};
use crate::sale::verdict::{Invariant, Limits, Verdict, Violation};
use model::{CANCELED, OK, PAID, PAYMENT, World, genuine, shopper};

use std::time::Duration;

impl World {
    fn judge(&self) -> Verdict {
        Verdict::judge(&self.journal, &self.findings, &Limits::default())
    }

    fn is_clean(&self) {
        let verdict = self.judge();
        assert!(verdict.is_clean(), "{:#?}", verdict.violations);
    }

    /// The verdict is red, for this reason, and names the order with all that happened.
    fn breaks(&self, invariant: Invariant, order: i64) {
        let verdict = self.judge();
        let named = |violation: &&Violation| {
            violation.invariant == invariant && violation.order == Some(order)
        };
        let Some(violation) = verdict.violations.iter().find(named) else {
            panic!(
                "{invariant:?} of {order} is not among {:#?}",
                verdict.violations
            );
        };
        assert!(!violation.what.is_empty() && !violation.history.is_empty());
        assert!(violation.history.is_sorted_by_key(|moment| moment.at));
        let check = verdict
            .checks
            .iter()
            .find(|check| check.invariant == invariant);
        assert!(check.is_some_and(|check| check.broken > 0 && check.examined > 0));
    }
}

#[test]
fn a_quiet_evening_is_clean_and_says_what_was_put_to_the_test() {
    let copies = [genuine(PAID), genuine(CANCELED)];
    let odd = Notice {
        says: PAID,
        kind: Kind::Odd,
    };
    let mut world = World::of(vec![
        shopper(
            1,
            &[genuine(Says::KnownPlayer), genuine(PAYMENT), genuine(PAID)],
        ),
        shopper(2, &copies),
        shopper(3, &[genuine(PAID), odd]),
    ]);
    world.send(0, 2, OK);
    world.is_clean();
    let verdict = world.judge();
    let examined = |invariant| {
        let mut checks = verdict.checks.iter();
        checks
            .find(|check| check.invariant == invariant)
            .unwrap()
            .examined
    };
    assert_eq!(examined(Invariant::I1), 6);
    assert_eq!(
        examined(Invariant::I6),
        2,
        "one sent again, one written oddly"
    );
    assert_eq!(examined(Invariant::I7), 0, "no two notices disagreed");
    assert_eq!(examined(Invariant::I10), 8);
}

#[test]
fn nothing_played_breaks_nothing() {
    World::default().is_clean();
    World::with(vec![shopper(1, &[genuine(PAID)])]).is_clean();
}

#[test]
fn an_unanswered_notice_may_have_come_or_not() {
    for answer in [Answer::Unknown, Answer::Code(503)] {
        for comes in [false, true] {
            let mut world = World::with(vec![shopper(1, &[genuine(PAID), genuine(CANCELED)])]);
            world.journal.faults.push(fault(0, Some(60)));
            world.send(0, 0, OK);
            world.post(0, 1, answer);
            if comes {
                world.apply(0, 1);
            }
            world.look();
            world.is_clean();
        }
    }
}

#[test]
fn what_never_left_cannot_have_come() {
    let mut world = World::with(vec![shopper(1, &[genuine(PAID)])]);
    world.journal.faults.push(fault(0, Some(60)));
    world.send(0, 0, Answer::Unsent);
    world.look();
    world.breaks(Invariant::I4, 1);
    world.breaks(Invariant::I2, 1);
}

#[test]
fn a_delivery_given_up_under_faults_waits_for_a_person_and_is_not_lost() {
    let mut world = World::with(vec![shopper(1, &[genuine(PAID)])]);
    world.post(0, 0, OK);
    world.apply(0, 0);
    world.findings.orders.get_mut(&1).unwrap().bookings.clear();
    world.findings.holdings.clear();
    world.findings.streams.clear();
    world.journal.sights.clear();
    let found = world.findings.orders.get_mut(&1).unwrap();
    found.facts.paid = false;
    found.facts.payment = false;
    found.status = order::Status::New;
    world.park(1, "order_paid", "delivery_limit");
    world.breaks(Invariant::I14, 1);
    world.journal.faults.push(fault(0, None));
    world.is_clean();
    world.findings.parked.clear();
    world.breaks(Invariant::I14, 1);
}

#[test]
fn only_a_fault_of_its_time_excuses_a_task_that_was_given_up() {
    let given_up = |reason: &str, faults: &[Fault]| {
        let mut world = World::of(vec![shopper(1, &[genuine(PAID)])]);
        world.park(1, "order_paid", reason);
        for post in &mut world.journal.posts {
            let later = Duration::from_mins(2);
            (post.due, post.sent, post.ended) = (later, later, later);
        }
        world.journal.faults = faults.to_vec();
        world.judge()
    };
    let (long_before, meanwhile) = (fault(0, Some(60)), fault(110, Some(120)));
    // It was parked half a minute after it was sent.
    let (on_its_way, afterwards) = (fault(149, None), fault(151, None));
    for (reason, fault, excused) in [
        ("delivery_limit", &long_before, false),
        ("delivery_limit", &meanwhile, true),
        ("delivery_limit", &on_its_way, true),
        ("delivery_limit", &afterwards, false),
        ("unrouted", &long_before, false),
        ("unrouted", &meanwhile, true),
        ("unrouted", &on_its_way, false),
        ("ledger", &meanwhile, false),
    ] {
        let verdict = given_up(reason, std::slice::from_ref(fault));
        let mut violations = verdict.violations.iter();
        let waits = violations.any(|violation| violation.invariant == Invariant::I14);
        assert_eq!(waits, !excused, "{reason} {fault:?}");
    }
}

#[test]
fn a_flood_of_tasks_that_were_given_up_is_no_excuse() {
    let given_up = |tasks: i64, orders: i64| {
        let shoppers = (1..=orders).map(|number| shopper(number, &[genuine(PAID)]));
        let mut world = World::of(shoppers.collect());
        for order in 1..=tasks {
            world.park(order, "order_paid", "delivery_limit");
        }
        world.journal.faults.push(fault(0, Some(600)));
        world.judge()
    };
    for (tasks, orders, is_clean) in [(3, 4, true), (4, 199, false), (4, 200, true)] {
        let verdict = given_up(tasks, orders);
        assert_eq!(verdict.given_up, usize::try_from(tasks).unwrap());
        assert_eq!(verdict.is_clean(), is_clean, "{:?}", verdict.violations);
        let named = verdict.violations.iter().all(|it| {
            it.invariant == Invariant::I14 && it.order.is_some_and(|order| order <= tasks)
        });
        assert!(named, "{:?}", verdict.violations);
    }
}

#[test]
fn what_somebody_else_found_is_part_of_the_verdict() {
    let mut verdict = World::of(vec![shopper(1, &[genuine(PAID)])]).judge();
    verdict.also(Invariant::I13, 9, Vec::new());
    assert!(verdict.is_clean());
    let left = Violation {
        invariant: Invariant::I20,
        order: Some(1),
        player: None,
        what: "a deadlock".to_owned(),
        history: Vec::new(),
        instance: Vec::new(),
    };
    verdict.also(Invariant::I20, 1, vec![left]);
    assert!(!verdict.is_clean());
    assert!(verdict.checks.is_sorted_by_key(|check| check.invariant));
    let last = verdict.checks.last().unwrap();
    assert_eq!(
        (last.invariant, last.examined, last.broken),
        (Invariant::I20, 1, 1)
    );
}

fn fault(from: u64, to: Option<u64>) -> Fault {
    Fault {
        what: "worker killed".to_owned(),
        from: Duration::from_secs(from),
        to: to.map(Duration::from_secs),
    }
}
