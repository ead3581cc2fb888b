use std::fmt::Write as _;

use bytes::Bytes;
use expect_test::expect;
use order::Money;
use proptest::prelude::*;
use serde_json::{Value, json};
use task::MessageId;
use time::OffsetDateTime;
use xsolla::{Glance, fixtures};

use super::*;

const PROJECT: &str = "271904";

fn task(body: &[u8]) -> Task {
    let seen = Glance::of(body);
    Task {
        project: PROJECT.parse().unwrap(),
        kind: seen.kind,
        message: MessageId::of(body),
        order: seen.order,
        transaction: seen.transaction,
        player: seen.player,
        received_at: OffsetDateTime::UNIX_EPOCH,
        attempt: 0,
        replay: None,
        trace: None,
        body: Bytes::copy_from_slice(body),
    }
}

fn handler(config: Config) -> Grant {
    Grant::new(HashMap::from([(PROJECT.parse().unwrap(), config)]))
}

const HEADING: Config = Config {
    grant_sandbox: false,
    bundles: Bundles::Heading,
};
const SANDBOX: Config = Config {
    grant_sandbox: true,
    bundles: Bundles::Contents,
};

fn altered(fixture: &[u8], changes: &[(&str, Value)]) -> Value {
    let mut body: Value = serde_json::from_slice(fixture).unwrap();
    for (pointer, value) in changes {
        *body.pointer_mut(pointer).unwrap() = value.clone();
    }
    body
}

fn money(money: Option<&Money>) -> String {
    money.map_or("-".to_owned(), |money| {
        format!("{} {}", money.amount, money.currency)
    })
}

/// A reading as a person would note it down.
fn shown(reading: &Reading) -> String {
    let (order, player, transaction, payment, sandbox, content, grant) = match &reading.assertion {
        Assertion::Paid {
            order,
            player,
            transaction,
            payment,
            sandbox,
            content,
            grant,
        } => (order, player, transaction, payment, sandbox, content, grant),
        Assertion::Unprocessable { reason, detail } => return format!("{reason:?}: {detail}"),
        other @ (Assertion::Created { .. }
        | Assertion::Canceled { .. }
        | Assertion::Payment { .. }
        | Assertion::Refund { .. }
        | Assertion::Recorded { .. }) => panic!("not for this lane: {other:?}"),
    };
    assert_eq!(reading.reference.as_str(), order.to_string());
    let transaction = transaction.map_or("-".to_owned(), |id| id.to_string());
    let mut text = format!(
        "order {order} of {player}, transaction {transaction}, payment={payment}, \
         sandbox={sandbox}\n  price {}, virtual={}, free={}",
        money(content.price.as_ref()),
        content.is_virtual,
        content.is_free,
    );
    for item in &content.items {
        let free = if item.is_free { ", free" } else { "" };
        let price = money(item.price.as_ref());
        write!(
            text,
            "\n  lists {} x{}, {price}{free}",
            item.sku, item.quantity
        )
        .unwrap();
    }
    match grant {
        Granted::Lines(plan) => {
            for line in plan.lines() {
                write!(text, "\n  grants {} x{}", line.sku, line.quantity).unwrap();
            }
        }
        Granted::Sandbox => text.push_str("\n  grants nothing: sandbox"),
        Granted::Unclear { reason, detail } => {
            write!(text, "\n  unclear, {reason:?}: {detail}").unwrap();
        }
    }
    text
}

fn read(body: &Value, config: Config) -> String {
    shown(&handler(config).read(&task(body.to_string().as_bytes())))
}

/// What is granted, or why nothing is.
fn outcome(body: &Value, config: Config) -> Vec<String> {
    let is_outcome = |line: &&str| line.starts_with("  grants") || line.starts_with("  unclear");
    read(body, config)
        .lines()
        .filter(is_outcome)
        .map(|line| line.trim().to_owned())
        .collect()
}

