use std::collections::BTreeMap;

use proptest::prelude::*;
use xsolla::Notice as Read;

use super::*;
use crate::sale::arrivals::Rate;
use crate::sale::plan::Run;
use crate::sale::shares::Shares;

fn plan(seed: u64, settings: &[&str]) -> Plan {
    let rate = Rate {
        orders_per_second: 100.0,
        duration: SECOND * 60,
        ramp: Duration::ZERO,
        spikes: Vec::new(),
    };
    let settings: Vec<_> = settings.iter().map(|it| it.parse().unwrap()).collect();
    let mut plan = Plan::new(44_056, seed, Run::new(7), rate).unwrap();
    plan.shares = Shares::default().with(&settings).unwrap();
    plan
}

/// Every disturbance there is, and every fate.
fn wild(seed: u64) -> Plan {
    let all = [
        "refund=8%",
        "refund-only=8%",
        "cancel=8%",
        "cancel-first=8%",
        "chargeback=8%",
        "dispute=8%",
        "partial-refund=8%",
        "free=8%",
        "sandbox=8%",
        "unknown-player=8%",
        "abandoned=8%",
        "odd=50%",
        "conflict=50%",
        "forged=50%",
        "late=50%",
        "simultaneous=50%",
        "repeat=50%",
    ];
    plan(seed, &all)
}

