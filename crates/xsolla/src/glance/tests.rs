use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{Notice, fixtures};

fn glance(body: &Value) -> Glance {
    Glance::of(body.to_string().as_bytes())
}

fn first<T: FromStr>(texts: impl IntoIterator<Item = Option<String>>) -> Option<T> {
    texts
        .into_iter()
        .flatten()
        .find_map(|text| text.parse().ok())
}

/// The same ids, read the slow and plain way.
fn by_value(body: &Value) -> Glance {
    let text = |path: &str| match body.pointer(path) {
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    let name = body
        .get("notification_type")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let is_order = ["order_paid", "order_canceled"].contains(&name);
    let is_real = text("/order/currency_type").as_deref() == Some("real");
    let (order, transaction, player) = if is_order {
        let invoice = text("/order/invoice_id").filter(|_| is_real);
        (
            first([text("/order/id")]),
            first([text("/billing/transaction/id"), invoice]),
            first([text("/user/external_id")]),
        )
    } else {
        let users = ["/user/id", "/user/external_id", "/user/user_id", "/user_id"];
        let transactions = [
            "/transaction/id",
            "/billing/transaction/id",
            "/event/transaction_id",
        ];
        (
            first(["/purchase/order/id", "/order/id"].map(text)),
            first(transactions.map(text)),
            first(users.map(text)),
        )
    };
    let projects = [
        "/settings/project_id",
        "/billing/settings/project_id",
        "/event/project_id",
    ];
    Glance {
        kind: Kind::from(name),
        order,
        transaction,
        player,
        projects: projects
            .into_iter()
            .filter_map(|path| first([text(path)]))
            .collect(),
    }
}

#[test]
fn every_fixture_is_seen_as_a_plain_reader_sees_it() {
    for fixture in fixtures::ALL {
        let body: Value = serde_json::from_slice(fixture.body).unwrap();
        assert_eq!(
            Glance::of(fixture.body),
            by_value(&body),
            "{}",
            fixture.name
        );
    }
}

#[test]
fn a_paid_order_shows_all_its_ids() {
    let seen = Glance::of(fixtures::ORDER_PAID_COMBINED);
    expect_test::expect![[r#"
        Glance {
            kind: OrderPaid,
            order: Some(
                OrderId(
                    701552318,
                ),
            ),
            transaction: Some(
                TransactionId(
                    3180442907,
                ),
            ),
            player: Some(
                PlayerId(
                    "player-7f31c9",
                ),
            ),
            projects: [
                ProjectId(
                    271904,
                ),
            ],
        }
    "#]]
    .assert_debug_eq(&seen);
}

#[test]
fn what_two_readers_could_read_differently_is_unreadable() {
    for body in [
        &br#"{"notification_type":"order_paid","notification_type":"payment"}"#[..],
        br#"{"notification_type":"order_paid","order":{"id":1,"id":2}}"#,
        br#"{"notification_type":"order_paid","user":{},"user":{"external_id":"b"}}"#,
        b"{\"notification_type\":\"order_paid\",\"comment\":\"\xff\"}",
        br#"{"notification_type":"order_paid"} {}"#,
        br#"{"notification_type":"order_paid""#,
        br#"[{"notification_type":"order_paid"}]"#,
        br#"{"notification_type":7}"#,
        br#"{"notification_type":null}"#,
        br#""order_paid""#,
        b"",
    ] {
        let seen = Glance::of(body);
        assert_eq!(
            seen.kind,
            Kind::Unreadable,
            "{}",
            String::from_utf8_lossy(body)
        );
    }
}

#[test]
fn impossible_ids_are_absent_and_hide_nothing_else() {
    let seen = glance(&json!({
        "notification_type": "order_paid",
        "order": {"id": "7x", "invoice_id": [], "currency_type": "real"},
        "user": {"external_id": "mira"},
        "settings": [],
        "billing": "none",
    }));
    assert_eq!(seen.kind, Kind::OrderPaid);
    assert_eq!((seen.order, seen.transaction), (None, None));
    assert_eq!(seen.player, Some("mira".parse().unwrap()));
    assert!(seen.projects.is_empty());
}

#[test]
fn another_project_is_noticed_wherever_it_stands() {
    let ours = "271904".parse().unwrap();
    for pointer in ["/settings", "/billing/settings", "/event"] {
        let mut body = json!({"notification_type": "x", "billing": {}});
        let at = pointer.rfind('/').unwrap();
        let parent = body.pointer_mut(&pointer[..at]).unwrap();
        parent[&pointer[at + 1..]] = json!({"project_id": "271905"});
        assert!(glance(&body).names_other_project(ours), "{pointer}");
    }
    assert!(!Glance::of(fixtures::ORDER_PAID_COMBINED).names_other_project(ours));
    assert!(!Glance::of(fixtures::ORDER_PAID_SEPARATE).names_other_project(ours));
}

/// A value of any shape at a place somebody reads.
fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!(null)),
        Just(json!([])),
        Just(json!({})),
        Just(json!(0)),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        any::<u32>().prop_map(|id| json!(id.to_string())),
        "[a-z\\\\\"/é]{0,8}".prop_map(Value::from),
        Just(json!("real")),
        Just(json!("virtual")),
        Just(json!(["x", {"id": 1}])),
    ]
}

