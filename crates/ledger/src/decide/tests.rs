//! Every sequence of up to five notices of one order, repeats included, against an oracle
//! that knows only which notices were seen and in which order they came first.

use std::collections::BTreeMap;

use bytes::Bytes;
use order::{Assertion, Content, Grant, Kind, Line, Plan, Reference, Status};
use task::MessageId;
use time::OffsetDateTime;

use super::*;
use crate::books::{Direction, OrderKey, Source, TransactionKey};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Letter {
    Paid,
    Canceled,
    /// A payment that names its order.
    Named,
    /// The same payment, as a project sends it whose payments do not.
    Unnamed,
    Refund,
}

use Letter::{Canceled as C, Named, Paid as P, Refund as R, Unnamed};

const LETTERS: [Letter; 5] = [P, C, Named, Unnamed, R];

/// How the store sends its notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Payments and refunds come on their own.
    Separate,
    /// Order notices carry the payment and the refund too.
    Combined,
    /// The order is paid in virtual currency: it names no real-money transaction.
    Virtual,
}

fn keys() -> (OrderKey, TransactionKey) {
    let project = "44056".parse().unwrap();
    (
        (project, "7".parse().unwrap()),
        (project, "900".parse().unwrap()),
    )
}

/// What a letter asserts, under which key.
fn reading(letter: Letter, mode: Mode) -> (Kind, Reference, Assertion) {
    let ((_, order), (_, transaction)) = keys();
    let player: order::PlayerId = "mira".parse().unwrap();
    let sword = Line {
        sku: "sword".parse().unwrap(),
        quantity: 2,
    };
    let real = (mode != Mode::Virtual).then_some(transaction);
    let assertion = match letter {
        P => Assertion::Paid {
            order,
            player,
            transaction: real,
            payment: mode == Mode::Combined,
            sandbox: false,
            content: Content::default(),
            grant: Grant::Lines(Plan::new([sword]).unwrap()),
        },
        C => Assertion::Canceled {
            order,
            player: Some(player),
            transaction: real,
            refund: mode == Mode::Combined,
            sandbox: false,
        },
        Named | Unnamed => Assertion::Payment {
            transaction,
            order: (letter == Named).then_some(order),
            player: Some(player),
            sandbox: false,
        },
        R => Assertion::Refund {
            transaction,
            player: Some(player),
            code: Some(1),
        },
    };
    match letter {
        P => (Kind::OrderPaid, Reference::order(order), assertion),
        C => (Kind::OrderCanceled, Reference::order(order), assertion),
        Named | Unnamed => (
            Kind::Payment,
            Reference::transaction(transaction),
            assertion,
        ),
        R => (Kind::Refund, Reference::transaction(transaction), assertion),
    }
}

fn entry(letter: Letter, mode: Mode) -> Entry {
    let (kind, reference, assertion) = reading(letter, mode);
    let body = Bytes::from(format!("{letter:?}"));
    Entry {
        project: keys().0.0,
        notice: Some(Notice {
            kind,
            reference,
            message: MessageId::of(&body),
            fingerprint: *MessageId::of(assertion.canonical().as_bytes()).as_bytes(),
            order: None,
            transaction: None,
            player: None,
            received_at: OffsetDateTime::UNIX_EPOCH,
            attempt: 0,
            replay: None,
            trace_id: None,
            body,
        }),
        assertion,
    }
}

/// What must be true after a sequence. Written from the rules, not from the code. A refund
/// is not in it: it decides nothing.
#[derive(Debug, PartialEq, Eq)]
struct Expected {
    swords: i64,
    granted: bool,
    revoked: bool,
    status: Status,
    /// Whether anybody has been told anything.
    shown: bool,
}

fn oracle(sequence: &[Letter], mode: Mode) -> Expected {
    let first = |letter| sequence.iter().position(|seen| *seen == letter);
    let (paid, canceled) = (first(P), first(C));
    // A payment is one notice, whether it names its order or not; once named is enough.
    let named = sequence.contains(&Named);
    let by_order_notice = (paid.is_some() || canceled.is_some()) && mode != Mode::Virtual;
    let linked = by_order_notice || named;
    let payment_seen =
        named || sequence.contains(&Unnamed) || (paid.is_some() && mode == Mode::Combined);

    let granted = match (paid, canceled) {
        (Some(paid), Some(canceled)) => paid < canceled,
        (Some(_), None) => true,
        (None, _) => false,
    };
    let revoked = granted && canceled.is_some();
    let status = if canceled.is_some() {
        Status::Canceled
    } else if granted {
        Status::Done
    } else if linked && payment_seen {
        Status::Paid
    } else {
        Status::New
    };
    Expected {
        swords: if granted && !revoked { 2 } else { 0 },
        granted,
        revoked,
        status,
        shown: paid.is_some() || canceled.is_some() || named,
    }
}

/// How the notice at `place` must end: as its first one did.
fn expected_outcome(sequence: &[Letter], place: usize) -> Outcome {
    let first = |letter| sequence.iter().position(|seen| *seen == letter);
    let before = |letter, other| match (first(letter), first(other)) {
        (Some(letter), Some(other)) => letter < other,
        (letter, _) => letter.is_some(),
    };
    match sequence[place] {
        P if before(C, P) => Outcome::NoOp(NoOp::Canceled),
        C if !before(P, C) => Outcome::NoOp(NoOp::NothingGranted),
        P | C => Outcome::Booked,
        Named | Unnamed | R => Outcome::NoOp(NoOp::Recorded),
    }
}

fn same_notice(one: Letter, other: Letter) -> bool {
    let payment = |letter| matches!(letter, Named | Unnamed);
    one == other || (payment(one) && payment(other))
}

