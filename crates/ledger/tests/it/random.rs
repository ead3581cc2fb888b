//! Random batches of eight writers on few and hot keys, against an oracle.
//!
//! Every writer plays every notice, each in an order of its own, and what must come of
//! them does not depend on the order; so the end is known, but for one thing: which of two
//! orders that name one transaction was first. That is read from the ledger.
//!
//! Notices that are in many batches would serialise those batches at the first table, so
//! each batch has some that are in no other: about the same orders and transactions, and
//! new orders of the same players.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use ledger::{Entry, Ledger};
use order::Reference;
use tokio::task::JoinSet;

use crate::dice::Dice;
use crate::notices::{
    batch, canceled, created, holds, id, noon, order, paid_for, payment, player, project, refund,
    transaction,
};
use crate::stores::{Store, on_both_stores};

on_both_stores!(multi_thread:
    random_concurrent_batches_end_where_the_oracle_says_without_a_deadlock,
);

/// Balances that are not the sum of what was booked.
const BALANCES_OFF_THEIR_LINES: &str = "SELECT count(*) FROM (
         SELECT project, player, sku,
                sum(CASE direction WHEN 'grant' THEN l.quantity ELSE -l.quantity END) AS booked
         FROM bookings b JOIN booking_lines l USING (project, source, direction, part)
         GROUP BY project, player, sku
     ) AS booked
     FULL JOIN balances USING (project, player, sku)
     WHERE coalesce(booked, 0) <> coalesce(quantity, 0)";

const ORDERS: i64 = 72;
const PLAYERS: [&str; 3] = ["mira", "nina", "oleg"];
const SKUS: [&str; 3] = ["gold", "shield", "sword"];
const WRITERS: u64 = 8;
const LONGEST_BATCH: u64 = 12;

/// What the dice made of one order.
struct Plan {
    player: &'static str,
    transaction: Option<i64>,
    items: Vec<(&'static str, i64)>,
    is_paid: bool,
    is_canceled: bool,
}

fn plan(dice: &mut Dice, order: i64) -> Plan {
    // Neighbours share a transaction now and then.
    let transaction = match dice.below(4) {
        0 => None,
        1 => Some(900 + order / 2),
        _ => Some(1_900 + order),
    };
    let mut items = SKUS.to_vec();
    items.remove(dice.below(3));
    Plan {
        // Both orders of a shared transaction have one player.
        player: PLAYERS[usize::try_from(order / 2).unwrap() % PLAYERS.len()],
        transaction,
        items: items.into_iter().map(|sku| (sku, order)).collect(),
        is_paid: !dice.one_in(5),
        is_canceled: dice.one_in(3),
    }
}

fn notices(dice: &mut Dice, order: i64, plan: &Plan) -> Vec<Entry> {
    let Plan {
        player,
        transaction,
        ref items,
        ..
    } = *plan;
    let mut notices = vec![created(order, player)];
    if plan.is_paid {
        notices.push(paid_for(order, player, transaction, items));
    }
    if plan.is_canceled {
        notices.push(canceled(order, player, transaction));
    }
    if let Some(transaction) = transaction {
        let named = dice.one_in(2).then_some(order);
        notices.push(payment(transaction, named, player));
        notices.push(refund(transaction, player));
    }
    notices
}

/// New orders have the numbers from here on.
const NEW: i64 = 10_000;

fn new_order(order: i64) -> (&'static str, &'static str) {
    let place = usize::try_from(order).unwrap();
    let player = PLAYERS[place % PLAYERS.len()];
    (player, SKUS[place / PLAYERS.len() % SKUS.len()])
}

/// What no other batch has: a new order, or something that says nothing new of an old one.
fn unrepeated(dice: &mut Dice, plans: &BTreeMap<i64, Plan>, next: &AtomicI64) -> Entry {
    if dice.one_in(2) {
        let order = next.fetch_add(1, Ordering::Relaxed);
        let (player, sku) = new_order(order);
        return paid_for(order, player, None, &[(sku, 1)]);
    }
    let order = 1 + i64::try_from(dice.below(ORDERS.unsigned_abs())).unwrap();
    let Plan {
        player,
        transaction,
        ..
    } = plans[&order];
    let Some(transaction) = transaction.filter(|_| !dice.one_in(3)) else {
        return created(order, player);
    };
    let mut entry = if dice.one_in(2) {
        payment(transaction, None, player)
    } else {
        refund(transaction, player)
    };
    let part = format!("{:x}", dice.below(u64::MAX));
    entry.notice.as_mut().unwrap().reference = Reference::part(id(transaction), &part);
    entry
}

async fn random_concurrent_batches_end_where_the_oracle_says_without_a_deadlock(store: Store) {
    let seed = RandomState::new().hash_one(());
    let mut dice = Dice(seed);
    let plans: BTreeMap<i64, Plan> = (1..=ORDERS)
        .map(|order| (order, plan(&mut dice, order)))
        .collect();
    let notices: Vec<Entry> = plans
        .iter()
        .flat_map(|(order, plan)| notices(&mut dice, *order, plan))
        .collect();
    let ledger = store.ledger_with(10);

    let plans = Arc::new(plans);
    let next = Arc::new(AtomicI64::new(NEW));
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let (ledger, plans, mut notices) = (ledger.clone(), Arc::clone(&plans), notices.clone());
        let next = Arc::clone(&next);
        let mut dice = Dice(seed ^ (writer + 1));
        dice.shuffle(&mut notices);
        writers.spawn(async move {
            while !notices.is_empty() {
                let length = (1 + dice.below(LONGEST_BATCH)).min(notices.len());
                let mut entries = notices.split_off(notices.len() - length);
                entries.extend((0..length).map(|_| unrepeated(&mut dice, &plans, &next)));
                dice.shuffle(&mut entries);
                let booked = ledger.book(&batch(entries), noon()).await;
                booked.unwrap_or_else(|fault| panic!("seed {seed}: {fault:?}"));
            }
        });
    }
    while let Some(writer) = writers.join_next().await {
        writer.unwrap();
    }

