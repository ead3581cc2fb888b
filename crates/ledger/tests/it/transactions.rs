//! Real-money transactions, and the orders they paid.

use ledger::{Conflict, Entry, NoOp, Outcome};
use order::{Assertion, Kind, ParkReason, Reference, Status};
use testkit::Postgres;

use crate::notices::{
    book, book_one, canceled, entry, holds, id, order, paid, payment, player, refund, told,
    transaction,
};

#[tokio::test]
async fn a_payment_that_names_its_order_before_order_paid_shows_it_as_paid_and_grants_nothing() {
    let database = Postgres::database().await;
    let ledger = database.ledger();
    let verdict = book_one(&ledger, payment(900, 7, "mira")).await;

    assert_eq!(verdict.outcome, Outcome::NoOp(NoOp::Recorded));
    assert_eq!(holds(&ledger, "mira").await, []);
    assert_eq!(told(&ledger, "mira").await, [(7, Status::Paid)]);

    book_one(&ledger, paid(7, "mira", 900)).await;
    assert_eq!(holds(&ledger, "mira").await, [("sword".into(), 2)]);
    assert_eq!(
        told(&ledger, "mira").await,
        [(7, Status::Paid), (7, Status::Done)]
    );
}

#[tokio::test]
async fn a_payment_after_order_paid_ends_as_one_before_it() {
    let database = Postgres::database().await;
    let ledger = database.ledger();
    book(&ledger, [payment(900, 7, "mira"), paid(7, "mira", 900)]).await;
    book(&ledger, [paid(8, "oleg", 901), payment(901, 8, "oleg")]).await;
    // One that does not name its order is linked by the order.
    book(&ledger, [paid(9, "nina", 902), payment(902, None, "nina")]).await;
    for (number, name) in [(7, "mira"), (8, "oleg"), (9, "nina")] {
        let view = order(&ledger, number).await;
        assert!(view.facts.paid && view.facts.payment, "{number}");
        assert_eq!(view.status, Status::Done);
        assert_eq!(view.notices.len(), 2, "{number}");
        assert_eq!(
            told(&ledger, name).await,
            [(number, Status::Paid), (number, Status::Done)]
        );
    }
}

#[tokio::test]
async fn a_refund_is_recorded_on_the_order_and_takes_nothing_back() {
    let database = Postgres::database().await;
    let ledger = database.ledger();
    // Before its order is known, and after.
    book_one(&ledger, refund(900, "mira")).await;
    book_one(&ledger, paid(7, "mira", 900)).await;
    book_one(&ledger, paid(8, "mira", 901)).await;
    book_one(&ledger, refund(901, "mira")).await;

    for number in [7, 8] {
        let view = order(&ledger, number).await;
        assert!(view.facts.refunded, "{number}");
        assert_eq!(view.status, Status::Done);
    }
    assert_eq!(holds(&ledger, "mira").await, [("sword".into(), 4)]);
    let view = transaction(&ledger, 900).await.unwrap();
    assert_eq!(
        (view.order, view.refund, view.refund_code),
        (Some(id(7)), true, Some(1))
    );
}

#[tokio::test]
async fn one_invoice_on_many_virtual_currency_orders_grants_each() {
    let database = Postgres::database().await;
    let ledger = database.ledger();
    let orders = (1..=10).map(|number| {
        let mut entry = paid(number, "mira", None);
        // The notice shows an invoice; its handler knows it is not real money.
        entry.notice.as_mut().unwrap().transaction = Some(id(900));
        entry
    });
    let booked = book(&ledger, orders).await;

    let all_booked = booked
        .verdicts
        .iter()
        .all(|verdict| verdict.outcome == Outcome::Booked);
    assert!(all_booked, "{:?}", booked.verdicts);
    assert_eq!(holds(&ledger, "mira").await, [("sword".into(), 20)]);
    let view = transaction(&ledger, 900).await.unwrap();
    assert_eq!((view.order, view.payment), (None, false));
    assert_eq!(view.notices.len(), 10);
}

