//! Orders and transactions: registering created orders, and what is known of them.

use std::sync::Arc;

use httpd::Reply;
use hyper::StatusCode;
use ledger::{Entry, NoOp, Outcome};
use order::{
    Assertion, Content, ContentItem, Money, OrderId, PlayerId, ProjectId, Sku, TransactionId,
};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Number;

use crate::fault::Fault;
use crate::openapi::PRINTABLE;
use crate::serve::{Api, reply};
use crate::show::{OrderDetail, Transaction};
use crate::spans;

/// The most lines of a registered order.
const MAX_ITEMS: usize = 1_000;
/// The longest name of a currency, in bytes: a virtual one goes by its item.
const MAX_CURRENCY_BYTES: usize = 255;
/// Up to here a floating-point number is exactly what was written: 2⁵³.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

/// What a game server says of an order it has created.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Registration {
    #[schemars(length(min = 1, max = PlayerId::MAX_BYTES), regex(pattern = PRINTABLE))]
    player: String,
    #[serde(default)]
    content: SentContent,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct SentContent {
    price: Option<SentMoney>,
    is_virtual: bool,
    is_free: bool,
    #[schemars(length(max = MAX_ITEMS))]
    items: Vec<SentItem>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SentItem {
    #[schemars(length(min = 1, max = Sku::MAX_BYTES), regex(pattern = PRINTABLE))]
    sku: String,
    #[schemars(range(min = 1))]
    #[serde(deserialize_with = "whole")]
    quantity: i64,
    #[serde(default)]
    is_free: bool,
    price: Option<SentMoney>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SentMoney {
    /// At most six digits behind the point.
    #[schemars(regex(pattern = r"^-?[0-9]{1,12}(\.[0-9]{0,6}0*)?$"))]
    amount: String,
    #[schemars(length(min = 1, max = MAX_CURRENCY_BYTES), regex(pattern = PRINTABLE))]
    currency: String,
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Registered<'a> {
    order: i64,
    player: &'a str,
    status: &'static str,
}

/// Reads `2.0` like `2`: some languages write every number so, and to JSON Schema both are
/// whole numbers.
fn whole<'de, D: Deserializer<'de>>(source: D) -> Result<i64, D::Error> {
    let number = Number::deserialize(source)?;
    let exact = || {
        let float = number.as_f64()?;
        let is_exact = float.fract() == 0.0 && float.abs() <= MAX_EXACT;
        is_exact.then(|| format!("{float:.0}").parse().ok())?
    };
    number.as_i64().or_else(exact).ok_or_else(|| {
        let fault = format!("`quantity`: expected a whole number of 64 bits, found {number}");
        serde::de::Error::custom(fault)
    })
}

impl Registration {
    fn read(body: &[u8]) -> Result<(PlayerId, Content), Fault> {
        let Self { player, content } = serde_json::from_slice(body)
            .map_err(|fault| Fault::Input(format!("the body: {fault}")))?;
        let player = player
            .parse()
            .map_err(|fault| Fault::Input(format!("`player`: {fault}")))?;
        Ok((player, content.read()?))
    }
}

impl SentContent {
    fn read(self) -> Result<Content, Fault> {
        if self.items.len() > MAX_ITEMS {
            let fault = format!("`content.items`: at most {MAX_ITEMS} lines");
            return Err(Fault::Input(fault));
        }
        Ok(Content {
            price: self.price.map(SentMoney::read).transpose()?,
            is_virtual: self.is_virtual,
            is_free: self.is_free,
            items: self
                .items
                .into_iter()
                .map(SentItem::read)
                .collect::<Result<_, _>>()?,
        })
    }
}

impl SentItem {
    fn read(self) -> Result<ContentItem, Fault> {
        let sku = self.sku.parse();
        if self.quantity < 1 {
            let fault = "`content.items.quantity`: expected at least 1";
            return Err(Fault::Input(fault.into()));
        }
        Ok(ContentItem {
            sku: sku.map_err(|fault| Fault::Input(format!("`content.items.sku`: {fault}")))?,
            quantity: self.quantity,
            is_free: self.is_free,
            price: self.price.map(SentMoney::read).transpose()?,
        })
    }
}

impl SentMoney {
    fn read(self) -> Result<Money, Fault> {
        let amount = self.amount.parse();
        let currency = self.currency;
        if currency.is_empty()
            || currency.len() > MAX_CURRENCY_BYTES
            || currency.chars().any(char::is_control)
        {
            let fault = format!("`currency`: expected 1 to {MAX_CURRENCY_BYTES} printable bytes");
            return Err(Fault::Input(fault));
        }
        Ok(Money {
            amount: amount.map_err(|fault| Fault::Input(format!("`amount`: {fault}")))?,
            currency: currency.into(),
        })
    }
}

impl Api {
    /// 201 for the first to register it, 200 for a repeat.
    pub(crate) async fn register_order(
        &self,
        project: ProjectId,
        order: OrderId,
        body: &[u8],
    ) -> Result<Reply, Fault> {
        let (player, content) = Registration::read(body)?;
        let assertion = Assertion::Created {
            order,
            player: player.clone(),
            content,
        };
        let entries: Arc<[Entry]> = Arc::new([Entry {
            project,
            assertion,
            notice: None,
        }]);
        let booked = self.ledger.book(&entries, task::now()).await?;
        let hints = spans::placed(booked.hints);
        self.broker.send_hints(&hints);
        let lost = Outcome::NoOp(NoOp::OtherPlayer);
        if booked
            .verdicts
            .iter()
            .any(|verdict| verdict.outcome == lost)
        {
            return Err(Fault::OtherPlayer(order));
        }
        let known = self.ledger.order_status(project, order, &player).await?;
        let known = known.ok_or_else(|| Fault::NotFound(format!("order {order}")))?;
        let is_new = !hints.rows.is_empty();
        let status = if is_new {
            StatusCode::CREATED
        } else {
            StatusCode::OK
        };
        let registered = Registered {
            order: order.get(),
            player: player.as_str(),
            status: known.status.as_str(),
        };
        Ok(reply(status, &registered))
    }

    pub(crate) async fn order(&self, project: ProjectId, order: OrderId) -> Result<Reply, Fault> {
        let found = self.ledger.order(project, order).await?;
        let found = found.ok_or_else(|| Fault::NotFound(format!("order {order}")))?;
        Ok(reply(StatusCode::OK, &OrderDetail::from(&found)))
    }

    pub(crate) async fn transaction(
        &self,
        project: ProjectId,
        number: TransactionId,
    ) -> Result<Reply, Fault> {
        let found = self.ledger.transaction(project, number).await?;
        let found = found.ok_or_else(|| Fault::NotFound(format!("transaction {number}")))?;
        Ok(reply(StatusCode::OK, &Transaction::from(&found)))
    }
}
