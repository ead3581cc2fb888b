//! Entries to book, and shorthand for booking them and looking at what came of it.

use std::sync::Arc;

use bytes::Bytes;
use ledger::{Booked, Entry, Ledger, LineView, Notice, OrderView, Verdict};
use order::{
    Assertion, Content, Grant, Kind, Line, OrderId, Plan, PlayerId, ProjectId, Reference, Status,
    TransactionId,
};
use task::MessageId;
use time::OffsetDateTime;

pub(crate) fn project() -> ProjectId {
    id(44_056)
}

pub(crate) fn id<T: TryFrom<i64, Error: std::fmt::Debug>>(number: i64) -> T {
    T::try_from(number).unwrap()
}

pub(crate) fn player(name: &str) -> PlayerId {
    name.parse().unwrap()
}

/// An instant that a test may go on from.
pub(crate) fn noon() -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap()
}

/// A notice as the workers would hand it over. Its body is as different as its assertion.
pub(crate) fn entry(kind: Kind, reference: Reference, assertion: Assertion) -> Entry {
    let body = Bytes::from(format!("{assertion:?}"));
    Entry {
        project: project(),
        notice: Some(Notice {
            kind,
            reference,
            message: MessageId::of(&body),
            fingerprint: *MessageId::of(assertion.canonical().as_bytes()).as_bytes(),
            order: None,
            transaction: None,
            player: None,
            received_at: noon(),
            attempt: 0,
            replay: None,
            trace_id: None,
            body,
        }),
        assertion,
    }
}

/// `order_paid` of a real-money order, two swords.
pub(crate) fn paid(order: i64, name: &str, transaction: impl Into<Option<i64>>) -> Entry {
    paid_for(order, name, transaction, &[("sword", 2)])
}

pub(crate) fn paid_for(
    order: i64,
    name: &str,
    transaction: impl Into<Option<i64>>,
    items: &[(&str, i64)],
) -> Entry {
    let lines = items.iter().map(|(sku, quantity)| Line {
        sku: sku.parse().unwrap(),
        quantity: *quantity,
    });
    let grant = Grant::Lines(Plan::new(lines).unwrap());
    paid_with(order, name, transaction, grant)
}

pub(crate) fn paid_with(
    order: i64,
    name: &str,
    transaction: impl Into<Option<i64>>,
    grant: Grant,
) -> Entry {
    let items = match &grant {
        Grant::Lines(plan) => plan.lines().to_vec(),
        Grant::Sandbox | Grant::Unclear { .. } => Vec::new(),
    };
    let item = |line: Line| order::ContentItem {
        sku: line.sku,
        quantity: line.quantity,
        is_free: false,
        price: None,
    };
    let assertion = Assertion::Paid {
        order: id(order),
        player: player(name),
        transaction: transaction.into().map(id),
        payment: false,
        sandbox: matches!(grant, Grant::Sandbox),
        content: Content {
            items: items.into_iter().map(item).collect(),
            ..Content::default()
        },
        grant,
    };
    entry(Kind::OrderPaid, Reference::order(id(order)), assertion)
}

/// `order_canceled`.
pub(crate) fn canceled(order: i64, name: &str, transaction: impl Into<Option<i64>>) -> Entry {
    let assertion = Assertion::Canceled {
        order: id(order),
        player: Some(player(name)),
        transaction: transaction.into().map(id),
        refund: false,
        sandbox: false,
    };
    entry(Kind::OrderCanceled, Reference::order(id(order)), assertion)
}

/// `payment`, naming its order or not.
pub(crate) fn payment(transaction: i64, order: impl Into<Option<i64>>, name: &str) -> Entry {
    let assertion = Assertion::Payment {
        transaction: id(transaction),
        order: order.into().map(id),
        player: Some(player(name)),
        sandbox: false,
    };
    let reference = Reference::transaction(id(transaction));
    entry(Kind::Payment, reference, assertion)
}

/// `refund`.
pub(crate) fn refund(transaction: i64, name: &str) -> Entry {
    let assertion = Assertion::Refund {
        transaction: id(transaction),
        player: Some(player(name)),
        code: Some(1),
    };
    let reference = Reference::transaction(id(transaction));
    entry(Kind::Refund, reference, assertion)
}

/// A game server's registration.
pub(crate) fn created(order: i64, name: &str) -> Entry {
    Entry {
        project: project(),
        assertion: Assertion::Created {
            order: id(order),
            player: player(name),
            content: Content::default(),
        },
        notice: None,
    }
}

pub(crate) fn batch(entries: impl IntoIterator<Item = Entry>) -> Arc<[Entry]> {
    entries.into_iter().collect()
}

/// Books a batch.
pub(crate) async fn book(ledger: &Ledger, entries: impl IntoIterator<Item = Entry>) -> Booked {
    ledger.book(&batch(entries), noon()).await.unwrap()
}

/// Books one entry.
pub(crate) async fn book_one(ledger: &Ledger, entry: Entry) -> Verdict {
    book(ledger, [entry]).await.verdicts.remove(0)
}

pub(crate) async fn order(ledger: &Ledger, order: i64) -> OrderView {
    let order: OrderId = id(order);
    ledger.order(project(), order).await.unwrap().unwrap()
}

pub(crate) async fn holds(ledger: &Ledger, name: &str) -> Vec<(String, i64)> {
    let held = ledger.inventory(project(), &player(name)).await.unwrap();
    let line = |LineView { sku, quantity }| (sku.to_string(), quantity);
    held.into_iter().map(line).collect()
}

/// What a player's clients were told: order and status, oldest first.
pub(crate) async fn told(ledger: &Ledger, name: &str) -> Vec<(i64, Status)> {
    let stream = ledger.stream(project(), &player(name), 0).await.unwrap();
    stream
        .rows
        .iter()
        .map(|row| (row.order.get(), row.status))
        .collect()
}

pub(crate) async fn transaction(ledger: &Ledger, number: i64) -> Option<ledger::TransactionView> {
    let number: TransactionId = id(number);
    ledger.transaction(project(), number).await.unwrap()
}
