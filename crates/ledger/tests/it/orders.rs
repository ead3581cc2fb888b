//! Grants, cancellations and registrations of orders, one after the other.

use ledger::{Conflict, Ledger, NoOp, Outcome};
use order::{Grant, ParkReason, Status};

use crate::notices::{
    book, book_one, canceled, created, holds, id, noon, order, paid, paid_for, paid_with, player,
    project, told,
};
use crate::stores::{Store, on_both_stores};

on_both_stores!(
    a_paid_order_is_granted_shown_and_kept_with_its_notice,
    an_order_tells_what_its_players_clients_were_told_of_it,
    a_cancellation_takes_back_what_the_ledger_granted,
    a_cancellation_that_comes_first_makes_the_later_grant_a_no_op,
    a_cancellation_for_another_player_is_parked_but_takes_back,
    a_cancellation_for_another_player_leaves_its_tombstone,
    a_paid_order_of_another_player_is_parked_and_shown_as_paid,
    a_registration_of_another_players_order_changes_nothing,
    a_repeat_with_other_items_is_a_no_op_and_a_recorded_conflict,
    a_repeat_within_one_batch_books_once,
    a_test_purchase_stops_at_paid,
    another_players_order_is_as_unknown_as_one_that_does_not_exist,
    a_players_orders_are_read_page_by_page_newest_first,
    a_player_is_new_once,
);

async fn a_paid_order_is_granted_shown_and_kept_with_its_notice(store: Store) {
    let ledger = store.ledger();
    let booked = book(
        &ledger,
        [paid_for(7, "mira", 900, &[("sword", 2), ("gold", 500)])],
    )
    .await;

    assert_eq!(booked.verdicts[0].outcome, Outcome::Booked);
    assert_eq!(
        holds(&ledger, "mira").await,
        [("gold".into(), 500), ("sword".into(), 2)]
    );
    let view = order(&ledger, 7).await;
    assert_eq!(
        (view.status, view.player),
        (Status::Done, Some(player("mira")))
    );
    assert_eq!((view.transaction, view.first_at), (Some(id(900)), noon()));
    assert_eq!(view.content.unwrap().items.len(), 2);
    assert_eq!(view.bookings.len(), 1);
    assert_eq!(view.bookings[0].source, "order:7");
    assert_eq!(view.bookings[0].lines.len(), 2);
    assert_eq!(view.notices.len(), 1);
    assert_eq!(
        (view.notices[0].outcome.as_str(), view.notices[0].seen),
        ("booked", 1)
    );
    let hints: Vec<_> = booked
        .hints
        .rows
        .iter()
        .map(|hint| (hint.offset, hint.status))
        .collect();
    assert_eq!(hints, [(1, Status::Paid), (2, Status::Done)]);
}

async fn an_order_tells_what_its_players_clients_were_told_of_it(store: Store) {
    let ledger = store.ledger();
    book(&ledger, [paid(7, "mira", 900), paid(8, "mira", 901)]).await;
    book(&ledger, [canceled(7, "mira", 900)]).await;
    let told = async |ledger: &Ledger| {
        let rows = order(ledger, 7).await.statuses;
        let rows = rows.into_iter().map(|row| (row.offset, row.status));
        rows.collect::<Vec<_>>()
    };
    let [paid, done, canceled] = [(1, Status::Paid), (2, Status::Done), (5, Status::Canceled)];
    assert_eq!(told(&ledger).await, [paid, done, canceled]);
    // Of five rows the newest four can be read.
    assert_eq!(told(&store.trimmed_to(4)).await, [done, canceled]);
}

async fn a_cancellation_takes_back_what_the_ledger_granted(store: Store) {
    let ledger = store.ledger();
    book(&ledger, [paid(7, "mira", 900), paid(8, "mira", 901)]).await;
    let verdict = book_one(&ledger, canceled(7, "mira", 900)).await;

    assert_eq!(verdict.outcome, Outcome::Booked);
    assert_eq!(holds(&ledger, "mira").await, [("sword".into(), 2)]);
    let view = order(&ledger, 7).await;
    assert_eq!(view.status, Status::Canceled);
    let booked: Vec<_> = view
        .bookings
        .iter()
        .map(|booking| (booking.direction.as_str(), booking.state.as_str()))
        .collect();
    assert_eq!(booked, [("grant", "held"), ("revoke", "returned")]);
    assert_eq!(
        told(&ledger, "mira").await,
        [
            (7, Status::Paid),
            (7, Status::Done),
            (8, Status::Paid),
            (8, Status::Done),
            (7, Status::Canceled)
        ]
    );
}

