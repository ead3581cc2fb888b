use std::fmt::Write as _;

use bytes::Bytes;
use expect_test::expect;
use serde_json::{Value, json};
use task::MessageId;
use time::OffsetDateTime;
use xsolla::{Glance, fixtures};

use super::*;

fn task(body: &[u8]) -> Task {
    let seen = Glance::of(body);
    Task {
        project: "271904".parse().unwrap(),
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

fn altered(fixture: &[u8], changes: &[(&str, Value)]) -> Value {
    let mut body: Value = serde_json::from_slice(fixture).unwrap();
    for (pointer, value) in changes {
        *body.pointer_mut(pointer).unwrap() = value.clone();
    }
    body
}

/// A reading as a person would note it down.
fn shown(reading: &Reading) -> String {
    let or_dash = |id: Option<String>| id.unwrap_or_else(|| "-".to_owned());
    match &reading.assertion {
        Assertion::Canceled {
            order,
            player,
            transaction,
            refund,
            sandbox,
        } => {
            assert_eq!(reading.reference.as_str(), order.to_string());
            let player = or_dash(player.as_ref().map(ToString::to_string));
            let transaction = or_dash(transaction.map(|id| id.to_string()));
            format!(
                "cancels {order} of {player}, transaction {transaction}, refund={refund}, \
                 sandbox={sandbox}"
            )
        }
        Assertion::Refund {
            transaction,
            player,
            code,
        } => {
            assert_eq!(reading.reference.as_str(), transaction.to_string());
            let player = or_dash(player.as_ref().map(ToString::to_string));
            let code = or_dash(code.map(|code| code.to_string()));
            format!("refunds {transaction} of {player}, code {code}")
        }
        Assertion::Unprocessable { reason, detail } => format!("{reason:?}: {detail}"),
        other @ (Assertion::Created { .. }
        | Assertion::Paid { .. }
        | Assertion::Payment { .. }
        | Assertion::Recorded { .. }) => panic!("not for this lane: {other:?}"),
    }
}

fn read(body: &Value) -> String {
    shown(&Revoke.read(&task(body.to_string().as_bytes())))
}

#[test]
fn every_fixture_of_this_lane_is_understood_and_the_others_are_parked() {
    let mut table = String::new();
    for fixture in fixtures::ALL {
        let task = task(fixture.body);
        let shown = shown(&Revoke.read(&task));
        if task.lane() == Lane::Revoke {
            writeln!(table, "{}: {shown}", fixture.name).unwrap();
        } else {
            assert!(
                shown.starts_with("Unreadable: `notification_type`"),
                "{shown}"
            );
        }
    }
    expect![[r"
        order_canceled_combined: cancels 701552318 of player-7f31c9, transaction 3180442907, refund=true, sandbox=false
        order_canceled_separate: cancels 701552318 of player-7f31c9, transaction 3180442907, refund=false, sandbox=false
        refund: refunds 3180442907 of player-7f31c9, code 9
    "]].assert_eq(&table);
}

#[test]
fn numbers_and_texts_make_the_same_reading() {
    let canceled = [
        ("/order/id", json!("701552318")),
        ("/order/invoice_id", json!(3_180_442_907_u64)),
    ];
    assert_eq!(
        read(&altered(fixtures::ORDER_CANCELED_SEPARATE, &canceled)),
        read(&altered(fixtures::ORDER_CANCELED_SEPARATE, &[])),
    );
    let refund = [
        ("/transaction/id", json!("3180442907")),
        ("/refund_details/code", json!("9")),
        ("/settings/project_id", json!("271904")),
    ];
    assert_eq!(
        read(&altered(fixtures::REFUND, &refund)),
        read(&altered(fixtures::REFUND, &[])),
    );
}

#[test]
fn a_cancellation_needs_nothing_but_its_order() {
    let bare = json!({"notification_type": "order_canceled", "order": {"id": 7}});
    assert_eq!(
        read(&bare),
        "cancels 7 of -, transaction -, refund=false, sandbox=false"
    );

    let nothing = json!([]);
    let hollow = altered(
        fixtures::ORDER_CANCELED_COMBINED,
        &[
            ("/user", nothing.clone()),
            ("/items", nothing.clone()),
            ("/billing", nothing),
            ("/order/invoice_id", json!("unreadable")),
            ("/order/amount", json!("[null]")),
        ],
    );
    assert_eq!(
        read(&hollow),
        "cancels 701552318 of -, transaction -, refund=false, sandbox=false"
    );
}

#[test]
fn a_cancelled_virtual_currency_order_names_no_transaction() {
    let changes = [
        ("/order/currency_type", json!("virtual")),
        ("/order/invoice_id", json!("1")),
    ];
    let canceled = read(&altered(fixtures::ORDER_CANCELED_SEPARATE, &changes));
    assert!(canceled.contains("transaction -"), "{canceled}");
}

#[test]
fn either_sandbox_mark_counts() {
    let by_mode = altered(
        fixtures::ORDER_CANCELED_SEPARATE,
        &[("/order/mode", json!("sandbox"))],
    );
    let mut by_payment = altered(fixtures::ORDER_CANCELED_COMBINED, &[]);
    by_payment["billing"]["transaction"]["dry_run"] = json!(1);
    for body in [by_mode, by_payment] {
        assert!(read(&body).ends_with("sandbox=true"), "{body}");
    }
}

#[test]
fn what_names_no_key_or_another_project_is_unprocessable() {
    for (fixture, change, reason) in [
        (
            fixtures::REFUND,
            ("/transaction/id", json!(null)),
            "MissingField: `transaction.id`",
        ),
        (
            fixtures::REFUND,
            ("/settings/project_id", json!(5)),
            "OtherProject: `settings.project_id`",
        ),
        (
            fixtures::ORDER_CANCELED_SEPARATE,
            ("/order/id", json!(0)),
            "MissingField: `order.id`",
        ),
        (
            fixtures::ORDER_CANCELED_COMBINED,
            ("/billing/settings/project_id", json!("5")),
            "OtherProject: `billing.settings.project_id`",
        ),
    ] {
        let body = altered(fixture, std::slice::from_ref(&change));
        assert!(
            read(&body).starts_with(reason),
            "{change:?}: {}",
            read(&body)
        );
    }
    assert!(shown(&Revoke.read(&task(b""))).starts_with("Unreadable: expected JSON"));
}
