use bytes::Bytes;
use ledger::{NoOp, Notice};
use order::{Assertion, Content, Grant, Kind, Line, Plan, Reference, Status};
use task::{Hint, MessageId};
use time::OffsetDateTime;

use super::*;

const HOLD: Duration = Duration::from_mins(1);

/// The paid orders `orders`, each held by its number.
fn held(orders: std::ops::RangeInclusive<i64>) -> Vec<Held<i64>> {
    let held = |order: i64| Held {
        delivery: order,
        entry: paid(order),
    };
    orders.map(held).collect()
}

fn paid(number: i64) -> Entry {
    let order = number.to_string().parse().unwrap();
    let line = Line {
        sku: "sword".parse().unwrap(),
        quantity: 1,
    };
    let body = Bytes::from(number.to_string());
    Entry {
        project: "44056".parse().unwrap(),
        assertion: Assertion::Paid {
            order,
            player: "mira".parse().unwrap(),
            transaction: None,
            payment: false,
            sandbox: false,
            content: Content::default(),
            grant: Grant::Lines(Plan::new([line]).unwrap()),
        },
        notice: Some(Notice {
            kind: Kind::OrderPaid,
            reference: Reference::order(order),
            message: MessageId::of(&body),
            fingerprint: [1; 32],
            order: Some(order),
            transaction: None,
            player: None,
            received_at: OffsetDateTime::UNIX_EPOCH,
            attempt: 7,
            replay: None,
            trace_id: None,
            body,
        }),
    }
}

/// What the ledger answers when it has booked all of these.
fn committed(entries: &[Entry], outcome: Outcome) -> Booked {
    let row = |(offset, entry): (i64, &Entry)| Hint {
        project: entry.project,
        player: "mira".parse().unwrap(),
        offset,
        order: entry.assertion.order().unwrap_or("1".parse().unwrap()),
        status: Status::Paid,
    };
    let verdict = Verdict {
        outcome,
        repeat: false,
        conflicts: Vec::new(),
    };
    Booked {
        verdicts: vec![verdict; entries.len()],
        hints: Hints {
            epoch: "e1".to_owned(),
            at: None,
            rows: (1..).zip(entries).map(row).collect(),
            traces: task::RowTraces::default(),
        },
    }
}

/// A batch and its clock.
struct Bench {
    batch: Batch<i64>,
    now: Instant,
}

impl Bench {
    fn new(orders: std::ops::RangeInclusive<i64>) -> Self {
        let mut bench = Self {
            batch: Batch::new(held(orders), HOLD),
            now: Instant::now(),
        };
        let Some(Effect::Claim(marks)) = bench.next() else {
            panic!("a batch begins with its claims")
        };
        assert!(bench.next().is_none(), "the claims are not answered yet");
        bench.batch.claimed(&vec![Claimed::Mine; marks.len()]);
        bench
    }

    fn next(&mut self) -> Option<Effect<i64>> {
        self.batch.next_effect(self.now)
    }

    /// The next transaction, by its orders and whether they are parked.
    fn book(&mut self) -> Arc<[Entry]> {
        match self.next() {
            Some(Effect::Book(entries)) => entries,
            other => panic!("no transaction: {other:?}"),
        }
    }

    fn fail(&mut self, disposition: Disposition) {
        let (detail, now) = ("away".to_owned(), self.now);
        self.batch.not_booked(disposition, detail, 1.0, now);
    }

    /// Commits and gives the orders that are acknowledged for it.
    fn commit(&mut self, entries: &[Entry]) -> Vec<i64> {
        let booked = committed(entries, Outcome::NoOp(NoOp::Recorded));
        self.batch.booked(booked);
        let effects = std::mem::take(&mut self.batch.effects);
        match effects.back() {
            Some(Effect::Acknowledge(deliveries)) => deliveries.clone(),
            other => panic!("not acknowledged last: {other:?}"),
        }
    }
}

fn orders(entries: &[Entry]) -> Vec<i64> {
    let order = |entry: &Entry| entry.notice.as_ref()?.order.map(order::OrderId::get);
    entries.iter().filter_map(order).collect()
}

#[test]
fn a_batch_is_claimed_booked_hinted_marked_and_acknowledged_in_this_order() {
    let mut bench = Bench::new(1..=3);
    let entries = bench.book();
    assert_eq!(orders(&entries), [1, 2, 3]);
    assert!(bench.next().is_none(), "nothing before the commit");
    bench.batch.booked(committed(&entries, Outcome::Booked));
    assert!(matches!(bench.next(), Some(Effect::Hint(_))));
    assert!(
        matches!(bench.next(), Some(Effect::Mark(marks, epoch)) if marks.len() == 3 && epoch == "e1")
    );
    assert!(matches!(bench.next(), Some(Effect::Acknowledge(all)) if all == [1, 2, 3]));
    assert!(bench.next().is_none());
}

#[test]
fn only_what_is_done_leaves_without_the_ledger() {
    let mut batch = Batch::new(held(1..=3), HOLD);
    let now = Instant::now();
    batch.next_effect(now);
    batch.claimed(&[Claimed::Mine, Claimed::Done, Claimed::Busy]);
    assert!(matches!(batch.next_effect(now), Some(Effect::Acknowledge(done)) if done == [2]));
    assert!(
        matches!(batch.next_effect(now), Some(Effect::Book(entries)) if orders(&entries) == [1, 3])
    );
}

