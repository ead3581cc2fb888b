//! A correct instance is never found wrong, in whatever order it books what came.

use proptest::prelude::*;

use super::fault;
use super::model::{OK, World, shopper};
use crate::sale::journal::{Answer, Kind, Notice, Says, Shopper};

const SAYS: usize = 6;

/// The notices of one order: all of them in one delivery mode.
fn says(which: usize, combined: bool, names_order: bool) -> Says {
    match which {
        0 => Says::OrderPaid { combined },
        1 => Says::OrderCanceled { combined },
        2 => Says::Payment { names_order },
        3 => Says::Refund,
        4 => Says::PartialRefund,
        _ => Says::Dispute,
    }
}

const KINDS: [Kind; 3] = [Kind::Genuine, Kind::Odd, Kind::Forged];
const ANSWERS: [Answer; 5] = [
    OK,
    Answer::Code(200),
    Answer::Code(503),
    Answer::Unknown,
    Answer::Unsent,
];

/// One request: the notice, what comes back, and whether it is applied where nobody knows.
type Request = (usize, usize, bool);

fn any_shopper() -> impl Strategy<Value = (Shopper, Vec<Request>)> {
    let notices = proptest::collection::vec((0..SAYS, 0..KINDS.len()), 1..6);
    let order = (1..6_i64, any::<[bool; 5]>(), notices);
    let requests = proptest::collection::vec((0..6_usize, 0..ANSWERS.len(), any::<bool>()), 0..12);
    (order, requests).prop_map(|((player, flags, notices), requests)| {
        let [registered, sandbox, conflicts, combined, names_order] = flags;
        let mut all: Vec<Notice> = notices
            .into_iter()
            .map(|(which, kind)| Notice {
                says: says(which, combined, names_order),
                kind: KINDS[kind],
            })
            .collect();
        if conflicts {
            for kind in [Kind::Conflicting, Kind::Genuine] {
                let says = Says::OrderPaid { combined };
                all.push(Notice { says, kind });
            }
        }
        let mut shopper = shopper(player, &all);
        shopper.registered = registered;
        shopper.sandbox = sandbox;
        let requests = requests.into_iter();
        let requests = requests.map(|(notice, answer, lands)| (notice % all.len(), answer, lands));
        (shopper, requests.collect())
    })
}

proptest! {
    #[test]
    fn a_correct_instance_is_never_found_wrong(
        shoppers in proptest::collection::vec(any_shopper(), 1..5),
        turns in proptest::collection::vec(any::<prop::sample::Index>(), 48),
    ) {
        let (mut all, requests): (Vec<Shopper>, Vec<Vec<Request>>) = shoppers.into_iter().unzip();
        // Several may be of one player; each has an order of its own.
        for (place, shopper) in all.iter_mut().enumerate() {
            shopper.purchase.order = 100 + i64::try_from(place).unwrap();
        }
        let mut world = World::with(all);
        world.journal.faults.push(fault(0, Some(600)));
        let mut waiting = Vec::new();
        for (place, requests) in requests.into_iter().enumerate() {
            for (notice, answer, lands) in requests {
                let forged = world.journal.shoppers[place].notices[notice].kind == Kind::Forged;
                let answer = if forged { Answer::Code(400) } else { ANSWERS[answer] };
                world.post(place, notice, answer);
                if answer.is_success() || (lands && answer != Answer::Unsent) {
                    waiting.push((place, notice));
                }
            }
        }
        let mut turns = turns.iter().cycle();
        while !waiting.is_empty() {
            let turn = turns.next().map_or(0, |turn| turn.index(waiting.len()));
            let (place, notice) = waiting.swap_remove(turn);
            world.apply(place, notice);
        }
        world.look();
        world.findings.strangers.clear();
        let verdict = world.judge();
        prop_assert!(verdict.is_clean(), "{:#?}", verdict.violations);
    }
}