async fn a_cancellation_that_comes_first_makes_the_later_grant_a_no_op(store: Store) {
    let ledger = store.ledger();
    let tombstone = book_one(&ledger, canceled(7, "mira", 900)).await;
    let late = book_one(&ledger, paid(7, "mira", 900)).await;

    assert_eq!(tombstone.outcome, Outcome::NoOp(NoOp::NothingGranted));
    assert_eq!(late.outcome, Outcome::NoOp(NoOp::Canceled));
    assert_eq!(holds(&ledger, "mira").await, []);
    let view = order(&ledger, 7).await;
    assert_eq!((view.status, view.facts.paid), (Status::Canceled, true));
    assert!(view.bookings.is_empty());
    assert_eq!(told(&ledger, "mira").await, [(7, Status::Canceled)]);
}

async fn a_cancellation_for_another_player_is_parked_but_takes_back(store: Store) {
    let ledger = store.ledger();
    book_one(&ledger, paid(7, "mira", 900)).await;
    let verdict = book_one(&ledger, canceled(7, "oleg", 900)).await;

    assert_eq!(verdict.outcome, Outcome::Parked(ParkReason::OtherPlayer));
    assert_eq!(verdict.conflicts, [Conflict::OtherPlayer]);
    assert_eq!(holds(&ledger, "mira").await, []);
    let view = order(&ledger, 7).await;
    assert_eq!(view.status, Status::Canceled);
    assert_eq!(view.conflicts[0].what, "other_player");
    assert!(view.notices.iter().any(|notice| notice.parked.is_some()));
    assert_eq!(told(&ledger, "oleg").await, []);
}

async fn a_cancellation_for_another_player_leaves_its_tombstone(store: Store) {
    let ledger = store.ledger();
    book_one(&ledger, created(7, "mira")).await;
    let verdict = book_one(&ledger, canceled(7, "oleg", 900)).await;
    assert_eq!(verdict.outcome, Outcome::Parked(ParkReason::OtherPlayer));

    let late = book_one(&ledger, paid(7, "mira", 900)).await;
    assert_eq!(late.outcome, Outcome::NoOp(NoOp::Canceled));
    assert_eq!(holds(&ledger, "mira").await, []);
}

async fn a_paid_order_of_another_player_is_parked_and_shown_as_paid(store: Store) {
    let ledger = store.ledger();
    book_one(&ledger, created(7, "mira")).await;
    let verdict = book_one(&ledger, paid(7, "oleg", 900)).await;

    assert_eq!(verdict.outcome, Outcome::Parked(ParkReason::OtherPlayer));
    assert_eq!(
        (holds(&ledger, "mira").await, holds(&ledger, "oleg").await),
        (vec![], vec![])
    );
    assert_eq!(
        told(&ledger, "mira").await,
        [(7, Status::New), (7, Status::Paid)]
    );
    assert_eq!(told(&ledger, "oleg").await, []);
}

async fn a_registration_of_another_players_order_changes_nothing(store: Store) {
    let ledger = store.ledger();
    book_one(&ledger, created(7, "mira")).await;
    let again = book_one(&ledger, created(7, "mira")).await;
    let other = book_one(&ledger, created(7, "oleg")).await;

    assert_eq!(again.outcome, Outcome::NoOp(NoOp::Recorded));
    assert_eq!(other.outcome, Outcome::NoOp(NoOp::OtherPlayer));
    assert_eq!(order(&ledger, 7).await.player, Some(player("mira")));
    assert_eq!(told(&ledger, "mira").await, [(7, Status::New)]);
    assert_eq!(told(&ledger, "oleg").await, []);
}

