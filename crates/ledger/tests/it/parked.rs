//! What waits for a person: parked, replayed, settled.

use bytes::Bytes;
use ledger::{Conflict, Entry, Ledger, NoOp, Outcome, ParkedFilter, ParkedView};
use order::{Assertion, Grant, Kind, ParkReason, Reference};
use task::{MessageId, ParkedId};
use time::Duration;

use crate::notices::{
    batch, book_one, canceled, entry, holds, id, noon, order, paid, paid_with, player, project,
    transaction,
};
use crate::stores::{Store, on_both_stores};

on_both_stores!(
    a_parked_notice_is_kept_byte_for_byte_with_its_reason,
    a_repeat_of_a_parked_notice_is_not_parked_twice,
    a_replay_that_can_be_processed_settles_its_entry,
    a_replay_that_fails_again_updates_its_entry,
    a_parked_cancellation_takes_back_once_however_often_it_is_replayed,
    another_body_that_can_be_processed_settles_every_entry_of_the_notice,
    a_notice_parked_and_settled_in_one_batch_leaves_nothing_open,
    a_replay_that_is_read_under_another_key_settles_its_entry,
    parked_entries_are_found_by_all_they_name,
    a_parked_order_paid_is_settled_by_its_replay_once_the_order_is_canceled,
);

fn unclear(detail: &str) -> Entry {
    let grant = Grant::Unclear {
        reason: ParkReason::NothingToGrant,
        detail: detail.into(),
    };
    let mut entry = paid_with(7, "mira", 900, grant);
    // One body, whatever this version makes of it.
    let notice = entry.notice.as_mut().unwrap();
    notice.message = MessageId::of(b"unclear");
    notice.body = Bytes::from_static(b"unclear");
    entry
}

fn replayed(mut entry: Entry, parked: ParkedId) -> Entry {
    entry.notice.as_mut().unwrap().replay = Some(parked);
    entry
}

async fn parked(ledger: &Ledger, filter: ParkedFilter) -> Vec<ParkedView> {
    let filter = ParkedFilter {
        limit: 200,
        ..filter
    };
    ledger.parked(&filter).await.unwrap()
}

async fn all(ledger: &Ledger) -> Vec<ParkedView> {
    let filter = ParkedFilter {
        settled: true,
        ..ParkedFilter::default()
    };
    parked(ledger, filter).await
}

async fn open(ledger: &Ledger) -> Vec<ParkedView> {
    parked(ledger, ParkedFilter::default()).await
}

async fn a_parked_notice_is_kept_byte_for_byte_with_its_reason(store: Store) {
    let ledger = store.ledger();
    let verdict = book_one(&ledger, unclear("no item is known")).await;

    assert_eq!(verdict.outcome, Outcome::Parked(ParkReason::NothingToGrant));
    let [view] = open(&ledger).await.try_into().unwrap();
    assert_eq!(
        (view.reason.as_str(), view.detail.as_str(), view.attempts),
        ("nothing_to_grant", "no item is known", 1)
    );
    assert_eq!(
        (view.order, view.transaction, view.player.clone()),
        (Some(id(7)), Some(id(900)), Some(player("mira")))
    );
    let stored = ledger.parked_body(view.id).await.unwrap().unwrap();
    assert_eq!(stored.body, "unclear");
    assert_eq!(stored.message, MessageId::of(b"unclear"));
    assert_eq!(stored.view, view);
    assert_eq!(order(&ledger, 7).await.notices[0].parked, Some(view.id));
    assert_eq!(ledger.parked_body(ParkedId(9_999)).await.unwrap(), None);
}

async fn a_repeat_of_a_parked_notice_is_not_parked_twice(store: Store) {
    let ledger = store.ledger();
    book_one(&ledger, unclear("first")).await;
    let again = book_one(&ledger, unclear("second")).await;
    assert!(again.repeat);
    assert_eq!(all(&ledger).await.len(), 1);
}

