use std::fmt::Write as _;

use bytes::Bytes;
use expect_test::expect;
use order::{Kind, ParkReason};
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

fn read(body: &str) -> Reading {
    Record.read(&task(body.as_bytes()))
}

fn park_reason(reading: &Reading) -> Option<ParkReason> {
    match &reading.assertion {
        Assertion::Unprocessable { reason, .. } => Some(*reason),
        Assertion::Created { .. }
        | Assertion::Paid { .. }
        | Assertion::Canceled { .. }
        | Assertion::Payment { .. }
        | Assertion::Refund { .. }
        | Assertion::Recorded { .. } => None,
    }
}

/// A reading as a person would note it down.
fn shown(reading: &Reading) -> String {
    let or_dash = |id: Option<String>| id.unwrap_or_else(|| "-".to_owned());
    match &reading.assertion {
        Assertion::Payment {
            transaction,
            order,
            player,
            sandbox,
        } => {
            let order = or_dash(order.map(|id| id.to_string()));
            let player = or_dash(player.as_ref().map(ToString::to_string));
            format!("payment {transaction} for order {order} of {player}, sandbox={sandbox}")
        }
        Assertion::Recorded {
            order,
            transaction,
            player,
        } => {
            let order = or_dash(order.map(|id| id.to_string()));
            let transaction = or_dash(transaction.map(|id| id.to_string()));
            let player = or_dash(player.as_ref().map(ToString::to_string));
            format!("order {order}, transaction {transaction}, player {player}")
        }
        Assertion::Unprocessable { reason, detail } => format!("{reason:?}: {detail}"),
        other @ (Assertion::Created { .. }
        | Assertion::Paid { .. }
        | Assertion::Canceled { .. }
        | Assertion::Refund { .. }) => panic!("not for this lane: {other:?}"),
    }
}

#[test]
fn every_fixture_of_this_lane_is_recorded_and_the_others_are_parked() {
    let mut table = String::new();
    for fixture in fixtures::ALL {
        let task = task(fixture.body);
        let reading = Record.read(&task);
        let shown = shown(&reading);
        if task.lane() == Lane::Record {
            let reference = reading
                .reference
                .as_str()
                .replace(&task.message.to_string(), "MESSAGE");
            writeln!(table, "{} [{reference}]: {shown}", fixture.name).unwrap();
        } else {
            assert!(
                shown.starts_with("Unreadable: `notification_type`"),
                "{shown}"
            );
        }
    }
    expect![[r"
        afs_black_list [MESSAGE]: order -, transaction 3180442907, player -
        afs_reject [MESSAGE]: order -, transaction 3180450112, player player-7f31c9
        cancel_subscription [MESSAGE]: order -, transaction -, player player-7f31c9
        create_subscription [MESSAGE]: order -, transaction -, player player-7f31c9
        dispute [3180442907:316bee2ff7d5146fc858cb1b2276d005273648a3]: order -, transaction 3180442907, player player-7f31c9
        get_pincode [MESSAGE]: order -, transaction -, player player-7f31c9
        non_renewal_subscription [MESSAGE]: order -, transaction -, player player-7f31c9
        partial_refund [3180442907:3beb154a946f52b7d79efaad8923c467b736d6ee]: order -, transaction 3180442907, player player-7f31c9
        partner_side_catalog [MESSAGE]: order -, transaction -, player player-7f31c9
        payment [3180442907]: payment 3180442907 for order - of player-7f31c9, sandbox=false
        payment_account_add [MESSAGE]: order -, transaction -, player player-7f31c9
        payment_merchant_token_no_order [3180443555]: payment 3180443555 for order - of player-7f31c9, sandbox=false
        payment_sandbox [3180442907]: payment 3180442907 for order - of player-7f31c9, sandbox=true
        payment_with_order_object [3180442907]: payment 3180442907 for order 701552318 of player-7f31c9, sandbox=false
        redeem_key [MESSAGE]: order -, transaction -, player player-7f31c9
        update_subscription [440118:2026-10-14T18:42:09+03:00]: order -, transaction -, player player-7f31c9
        user_balance_operation [MESSAGE]: order -, transaction 3180442907, player player-7f31c9
        user_search [MESSAGE]: order -, transaction -, player player-7f31c9
        user_search_public_only [MESSAGE]: order -, transaction -, player -
        user_validation [MESSAGE]: order -, transaction -, player player-7f31c9
        user_validation_minimal [MESSAGE]: order -, transaction -, player player-7f31c9
        user_validation_with_custom_parameters [MESSAGE]: order -, transaction -, player player-7f31c9
        web_shop_user_validation [MESSAGE]: Unreadable: `notification_type`: expected the name of a type, found nothing
    "]].assert_eq(&table);
}

#[test]
fn a_payment_is_read_from_texts_and_numbers() {
    let reading = read(
        r#"{"notification_type":"payment","transaction":{"id":"7","dry_run":"1"},"user":{"id":8},
            "purchase":{"order":{"id":"9"}},"settings":{"project_id":"271904"}}"#,
    );
    assert_eq!(reading.reference.as_str(), "7");
    let expected = Assertion::Payment {
        transaction: "7".parse().unwrap(),
        order: Some("9".parse().unwrap()),
        player: Some("8".parse().unwrap()),
        sandbox: true,
    };
    assert_eq!(reading.assertion, expected);
}

#[test]
fn what_cannot_be_read_is_parked_under_its_message() {
    for (body, reason) in [
        ("", ParkReason::Unreadable),
        ("[]", ParkReason::Unreadable),
        (r#"{"user":{"id":1}}"#, ParkReason::Unreadable),
        (
            r#"{"notification_type":"payment","transaction":[]}"#,
            ParkReason::MissingField,
        ),
        (
            r#"{"notification_type":"brand_new","settings":{"project_id":1}}"#,
            ParkReason::OtherProject,
        ),
    ] {
        let reading = read(body);
        assert_eq!(park_reason(&reading), Some(reason), "{body}");
        let message = MessageId::of(body.as_bytes()).to_string();
        assert_eq!(reading.reference.as_str(), message, "{body}");
    }
}

#[test]
fn a_paid_order_on_the_record_lane_is_parked_not_forgotten() {
    // The ingress sees a member twice that handlers of orders never look at.
    let body = r#"{"notification_type":"order_paid","order":{"id":1},
        "user":{"external_id":"mira","id":1,"id":2}}"#;
    assert_eq!(Glance::of(body.as_bytes()).kind, Kind::Unreadable);
    assert_eq!(park_reason(&read(body)), Some(ParkReason::Unreadable));
}

#[test]
fn unknown_types_are_recorded_by_the_ids_they_name() {
    let reading =
        read(r#"{"notification_type":"brand_new","order":{"id":4},"user":{"id":"mira"}}"#);
    let expected = Assertion::Recorded {
        order: Some("4".parse().unwrap()),
        transaction: None,
        player: Some("mira".parse().unwrap()),
    };
    assert_eq!(reading.assertion, expected);
}
