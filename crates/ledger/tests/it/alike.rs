//! The two stores side by side: whatever happens, what is seen of it is the same on both.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};

use bytes::Bytes;
use ledger::{Booked, Destination, Disposition, Entry, Ledger, ParkedFilter};
use order::{
    Assertion, Content, ContentItem, Grant, Kind, Line, Money, ParkReason, Plan, Reference,
};
use task::{MessageId, ParkedId};
use testkit::{Embedded, Postgres};
use time::{Duration, OffsetDateTime};

use crate::dice::Dice;
use crate::notices::{
    batch, canceled, created, entry, id, noon, paid, paid_with, payment, player, project, refund,
};
use crate::stores::Store;

const ORDERS: i64 = 14;
const TRANSACTIONS: i64 = 9;
const PLAYERS: [&str; 3] = ["mira", "nina", "Олег"];
const SKUS: [&str; 4] = ["Shield", "gold", "sword", "меч"];
const BATCHES: i64 = 50;
const LONGEST_BATCH: u64 = 8;

/// One number of so many, from 1.
fn one_of(dice: &mut Dice, bound: i64) -> i64 {
    1 + i64::try_from(dice.below(bound.unsigned_abs())).unwrap()
}

fn money(dice: &mut Dice) -> Option<Money> {
    let money = Money {
        amount: format!("{}.{:02}", dice.below(90), dice.below(100))
            .parse()
            .unwrap(),
        currency: ["USD", "gems \"\\u0000\"", "золото"][dice.below(3)].into(),
    };
    (!dice.one_in(3)).then_some(money)
}

fn content(dice: &mut Dice) -> Content {
    let items = (0..dice.below(3)).map(|_| ContentItem {
        sku: SKUS[dice.below(4)].parse().unwrap(),
        quantity: one_of(dice, 5),
        is_free: dice.one_in(4),
        price: money(dice),
    });
    let items = items.collect();
    Content {
        price: money(dice),
        is_virtual: dice.one_in(5),
        is_free: dice.one_in(5),
        items,
    }
}

fn grant(dice: &mut Dice) -> Grant {
    match dice.below(6) {
        0 => Grant::Sandbox,
        1 => Grant::Unclear {
            reason: ParkReason::NothingToGrant,
            detail: format!("unknown item {}", dice.below(3)),
        },
        _ => {
            let lines = (0..=dice.below(3)).map(|_| Line {
                sku: SKUS[dice.below(4)].parse().unwrap(),
                quantity: one_of(dice, 9),
            });
            Grant::Lines(Plan::new(lines).unwrap())
        }
    }
}

/// Few orders and transactions, so that notices repeat, disagree and come out of turn.
fn any_entry(dice: &mut Dice) -> Entry {
    let (order, transaction) = (one_of(dice, ORDERS), one_of(dice, TRANSACTIONS));
    let owner = PLAYERS[usize::try_from(order).unwrap() % PLAYERS.len()];
    let name = if dice.one_in(12) { "stranger" } else { owner };
    let linked = (!dice.one_in(3)).then_some(transaction);
    let mut any = match dice.below(8) {
        0 => created(order, name),
        1 | 2 => paid_with(order, name, linked, grant(dice)),
        3 => canceled(order, name, linked),
        4 => payment(transaction, dice.one_in(2).then_some(order), name),
        5 => refund(transaction, name),
        6 => {
            let recorded = Assertion::Recorded {
                order: Some(id(order)),
                transaction: linked.map(id),
                player: Some(player(name)),
            };
            let kind = [Kind::Dispute, Kind::Other("brand_new".into())][dice.below(2)].clone();
            entry(kind, Reference::transaction(id(transaction)), recorded)
        }
        _ => {
            let unprocessable = Assertion::Unprocessable {
                reason: ParkReason::MissingField,
                detail: "no `user`".into(),
            };
            let mut entry = entry(Kind::OrderPaid, Reference::order(id(order)), unprocessable);
            entry.notice.as_mut().unwrap().order = Some(id(order));
            entry
        }
    };
    match &mut any.assertion {
        Assertion::Created {
            content: bought, ..
        }
        | Assertion::Paid {
            content: bought, ..
        } => {
            *bought = content(dice);
        }
        Assertion::Canceled { refund: told, .. } => *told = dice.one_in(3),
        Assertion::Payment { sandbox, .. } => *sandbox = dice.one_in(6),
        Assertion::Refund { .. } | Assertion::Recorded { .. } | Assertion::Unprocessable { .. } => {
        }
    }
    if let Some(notice) = &mut any.notice {
        notice.attempt = u32::try_from(dice.below(4)).unwrap();
        notice.trace_id = dice.one_in(2).then(|| format!("{:032x}", dice.below(99)));
        notice.received_at = noon() - Duration::milliseconds(one_of(dice, 9_999));
    }
    any
}

