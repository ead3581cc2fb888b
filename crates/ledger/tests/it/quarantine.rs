//! What no secret fits yet: kept once, within bounds, taken by one, given up in time.

use std::collections::BTreeMap;

use ledger::{Custody, Ledger, QuarantineId, QuarantineRoom, QuarantinedBody, SealedBody};
use time::Duration;

use crate::notices::{id, noon, project};
use crate::stores::{Store, on_both_stores};

on_both_stores!(
    a_body_is_kept_once_and_comes_back_as_it_went_in,
    bodies_and_bytes_of_each_project_are_bounded,
    one_process_at_a_time_takes_a_body_and_its_time_ends,
    what_cannot_be_opened_is_reported_once_and_not_read_again,
    a_repeat_replaces_what_could_not_be_opened_even_without_room,
    what_has_expired_is_given_up_and_counted,
);

const KEY: [u8; 8] = *b"key-used";
const ROOM: QuarantineRoom = QuarantineRoom {
    bodies: 100,
    bytes: 10_000,
};

fn body(number: u8, bytes: usize) -> SealedBody {
    SealedBody {
        project: project(),
        digest: [number; 20],
        key: KEY,
        sealed: vec![number; bytes],
        received_at: noon(),
        expires_at: noon() + Duration::hours(1),
    }
}

async fn waiting(ledger: &Ledger) -> Vec<QuarantinedBody> {
    let after = QuarantineId::default();
    ledger
        .quarantined(project(), KEY, after, noon())
        .await
        .unwrap()
}

async fn a_body_is_kept_once_and_comes_back_as_it_went_in(store: Store) {
    let ledger = store.ledger();
    let first = body(1, 50);
    assert_eq!(
        ledger.quarantine(&first, ROOM).await.unwrap(),
        Custody::Kept
    );
    assert_eq!(
        ledger.quarantine(&first, ROOM).await.unwrap(),
        Custody::Known
    );
    let [kept] = waiting(&ledger).await.try_into().unwrap();
    assert_eq!((kept.digest, &kept.sealed), (first.digest, &first.sealed));
    assert_eq!(kept.received_at, first.received_at);
    assert_eq!(ledger.quarantine_size(project()).await.unwrap(), 1);

    // Neither another project nor another key reads it.
    let after = QuarantineId::default();
    let others = [(id(7), KEY), (project(), *b"key-else")];
    for (project, key) in others {
        let read = ledger.quarantined(project, key, after, noon()).await;
        assert_eq!(read.unwrap(), []);
    }
    let rest = ledger.quarantined(project(), KEY, kept.id, noon()).await;
    assert_eq!(rest.unwrap(), []);
}

async fn bodies_and_bytes_of_each_project_are_bounded(store: Store) {
    let ledger = store.ledger();
    let keep =
        async |number, bytes, room| ledger.quarantine(&body(number, bytes), room).await.unwrap();
    let room = QuarantineRoom {
        bodies: 3,
        bytes: 100,
    };
    assert_eq!(keep(1, 60, room).await, Custody::Kept);
    assert_eq!(keep(2, 41, room).await, Custody::Full);
    assert_eq!(keep(2, 40, room).await, Custody::Kept);
    assert_eq!(keep(3, 1, room).await, Custody::Full);
    // What is there is known, however full it is.
    assert_eq!(keep(1, 60, room).await, Custody::Known);
    let wider = QuarantineRoom { bytes: 200, ..room };
    assert_eq!(keep(3, 1, wider).await, Custody::Kept);
    assert_eq!(keep(4, 1, wider).await, Custody::Full);
    let elsewhere = SealedBody {
        project: id(7),
        ..body(1, 60)
    };
    let kept = ledger.quarantine(&elsewhere, room).await.unwrap();
    assert_eq!(kept, Custody::Kept);
}

async fn one_process_at_a_time_takes_a_body_and_its_time_ends(store: Store) {
    let ledger = store.ledger();
    ledger.quarantine(&body(1, 50), ROOM).await.unwrap();
    let [kept] = waiting(&ledger).await.try_into().unwrap();
    let later = noon() + Duration::minutes(1);
    let take = async |at| {
        ledger
            .take_quarantined(kept.id, at, at + Duration::minutes(1))
            .await
    };
    assert!(take(noon()).await.unwrap());
    assert!(!take(noon()).await.unwrap());
    assert_eq!(waiting(&ledger).await, []);

    assert!(take(later).await.unwrap());
    ledger.put_back_quarantined(kept.id).await.unwrap();
    assert_eq!(waiting(&ledger).await, std::slice::from_ref(&kept));

    assert!(take(noon()).await.unwrap());
    ledger.release_quarantined(kept.id).await.unwrap();
    assert!(!take(later).await.unwrap());
    assert_eq!(ledger.quarantine_size(project()).await.unwrap(), 0);
}

async fn what_cannot_be_opened_is_reported_once_and_not_read_again(store: Store) {
    let ledger = store.ledger();
    ledger.quarantine(&body(1, 50), ROOM).await.unwrap();
    let [kept] = waiting(&ledger).await.try_into().unwrap();
    assert!(
        ledger
            .quarantined_is_unreadable(kept.id, noon())
            .await
            .unwrap()
    );
    assert!(
        !ledger
            .quarantined_is_unreadable(kept.id, noon())
            .await
            .unwrap()
    );
    assert_eq!(waiting(&ledger).await, []);
    assert_eq!(ledger.quarantine_size(project()).await.unwrap(), 1);
}

async fn a_repeat_replaces_what_could_not_be_opened_even_without_room(store: Store) {
    let ledger = store.ledger();
    let room = QuarantineRoom { bodies: 1, ..ROOM };
    ledger.quarantine(&body(1, 50), room).await.unwrap();
    let [kept] = waiting(&ledger).await.try_into().unwrap();
    ledger
        .quarantined_is_unreadable(kept.id, noon())
        .await
        .unwrap();
    let again = SealedBody {
        sealed: vec![9; 50],
        ..body(1, 50)
    };
    let custody = ledger.quarantine(&again, room).await.unwrap();
    assert_eq!(custody, Custody::Kept);
    let [replaced] = waiting(&ledger).await.try_into().unwrap();
    assert_eq!((replaced.id, replaced.sealed), (kept.id, again.sealed));

    let other_key = SealedBody {
        key: *b"key-else",
        ..body(1, 50)
    };
    let custody = ledger.quarantine(&other_key, room).await.unwrap();
    assert_eq!(custody, Custody::Kept);
    assert_eq!(waiting(&ledger).await, []);
    assert_eq!(ledger.quarantine_size(project()).await.unwrap(), 1);
}

async fn what_has_expired_is_given_up_and_counted(store: Store) {
    let ledger = store.ledger();
    let lasting = SealedBody {
        expires_at: noon() + Duration::hours(2),
        ..body(3, 50)
    };
    let elsewhere = SealedBody {
        project: id(7),
        ..body(1, 60)
    };
    for body in [body(1, 50), body(2, 50), lasting, elsewhere] {
        ledger.quarantine(&body, ROOM).await.unwrap();
    }
    assert_eq!(
        ledger.expire_quarantined(noon()).await.unwrap(),
        BTreeMap::new()
    );
    let expired = ledger
        .expire_quarantined(noon() + Duration::hours(1))
        .await
        .unwrap();
    assert_eq!(expired, BTreeMap::from([(id(7), 1), (project(), 2)]));
    assert_eq!(ledger.quarantine_size(project()).await.unwrap(), 1);
}
