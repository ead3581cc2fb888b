//! Each invariant broken once: the verdict is red and names the order.

use std::time::Duration;

use order::{Facts, Status};

use super::fault;
use super::model::{
    CANCELED, EPOCH, OK, PAID, PAYMENT, PAYMENT_OF_ORDER, SEPARATE, World, genuine, shopper,
};
use crate::sale::findings::{Ended, Found, Stranger, Unread};
use crate::sale::journal::{Answer, Gauge, Kind, Notice, Post, Row, Says, Seen, Sight};
use crate::sale::verdict::Invariant;

const CONFLICTING: Notice = Notice {
    says: PAID,
    kind: Kind::Conflicting,
};
const FORGED: Notice = Notice {
    says: PAID,
    kind: Kind::Forged,
};

/// Two players, each with an order that was paid; the second one's was canceled.
fn evening() -> World {
    let world = World::of(vec![
        shopper(1, &[genuine(PAYMENT), genuine(SEPARATE)]),
        shopper(2, &[genuine(PAID), genuine(CANCELED)]),
    ]);
    world.is_clean();
    world
}

fn found(world: &mut World, order: i64) -> &mut Found {
    world.findings.orders.get_mut(&order).unwrap()
}

#[test]
fn i1_an_accepted_notice_that_ends_nowhere_is_lost() {
    let mut world = evening();
    found(&mut world, 1)
        .notices
        .retain(|ended| ended.kind != "payment");
    world.breaks(Invariant::I1, 1);

    let mut world = evening();
    world.findings.orders.remove(&2);
    world.findings.drain.waiting.push(2);
    world.breaks(Invariant::I1, 2);
}

#[test]
fn i1_a_payment_known_of_its_transaction_alone_is_not_lost() {
    let mut world = World::of(vec![shopper(1, &[genuine(PAYMENT)])]);
    world.is_clean();
    world.findings.payments.clear();
    world.breaks(Invariant::I1, 1);
}

#[test]
fn i1_a_notice_that_ends_without_a_reason_is_lost() {
    let mut world = evening();
    found(&mut world, 1).notices[0].reason = None;
    world.breaks(Invariant::I1, 1);
}

#[test]
fn i1_what_cannot_be_read_is_not_clean() {
    let mut world = evening();
    world.findings.unread.push(Unread {
        order: Some(1),
        player: Some("player-1".to_owned()),
        what: "answered 500".to_owned(),
    });
    world.breaks(Invariant::I1, 1);
}

#[test]
fn i2_a_forged_notice_is_neither_accepted_nor_applied() {
    let mut world = World::with(vec![shopper(1, &[FORGED])]);
    world.send(0, 0, Answer::Code(400));
    world.look();
    world.is_clean();
    world.journal.posts[0].answer = OK;
    world.breaks(Invariant::I2, 1);

    // It was refused, and applied all the same.
    let mut world = World::with(vec![shopper(1, &[genuine(PAID)])]);
    world.send(0, 0, Answer::Code(400));
    world.look();
    world.journal.shoppers[0].notices[0] = FORGED;
    world.breaks(Invariant::I2, 1);
    world.breaks(Invariant::I4, 1);
}

#[test]
fn i2_an_order_that_nobody_sent_is_made_up() {
    let mut world = evening();
    world
        .findings
        .orders_of
        .get_mut("player-1")
        .unwrap()
        .push(77);
    world.breaks(Invariant::I2, 77);
}

#[test]
fn i2_a_fact_that_nobody_sent_is_made_up() {
    let mut world = evening();
    found(&mut world, 1).facts.refunded = true;
    world.breaks(Invariant::I2, 1);
}

#[test]
fn i3_a_second_grant_is_one_too_many() {
    let mut world = evening();
    let grant = found(&mut world, 1).bookings[0].clone();
    found(&mut world, 1).bookings.push(grant);
    world.breaks(Invariant::I3, 1);
    world.breaks(Invariant::I4, 1);
}