async fn a_repeat_with_other_items_is_a_no_op_and_a_recorded_conflict(store: Store) {
    let ledger = store.ledger();
    book_one(&ledger, paid_for(7, "mira", 900, &[("sword", 2)])).await;
    let verdict = book_one(&ledger, paid_for(7, "mira", 900, &[("sword", 99)])).await;

    assert_eq!((verdict.repeat, verdict.outcome), (true, Outcome::Booked));
    assert_eq!(verdict.conflicts, [Conflict::RepeatDiffers]);
    assert_eq!(holds(&ledger, "mira").await, [("sword".into(), 2)]);
    let view = order(&ledger, 7).await;
    assert_eq!(view.conflicts.len(), 1);
    assert_eq!(view.conflicts[0].what, "repeat_differs");
    assert_eq!(view.notices[0].seen, 2);
    assert_eq!(view.content.unwrap().items[0].quantity, 2);
}

async fn a_repeat_within_one_batch_books_once(store: Store) {
    let ledger = store.ledger();
    let copies = std::iter::repeat_with(|| paid(7, "mira", 900)).take(5);
    let booked = book(&ledger, copies.chain([canceled(7, "mira", 900)])).await;

    let repeats: Vec<bool> = booked
        .verdicts
        .iter()
        .map(|verdict| verdict.repeat)
        .collect();
    assert_eq!(repeats, [false, true, true, true, true, false]);
    assert_eq!(holds(&ledger, "mira").await, []);
    let view = order(&ledger, 7).await;
    assert_eq!(view.bookings.len(), 2);
    let seen = view.notices.iter().map(|notice| notice.seen).max();
    assert_eq!(seen, Some(5));
}

async fn a_test_purchase_stops_at_paid(store: Store) {
    let ledger = store.ledger();
    let verdict = book_one(&ledger, paid_with(7, "mira", 900, Grant::Sandbox)).await;

    assert_eq!(verdict.outcome, Outcome::NoOp(NoOp::Sandbox));
    assert_eq!(holds(&ledger, "mira").await, []);
    assert_eq!(told(&ledger, "mira").await, [(7, Status::Paid)]);
    assert!(order(&ledger, 7).await.sandbox);
}

async fn another_players_order_is_as_unknown_as_one_that_does_not_exist(store: Store) {
    let ledger = store.ledger();
    book(&ledger, [paid(7, "mira", 900)]).await;
    let status = async |order, name| {
        let player = player(name);
        let found = ledger.order_status(project(), id(order), &player).await;
        found.unwrap().map(|found| found.status)
    };
    assert_eq!(status(7, "mira").await, Some(Status::Done));
    assert_eq!(status(7, "oleg").await, None);
    assert_eq!(status(8, "mira").await, None);
    let mira = player("mira");
    let elsewhere = ledger.order_status(id(1), id(7), &mira).await;
    assert_eq!(elsewhere.unwrap(), None);
}

async fn a_players_orders_are_read_page_by_page_newest_first(store: Store) {
    let ledger = store.ledger();
    book(&ledger, (1..=5).map(|number| created(number, "mira"))).await;
    book(&ledger, [created(6, "oleg")]).await;
    let page = async |before: Option<i64>| -> Vec<i64> {
        let mira = player("mira");
        let orders = ledger.orders_of(project(), &mira, before.map(id), 2).await;
        orders
            .unwrap()
            .iter()
            .map(|view| view.order.get())
            .collect()
    };
    assert_eq!(page(None).await, [5, 4]);
    assert_eq!(page(Some(4)).await, [3, 2]);
    assert_eq!(page(Some(2)).await, [1]);
    assert_eq!(page(Some(1)).await, Vec::<i64>::new());
}

async fn a_player_is_new_once(store: Store) {
    let ledger = store.ledger();
    let mira = player("mira");
    assert!(!ledger.is_registered(project(), &mira).await.unwrap());
    assert!(
        ledger
            .register_player(project(), &mira, noon())
            .await
            .unwrap()
    );
    assert!(
        !ledger
            .register_player(project(), &mira, noon())
            .await
            .unwrap()
    );
    assert!(ledger.is_registered(project(), &mira).await.unwrap());
    assert!(!ledger.is_registered(id(1), &mira).await.unwrap());
}