fn every_sequence(longest: usize, visit: &mut impl FnMut(&[Letter])) {
    fn walk(sequence: &mut Vec<Letter>, longest: usize, visit: &mut impl FnMut(&[Letter])) {
        visit(sequence);
        if sequence.len() == longest {
            return;
        }
        for letter in LETTERS {
            sequence.push(letter);
            walk(sequence, longest, visit);
            sequence.pop();
        }
    }
    walk(&mut Vec::new(), longest, visit);
}

fn play(sequence: &[Letter], mode: Mode) -> (Books, Vec<Verdict>) {
    let mut books = Books::default();
    let verdicts = sequence
        .iter()
        .enumerate()
        .map(|(index, letter)| books.book(index, &entry(*letter, mode)))
        .collect();
    (books, verdicts)
}

fn is_booked(books: &Books, direction: Direction) -> bool {
    let ((project, order), _) = keys();
    books.bookings.keys().any(|key| {
        (key.project, key.source, key.direction) == (project, Source::Order(order), direction)
    })
}

const MODES: [Mode; 3] = [Mode::Separate, Mode::Combined, Mode::Virtual];

#[test]
fn every_sequence_of_notices_ends_where_the_oracle_says() {
    for mode in MODES {
        every_sequence(5, &mut |sequence| {
            let (books, _) = play(sequence, mode);
            let found = Expected {
                swords: books.moves.values().sum(),
                granted: is_booked(&books, Direction::Grant),
                revoked: is_booked(&books, Direction::Revoke),
                status: books.status(keys().0),
                shown: !books.statuses.is_empty(),
            };
            assert_eq!(found, oracle(sequence, mode), "{mode:?} {sequence:?}");
        });
    }
}

#[test]
fn what_a_player_is_shown_rises_to_the_status_and_never_repeats() {
    for mode in MODES {
        every_sequence(5, &mut |sequence| {
            let (books, _) = play(sequence, mode);
            let shown: Vec<Status> = books.statuses.iter().map(|row| row.status).collect();
            assert!(
                shown.is_sorted_by(|one, next| one < next),
                "{mode:?} {sequence:?} {shown:?}"
            );
            if let Some(last) = shown.last() {
                assert_eq!(
                    *last,
                    books.status(keys().0),
                    "{mode:?} {sequence:?} {shown:?}"
                );
            }
        });
    }
}

#[test]
fn a_repeat_ends_as_its_first_did_and_only_another_body_is_a_conflict() {
    for mode in MODES {
        every_sequence(5, &mut |sequence| {
            let (_, verdicts) = play(sequence, mode);
            for (place, verdict) in verdicts.iter().enumerate() {
                let earlier = sequence[..place]
                    .iter()
                    .find(|letter| same_notice(**letter, sequence[place]));
                let conflicts = match earlier {
                    Some(earlier) if *earlier != sequence[place] => vec![Conflict::RepeatDiffers],
                    _ => Vec::new(),
                };
                let expected = Verdict {
                    outcome: expected_outcome(sequence, place),
                    repeat: earlier.is_some(),
                    conflicts,
                };
                assert_eq!(*verdict, expected, "{mode:?} {sequence:?} at {place}");
            }
        });
    }
}

/// One thing does depend on the order of arrival and is left out of the comparison: whether
/// the ledger granted before it took back or did neither.
#[test]
fn the_end_does_not_depend_on_the_order_of_arrival() {
    for mode in MODES {
        let mut ends = BTreeMap::new();
        every_sequence(5, &mut |sequence| {
            let (mut books, _) = play(sequence, mode);
            let (order, transaction) = keys();
            let status = books.status(order);
            let held: i64 = books.moves.values().sum();
            let mut row = books.orders.remove(&order).unwrap_or_default();
            let last_shown = row.shown.take();
            let end = (
                status,
                last_shown,
                held,
                row,
                books.transactions.remove(&transaction),
            );
            let mut letters = sequence.to_vec();
            letters.sort_unstable();
            letters.dedup();
            let known = ends.entry(letters).or_insert_with(|| end.clone());
            assert_eq!(*known, end, "{mode:?} {sequence:?}");
        });
        // Every set of the five.
        assert_eq!(ends.len(), 32);
    }
}

#[test]
fn facts_never_go_back() {
    every_sequence(5, &mut |sequence| {
        let mut books = Books::default();
        let mut before = order::Facts::default();
        for (index, letter) in sequence.iter().enumerate() {
            books.book(index, &entry(*letter, Mode::Separate));
            let now = books
                .orders
                .get(&keys().0)
                .map(|row| row.facts)
                .unwrap_or_default();
            assert_eq!(before.union(now), now, "{sequence:?} at {index}");
            before = now;
        }
    });
}

/// A project may change from separate to combined mode between a notice and its repeat.
#[test]
fn what_a_repeat_in_another_mode_adds_does_not_depend_on_which_came_first() {
    let ends = [
        [Mode::Separate, Mode::Combined],
        [Mode::Combined, Mode::Separate],
    ]
    .map(|modes| {
        let mut books = Books::default();
        for (index, letter) in [P, C].into_iter().enumerate() {
            for (half, mode) in modes.into_iter().enumerate() {
                let verdict = books.book(2 * index + half, &entry(letter, mode));
                assert_eq!(verdict.outcome, Outcome::Booked, "{modes:?} {letter:?}");
                let conflicts = [Conflict::RepeatDiffers];
                assert_eq!(verdict.conflicts, conflicts[..half], "{modes:?} {letter:?}");
            }
        }
        let (order, transaction) = keys();
        (
            books.orders.remove(&order),
            books.transactions.remove(&transaction),
            books.moves,
        )
    });
    assert_eq!(ends[0], ends[1]);
    let facts = ends[0].0.as_ref().unwrap().facts;
    assert!(facts.payment && facts.refunded, "{facts:?}");
}