#[test]
fn i3_a_notice_ends_once() {
    let mut world = evening();
    let ended = found(&mut world, 1).notices[0].clone();
    found(&mut world, 1).notices.push(ended);
    world.breaks(Invariant::I3, 1);
}

#[test]
fn i4_an_inventory_is_the_sum_of_its_orders() {
    for held in [0, 2] {
        let mut world = evening();
        let items = world.findings.holdings.get_mut("player-1").unwrap();
        items.insert("blade".to_owned(), held);
        let verdict = world.judge();
        let violation = &verdict.violations[0];
        assert_eq!(violation.invariant, Invariant::I4);
        assert_eq!(violation.player.as_deref(), Some("player-1"));
    }
}

#[test]
fn i4_an_order_ends_where_the_oracle_says() {
    let mut world = evening();
    found(&mut world, 1).bookings[0].lines[0].1 = 5;
    world.breaks(Invariant::I4, 1);

    let mut world = evening();
    found(&mut world, 1).bookings[0].state = "owed".to_owned();
    world.breaks(Invariant::I4, 1);

    let mut world = evening();
    found(&mut world, 1).status = Status::Paid;
    world.breaks(Invariant::I4, 1);

    let mut world = evening();
    found(&mut world, 1).bookings[0].player = "player-2".to_owned();
    world.breaks(Invariant::I4, 1);
}

#[test]
fn i4_a_notice_that_ended_had_its_effect() {
    let mut world = evening();
    let order = found(&mut world, 1);
    order.facts = Facts {
        created: true,
        ..Facts::default()
    };
    order.status = Status::New;
    order.bookings.clear();
    world.findings.polls.insert(1, Some(Status::New));
    world.findings.holdings.remove("player-1");
    world.findings.streams.remove("player-1");
    world
        .journal
        .sights
        .retain(|sight| sight.player != "player-1");
    world.breaks(Invariant::I4, 1);
}

#[test]
fn i4_a_test_purchase_grants_nothing() {
    let mut test = shopper(1, &[genuine(PAID)]);
    test.sandbox = true;
    let mut world = World::of(vec![test]);
    world.is_clean();
    world.journal.shoppers[0].sandbox = false;
    world.breaks(Invariant::I4, 1);
}

#[test]
fn i5_a_canceled_order_leaves_nothing() {
    let mut world = evening();
    found(&mut world, 2).bookings.pop();
    world.breaks(Invariant::I5, 2);

    let mut world = evening();
    found(&mut world, 2).status = Status::Done;
    world.breaks(Invariant::I5, 2);
}

#[test]
fn i5_nothing_comes_after_canceled() {
    let mut world = evening();
    let stream = world.findings.streams.get_mut("player-2").unwrap();
    stream.offset += 1;
    stream.rows.push(Row {
        offset: stream.offset,
        order: 2,
        status: Status::Done,
    });
    world.breaks(Invariant::I5, 2);
    world.breaks(Invariant::I11, 2);
}

#[test]
fn i6_a_copy_is_answered_as_the_first_was() {
    let mut world = evening();
    world.send(0, 1, Answer::Code(409));
    world.breaks(Invariant::I6, 1);
    world.breaks(Invariant::I9, 1);
}

#[test]
fn i6_a_copy_is_not_taken_for_another_notice() {
    let odd = Notice {
        says: PAID,
        kind: Kind::Odd,
    };
    let mut world = World::of(vec![shopper(1, &[genuine(PAID), odd])]);
    world.is_clean();
    found(&mut world, 1)
        .conflicts
        .push("repeat_differs".to_owned());
    world.breaks(Invariant::I6, 1);
}

#[test]
fn i7_two_notices_that_disagree_are_written_down() {
    let mut world = World::of(vec![shopper(1, &[genuine(PAID), CONFLICTING])]);
    world.is_clean();
    found(&mut world, 1).conflicts.clear();
    world.breaks(Invariant::I7, 1);
}