async fn a_replay_that_can_be_processed_settles_its_entry(store: Store) {
    let ledger = store.ledger();
    book_one(&ledger, unclear("unknown bundle")).await;
    let number = open(&ledger).await[0].id;
    let later = noon() + Duration::HOUR;
    ledger.parked_was_replayed(number, later).await.unwrap();
    let mut now_clear = paid(7, "mira", 900);
    now_clear.notice.as_mut().unwrap().message = MessageId::of(b"unclear");
    let replay = batch([replayed(now_clear, number)]);
    let booked = ledger.book(&replay, later).await.unwrap();

    assert_eq!(booked.verdicts[0].outcome, Outcome::Booked);
    assert_eq!(holds(&ledger, "mira").await, [("sword".into(), 2)]);
    assert!(open(&ledger).await.is_empty());
    let [view] = all(&ledger).await.try_into().unwrap();
    assert_eq!(
        (view.replayed_at, view.settled_at),
        (Some(later), Some(later))
    );
    // The same replay once more, as after a lost acknowledgement.
    let again = ledger.book(&replay, later).await.unwrap();
    assert!(again.verdicts[0].repeat);
    assert_eq!(holds(&ledger, "mira").await, [("sword".into(), 2)]);
}

async fn a_replay_that_fails_again_updates_its_entry(store: Store) {
    let ledger = store.ledger();
    book_one(&ledger, unclear("first")).await;
    let number = open(&ledger).await[0].id;
    let verdict = book_one(&ledger, replayed(unclear("still unclear"), number)).await;

    assert!(!verdict.repeat);
    let [view] = all(&ledger).await.try_into().unwrap();
    assert_eq!((view.id, view.attempts), (number, 2));
    assert_eq!(
        (view.detail.as_str(), view.settled_at),
        ("still unclear", None)
    );
    assert_eq!(order(&ledger, 7).await.notices[0].parked, Some(number));
}

async fn a_parked_cancellation_takes_back_once_however_often_it_is_replayed(store: Store) {
    let ledger = store.ledger();
    book_one(&ledger, paid(7, "mira", 900)).await;
    let verdict = book_one(&ledger, canceled(7, "oleg", 900)).await;
    assert_eq!(verdict.outcome, Outcome::Parked(ParkReason::OtherPlayer));
    let number = open(&ledger).await[0].id;
    for _ in 0..2 {
        let verdict = book_one(&ledger, replayed(canceled(7, "oleg", 900), number)).await;
        assert!(!verdict.repeat);
    }
    assert_eq!(holds(&ledger, "mira").await, []);
    assert_eq!(order(&ledger, 7).await.bookings.len(), 2);
    assert_eq!(all(&ledger).await[0].attempts, 3);
}

async fn another_body_that_can_be_processed_settles_every_entry_of_the_notice(store: Store) {
    let ledger = store.ledger();
    book_one(&ledger, unclear("first")).await;
    let mut second = unclear("second");
    second.notice.as_mut().unwrap().message = MessageId::of(b"another body");
    book_one(&ledger, second).await;
    assert_eq!(open(&ledger).await.len(), 2);

    let verdict = book_one(&ledger, paid(7, "mira", 900)).await;
    assert_eq!(verdict.outcome, Outcome::Booked);
    assert!(open(&ledger).await.is_empty());
}

async fn a_notice_parked_and_settled_in_one_batch_leaves_nothing_open(store: Store) {
    let ledger = store.ledger();
    let entries = batch([unclear("first"), paid(7, "mira", 900)]);
    ledger.book(&entries, noon()).await.unwrap();
    assert_eq!(all(&ledger).await.len(), 1);
    assert!(open(&ledger).await.is_empty());
}

