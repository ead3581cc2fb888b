//! Entries to book.

use bytes::Bytes;
use ledger::{Entry, Notice};
use order::{
    Assertion, Content, ContentItem, Grant, Kind, Line, Money, Plan, PlayerId, ProjectId, Reference,
};
use task::MessageId;

pub(crate) const PROJECT: i64 = 44_056;

pub(crate) fn project() -> ProjectId {
    id(PROJECT)
}

pub(crate) fn id<T: TryFrom<i64, Error: std::fmt::Debug>>(number: i64) -> T {
    number.try_into().unwrap()
}

fn player(name: &str) -> PlayerId {
    name.parse().unwrap()
}

fn content() -> Content {
    let price = Money {
        amount: "14.97".parse().unwrap(),
        currency: "EUR".into(),
    };
    Content {
        price: Some(price.clone()),
        is_virtual: false,
        is_free: false,
        items: vec![ContentItem {
            sku: "sword".parse().unwrap(),
            quantity: 3,
            is_free: false,
            price: Some(price),
        }],
    }
}

/// A game server registers an order: `new`.
pub(crate) fn created(order: i64, name: &str) -> Entry {
    Entry {
        project: project(),
        notice: None,
        assertion: Assertion::Created {
            order: id(order),
            player: player(name),
            content: content(),
        },
    }
}

/// `order_paid`: `paid`, and with its grant `done`.
pub(crate) fn paid(order: i64, name: &str) -> Entry {
    let sword = Line {
        sku: "sword".parse().unwrap(),
        quantity: 3,
    };
    let assertion = Assertion::Paid {
        order: id(order),
        player: player(name),
        transaction: None,
        payment: false,
        sandbox: false,
        content: content(),
        grant: Grant::Lines(Plan::new([sword]).unwrap()),
    };
    let body = Bytes::from(format!("{assertion:?}"));
    Entry {
        project: project(),
        notice: Some(Notice {
            kind: Kind::OrderPaid,
            reference: Reference::order(id(order)),
            message: MessageId::of(&body),
            fingerprint: *MessageId::of(&body).as_bytes(),
            order: Some(id(order)),
            transaction: None,
            player: Some(player(name)),
            received_at: task::now(),
            attempt: 0,
            replay: None,
            trace_id: None,
            body,
        }),
        assertion,
    }
}