#[test]
fn i7_the_second_of_two_does_not_count() {
    let mut world = World::of(vec![shopper(1, &[genuine(PAID), CONFLICTING])]);
    let more: Vec<_> = vec![("blade".to_owned(), 2), ("crystals".to_owned(), 251)];
    found(&mut world, 1).bookings[0].lines.clone_from(&more);
    world
        .findings
        .holdings
        .insert("player-1".to_owned(), more.into_iter().collect());
    world.breaks(Invariant::I7, 1);
}

#[test]
fn i7_which_of_two_came_first_only_the_instance_knows() {
    let mut world = World::with(vec![shopper(1, &[genuine(PAID), CONFLICTING])]);
    world.post(0, 0, OK);
    world.post(0, 1, OK);
    world.apply(0, 1);
    world.apply(0, 0);
    world.look();
    world.is_clean();
}

#[test]
fn i8_an_unanswered_notice_counts_once_at_most() {
    let mut world = World::with(vec![shopper(1, &[genuine(PAID)])]);
    world.send(0, 0, Answer::Code(503));
    world.look();
    world.is_clean();
    let grant = found(&mut world, 1).bookings[0].clone();
    found(&mut world, 1).bookings.push(grant);
    world.breaks(Invariant::I8, 1);
    world.breaks(Invariant::I3, 1);
}

#[test]
fn i9_a_signed_order_is_not_refused_even_under_a_fault() {
    for code in [400, 401, 402, 403, 404, 409, 415, 422] {
        let mut world = World::with(vec![shopper(1, &[genuine(PAYMENT_OF_ORDER)])]);
        world.journal.faults.push(fault(0, Some(60)));
        world.send(0, 0, Answer::Code(code));
        world.look();
        world.breaks(Invariant::I9, 1);
    }
}

#[test]
fn i9_an_unknown_player_is_refused_and_a_known_one_is_not() {
    let question = |says, answer| {
        let mut world = World::with(vec![shopper(1, &[genuine(says)])]);
        world.send(0, 0, answer);
        world.look();
        world
    };
    question(Says::UnknownPlayer, Answer::Code(400)).is_clean();
    question(Says::UnknownPlayer, Answer::Code(503)).is_clean();
    question(Says::KnownPlayer, OK).is_clean();
    question(Says::UnknownPlayer, OK).breaks(Invariant::I9, 1);
    question(Says::KnownPlayer, Answer::Code(400)).breaks(Invariant::I9, 1);
}

#[test]
fn i10_answers_that_take_too_long_or_never_come_are_named() {
    let mut world = evening();
    let slow = |post: &mut Post| post.ended = post.sent + Duration::from_secs(4);
    slow(&mut world.journal.posts[0]);
    world.breaks(Invariant::I10, 1);
    world.journal.faults.push(fault(0, Some(1)));
    world.is_clean();

    let mut world = evening();
    world.journal.posts[3].answer = Answer::Unknown;
    world.breaks(Invariant::I10, 2);
}

#[test]
fn i10_a_request_that_left_late_is_late() {
    let mut world = evening();
    let post = &mut world.journal.posts[0];
    post.sent += Duration::from_secs(4);
    post.ended += Duration::from_secs(4);
    world.breaks(Invariant::I10, 1);
}

#[test]
fn i10_one_slow_answer_of_a_thousand_is_none_of_the_slowest_hundredth() {
    let mut world = evening();
    for _ in 0..1_000 {
        world.send(0, 1, OK);
    }
    world.journal.posts[500].ended += Duration::from_secs(4);
    world.is_clean();
}

/// The sights of the player's client that are pushes.
fn pushes(world: &mut World) -> Vec<&mut Row> {
    let sights = world.journal.sights.iter_mut();
    let pushed = sights.filter_map(|sight| match &mut sight.seen {
        Seen::Pushed(row) if row.order == 1 => Some(row),
        Seen::Pushed(_)
        | Seen::Subscribed { .. }
        | Seen::History { .. }
        | Seen::Polled { .. }
        | Seen::Closed { .. } => None,
    });
    pushed.collect()
}

