//! What the ledger knows, in JSON: `snake_case` names, RFC 3339 instants, amounts as
//! decimal texts.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ledger::{
    BookingView, ConflictView, LineView, NoticeView, OrderView, ParkedBody, ParkedView, StreamRow,
    TransactionView,
};
use order::{OrderId, PlayerId, ProjectId, TransactionId};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use time::OffsetDateTime;
use time::serde::rfc3339;

/// How an instant is described. It is written by [`rfc3339`].
pub(crate) enum Instant {}

impl JsonSchema for Instant {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Instant".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "date-time"})
    }
}

#[derive(Serialize, JsonSchema)]
#[expect(clippy::struct_field_names, reason = "the names are those of the JSON")]
pub(crate) struct Order<'a> {
    order: i64,
    player: Option<&'a str>,
    status: &'static str,
    facts: Facts,
    sandbox: bool,
    transaction: Option<i64>,
    content: Option<Content<'a>>,
    #[serde(with = "rfc3339")]
    #[schemars(with = "Instant")]
    first_at: OffsetDateTime,
    #[serde(with = "rfc3339")]
    #[schemars(with = "Instant")]
    last_at: OffsetDateTime,
}

#[derive(Serialize, JsonSchema)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
struct Facts {
    created: bool,
    paid: bool,
    payment: bool,
    canceled: bool,
    refunded: bool,
}

#[derive(Serialize, JsonSchema)]
struct Content<'a> {
    price: Option<Money<'a>>,
    is_virtual: bool,
    is_free: bool,
    items: Vec<Item<'a>>,
}

#[derive(Serialize, JsonSchema)]
struct Item<'a> {
    sku: &'a str,
    quantity: i64,
    is_free: bool,
    price: Option<Money<'a>>,
}

#[derive(Serialize, JsonSchema)]
struct Money<'a> {
    amount: String,
    currency: &'a str,
}

/// An order with all that happened to it.
#[derive(Serialize, JsonSchema)]
pub struct OrderDetail<'a> {
    #[serde(flatten)]
    order: Order<'a>,
    /// What the player's clients were told of it, oldest first, as far as the player's
    /// history can be read.
    statuses: Vec<Told>,
    bookings: Vec<Booking<'a>>,
    notices: Vec<Notice<'a>>,
    conflicts: Vec<Conflict<'a>>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ToldStatus")]
struct Told {
    offset: i64,
    status: &'static str,
    #[serde(with = "rfc3339")]
    #[schemars(with = "Instant")]
    at: OffsetDateTime,
}

#[derive(Serialize, JsonSchema)]
struct Booking<'a> {
    source: &'a str,
    direction: &'a str,
    player: &'a str,
    kind: &'a str,
    state: &'a str,
    #[serde(with = "rfc3339")]
    #[schemars(with = "Instant")]
    booked_at: OffsetDateTime,
    lines: Vec<Line<'a>>,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Line<'a> {
    sku: &'a str,
    quantity: i64,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Notice<'a> {
    kind: &'a str,
    reference: &'a str,
    message_id: String,
    seen: i64,
    #[serde(with = "rfc3339")]
    #[schemars(with = "Instant")]
    first_at: OffsetDateTime,
    #[serde(with = "rfc3339")]
    #[schemars(with = "Instant")]
    last_at: OffsetDateTime,
    outcome: &'a str,
    reason: Option<&'a str>,
    parked: Option<i64>,
    trace_id: Option<&'a str>,
}

#[derive(Serialize, JsonSchema)]
struct Conflict<'a> {
    kind: &'a str,
    what: &'a str,
    #[serde(with = "rfc3339")]
    #[schemars(with = "Instant")]
    at: OffsetDateTime,
}

#[derive(Serialize, JsonSchema)]
#[expect(clippy::struct_field_names, reason = "the names are those of the JSON")]
pub(crate) struct Transaction<'a> {
    transaction: i64,
    order: Option<i64>,
    player: Option<&'a str>,
    payment: bool,
    refund: bool,
    refund_code: Option<i64>,
    notices: Vec<Notice<'a>>,
}

#[derive(Serialize, JsonSchema)]
#[expect(clippy::struct_field_names, reason = "the names are those of the JSON")]
pub(crate) struct Parked<'a> {
    id: i64,
    project: Option<i64>,
    kind: &'a str,
    order: Option<i64>,
    transaction: Option<i64>,
    player: Option<&'a str>,
    reason: &'a str,
    detail: &'a str,
    attempts: i32,
    trace_id: Option<&'a str>,
    #[serde(with = "rfc3339")]
    #[schemars(with = "Instant")]
    received_at: OffsetDateTime,
    #[serde(with = "rfc3339")]
    #[schemars(with = "Instant")]
    parked_at: OffsetDateTime,
    #[serde(with = "rfc3339::option")]
    #[schemars(with = "Option<Instant>")]
    replayed_at: Option<OffsetDateTime>,
    #[serde(with = "rfc3339::option")]
    #[schemars(with = "Option<Instant>")]
    settled_at: Option<OffsetDateTime>,
}

/// A parked entry, with its body where the caller may read it.
#[derive(Serialize, JsonSchema)]
pub(crate) struct ParkedDetail<'a> {
    #[serde(flatten)]
    parked: Parked<'a>,
    message_id: String,
    body_bytes: usize,
    #[serde(flatten)]
    body: Option<Body<'a>>,
}