    let mut expected = expected_inventories(&ledger, &plans).await;
    for order in NEW..next.load(Ordering::Relaxed) {
        let (player, sku) = new_order(order);
        let inventory = expected.entry(player).or_default();
        *inventory.entry(sku.to_owned()).or_default() += 1;
    }
    for name in PLAYERS {
        let found: BTreeMap<_, _> = holds(&ledger, name).await.into_iter().collect();
        let expected = expected.get(name).cloned().unwrap_or_default();
        assert_eq!(found, expected, "seed {seed}: {name}");
        stream_is_sound(&ledger, name, seed).await;
    }
    let off = store.number(BALANCES_OFF_THEIR_LINES.into()).await;
    assert_eq!(off, 0, "seed {seed}");
    if let Store::Postgres(_) = store {
        let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
        assert_eq!(store.number(deadlocks.into()).await, 0, "seed {seed}");
    }
}

async fn expected_inventories(
    ledger: &Ledger,
    plans: &BTreeMap<i64, Plan>,
) -> BTreeMap<&'static str, BTreeMap<String, i64>> {
    let mut inventories = BTreeMap::<_, BTreeMap<String, i64>>::new();
    for (order, plan) in plans {
        let owns_its_transaction = match plan.transaction {
            Some(number) => {
                let owner = transaction(ledger, number).await.unwrap().order;
                owner.is_some_and(|owner| owner.get() == *order)
            }
            None => true,
        };
        if plan.is_paid && !plan.is_canceled && owns_its_transaction {
            for (sku, quantity) in &plan.items {
                let inventory = inventories.entry(plan.player).or_default();
                *inventory.entry((*sku).to_owned()).or_default() += quantity;
            }
        }
    }
    inventories
}

/// Without gaps, rising per order, and ending where each order stands.
async fn stream_is_sound(ledger: &Ledger, name: &str, seed: u64) {
    let stream = ledger.stream(project(), &player(name), 0).await.unwrap();
    let offsets: Vec<i64> = stream.rows.iter().map(|row| row.offset).collect();
    assert_eq!(offsets, (1..=stream.top).collect::<Vec<_>>(), "seed {seed}");
    let mut last = BTreeMap::new();
    for row in &stream.rows {
        let before = last.insert(row.order, row.status);
        assert!(before < Some(row.status), "seed {seed}: {row:?}");
    }
    let orders: BTreeSet<_> = last.keys().copied().collect();
    for number in orders {
        let status = order(ledger, number.get()).await.status;
        assert_eq!(Some(&status), last.get(&number), "seed {seed}: {number}");
    }
}