#[test]
fn every_fixture_of_this_lane_is_understood_and_the_others_are_parked() {
    let mut table = String::new();
    for fixture in fixtures::ALL {
        let task = task(fixture.body);
        let shown = shown(&handler(Config::default()).read(&task));
        if task.lane() == Lane::Grant {
            writeln!(table, "{}: {shown}", fixture.name).unwrap();
        } else {
            assert!(
                shown.starts_with("Unreadable: `notification_type`"),
                "{shown}"
            );
        }
    }
    expect![[r"
        order_paid_combined: order 701552318 of player-7f31c9, transaction 3180442907, payment=true, sandbox=false
          price 14.97 EUR, virtual=false, free=false
          lists com.example.blade_ember x3, 8.97 EUR
          lists com.example.starter_chest x1, 6.00 EUR
          lists com.example.blade_frost x1, 0.00 EUR, free
          lists com.example.crystals x250, -
          grants com.example.blade_ember x3
          grants com.example.blade_frost x1
          grants com.example.crystals x250
        order_paid_combined_sandbox: order 701552318 of player-7f31c9, transaction 3180442907, payment=true, sandbox=true
          price 14.97 EUR, virtual=false, free=false
          lists com.example.blade_ember x3, 8.97 EUR
          lists com.example.starter_chest x1, 6.00 EUR
          lists com.example.blade_frost x1, 0.00 EUR, free
          lists com.example.crystals x250, -
          grants nothing: sandbox
        order_paid_combined_v2_bundle_bonus: order 701552318 of player-7f31c9, transaction 3180442907, payment=true, sandbox=false
          price 6.00 EUR, virtual=false, free=false
          lists com.example.starter_chest x1, 6.00 EUR
          lists com.example.blade_frost x1, 0.00 EUR
          lists com.example.crystals x250, -
          lists com.example.emote_wave x1, 0.00 EUR, free
          grants com.example.blade_frost x1
          grants com.example.crystals x250
          grants com.example.emote_wave x1
        order_paid_free: order 701560004 of player-7f31c9, transaction -, payment=false, sandbox=false
          price -, virtual=false, free=true
          lists com.example.daily_crate x1, -, free
          grants com.example.daily_crate x1
        order_paid_separate: order 701552318 of player-7f31c9, transaction 3180442907, payment=false, sandbox=false
          price 14.97 EUR, virtual=false, free=false
          lists com.example.blade_ember x3, 8.97 EUR
          lists com.example.starter_chest x1, 6.00 EUR
          lists com.example.blade_frost x1, 0.00 EUR, free
          lists com.example.crystals x250, -
          grants com.example.blade_ember x3
          grants com.example.blade_frost x1
          grants com.example.crystals x250
        order_paid_virtual_currency: order 701561777 of player-7f31c9, transaction -, payment=false, sandbox=false
          price 600.00 com.example.crystals, virtual=true, free=false
          lists com.example.blade_frost x2, 600.00 com.example.crystals
          grants com.example.blade_frost x2
    "]].assert_eq(&table);
}

#[test]
fn a_project_without_configuration_has_the_defaults() {
    let task = task(fixtures::ORDER_PAID_COMBINED_SANDBOX);
    assert_eq!(
        Grant::default().read(&task),
        handler(Config::default()).read(&task)
    );
    assert_eq!(
        toml::from_str::<Config>("").unwrap(),
        Config {
            grant_sandbox: false,
            bundles: Bundles::Contents
        }
    );
}

#[test]
fn configuration_is_read_by_name_and_unknown_keys_are_errors() {
    let config: Config = toml::from_str("grant_sandbox = true\nbundles = \"heading\"").unwrap();
    assert_eq!(
        config,
        Config {
            grant_sandbox: true,
            bundles: Bundles::Heading
        }
    );
    assert!(toml::from_str::<Config>("grant_sandboxes = true").is_err());
    assert!(toml::from_str::<Config>("bundles = \"both\"").is_err());
}

#[test]
fn numbers_and_texts_make_the_same_reading() {
    let plain = altered(fixtures::ORDER_PAID_COMBINED, &[]);
    let swapped = altered(
        fixtures::ORDER_PAID_COMBINED,
        &[
            ("/order/id", json!("701552318")),
            ("/order/amount", json!(14.97)),
            ("/order/invoice_id", json!(3_180_442_907_u64)),
            ("/billing/transaction/id", json!("3180442907")),
            ("/billing/settings/project_id", json!(PROJECT)),
            ("/items/0/quantity", json!("3")),
            ("/items/0/amount", json!(8.97)),
            ("/items/3/amount", json!("[null]")),
        ],
    );
    assert_eq!(
        read(&plain, Config::default()),
        read(&swapped, Config::default())
    );
}

#[test]
fn a_sandbox_order_is_granted_only_where_the_project_says_so() {
    let by_mode = altered(
        fixtures::ORDER_PAID_SEPARATE,
        &[("/order/mode", json!("sandbox"))],
    );
    let mut by_payment = altered(fixtures::ORDER_PAID_COMBINED, &[]);
    by_payment["billing"]["transaction"]["dry_run"] = json!("1");
    for body in [by_mode, by_payment] {
        assert!(read(&body, Config::default()).contains("sandbox=true"));
        assert_eq!(
            outcome(&body, Config::default()),
            ["grants nothing: sandbox"]
        );
        assert!(read(&body, SANDBOX).contains("sandbox=true"));
        assert_eq!(outcome(&body, SANDBOX).len(), 3);
    }
}

#[test]
fn virtual_currency_orders_share_an_invoice_and_name_no_transaction() {
    let body = altered(
        fixtures::ORDER_PAID_VIRTUAL_CURRENCY,
        &[("/order/invoice_id", json!("1"))],
    );
    let reading = read(&body, Config::default());
    assert!(
        reading.contains("transaction -, payment=false"),
        "{reading}"
    );
    assert_eq!(
        outcome(&body, Config::default()),
        ["grants com.example.blade_frost x2"]
    );
}

#[test]
fn an_order_that_cost_nothing_is_free_whatever_its_currency() {
    let body = altered(
        fixtures::ORDER_PAID_SEPARATE,
        &[("/order/amount", json!(0))],
    );
    let reading = read(&body, Config::default());
    assert!(
        reading.contains("price -, virtual=false, free=true"),
        "{reading}"
    );
}

#[test]
fn bundles_are_headings_or_goods_but_never_both() {
    let marked = altered(fixtures::ORDER_PAID_COMBINED_V2_BUNDLE_BONUS, &[]);
    expect![[r#"
        [
            [
                "grants com.example.blade_frost x1",
                "grants com.example.crystals x250",
                "grants com.example.emote_wave x1",
            ],
            [
                "grants com.example.emote_wave x1",
                "grants com.example.starter_chest x1",
            ],
        ]
    "#]]
    .assert_debug_eq(&[
        outcome(&marked, Config::default()),
        outcome(&marked, HEADING),
    ]);

    let unmarked = altered(fixtures::ORDER_PAID_SEPARATE, &[]);
    expect![[r#"
        [
            [
                "grants com.example.blade_ember x3",
                "grants com.example.blade_frost x1",
                "grants com.example.crystals x250",
            ],
            [
                "unclear, MissingField: `items[0].is_bundle_content`: expected true or false beside a bundle, as webhook version 2 has it",
            ],
        ]
    "#]].assert_debug_eq(&[
        outcome(&unmarked, Config::default()),
        outcome(&unmarked, HEADING),
    ]);
}

#[test]
fn an_order_of_headings_only_is_paid_and_unclear() {
    let bundle = json!([{"sku": "chest", "type": "bundle", "quantity": 1, "amount": "6.0000"}]);
    let body = altered(fixtures::ORDER_PAID_SEPARATE, &[("/items", bundle)]);
    expect![[r"
        order 701552318 of player-7f31c9, transaction 3180442907, payment=false, sandbox=false
          price 14.97 EUR, virtual=false, free=false
          lists chest x1, 6.00 EUR
          unclear, NothingToGrant: `items`: the order lists nothing that can be granted"]]
    .assert_eq(&read(&body, Config::default()));
    assert_eq!(outcome(&body, HEADING), ["grants chest x1"]);
}

#[test]
fn a_bundle_whose_marked_contents_are_missing_is_unclear() {
    let items = json!([
        {"sku": "chest", "type": "bundle", "quantity": 1, "is_bundle_content": false},
        {"sku": "hat", "type": "virtual_good", "quantity": 1, "is_bundle_content": false},
    ]);
    let body = altered(fixtures::ORDER_PAID_SEPARATE, &[("/items", items)]);
    expect![[r#"
        [
            "unclear, NothingToGrant: `items`: expected the contents of the bundle beside it, found none",
        ]
    "#]].assert_debug_eq(&outcome(&body, Config::default()));
    assert_eq!(
        outcome(&body, HEADING),
        ["grants chest x1", "grants hat x1"]
    );
}

#[test]
fn a_bundle_inside_a_bundle_is_granted_once() {
    let items = json!([
        {"sku": "crate", "type": "bundle", "quantity": 1, "is_bundle_content": false},
        {"sku": "chest", "type": "bundle", "quantity": 1, "is_bundle_content": true},
        {"sku": "hat", "type": "virtual_good", "quantity": 2, "is_bundle_content": true},
    ]);
    let body = altered(fixtures::ORDER_PAID_SEPARATE, &[("/items", items)]);
    assert_eq!(outcome(&body, Config::default()), ["grants hat x2"]);
    assert_eq!(outcome(&body, HEADING), ["grants crate x1"]);
}

#[test]
fn lines_that_cannot_be_read_make_the_order_unclear_but_paid() {
    let good = json!({"sku": "hat", "type": "virtual_good", "quantity": 1});
    for (items, detail) in [
        (json!([]), "NothingToGrant: `items`"),
        (json!(null), "NothingToGrant: `items`"),
        (json!("hat"), "NothingToGrant: `items`"),
        (
            json!([good, {"quantity": 1}]),
            "MissingField: `items[1].sku`",
        ),
        (json!([good, {"sku": []}]), "MissingField: `items[1].sku`"),
        (json!([good, null]), "MissingField: `items[1].sku`"),
        (json!([{"sku": "hat"}]), "MissingField: `items[0].quantity`"),
        (
            json!([{"sku": "hat", "quantity": 0}]),
            "MissingField: `items[0].quantity`",
        ),
        (
            json!([{"sku": "hat", "quantity": "-1"}]),
            "MissingField: `items[0].quantity`",
        ),
        (
            json!([{"sku": "hat", "quantity": 1.5}]),
            "MissingField: `items[0].quantity`",
        ),
        (
            json!([{"sku": "hat", "quantity": i64::MAX}]),
            "MissingField: `items`",
        ),
        (
            json!([good, {"sku": "hat", "quantity": i64::MAX}]),
            "MissingField: `items`",
        ),
        (
            (0..=Plan::MAX_LINES)
                .map(|n| json!({"sku": n, "quantity": 1}))
                .collect(),
            "Rejected: `items`",
        ),
    ] {
        let body = altered(fixtures::ORDER_PAID_SEPARATE, &[("/items", items.clone())]);
        let reading = read(&body, Config::default());
        assert!(
            reading.starts_with("order 701552318 of player-7f31c9"),
            "{reading}"
        );
        assert!(
            reading.contains(&format!("unclear, {detail}")),
            "{items}: {reading}"
        );
    }
}

#[test]
fn what_names_no_order_no_player_or_another_project_is_unprocessable() {
    let order = fixtures::ORDER_PAID_COMBINED;
    for (change, reason) in [
        (("/order/id", json!(null)), "MissingField: `order.id`"),
        (("/order", json!([])), "MissingField: `order.id`"),
        (("/user", json!(null)), "MissingField: `user.external_id`"),
        (
            ("/user/external_id", json!("")),
            "MissingField: `user.external_id`",
        ),
        (
            ("/billing/settings/project_id", json!(5)),
            "OtherProject: `billing.settings.project_id`",
        ),
        (
            ("/notification_type", json!(null)),
            "Unreadable: `notification_type`",
        ),
        (
            ("/notification_type", json!("payment")),
            "MissingField: `transaction.id`",
        ),
        (
            ("/notification_type", json!("order_canceled")),
            "Unreadable: `notification_type`",
        ),
    ] {
        let body = altered(order, std::slice::from_ref(&change)).to_string();
        let reading = Grant::default().read(&task(body.as_bytes()));
        assert!(
            shown(&reading).starts_with(reason),
            "{change:?}: {}",
            shown(&reading)
        );
        assert_eq!(
            reading.reference.as_str(),
            MessageId::of(body.as_bytes()).to_string()
        );
    }
    let junk = Grant::default().read(&task(b"\xff\xfe"));
    assert!(
        shown(&junk).starts_with("Unreadable: expected UTF-8"),
        "{}",
        shown(&junk)
    );
}

fn item() -> impl Strategy<Value = Value> {
    (0..3_u8, any::<bool>(), 1..100_i64, any::<Option<bool>>()).prop_map(
        |(sku, bundle, quantity, content)| {
            let kind = if bundle { "bundle" } else { "virtual_good" };
            let mut item = json!({"sku": format!("s{sku}"), "type": kind, "quantity": quantity});
            if let Some(content) = content {
                item["is_bundle_content"] = json!(content);
            }
            item
        },
    )
}

proptest! {
    #[test]
    fn what_is_granted_is_what_the_kept_lines_add_up_to(
        items in prop::collection::vec(item(), 0..6),
        heading: bool,
    ) {
        let config = if heading { HEADING } else { Config::default() };
        let body = altered(fixtures::ORDER_PAID_SEPARATE, &[("/items", json!(items))]);
        let Assertion::Paid { grant, content, .. } =
            handler(config).read(&task(body.to_string().as_bytes())).assertion
        else {
            panic!("an order with id and player is always paid");
        };
        prop_assert_eq!(content.items.len(), items.len());
        if let Granted::Lines(plan) = grant {
            let kept = |item: &&Value| {
                if heading { item["is_bundle_content"] != true } else { item["type"] != "bundle" }
            };
            let expected: i64 =
                items.iter().filter(kept).map(|item| item["quantity"].as_i64().unwrap()).sum();
            let granted: i64 = plan.lines().iter().map(|line| line.quantity).sum();
            prop_assert_eq!(granted, expected);
        }
    }
}