/// As text where it is one, so that a person can read it.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Body<'a> {
    Body(&'a str),
    BodyBase64(String),
}

impl<'a> From<&'a OrderView> for Order<'a> {
    fn from(view: &'a OrderView) -> Self {
        Self {
            order: view.order.get(),
            player: view.player.as_ref().map(PlayerId::as_str),
            status: view.status.as_str(),
            facts: Facts {
                created: view.facts.created,
                paid: view.facts.paid,
                payment: view.facts.payment,
                canceled: view.facts.canceled,
                refunded: view.facts.refunded,
            },
            sandbox: view.sandbox,
            transaction: view.transaction.map(TransactionId::get),
            content: view.content.as_ref().map(Content::from),
            first_at: view.first_at,
            last_at: view.last_at,
        }
    }
}

impl<'a> From<&'a order::Content> for Content<'a> {
    fn from(content: &'a order::Content) -> Self {
        let item = |item: &'a order::ContentItem| Item {
            sku: item.sku.as_str(),
            quantity: item.quantity,
            is_free: item.is_free,
            price: item.price.as_ref().map(Money::from),
        };
        Self {
            price: content.price.as_ref().map(Money::from),
            is_virtual: content.is_virtual,
            is_free: content.is_free,
            items: content.items.iter().map(item).collect(),
        }
    }
}

impl<'a> From<&'a order::Money> for Money<'a> {
    fn from(money: &'a order::Money) -> Self {
        Self {
            amount: money.amount.to_string(),
            currency: &money.currency,
        }
    }
}

impl<'a> From<&'a OrderView> for OrderDetail<'a> {
    fn from(view: &'a OrderView) -> Self {
        Self {
            order: view.into(),
            statuses: view.statuses.iter().map(Told::from).collect(),
            bookings: view.bookings.iter().map(Booking::from).collect(),
            notices: view.notices.iter().map(Notice::from).collect(),
            conflicts: view.conflicts.iter().map(Conflict::from).collect(),
        }
    }
}

impl From<&StreamRow> for Told {
    fn from(row: &StreamRow) -> Self {
        Self {
            offset: row.offset,
            status: row.status.as_str(),
            at: row.at,
        }
    }
}

impl<'a> From<&'a BookingView> for Booking<'a> {
    fn from(view: &'a BookingView) -> Self {
        Self {
            source: &view.source,
            direction: &view.direction,
            player: view.player.as_str(),
            kind: view.kind.as_str(),
            state: &view.state,
            booked_at: view.booked_at,
            lines: view.lines.iter().map(Line::from).collect(),
        }
    }
}

impl<'a> From<&'a LineView> for Line<'a> {
    fn from(view: &'a LineView) -> Self {
        Self {
            sku: view.sku.as_str(),
            quantity: view.quantity,
        }
    }
}

impl<'a> From<&'a NoticeView> for Notice<'a> {
    fn from(view: &'a NoticeView) -> Self {
        Self {
            kind: view.kind.as_str(),
            reference: &view.reference,
            message_id: view.message.to_string(),
            seen: view.seen,
            first_at: view.first_at,
            last_at: view.last_at,
            outcome: &view.outcome,
            reason: view.reason.as_deref(),
            parked: view.parked.map(|id| id.0),
            trace_id: view.trace_id.as_deref(),
        }
    }
}

impl<'a> From<&'a ConflictView> for Conflict<'a> {
    fn from(view: &'a ConflictView) -> Self {
        Self {
            kind: view.kind.as_str(),
            what: &view.what,
            at: view.at,
        }
    }
}

impl<'a> From<&'a TransactionView> for Transaction<'a> {
    fn from(view: &'a TransactionView) -> Self {
        Self {
            transaction: view.transaction.get(),
            order: view.order.map(OrderId::get),
            player: view.player.as_ref().map(PlayerId::as_str),
            payment: view.payment,
            refund: view.refund,
            refund_code: view.refund_code,
            notices: view.notices.iter().map(Notice::from).collect(),
        }
    }
}

impl<'a> From<&'a ParkedView> for Parked<'a> {
    fn from(view: &'a ParkedView) -> Self {
        Self {
            id: view.id.0,
            project: view.project.map(ProjectId::get),
            kind: view.kind.as_str(),
            order: view.order.map(OrderId::get),
            transaction: view.transaction.map(TransactionId::get),
            player: view.player.as_ref().map(PlayerId::as_str),
            reason: &view.reason,
            detail: &view.detail,
            attempts: view.attempts,
            trace_id: view.trace_id.as_deref(),
            received_at: view.received_at,
            parked_at: view.parked_at,
            replayed_at: view.replayed_at,
            settled_at: view.settled_at,
        }
    }
}

impl<'a> ParkedDetail<'a> {
    pub(crate) fn new(stored: &'a ParkedBody, with_body: bool) -> Self {
        let body = || match std::str::from_utf8(&stored.body) {
            Ok(text) => Body::Body(text),
            Err(_) => Body::BodyBase64(STANDARD.encode(&stored.body)),
        };
        Self {
            parked: (&stored.view).into(),
            message_id: stored.message.to_string(),
            body_bytes: stored.body.len(),
            body: with_body.then(body),
        }
    }
}