#[test]
fn i11_pushes_ascend_without_gaps() {
    let mut world = evening();
    let before = world.journal.sights.len();
    world.journal.sights.retain(|sight| {
        !matches!(
            sight.seen,
            Seen::Pushed(Row {
                offset: 2,
                order: 1,
                ..
            })
        )
    });
    assert_eq!(world.journal.sights.len(), before - 1);
    world.breaks(Invariant::I11, 1);

    let mut world = evening();
    pushes(&mut world)[2].offset = 2;
    world.breaks(Invariant::I11, 1);

    let mut world = evening();
    for row in pushes(&mut world) {
        row.offset += 1;
    }
    world.breaks(Invariant::I11, 1);
}

#[test]
fn i11_a_push_that_the_ledger_does_not_have_is_found_in_the_end() {
    let mut world = evening();
    world.see(
        "player-1",
        Seen::Pushed(Row {
            offset: 4,
            order: 1,
            status: Status::Canceled,
        }),
    );
    world.breaks(Invariant::I11, 1);
}

fn history(world: &World, upto: usize) -> Seen {
    let stream = &world.findings.streams["player-1"];
    Seen::History {
        epoch: EPOCH.to_owned(),
        offset: stream.rows[upto - 1].offset,
        rows: stream.rows[..upto].to_vec(),
    }
}

#[test]
fn i11_history_has_what_was_pushed() {
    let mut world = evening();
    world.see("player-1", history(&world, 3));
    world.is_clean();
    world.see("player-1", history(&world, 2));
    world.breaks(Invariant::I11, 1);
}

#[test]
fn i11_history_has_no_gaps_and_begins_where_it_should() {
    for at in 0..3 {
        let mut world = evening();
        let mut seen = history(&world, 3);
        if let Seen::History { rows, .. } = &mut seen {
            rows.remove(at);
        }
        world.see("player-1", seen);
        world.breaks(Invariant::I11, 1);
    }
}

#[test]
fn i11_gaps_are_allowed_where_nothing_was_recovered() {
    let mut world = evening();
    let rows = world.findings.streams["player-1"].rows.clone();
    world
        .journal
        .sights
        .retain(|sight| sight.player != "player-1");
    world.see("player-1", subscribed(EPOCH, 0, false));
    world.see("player-1", Seen::Pushed(rows[0]));
    world.see("player-1", Seen::Closed { code: 0 });
    world.see("player-1", subscribed(EPOCH, 2, false));
    world.see("player-1", Seen::Pushed(rows[2]));
    world.is_clean();
    let recovered = world.journal.sights.iter_mut().rev().nth(1).unwrap();
    recovered.seen = subscribed(EPOCH, 2, true);
    world.breaks(Invariant::I11, 1);
}

fn subscribed(epoch: &str, offset: u64, recovered: bool) -> Seen {
    Seen::Subscribed {
        epoch: epoch.to_owned(),
        offset,
        recovered,
    }
}

#[test]
fn i11_a_stream_does_not_shrink_and_nothing_is_recovered_over_an_epoch() {
    for seen in [subscribed(EPOCH, 1, false), subscribed("epoch-2", 3, true)] {
        let mut world = evening();
        world.see("player-1", seen);
        let verdict = world.judge();
        let violation = &verdict.violations[0];
        assert_eq!(violation.invariant, Invariant::I11);
        assert_eq!(violation.player.as_deref(), Some("player-1"));
    }
}

#[test]
fn i11_polling_shows_no_less_than_was_told() {
    let polled = |status| Seen::Polled { order: 1, status };
    let mut world = evening();
    world.see("player-1", polled(Status::Done));
    world.is_clean();
    world.see("player-1", polled(Status::Paid));
    world.breaks(Invariant::I11, 1);
}