/// Both ledgers, and what was booked in them.
struct Pair {
    postgres: Ledger,
    sqlite: Ledger,
    /// By their body, for replays.
    booked: HashMap<MessageId, Entry>,
    seed: u64,
}

/// Asks both and compares.
macro_rules! alike {
    ($pair:ident.$call:ident($($argument:expr),*)) => {{
        let one = $pair.postgres.$call($($argument),*).await.unwrap();
        let other = $pair.sqlite.$call($($argument),*).await.unwrap();
        assert_eq!(one, other, "seed {}: {}", $pair.seed, stringify!($call));
        one
    }};
}

impl Pair {
    async fn book(&mut self, entries: Vec<Entry>, at: OffsetDateTime) {
        for entry in &entries {
            if let Some(notice) = &entry.notice {
                self.booked.insert(notice.message, entry.clone());
            }
        }
        let entries = batch(entries);
        let (one, other) = tokio::join!(
            self.postgres.book(&entries, at),
            self.sqlite.book(&entries, at)
        );
        let seen = |booked: Booked| (booked.verdicts, booked.hints.rows);
        let (one, other) = (seen(one.unwrap()), seen(other.unwrap()));
        assert_eq!(one, other, "seed {}: {entries:?}", self.seed);
    }

    /// One that waits is tried again, as a newer version may read it.
    async fn replay(&mut self, dice: &mut Dice, at: OffsetDateTime) {
        let open = alike!(self.parked(&everything(false)));
        if open.is_empty() {
            return;
        }
        let parked = open[dice.below(open.len() as u64)].id;
        let body = alike!(self.parked_body(parked)).unwrap();
        alike!(self.parked_was_replayed(parked, at));
        let Some(mut again) = self.booked.get(&body.message).cloned() else {
            return;
        };
        if let Assertion::Paid { grant: read, .. } = &mut again.assertion {
            *read = grant(dice);
        }
        again.notice.as_mut().unwrap().replay = Some(parked);
        self.book(vec![again], at + Duration::MILLISECOND).await;
    }

    async fn is_alike(&self) {
        for number in 1..=ORDERS + 1 {
            let order = alike!(self.order(project(), id(number)));
            for name in PLAYERS {
                let status = alike!(self.order_status(project(), id(number), &player(name)));
                let owns = order.as_ref().and_then(|order| order.player.as_ref());
                assert_eq!(status.is_some(), owns == Some(&player(name)));
            }
        }
        for number in 1..=TRANSACTIONS + 1 {
            alike!(self.transaction(project(), id(number)));
        }
        let names = PLAYERS.into_iter().chain(["stranger", "nobody"]);
        let players: Vec<_> = names.map(|name| (project(), player(name))).collect();
        for (project, player) in &players {
            alike!(self.orders_of(*project, player, None, 200));
            alike!(self.orders_of(*project, player, Some(id(7)), 2));
            alike!(self.notices_of(*project, player, 200));
            alike!(self.notices_of(*project, player, 3));
            alike!(self.inventory(*project, player));
            alike!(self.is_registered(*project, player));
            for after in [0, 5] {
                let (one, other) = tokio::join!(
                    self.postgres.stream(*project, player, after),
                    self.sqlite.stream(*project, player, after)
                );
                let (one, other) = (one.unwrap(), other.unwrap());
                assert_eq!(
                    (one.top, one.rows),
                    (other.top, other.rows),
                    "{}",
                    self.seed
                );
            }
        }
        let (one, other) = tokio::join!(self.postgres.tops(&players), self.sqlite.tops(&players));
        assert_eq!(one.unwrap().1, other.unwrap().1, "seed {}", self.seed);
        let all = alike!(self.parked(&everything(true)));
        alike!(self.parked(&everything(false)));
        for parked in all.iter().map(|view| view.id).chain([ParkedId(9_999)]) {
            alike!(self.parked_body(parked));
        }
    }
}

fn everything(settled: bool) -> ParkedFilter {
    ParkedFilter {
        settled,
        limit: 200,
        ..ParkedFilter::default()
    }
}

/// Something of what happens to a ledger, on both.
async fn step(pair: &mut Pair, dice: &mut Dice, number: i64) {
    let at = noon() + Duration::seconds(number) + Duration::nanoseconds(one_of(dice, 999_999));
    match dice.below(8) {
        0 => {
            let name = player(PLAYERS[dice.below(3)]);
            alike!(pair.register_player(project(), &name, at));
        }
        1 => {
            let body = Bytes::from(format!("no task {}", dice.below(3)));
            let reason = ParkReason::Unreadable;
            alike!(pair.park_raw(&body, reason, "no header", at));
        }
        2 => pair.replay(dice, at).await,
        _ => {
            let length = 1 + dice.below(LONGEST_BATCH);
            let mut entries: Vec<_> = (0..length).map(|_| any_entry(dice)).collect();
            if dice.one_in(2) {
                entries.push(entries[0].clone());
            }
            pair.book(entries, at).await;
        }
    }
}