const PLACES: &[&str] = &[
    "/notification_type",
    "/settings",
    "/settings/project_id",
    "/order",
    "/order/id",
    "/order/invoice_id",
    "/order/currency_type",
    "/transaction",
    "/transaction/id",
    "/user",
    "/user/id",
    "/user/external_id",
    "/user_id",
    "/purchase",
    "/purchase/order",
    "/purchase/order/id",
    "/billing",
    "/billing/settings",
    "/billing/transaction",
    "/billing/transaction/id",
    "/event/transaction_id",
    "/items",
];

proptest! {
    #[test]
    fn a_glance_agrees_with_a_plain_reader_whatever_stands_where(
        fixture in prop::sample::select(fixtures::ALL),
        changes in prop::collection::vec((prop::sample::select(PLACES), leaf()), 0..4),
    ) {
        let mut body: Value = serde_json::from_slice(fixture.body).unwrap();
        for (place, value) in changes {
            let at = place.rfind('/').unwrap();
            if let Some(Value::Object(parent)) = body.pointer_mut(&place[..at]) {
                parent.insert(place[at + 1..].to_owned(), value);
            }
        }
        let seen = glance(&body);
        prop_assert_eq!(&seen, &by_value(&body));

        if let Ok(notice) = Notice::read(body.to_string().as_bytes()) {
            prop_assert_eq!(notice.kind(), seen.kind);
            let named = notice.named();
            prop_assert!(named.order.is_none() || named.order == seen.order);
            prop_assert!(named.transaction.is_none() || named.transaction == seen.transaction);
            prop_assert!(named.player.is_none() || named.player == seen.player);
        }
    }

    #[test]
    fn junk_never_panics(junk in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Glance::of(&junk);
        let _ = Notice::read(&junk);
    }

    #[test]
    fn a_damaged_notice_never_panics(
        fixture in prop::sample::select(fixtures::ALL),
        at: prop::sample::Index,
        byte: u8,
        keep: prop::sample::Index,
    ) {
        let mut body = fixture.body.to_vec();
        let at = at.index(body.len());
        body[at] = byte;
        let _ = (Glance::of(&body), Notice::read(&body));
        body.truncate(keep.index(body.len()));
        let _ = (Glance::of(&body), Notice::read(&body));
    }
}

#[test]
fn deep_nesting_is_no_danger() {
    for open in ["[", "{\"a\":"] {
        let deep = open.repeat(200_000);
        let body = format!("{{\"notification_type\":\"order_paid\",\"order\":{deep}");
        assert_eq!(Glance::of(body.as_bytes()).kind, Kind::Unreadable);
        assert!(Notice::read(body.as_bytes()).is_err());
    }
}
