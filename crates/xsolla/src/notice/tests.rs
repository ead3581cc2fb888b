use std::fmt::Write as _;

use expect_test::expect;
use order::Amount;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::fixtures;

fn read(body: &Value) -> Result<Notice, ReadError> {
    Notice::read(body.to_string().as_bytes())
}

fn fault(body: &Value) -> String {
    read(body).unwrap_err().to_string()
}

/// A fixture with changes at JSON pointers.
fn altered(fixture: &[u8], changes: &[(&str, Value)]) -> Value {
    let mut body: Value = serde_json::from_slice(fixture).unwrap();
    for (pointer, value) in changes {
        *body.pointer_mut(pointer).unwrap() = value.clone();
    }
    body
}

fn paid(body: &Value) -> OrderPaid {
    let Notice::OrderPaid(paid) = read(body).unwrap() else {
        panic!("no order_paid: {body}")
    };
    paid
}

#[test]
fn every_fixture_is_read_with_its_ids_and_reference() {
    let mut table = String::new();
    for fixture in fixtures::ALL {
        let line = match Notice::read(fixture.body) {
            Ok(notice) => {
                let Named {
                    order,
                    transaction,
                    player,
                } = notice.named();
                let number = |id: Option<i64>| id.map_or("-".to_owned(), |id| id.to_string());
                format!(
                    "{} {} {} | {}",
                    number(order.map(OrderId::get)),
                    number(transaction.map(TransactionId::get)),
                    player.as_ref().map_or("-", PlayerId::as_str),
                    notice.reference("MESSAGE"),
                )
            }
            Err(error) => format!("{:?}: {error}", error.park_reason()),
        };
        writeln!(table, "{}: {line}", fixture.name).unwrap();
    }
    expect![[r"
        afs_black_list: - 3180442907 - | MESSAGE
        afs_reject: - 3180450112 player-7f31c9 | MESSAGE
        cancel_subscription: - - player-7f31c9 | MESSAGE
        create_subscription: - - player-7f31c9 | MESSAGE
        dispute: - 3180442907 player-7f31c9 | 3180442907:316bee2ff7d5146fc858cb1b2276d005273648a3
        get_pincode: - - player-7f31c9 | MESSAGE
        non_renewal_subscription: - - player-7f31c9 | MESSAGE
        order_canceled_combined: 701552318 3180442907 player-7f31c9 | 701552318
        order_canceled_separate: 701552318 3180442907 player-7f31c9 | 701552318
        order_paid_combined: 701552318 3180442907 player-7f31c9 | 701552318
        order_paid_combined_sandbox: 701552318 3180442907 player-7f31c9 | 701552318
        order_paid_combined_v2_bundle_bonus: 701552318 3180442907 player-7f31c9 | 701552318
        order_paid_free: 701560004 - player-7f31c9 | 701560004
        order_paid_separate: 701552318 3180442907 player-7f31c9 | 701552318
        order_paid_virtual_currency: 701561777 - player-7f31c9 | 701561777
        partial_refund: - 3180442907 player-7f31c9 | 3180442907:3beb154a946f52b7d79efaad8923c467b736d6ee
        partner_side_catalog: - - player-7f31c9 | MESSAGE
        payment: - 3180442907 player-7f31c9 | 3180442907
        payment_account_add: - - player-7f31c9 | MESSAGE
        payment_merchant_token_no_order: - 3180443555 player-7f31c9 | 3180443555
        payment_sandbox: - 3180442907 player-7f31c9 | 3180442907
        payment_with_order_object: 701552318 3180442907 player-7f31c9 | 3180442907
        redeem_key: - - player-7f31c9 | MESSAGE
        refund: - 3180442907 player-7f31c9 | 3180442907
        update_subscription: - - player-7f31c9 | 440118:2026-10-14T18:42:09+03:00
        user_balance_operation: - 3180442907 player-7f31c9 | MESSAGE
        user_search: - - player-7f31c9 | MESSAGE
        user_search_public_only: - - - | MESSAGE
        user_validation: - - player-7f31c9 | MESSAGE
        user_validation_minimal: - - player-7f31c9 | MESSAGE
        user_validation_with_custom_parameters: - - player-7f31c9 | MESSAGE
        web_shop_user_validation: Unreadable: `notification_type`: expected the name of a type, found nothing
    "]].assert_eq(&table);
}

#[test]
fn a_combined_order_is_read_whole() {
    let paid = paid(&altered(fixtures::ORDER_PAID_COMBINED, &[]));
    let mut parts = vec![format!("{:?}", paid.order), format!("{:?}", paid.billing)];
    parts.extend(paid.items.iter().map(|item| format!("{item:?}")));
    expect![[r#"
        [
            "Order { id: OrderId(701552318), sandbox: false, currency_type: Some(Real), price: Some(Money { amount: Amount(14970000), currency: \"EUR\" }), amount: Some(Amount(14970000)), invoice: Some(TransactionId(3180442907)) }",
            "Some(Billing { transaction: Some(TransactionId(3180442907)), dry_run: false, refund_code: None })",
            "Item { sku: Some(Sku(\"com.example.blade_ember\")), item_type: Some(\"virtual_good\"), quantity: Some(3), amount: Some(Amount(8970000)), is_free: None, is_bonus: None, is_bundle_content: None }",
            "Item { sku: Some(Sku(\"com.example.starter_chest\")), item_type: Some(\"bundle\"), quantity: Some(1), amount: Some(Amount(6000000)), is_free: None, is_bonus: None, is_bundle_content: None }",
            "Item { sku: Some(Sku(\"com.example.blade_frost\")), item_type: Some(\"virtual_good\"), quantity: Some(1), amount: Some(Amount(0)), is_free: None, is_bonus: None, is_bundle_content: None }",
            "Item { sku: Some(Sku(\"com.example.crystals\")), item_type: Some(\"virtual_currency\"), quantity: Some(250), amount: None, is_free: None, is_bonus: None, is_bundle_content: None }",
        ]
    "#]].assert_debug_eq(&parts);
}

#[test]
fn other_families_keep_what_later_decisions_need() {
    let notices: Vec<_> = [
        fixtures::PAYMENT_WITH_ORDER_OBJECT,
        fixtures::REFUND,
        fixtures::PARTIAL_REFUND,
        fixtures::DISPUTE,
        fixtures::UPDATE_SUBSCRIPTION,
        fixtures::AFS_BLACK_LIST,
        fixtures::USER_SEARCH_PUBLIC_ONLY,
        fixtures::GET_PINCODE,
        fixtures::REDEEM_KEY,
    ]
    .map(|body| format!("{:?}", Notice::read(body).unwrap()))
    .into();
    expect![[r#"
        [
            "Payment(Payment { transaction: Transaction { id: TransactionId(3180442907), dry_run: false }, order: Some(OrderId(701552318)), player: Some(PlayerId(\"player-7f31c9\")), total: Some(Money { amount: Amount(14970000), currency: \"EUR\" }), subscription: None })",
            "Refund(Refund { transaction: Transaction { id: TransactionId(3180442907), dry_run: false }, player: Some(PlayerId(\"player-7f31c9\")), code: Some(9) })",
            "PartialRefund(PartialRefund { transaction: Some(TransactionId(3180442907)), player: Some(PlayerId(\"player-7f31c9\")), code: Some(1), date: Some(\"2026-08-16T09:03:51+03:00\"), returned: Some(Money { amount: Amount(5000000), currency: \"EUR\" }) })",
            "Dispute(Dispute { transaction: Some(TransactionId(3180442907)), player: Some(PlayerId(\"player-7f31c9\")), action: Some(\"adding\"), incoming_date: Some(\"2026-09-01T07:00:00+03:00\"), reason: Some(\"fraud\"), dispute_type: Some(\"1st_time_chargeback\"), status: Some(\"new\") })",
            "UpdateSubscription(Subscription { player: Some(PlayerId(\"player-7f31c9\")), id: Some(\"440118\"), plan: Some(\"pl_gold\"), product: Some(\"vip\"), created: None, next_charge: Some(\"2026-10-14T18:42:09+03:00\"), ends: None })",
            "AfsBlackList(AfsBlackList { transaction: Some(TransactionId(3180442907)), action: Some(\"adding\"), reason: Some(\"linked_chargeback\") })",
            "UserSearch(UserSearch { player: None, public_id: Some(PublicId(..)) })",
            "GetPincode(GetPincode { player: Some(PlayerId(\"player-7f31c9\")), content: Some(\"com.example.game_std\"), drm: Some(\"steam\") })",
            "RedeemKey(RedeemKey { player: Some(PlayerId(\"player-7f31c9\")), sku: Some(Sku(\"com.example.game_std\")), activated: Some(\"2026-08-14T18:42:09+03:00\") })",
        ]
    "#]].assert_debug_eq(&notices);
}

#[test]
fn ids_are_the_same_as_texts_and_as_numbers() {
    let as_numbers = altered(
        fixtures::ORDER_PAID_COMBINED,
        &[
            ("/order/invoice_id", json!(3_180_442_907_u64)),
            ("/user/external_id", json!(12_345)),
        ],
    );
    let as_texts = altered(
        fixtures::ORDER_PAID_COMBINED,
        &[
            ("/order/id", json!("701552318")),
            ("/billing/transaction/id", json!("3180442907")),
            ("/billing/settings/project_id", json!("271904")),
            ("/items/0/quantity", json!("3")),
            ("/items/0/amount", json!(8.97)),
            ("/order/amount", json!(14.97)),
            ("/user/external_id", json!("12345")),
        ],
    );
    assert_eq!(paid(&as_numbers), paid(&as_texts));
}

#[test]
fn amounts_never_pass_through_a_float() {
    let body = |amount: &str| {
        format!(
            r#"{{"notification_type":"order_paid","order":{{"id":1,"amount":{amount},
            "currency":"EUR"}},"user":{{"external_id":"mira"}}}}"#
        )
    };
    let amount = |text: &str| {
        let Ok(Notice::OrderPaid(paid)) = Notice::read(body(text).as_bytes()) else {
            panic!("no order_paid with {text}")
        };
        paid.order.amount.map(Amount::millionths)
    };
    assert_eq!(
        amount("9007199254740.993001"),
        Some(9_007_199_254_740_993_001)
    );
    assert_eq!(
        amount("\"9007199254740.993001\""),
        Some(9_007_199_254_740_993_001)
    );
    assert_eq!(amount("0.1"), Some(100_000));
    for none in ["null", "\"[null]\"", "\"\"", "[]", "1e3", "true"] {
        assert_eq!(amount(none), None, "{none}");
    }
}

#[test]
fn numbers_beyond_a_float_stay_exact_as_player_ids() {
    let body = br#"{"notification_type":"payment","transaction":{"id":9007199254740993},
        "user":{"id":123456789012345678901234567890}}"#;
    let named = Notice::read(body).unwrap().named();
    assert_eq!(named.transaction.unwrap().get(), 9_007_199_254_740_993);
    assert_eq!(
        named.player.unwrap().as_str(),
        "123456789012345678901234567890"
    );
}

#[test]
fn empty_lists_and_nulls_stand_for_absent_objects() {
    for nothing in [
        json!([]),
        json!({}),
        json!(null),
        json!("none"),
        json!(["x"]),
    ] {
        let body = altered(
            fixtures::ORDER_PAID_COMBINED,
            &[("/items", nothing.clone()), ("/billing", nothing.clone())],
        );
        let paid = paid(&body);
        assert_eq!(
            paid.transaction(),
            Some("3180442907".parse().unwrap()),
            "by the invoice"
        );
        if nothing != json!(["x"]) {
            assert_eq!(paid.items, [], "{nothing}");
        }
        assert_eq!(paid.billing, None, "{nothing}");
    }
}

#[test]
fn a_line_that_is_no_object_is_kept_as_an_empty_one() {
    let body = altered(
        fixtures::ORDER_PAID_FREE,
        &[("/items", json!([null, "x", {"sku": "a"}]))],
    );
    let items = paid(&body).items;
    assert_eq!(items.len(), 3);
    assert_eq!(items[0], Item::default());
    assert_eq!(items[2].sku, Some("a".parse().unwrap()));
}

/// Taken for an empty one, the `billing` of a test payment would say nothing of its mark.
#[test]
fn an_object_with_half_a_character_in_a_name_is_refused_and_not_empty() {
    let body = |billing: &str, item: &str| {
        format!(
            r#"{{"notification_type":"order_paid","order":{{"id":1}},"user":{{"external_id":"m"}},
            "billing":{billing},"items":[{item}]}}"#
        )
    };
    let dry_run = r#"{"\ud83d":1,"transaction":{"dry_run":1}}"#;
    for (body, path) in [
        (body(dry_run, "{}"), "billing"),
        (body("{}", r#"{"sku":"a"},{"\ud83d":1}"#), "items[1]"),
    ] {
        let error = Notice::read(body.as_bytes()).unwrap_err();
        assert_eq!(error, ReadError::Name(path.to_owned()));
        assert_eq!(error.park_reason(), order::ParkReason::Unreadable);
    }
    // Where nobody looks it does no harm, and nobody is refused for a note.
    let unread = body("{}", r#"{"sku":"a","note":{"\ud83d":"\ud83d"}}"#);
    assert!(Notice::read(unread.as_bytes()).is_ok());
}

#[test]
fn either_sandbox_mark_counts() {
    let sandbox = |mode: Value, dry_run: Value| {
        let mut body = altered(fixtures::ORDER_PAID_COMBINED, &[("/order/mode", mode)]);
        body["billing"]["transaction"]["dry_run"] = dry_run;
        paid(&body).is_sandbox()
    };
    for yes in [json!(1), json!("1"), json!(true), json!("true"), json!(2)] {
        assert!(sandbox(json!("default"), yes.clone()), "{yes}");
    }
    for no in [
        json!(0),
        json!("0"),
        json!(false),
        json!("false"),
        json!(null),
        json!(""),
        json!([]),
    ] {
        assert!(!sandbox(json!("default"), no.clone()), "{no}");
        assert!(sandbox(json!("sandbox"), no));
    }
    assert!(!sandbox(json!(null), json!(null)));
    assert!(!sandbox(json!("live"), json!(null)));
}

#[test]
fn an_invoice_is_a_transaction_only_of_real_money_orders() {
    let transaction = |kind: Value| {
        let invoice = ("/order/invoice_id", json!("1"));
        let body = altered(
            fixtures::ORDER_PAID_SEPARATE,
            &[("/order/currency_type", kind), invoice],
        );
        paid(&body).transaction().map(TransactionId::get)
    };
    assert_eq!(transaction(json!("real")), Some(1));
    for other in ["virtual", "unknown", "loyalty_point", "brand_new"] {
        assert_eq!(transaction(json!(other)), None, "{other}");
    }
    assert_eq!(transaction(json!(null)), None);
}

#[test]
fn a_cancellation_stands_without_a_readable_player() {
    for player in [json!(null), json!([]), json!(""), json!("x".repeat(300))] {
        let body = altered(
            fixtures::ORDER_CANCELED_SEPARATE,
            &[("/user/external_id", player)],
        );
        let named = read(&body).unwrap().named();
        assert_eq!(named.order, Some("701552318".parse().unwrap()));
        assert_eq!(named.player, None);
    }
}

#[test]
fn faults_name_the_path_and_the_expectation_and_no_value() {
    let order = fixtures::ORDER_PAID_COMBINED;
    let faults = [
        fault(&altered(order, &[("/order", json!([]))])),
        fault(&altered(order, &[("/order/id", json!("mira@example.net"))])),
        fault(&altered(order, &[("/order/id", json!(-7))])),
        fault(&altered(order, &[("/user", json!(null))])),
        fault(&altered(order, &[("/user/external_id", json!(""))])),
        fault(&altered(
            order,
            &[("/user/external_id", json!({"email": "mira@example.net"}))],
        )),
        fault(&altered(
            fixtures::PAYMENT,
            &[("/transaction/id", json!(null))],
        )),
        fault(&altered(
            order,
            &[("/notification_type", json!(["order_paid"]))],
        )),
        fault(&json!("mira@example.net")),
        Notice::read(b"{\"user\":\"mira@example.net\"")
            .unwrap_err()
            .to_string(),
        Notice::read(b"{\"user\":\"\xff\"}")
            .unwrap_err()
            .to_string(),
        Notice::read(
            br#"{"notification_type":"payment","user":{"id":1,"id":2},"transaction":{"id":1}}"#,
        )
        .unwrap_err()
        .to_string(),
    ];
    expect![[r#"
        [
            "`order.id`: expected a whole number from 1 to 9223372036854775807, found nothing",
            "`order.id`: expected a whole number from 1 to 9223372036854775807, found another text",
            "`order.id`: expected a whole number from 1 to 9223372036854775807, found another number",
            "`user.external_id`: expected 1 to 255 bytes of text without control characters, found nothing",
            "`user.external_id`: expected 1 to 255 bytes of text without control characters, found an empty text",
            "`user.external_id`: expected 1 to 255 bytes of text without control characters, found an object",
            "`transaction.id`: expected a whole number from 1 to 9223372036854775807, found nothing",
            "`notification_type`: expected the name of a type, found a list",
            "expected a JSON object",
            "expected JSON, found a fault at line 1, column 26",
            "expected UTF-8, found another byte at offset 9",
            "`user.id`: expected once, found twice",
        ]
    "#]].assert_debug_eq(&faults);
}

#[test]
fn another_project_is_refused_wherever_it_is_named() {
    let ours: ProjectId = "271904".parse().unwrap();
    let other: ProjectId = "5".parse().unwrap();
    for fixture in fixtures::ALL {
        let Ok(notice) = Notice::read(fixture.body) else {
            continue;
        };
        assert_eq!(
            Notice::read_for(ours, fixture.body).as_ref(),
            Ok(&notice),
            "{}",
            fixture.name
        );
        let text = std::str::from_utf8(fixture.body).unwrap();
        if text.contains("project_id") {
            let error = Notice::read_for(other, fixture.body).unwrap_err();
            assert_eq!(
                error.park_reason(),
                order::ParkReason::OtherProject,
                "{}",
                fixture.name
            );
        }
    }
}

#[test]
fn another_project_outranks_every_other_fault() {
    let body = br#"{"settings":{"project_id":5}}"#;
    let error = Notice::read_for("271904".parse().unwrap(), body).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`settings.project_id`: expected project 271904, found project 5"
    );
}

#[test]
fn unknown_types_and_fields_survive() {
    let body = json!({
        "notification_type": "brand_new",
        "brand": {"new": [1, 2]},
        "transaction": {"id": "7"},
        "user": {"id": 8},
    });
    let notice = read(&body).unwrap();
    assert_eq!(notice.kind(), Kind::from("brand_new"));
    assert_eq!(notice.named().transaction, Some("7".parse().unwrap()));
    assert_eq!(notice.named().player, Some("8".parse().unwrap()));
}

#[test]
fn every_known_type_has_a_notice_of_its_kind() {
    for kind in Kind::KNOWN {
        let body = json!({
            "notification_type": kind.as_str(),
            "order": {"id": 1},
            "transaction": {"id": 2},
            "user": {"id": "mira", "external_id": "mira"},
        });
        assert_eq!(&read(&body).unwrap().kind(), kind);
    }
}

#[test]
fn a_web_shop_check_is_read_by_where_it_came_to() {
    let check = WebShopCheck::read(fixtures::WEB_SHOP_USER_VALIDATION).unwrap();
    assert_eq!(check.player, Some("player-7f31c9".parse().unwrap()));
    assert_eq!(WebShopCheck::read(b"{}").unwrap().player, None);
}

#[test]
fn parts_of_one_transaction_are_told_apart_by_what_they_say() {
    let reference = |fixture: &[u8], changes: &[(&str, Value)], message: &str| {
        read(&altered(fixture, changes)).unwrap().reference(message)
    };
    let part = reference(fixtures::PARTIAL_REFUND, &[], "m1");
    assert_eq!(
        part,
        reference(fixtures::PARTIAL_REFUND, &[], "m2"),
        "a repeat may differ in bytes"
    );
    let same = [("/payment_details/payment/amount", json!("5.00"))];
    assert_eq!(part, reference(fixtures::PARTIAL_REFUND, &same, "m1"));
    for change in [
        ("/payment_details/payment/amount", json!(6)),
        ("/transaction/date", json!("2026-08-17T09:03:51+03:00")),
        ("/refund_details/code", json!(2)),
    ] {
        assert_ne!(part, reference(fixtures::PARTIAL_REFUND, &[change], "m1"));
    }
    let undated = [("/transaction/date", json!(null))];
    assert_ne!(
        reference(fixtures::PARTIAL_REFUND, &undated, "m1"),
        reference(fixtures::PARTIAL_REFUND, &undated, "m2"),
        "without a date two equal parts must not be taken for one"
    );

    let opened = reference(fixtures::DISPUTE, &[], "m1");
    assert_eq!(opened, reference(fixtures::DISPUTE, &[], "m2"));
    let won = [
        ("/action", json!("updating")),
        ("/dispute/status", json!("won")),
    ];
    assert_ne!(opened, reference(fixtures::DISPUTE, &won, "m1"));
}

#[test]
fn each_renewal_is_a_notice_of_its_own() {
    let reference = |date: Value| {
        let change = [("/subscription/date_next_charge", date)];
        read(&altered(fixtures::UPDATE_SUBSCRIPTION, &change))
            .unwrap()
            .reference("m")
    };
    assert_eq!(reference(json!("2026-10-14")).as_str(), "440118:2026-10-14");
    assert_ne!(
        reference(json!("2026-10-14")),
        reference(json!("2026-11-14"))
    );
    assert_eq!(reference(json!(null)).as_str(), "m");
}

#[test]
fn no_value_holds_what_a_notice_says_of_a_person() {
    for fixture in fixtures::ALL {
        let Ok(notice) = Notice::read(fixture.body) else {
            continue;
        };
        let shown = format!("{notice:?}");
        for personal in ["mira@", "Mira", "198.51", "4915550143", "10115", "QX7P"] {
            assert!(!shown.contains(personal), "{}: {personal}", fixture.name);
        }
    }
}

proptest! {
    #[test]
    fn a_key_is_read_from_its_number_and_its_text_or_refused(id: i64) {
        let parse = |id: Value| {
            let body = altered(fixtures::REFUND, &[("/transaction/id", id)]);
            read(&body).ok().and_then(|notice| notice.named().transaction).map(TransactionId::get)
        };
        let expected = Some(id).filter(|id| *id > 0);
        prop_assert_eq!(parse(json!(id)), expected);
        prop_assert_eq!(parse(json!(id.to_string())), expected);
    }
}