#[test]
fn what_is_parked_gives_its_claim_back_and_leaves_no_mark() {
    let mut bench = Bench::new(1..=1);
    let entries = bench.book();
    let parked = Outcome::Parked(ParkReason::OtherPlayer);
    bench.batch.booked(committed(&entries, parked));
    assert!(matches!(bench.next(), Some(Effect::Hint(_))));
    assert!(matches!(bench.next(), Some(Effect::Release(marks)) if marks.len() == 1));
    assert!(matches!(bench.next(), Some(Effect::Acknowledge(_))));
}

#[test]
fn a_batch_is_halved_around_the_one_that_is_rejected_and_booked_in_its_order() {
    let mut bench = Bench::new(1..=5);
    let mut ended = Vec::new();
    while ended.len() < 5 {
        let entries = bench.book();
        let as_it_stands = matches!(entries[0].assertion, Assertion::Unprocessable { .. });
        if orders(&entries).contains(&4) && !as_it_stands {
            bench.fail(Disposition::Park);
        } else {
            ended.extend(bench.commit(&entries));
        }
    }
    assert_eq!(ended, [1, 2, 3, 4, 5]);
    assert!(bench.next().is_none());
}

#[test]
fn a_rejected_payment_is_parked_as_paid_else_as_it_stands_else_on_the_queue() {
    let mut bench = Bench::new(1..=1);
    bench.book();
    bench.fail(Disposition::Park);
    let unclear = |entry: &Entry| {
        let Assertion::Paid { grant, .. } = &entry.assertion else {
            return false;
        };
        matches!(
            grant,
            Grant::Unclear {
                reason: ParkReason::Rejected,
                ..
            }
        )
    };
    assert!(unclear(&bench.book()[0]));
    bench.fail(Disposition::Park);
    let last = bench.book();
    assert!(matches!(last[0].assertion, Assertion::Unprocessable { .. }));
    bench.fail(Disposition::Park);
    assert!(matches!(bench.next(), Some(Effect::Park(1, _))));
    bench.batch.not_moved();
    assert!(matches!(bench.next(), Some(Effect::Rest(BACKOFF_MOST))));
    bench.batch.rested();
    assert_eq!(orders(&bench.book()), [1]);
}

#[test]
fn while_the_database_is_away_the_same_is_tried_with_growing_pauses_until_the_hold_is_over() {
    let mut bench = Bench::new(1..=2);
    let began = bench.now;
    let mut pauses = Vec::new();
    let moved = loop {
        assert_eq!(orders(&bench.book()), [1, 2]);
        bench.fail(Disposition::Retry);
        match bench.next() {
            Some(Effect::Rest(pause)) => {
                pauses.push(pause);
                bench.now += pause;
                bench.batch.rested();
            }
            other => break other,
        }
    };
    assert!(pauses.is_sorted() && pauses.len() > 5, "{pauses:?}");
    assert_eq!(
        (pauses.first(), pauses.last()),
        (Some(&BACKOFF_FIRST), Some(&BACKOFF_MOST))
    );
    assert!(bench.now <= began + HOLD);
    // Seven attempts on, and no longer than a minute.
    assert!(matches!(moved, Some(Effect::Retry(1, Tier::OneMinute, _))));
    bench.batch.not_moved();
    assert!(matches!(bench.next(), Some(Effect::Retry(2, ..))));
    bench.batch.moved();
    assert_eq!(orders(&bench.book()), [1], "what the broker did not take");
}

#[test]
fn a_stop_leaves_what_would_have_to_wait_unacknowledged() {
    let mut bench = Bench::new(1..=2);
    bench.book();
    bench.fail(Disposition::Retry);
    assert!(matches!(bench.next(), Some(Effect::Rest(_))));
    bench.batch.stop();
    assert!(bench.next().is_none());
}

#[test]
fn a_stop_still_moves_what_the_ledger_rejects_to_the_parking_queue() {
    let mut bench = Bench::new(1..=1);
    bench.book();
    bench.fail(Disposition::Park);
    bench.book();
    bench.fail(Disposition::Retry);
    assert!(matches!(bench.next(), Some(Effect::Rest(_))));
    bench.batch.stop();
    assert!(matches!(bench.next(), Some(Effect::Park(1, _))));
    bench.batch.moved();
    assert!(bench.next().is_none());
}

#[test]
fn an_answer_that_nobody_waits_for_loses_nothing() {
    let nothing = || committed(&[], Outcome::Booked);
    let answers: [fn(&mut Batch<i64>, Booked); 5] = [
        |batch, nothing| batch.booked(nothing),
        |batch, _| batch.not_booked(Disposition::Park, String::new(), 0.0, Instant::now()),
        |batch, _| batch.moved(),
        |batch, _| batch.not_moved(),
        |batch, _| batch.rested(),
    ];
    let mut bench = Bench {
        batch: Batch::new(held(1..=2), HOLD),
        now: Instant::now(),
    };
    assert!(matches!(bench.next(), Some(Effect::Claim(_))));
    for answer in answers {
        answer(&mut bench.batch, nothing());
    }
    // Of one of the two the answer does not speak: nothing is known of it.
    bench.batch.claimed(&[Claimed::Mine]);
    let entries = bench.book();
    assert_eq!(orders(&entries), [1, 2]);
    bench.batch.claimed(&[Claimed::Done, Claimed::Done]);
    bench.batch.moved();
    assert_eq!(bench.commit(&entries), [1, 2]);
}