#[tokio::test]
async fn random_histories_look_alike_on_both_stores() {
    let (postgres, sqlite) = (Store::postgres().await, Store::sqlite());
    let seed = RandomState::new().hash_one(());
    let mut dice = Dice(seed);
    let mut pair = Pair {
        postgres: postgres.ledger(),
        sqlite: sqlite.ledger(),
        booked: HashMap::new(),
        seed,
    };
    for number in 1..=BATCHES {
        step(&mut pair, &mut dice, number).await;
    }
    pair.is_alike().await;
}

/// The file's ledger and its copy on a server have the same past and, given the same notices,
/// the same future: the same offsets, the same numbers of parked entries.
#[tokio::test]
async fn a_moved_ledger_looks_alike_and_goes_on_alike() {
    let (first, file, second) = (
        Store::postgres().await,
        Embedded::new(),
        Postgres::database().await,
    );
    let seed = RandomState::new().hash_one(());
    let mut dice = Dice(seed);
    let mut pair = Pair {
        postgres: first.ledger(),
        sqlite: file.ledger(),
        booked: HashMap::new(),
        seed,
    };
    for number in 1..=BATCHES {
        step(&mut pair, &mut dice, number).await;
    }
    // Whatever `COPY` could take for something else.
    let body: Bytes = (0..=255).collect();
    let detail = "tab\tline\nreturn\rback\\slash \\N \\. \u{1}\u{7f} \u{1F409} ";
    let reason = ParkReason::Unreadable;
    alike!(pair.park_raw(&body, reason, detail, noon()));

    let destination = Destination::open(&second.config()).unwrap();
    let at = noon() + Duration::HOUR;
    destination.copy(&file.file(), "a-move", at).await.unwrap();
    destination.finish("a-move", at).await.unwrap();
    pair.postgres = second.ledger();
    pair.is_alike().await;
    for number in BATCHES + 1..=2 * BATCHES {
        step(&mut pair, &mut dice, number).await;
    }
    pair.is_alike().await;
}

/// A notice must not be booked on one and parked on the other, and a file must be able to
/// move to a server.
#[tokio::test]
async fn what_one_store_does_not_accept_the_other_does_not_either() {
    let (postgres, sqlite) = (Store::postgres().await, Store::sqlite());
    let of_currency = |order, currency: &str| {
        let mut entry = paid(order, "mira", None);
        if let Assertion::Paid { content, .. } = &mut entry.assertion {
            content.price = Some(Money {
                amount: "1".parse().unwrap(),
                currency: currency.into(),
            });
        }
        entry
    };
    let of_reference = |order, reference: &str| {
        let mut entry = paid(order, "mira", None);
        let reference = Reference::subscription(reference, "2027-01-01");
        entry.notice.as_mut().unwrap().reference = reference;
        entry
    };
    let of_detail = |order, detail: &str| {
        let grant = Grant::Unclear {
            reason: ParkReason::MissingField,
            detail: detail.into(),
        };
        paid_with(order, "mira", None, grant)
    };
    let entries = [
        (of_currency(1, "USD"), true),
        (of_currency(2, "US\u{0}"), false),
        (of_currency(3, "US\\\u{0}"), false),
        (of_currency(4, "US\\u0000"), true),
        (of_currency(5, "\\\\u0000\"\u{1}"), true),
        (of_reference(6, "monthly \u{1}'; --"), true),
        (of_reference(7, "monthly\u{0}"), false),
        (of_reference(8, &"€".repeat(700)), true),
        (of_detail(9, "no `items`"), true),
        (of_detail(10, "no \u{0}"), false),
    ];
    for (number, (entry, is_accepted)) in (1..).zip(entries) {
        let mut views = Vec::new();
        for store in [&postgres, &sqlite] {
            let ledger = store.ledger();
            let booked = ledger.book(&batch([entry.clone()]), noon()).await;
            assert_eq!(booked.is_ok(), is_accepted, "{booked:?} of {entry:?}");
            if let Err(fault) = booked {
                assert_eq!(fault.disposition(), Disposition::Park, "{fault:?}");
            }
            let mut view = ledger.order(project(), id(number)).await.unwrap();
            // Numbers are lost with what is refused, on one of them.
            let notices = view.as_mut().map(|view| &mut view.notices);
            notices
                .into_iter()
                .flatten()
                .for_each(|notice| notice.parked = None);
            views.push(view);
        }
        assert_eq!(views[0], views[1], "{entry:?}");
    }
}