/// The broker gave up on it before anybody could read it, so it stands under its digest;
/// its replay is read as what it is.
async fn a_replay_that_is_read_under_another_key_settles_its_entry(store: Store) {
    let ledger = store.ledger();
    let given_up = Assertion::Unprocessable {
        reason: ParkReason::DeliveryLimit,
        detail: String::new(),
    };
    let clear = paid(7, "mira", 900);
    let message = clear.notice.as_ref().unwrap().message;
    let reference = Reference::message(&message.to_string());
    let mut unread = entry(Kind::OrderPaid, reference, given_up);
    let notice = unread.notice.as_mut().unwrap();
    notice.message = message;
    (notice.order, notice.transaction) = (Some(id(7)), Some(id(900)));
    book_one(&ledger, unread).await;

    // Found by what could be read at a glance.
    let by_order = ParkedFilter {
        order: Some(id(7)),
        ..ParkedFilter::default()
    };
    let [view] = parked(&ledger, by_order).await.try_into().unwrap();
    assert_eq!(transaction(&ledger, 900).await.unwrap().notices.len(), 1);
    assert_eq!(order(&ledger, 7).await.notices[0].parked, Some(view.id));

    let still_unclear = replayed(unclear("no item is known"), view.id);
    let mut still_unclear = still_unclear;
    still_unclear.notice.as_mut().unwrap().message = message;
    book_one(&ledger, still_unclear).await;
    let [again] = all(&ledger).await.try_into().unwrap();
    assert_eq!(
        (again.id, again.reason.as_str()),
        (view.id, "nothing_to_grant")
    );

    book_one(&ledger, replayed(clear, view.id)).await;
    assert!(open(&ledger).await.is_empty());
}

async fn parked_entries_are_found_by_all_they_name(store: Store) {
    let ledger = store.ledger();
    book_one(&ledger, unclear("first")).await;
    let body = Bytes::from_static(b"no task at all");
    for _ in 0..2 {
        let parked = ledger.park_raw(&body, ParkReason::Unreadable, "no header", noon());
        parked.await.unwrap();
    }
    let found = async |filter| parked(&ledger, filter).await.len();
    assert_eq!(found(ParkedFilter::default()).await, 2);
    let of_project = |project| ParkedFilter {
        project: Some(project),
        ..ParkedFilter::default()
    };
    assert_eq!(found(of_project(project())).await, 1);
    assert_eq!(found(of_project(id(1))).await, 0);
    let of_player = |name| ParkedFilter {
        player: Some(player(name)),
        ..ParkedFilter::default()
    };
    assert_eq!(found(of_player("mira")).await, 1);
    assert_eq!(found(of_player("oleg")).await, 0);
    let of_transaction = |number| ParkedFilter {
        transaction: Some(id(number)),
        ..ParkedFilter::default()
    };
    assert_eq!(found(of_transaction(900)).await, 1);
    assert_eq!(found(of_transaction(901)).await, 0);
    let first = open(&ledger).await[0].id;
    let after = ParkedFilter {
        after: Some(first),
        ..ParkedFilter::default()
    };
    let [raw] = parked(&ledger, after).await.try_into().unwrap();
    let newest_first = |after| ParkedFilter {
        newest_first: true,
        after,
        ..ParkedFilter::default()
    };
    let numbers = async |filter| {
        let found = parked(&ledger, filter).await.into_iter();
        found.map(|view| view.id).collect::<Vec<_>>()
    };
    assert_eq!(numbers(newest_first(None)).await, [raw.id, first]);
    assert_eq!(numbers(newest_first(Some(raw.id))).await, [first]);
    assert_eq!((raw.project, raw.kind), (None, Kind::Unreadable));
    let stored = ledger.parked_body(raw.id).await.unwrap().unwrap();
    assert_eq!(stored.body, body);
}

async fn a_parked_order_paid_is_settled_by_its_replay_once_the_order_is_canceled(store: Store) {
    let ledger = store.ledger();
    book_one(&ledger, paid(7, "mira", 900)).await;
    book_one(&ledger, paid(8, "mira", 900)).await;
    let waiting = open(&ledger).await.remove(0).id;
    book_one(&ledger, canceled(8, "mira", None)).await;
    let verdict = book_one(&ledger, replayed(paid(8, "mira", 900), waiting)).await;

    assert_eq!(verdict.outcome, Outcome::NoOp(NoOp::Canceled));
    assert_eq!(verdict.conflicts, [Conflict::OtherOrder]);
    assert_eq!(open(&ledger).await, []);
    assert_eq!(holds(&ledger, "mira").await, [("sword".into(), 2)]);
}