#[test]
fn i11_a_poll_asked_before_a_push_of_another_client_may_show_less() {
    let mut world = evening();
    let at = world.journal.sights.last().unwrap().at;
    let polled = |at, status| Sight {
        player: "player-1".to_owned(),
        client: 9,
        at,
        seen: Seen::Polled { order: 1, status },
    };
    let later = at + Duration::from_secs(1);
    world.journal.sights.push(polled(later, Status::Paid));
    world.is_clean();
    world
        .journal
        .sights
        .push(polled(later + Duration::from_secs(3), Status::Paid));
    world.breaks(Invariant::I11, 1);
}

#[test]
fn i11_all_say_the_same_in_the_end() {
    let mut world = evening();
    world.findings.polls.insert(1, Some(Status::Paid));
    world.breaks(Invariant::I11, 1);

    let mut world = evening();
    world.findings.polls.insert(1, None);
    world.breaks(Invariant::I11, 1);

    let mut world = evening();
    let stream = world.findings.streams.get_mut("player-1").unwrap();
    stream.rows.pop();
    stream.offset -= 1;
    world.breaks(Invariant::I11, 1);
}

#[test]
fn i11_who_listens_hears_the_end() {
    let mut world = evening();
    world.journal.sights.retain(
        |sight| !matches!(&sight.seen, Seen::Pushed(row) if row.order == 1 && row.offset > 1),
    );
    world.is_clean();
    for (at, backlog) in [(5, 0), (20, 3), (45, 0)] {
        world.journal.gauges.push(Gauge {
            at: Duration::from_secs(at),
            backlog: Some(backlog),
        });
    }
    world.breaks(Invariant::I11, 1);
    world.journal.gauges[0].backlog = Some(1);
    world.is_clean();
}

#[test]
fn i12_nobody_is_told_of_an_order_of_another() {
    let mut world = evening();
    let (order, status) = (2, Status::Paid);
    world.see("player-1", Seen::Polled { order, status });
    world.breaks(Invariant::I12, 2);

    let mut world = evening();
    pushes(&mut world)[1].order = 2;
    world.breaks(Invariant::I12, 2);

    let mut world = evening();
    world.findings.strangers.push(Stranger {
        player: "player-1".to_owned(),
        order: 2,
        told: Some(Status::Done),
    });
    world.breaks(Invariant::I12, 2);
}

#[test]
fn i14_only_what_must_waits_for_a_person() {
    let mut world = evening();
    world.park(1, "payment", "missing_field");
    world.breaks(Invariant::I14, 1);
}

#[test]
fn i14_what_brings_nothing_waits_for_a_person_and_is_found() {
    let mut empty = shopper(1, &[genuine(PAID)]);
    empty.lines.clear();
    let mut world = World::of(vec![empty]);
    world.breaks(Invariant::I4, 1);
    let found = found(&mut world, 1);
    found.bookings.clear();
    found.status = Status::Paid;
    world.findings.polls.insert(1, Some(Status::Paid));
    world.findings.streams.clear();
    world.journal.sights.clear();
    world.park(1, "order_paid", "nothing_to_grant");
    world.is_clean();
    world.findings.parked.clear();
    world.breaks(Invariant::I14, 1);
}

#[test]
fn what_the_instance_says_stands_beside_the_history() {
    let mut world = evening();
    let ended = Ended {
        kind: "payment".to_owned(),
        reference: "1001:x".to_owned(),
        seen: 3,
        outcome: "lost".to_owned(),
        reason: None,
    };
    found(&mut world, 1).notices.push(ended);
    let verdict = world.judge();
    let violation = &verdict.violations[0];
    let said = violation.instance.join("\n");
    assert!(said.contains("status done"), "{said}");
    assert!(
        said.contains("grant (held): 1 × blade, 250 × crystals"),
        "{said}"
    );
    assert!(said.contains("payment 1001:x: lost, seen 3"), "{said}");
    let happened: Vec<&str> = violation
        .history
        .iter()
        .map(|it| it.what.as_str())
        .collect();
    let happened = happened.join("\n");
    assert!(
        happened.contains("sent payment (attempt 1): 204 after 4.0 ms"),
        "{happened}"
    );
    assert!(
        happened.contains("pushed: order 1 done (offset 3)"),
        "{happened}"
    );
}