fn read(life: &Life, place: usize) -> Read {
    let body = life.body(place, life.shopper.notices[place]);
    let text = String::from_utf8_lossy(&body).into_owned();
    Read::read(&body).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn says_of(plan: &Plan, number: u32) -> Vec<Says> {
    let life = Life::draw(plan, number);
    let mut says: Vec<_> = life
        .shopper
        .notices
        .iter()
        .map(|notice| notice.says)
        .collect();
    says.retain(|says| *says != Says::KnownPlayer);
    says
}

proptest! {
    #[test]
    fn every_body_is_read_back_with_its_purchase(seed: u64, number in 0..2_000_000_u32) {
        let life = Life::draw(&wild(seed), number);
        let Purchase { player, order, transaction, .. } = &life.shopper.purchase;
        prop_assert_eq!(life.sendings.len(), life.shopper.notices.len());
        for (place, notice) in life.shopper.notices.iter().enumerate() {
            let read = read(&life, place);
            let kind = match notice.says {
                Says::KnownPlayer | Says::UnknownPlayer => "user_validation",
                Says::Payment { .. } => "payment",
                Says::OrderPaid { .. } => "order_paid",
                Says::Refund => "refund",
                Says::PartialRefund => "partial_refund",
                Says::Dispute => "dispute",
                Says::OrderCanceled { .. } => "order_canceled",
            };
            let its_kind = read.kind();
            prop_assert_eq!(its_kind.as_str(), kind);
            if let Read::OrderPaid(paid) = &read {
                    prop_assert_eq!(paid.order.id.get(), *order);
                    prop_assert_eq!(paid.player.as_str(), player);
                    prop_assert_eq!(paid.is_sandbox(), life.shopper.sandbox);
                    prop_assert_eq!(paid.transaction().is_none(), life.is_free);
                    let listed: Vec<_> = paid.items.iter().filter(|item| !item.is_bundle())
                        .map(|item| (item.sku.as_ref().unwrap().to_string(), item.quantity.unwrap()))
                        .collect();
                    let is_true = matches!(notice.kind, Kind::Genuine | Kind::Odd);
                    prop_assert_eq!(listed == life.shopper.lines, is_true);
                }
            if let Read::Payment(payment) = &read {
                    prop_assert_eq!(payment.transaction.id.get(), *transaction);
                    let named = notice.says == Says::Payment { names_order: true };
                    prop_assert_eq!(payment.order.map(order::OrderId::get), named.then_some(*order));
                    prop_assert_eq!(payment.transaction.dry_run, life.shopper.sandbox);
                }
        }
    }

    #[test]
    fn odd_bytes_say_the_same(seed: u64, number in 0..2_000_000_u32) {
        let life = Life::draw(&plan(seed, &["odd=100%"]), number);
        for (place, notice) in life.shopper.notices.iter().enumerate() {
            let plain = Notice { kind: Kind::Genuine, ..*notice };
            if notice.kind == Kind::Odd {
                let odd = life.body(place, *notice);
                prop_assert_ne!(&odd, &life.body(place, plain));
                let plain = Read::read(&life.body(place, plain)).unwrap();
                prop_assert_eq!(Read::read(&odd).unwrap(), plain);
            }
        }
    }

    #[test]
    fn a_purchase_is_drawn_from_its_seed_and_number_alone(seed: u64, number in 0..2_000_000_u32) {
        let (one, other) = (Life::draw(&wild(seed), number), Life::draw(&wild(seed), number));
        prop_assert_eq!(&one.shopper.purchase, &other.shopper.purchase);
        prop_assert_eq!(&one.sendings, &other.sendings);
        for (place, notice) in one.shopper.notices.iter().enumerate() {
            prop_assert_eq!(one.body(place, *notice), other.body(place, *notice));
        }
    }

    #[test]
    fn a_purchase_is_told_in_the_order_in_which_xsolla_tells_it(seed: u64, number in 0..10_000_u32) {
        let plan = wild(seed);
        let life = Life::draw(&plan, number);
        let notices = &life.shopper.notices;
        let genuine: Vec<_> = notices.iter()
            .filter(|notice| matches!(notice.kind, Kind::Genuine | Kind::Odd))
            .map(|notice| notice.says)
            .collect();
        let place = |of: fn(&Says) -> bool| genuine.iter().position(of);
        let paid = place(|says| matches!(says, Says::OrderPaid { .. }));
        let payment = place(|says| matches!(says, Says::Payment { .. }));
        let refund = place(|says| *says == Says::Refund);
        let canceled = place(|says| matches!(says, Says::OrderCanceled { .. }));
        prop_assert!(payment.is_none_or(|payment| paid.is_some_and(|paid| payment < paid)));
        prop_assert!(refund.zip(canceled).is_none_or(|(refund, canceled)| refund < canceled));
        let conflict = notices.iter().position(|notice| notice.kind == Kind::Conflicting);
        let told = notices.iter().position(|notice| {
            matches!(notice.says, Says::OrderPaid { .. })
                && matches!(notice.kind, Kind::Genuine | Kind::Odd)
        });
        prop_assert!(conflict.is_none_or(|conflict| told.is_some_and(|told| told < conflict)));
        prop_assert!(u8::try_from(notices.len()).is_ok());
    }
}

#[test]
fn each_fate_is_told_as_its_mode_tells_it() {
    use Says::{Dispute, PartialRefund, Refund, UnknownPlayer};
    let says = |fate: &str, mode: &str| {
        let mut plan = plan(3, &[]);
        let settings = [fate, mode].map(|it| it.parse().unwrap());
        plan.shares = Shares::none().with(&settings).unwrap();
        says_of(&plan, 5)
    };
    let separate = |fate| says(fate, "combined=0%");
    let combined = |fate| says(fate, "combined=100%");
    let payment = Says::Payment { names_order: false };
    let (paid, both) = (
        Says::OrderPaid { combined: false },
        Says::OrderPaid { combined: true },
    );
    let canceled = Says::OrderCanceled { combined: false };
    let canceled_both = Says::OrderCanceled { combined: true };
    for (fate, in_parts, in_one) in [
        (
            "refund=100%",
            vec![payment, paid, Refund, canceled],
            vec![both, canceled_both],
        ),
        (
            "refund-only=100%",
            vec![payment, paid, Refund],
            vec![both, Refund],
        ),
        (
            "cancel=100%",
            vec![payment, paid, canceled],
            vec![both, canceled_both],
        ),
        (
            "cancel-first=100%",
            vec![payment, Refund, canceled, paid],
            vec![canceled_both, both],
        ),
        (
            "chargeback=100%",
            vec![payment, paid, Dispute, Refund, canceled],
            vec![both, Dispute, canceled_both],
        ),
        (
            "dispute=100%",
            vec![payment, paid, Dispute],
            vec![both, Dispute],
        ),
        (
            "partial-refund=100%",
            vec![payment, paid, PartialRefund],
            vec![both, PartialRefund],
        ),
        ("free=100%", vec![paid], vec![paid]),
        ("sandbox=100%", vec![payment, paid], vec![both]),
        (
            "unknown-player=100%",
            vec![UnknownPlayer],
            vec![UnknownPlayer],
        ),
        ("abandoned=100%", vec![], vec![]),
    ] {
        assert_eq!(separate(fate), in_parts, "{fate}, separate");
        assert_eq!(combined(fate), in_one, "{fate}, combined");
    }
}

#[test]
fn players_buy_several_times_and_orders_are_their_own() {
    let plan = plan(1, &[]);
    let mut purchases: BTreeMap<String, u32> = BTreeMap::new();
    let mut orders = BTreeMap::new();
    for number in 0..6_000 {
        let purchase = Life::draw(&plan, number).shopper.purchase;
        *purchases.entry(purchase.player).or_default() += 1;
        orders.insert(purchase.order, purchase.transaction);
    }
    purchases.retain(|player, _| player.starts_with("shopper-"));
    assert_eq!(orders.len(), 6_000);
    assert!(purchases.len() > 1_150, "{}", purchases.len());
    let often = purchases.values().filter(|times| **times > 1).count();
    assert!(often > 1_000, "{often}");
}