#[tokio::test]
async fn one_real_transaction_on_two_orders_parks_the_second_and_shows_it_paid() {
    let database = Postgres::database().await;
    let ledger = database.ledger();
    book_one(&ledger, paid(7, "mira", 900)).await;
    let verdict = book_one(&ledger, paid(8, "mira", 900)).await;

    assert_eq!(verdict.outcome, Outcome::Parked(ParkReason::OtherOrder));
    assert_eq!(verdict.conflicts, [Conflict::OtherOrder]);
    assert_eq!(holds(&ledger, "mira").await, [("sword".into(), 2)]);
    let second = order(&ledger, 8).await;
    assert_eq!((second.status, second.transaction), (Status::Paid, None));
    assert!(second.notices[0].parked.is_some());
    assert_eq!(transaction(&ledger, 900).await.unwrap().order, Some(id(7)));
    assert_eq!(
        told(&ledger, "mira").await,
        [(7, Status::Paid), (7, Status::Done), (8, Status::Paid)]
    );
    // The facts of the transaction stay with the order it belongs to.
    book_one(&ledger, refund(900, "mira")).await;
    assert!(order(&ledger, 7).await.facts.refunded);
    assert!(!order(&ledger, 8).await.facts.refunded);
}

#[tokio::test]
async fn the_order_id_decides_a_cancellation_whatever_transaction_it_names() {
    let database = Postgres::database().await;
    let ledger = database.ledger();
    book(&ledger, [paid(7, "mira", 900), paid(8, "mira", 901)]).await;
    let verdict = book_one(&ledger, canceled(8, "mira", 900)).await;

    assert_eq!(verdict.outcome, Outcome::Parked(ParkReason::OtherOrder));
    assert_eq!(order(&ledger, 7).await.status, Status::Done);
    assert_eq!(order(&ledger, 8).await.status, Status::Canceled);
    assert_eq!(holds(&ledger, "mira").await, [("sword".into(), 2)]);
}

#[tokio::test]
async fn a_payment_by_another_player_than_its_orders_is_parked() {
    let database = Postgres::database().await;
    let ledger = database.ledger();
    book_one(&ledger, paid(7, "mira", 900)).await;
    let verdict = book_one(&ledger, payment(900, 7, "oleg")).await;

    assert_eq!(verdict.outcome, Outcome::Parked(ParkReason::OtherPlayer));
    assert!(order(&ledger, 7).await.facts.payment);
    assert_eq!(told(&ledger, "oleg").await, []);
}

#[tokio::test]
async fn what_is_only_recorded_is_found_by_all_it_names() {
    let database = Postgres::database().await;
    let ledger = database.ledger();
    let assertion = Assertion::Recorded {
        order: Some(id(7)),
        transaction: Some(id(900)),
        player: Some(player("mira")),
    };
    let notice = entry(Kind::AfsReject, Reference::message("abc"), assertion);
    book_one(&ledger, notice).await;

    let view = order(&ledger, 7).await;
    assert_eq!((view.status, view.player), (Status::New, None));
    assert_eq!(view.notices[0].kind, Kind::AfsReject);
    let view = transaction(&ledger, 900).await.unwrap();
    assert_eq!(view.notices[0].kind, Kind::AfsReject);
    assert!(transaction(&ledger, 901).await.is_none());
}

/// The same notice as a project in combined mode sends it.
fn combined(mut entry: Entry) -> Entry {
    match &mut entry.assertion {
        Assertion::Paid { payment, .. } => *payment = true,
        Assertion::Canceled { refund, .. } => *refund = true,
        Assertion::Created { .. }
        | Assertion::Payment { .. }
        | Assertion::Refund { .. }
        | Assertion::Recorded { .. }
        | Assertion::Unprocessable { .. } => panic!("it has no billing"),
    }
    let notice = entry.notice.take().unwrap();
    crate::notices::entry(notice.kind, notice.reference, entry.assertion)
}

#[tokio::test]
async fn a_repeat_of_a_payment_that_now_names_its_order_links_it() {
    let database = Postgres::database().await;
    let ledger = database.ledger();
    book_one(&ledger, payment(900, None, "mira")).await;
    let verdict = book_one(&ledger, payment(900, 7, "mira")).await;

    assert!(verdict.repeat);
    assert_eq!(verdict.outcome, Outcome::NoOp(NoOp::Recorded));
    assert_eq!(verdict.conflicts, [Conflict::RepeatDiffers]);
    assert_eq!(transaction(&ledger, 900).await.unwrap().order, Some(id(7)));
    assert_eq!(told(&ledger, "mira").await, [(7, Status::Paid)]);
    assert_eq!(order(&ledger, 7).await.notices[0].seen, 2);
}

#[tokio::test]
async fn a_repeat_in_combined_mode_records_the_payment_and_the_refund_it_carries() {
    let database = Postgres::database().await;
    let ledger = database.ledger();
    book_one(&ledger, paid(7, "mira", 900)).await;
    let verdict = book_one(&ledger, combined(paid(7, "mira", 900))).await;
    assert_eq!(
        (verdict.outcome, verdict.repeat),
        (Outcome::Booked, true),
        "as the first one"
    );
    assert_eq!(verdict.conflicts, [Conflict::RepeatDiffers]);
    assert!(order(&ledger, 7).await.facts.payment);
    assert!(transaction(&ledger, 900).await.unwrap().payment);
    assert_eq!(holds(&ledger, "mira").await, [("sword".into(), 2)]);

    book_one(&ledger, canceled(7, "mira", 900)).await;
    book_one(&ledger, combined(canceled(7, "mira", 900))).await;
    assert!(order(&ledger, 7).await.facts.refunded);
    assert!(transaction(&ledger, 900).await.unwrap().refund);
    assert_eq!(holds(&ledger, "mira").await, []);
}

#[tokio::test]
async fn a_repeat_that_loses_is_a_conflict_and_not_parked() {
    let database = Postgres::database().await;
    let ledger = database.ledger();
    book(
        &ledger,
        [
            paid(7, "mira", 900),
            paid(8, "mira", None),
            payment(901, None, "mira"),
        ],
    )
    .await;
    let other_order = book_one(&ledger, paid(8, "mira", 900)).await;
    assert_eq!(other_order.outcome, Outcome::Booked);
    assert_eq!(
        other_order.conflicts,
        [Conflict::RepeatDiffers, Conflict::OtherOrder]
    );
    let other_player = book_one(&ledger, payment(901, 7, "oleg")).await;
    assert_eq!(other_player.outcome, Outcome::NoOp(NoOp::Recorded));
    assert!(other_player.conflicts.contains(&Conflict::OtherPlayer));
    assert_eq!(order(&ledger, 8).await.transaction, None);
    let open = ledger.parked(&ledger::ParkedFilter::default()).await;
    assert_eq!(open.unwrap(), []);
    assert_eq!(holds(&ledger, "mira").await, [("sword".into(), 4)]);
}

#[tokio::test]
async fn who_paid_an_order_of_somebody_else_is_a_conflict_when_the_two_are_linked() {
    let database = Postgres::database().await;
    let ledger = database.ledger();
    book_one(&ledger, payment(900, None, "oleg")).await;
    let verdict = book_one(&ledger, paid(7, "mira", 900)).await;
    assert_eq!(verdict.outcome, Outcome::Booked);
    assert_eq!(verdict.conflicts, [Conflict::OtherPlayer]);
    assert_eq!(holds(&ledger, "mira").await, [("sword".into(), 2)]);
    assert_eq!(holds(&ledger, "oleg").await, []);
    assert_eq!(told(&ledger, "oleg").await, []);
    // A refund says who had paid, too, whichever comes first.
    book_one(&ledger, paid(8, "mira", 901)).await;
    let verdict = book_one(&ledger, refund(901, "oleg")).await;
    assert_eq!(verdict.outcome, Outcome::NoOp(NoOp::Recorded));
    assert_eq!(verdict.conflicts, [Conflict::OtherPlayer]);
}

#[tokio::test]
async fn an_order_notice_with_anothers_transaction_says_nothing_of_that_other_order() {
    let database = Postgres::database().await;
    let ledger = database.ledger();
    book_one(&ledger, paid(7, "mira", 900)).await;
    let verdict = book_one(&ledger, combined(paid(8, "mira", 900))).await;
    assert_eq!(verdict.outcome, Outcome::Parked(ParkReason::OtherOrder));
    let verdict = book_one(&ledger, combined(canceled(9, "mira", 900))).await;
    assert_eq!(verdict.outcome, Outcome::Parked(ParkReason::OtherOrder));

    let owner = order(&ledger, 7).await;
    assert!(!owner.facts.payment && !owner.facts.refunded);
    assert_eq!(owner.status, Status::Done);
    let view = transaction(&ledger, 900).await.unwrap();
    assert!(!view.payment && !view.refund);
    // What they say of their own order stands.
    assert!(order(&ledger, 8).await.facts.paid);
    assert_eq!(order(&ledger, 9).await.status, Status::Canceled);
    // A notice about the transaction itself concerns its owner, whatever order it names.
    let verdict = book_one(&ledger, payment(900, 8, "mira")).await;
    assert_eq!(verdict.outcome, Outcome::Parked(ParkReason::OtherOrder));
    assert!(order(&ledger, 7).await.facts.payment);
    assert!(!order(&ledger, 8).await.facts.payment);
}
