//! `order_paid` and `order_canceled`.
//!
//! In combined mode `billing` carries what `payment` and `refund` say in separate mode.
//! `order.status` is not read: cancelled orders have been seen to say `paid`.

use order::{Amount, Money, OrderId, PlayerId, Sku, TransactionId};

use super::{NUMBER, PLAYER};
use crate::ReadError;
use crate::document::Object;

/// `order_paid`: an order may be granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderPaid {
    /// The order.
    pub order: Order,
    /// `user.external_id`.
    pub player: PlayerId,
    /// What was bought, bundles and their contents alike, in the notice's order.
    pub items: Vec<Item>,
    /// The payment, in combined mode.
    pub billing: Option<Billing>,
}

/// `order_canceled`: an order must not be granted, or is taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderCanceled {
    /// The order.
    pub order: Order,
    /// `user.external_id`, where it can be read: a cancellation stands without it.
    pub player: Option<PlayerId>,
    /// The payment and its refund, in combined mode.
    pub billing: Option<Billing>,
}

/// `order`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// `order.id`, the one id that every order has.
    pub id: OrderId,
    /// Whether `order.mode` is `sandbox`.
    pub sandbox: bool,
    /// `order.currency_type`.
    pub currency_type: Option<CurrencyType>,
    /// `order.currency` and `order.amount`, where both are there.
    pub price: Option<Money>,
    /// `order.amount` alone: free orders have no currency.
    pub amount: Option<Amount>,
    /// `order.invoice_id`. Only of a real-money order is this a transaction: all
    /// virtual-currency orders may carry the same one.
    pub invoice: Option<TransactionId>,
}

/// What an order was paid with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CurrencyType {
    /// Money.
    Real,
    /// A virtual currency of the project.
    Virtual,
    /// Nothing: a free order.
    Unknown,
    /// Loyalty points.
    LoyaltyPoint,
    /// A word this version does not know.
    Other(Box<str>),
}

/// One line of `items`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Item {
    /// `sku`.
    pub sku: Option<Sku>,
    /// `type`, such as `virtual_good` or `bundle`.
    pub item_type: Option<Box<str>>,
    /// `quantity`: how many units of the SKU.
    pub quantity: Option<i64>,
    /// `amount`: the line's total.
    pub amount: Option<Amount>,
    /// `is_free`; webhook version 2 only.
    pub is_free: Option<bool>,
    /// `is_bonus`; webhook version 2 only.
    pub is_bonus: Option<bool>,
    /// `is_bundle_content`; webhook version 2 only.
    pub is_bundle_content: Option<bool>,
}

/// `billing`, of combined mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Billing {
    /// `billing.transaction.id`.
    pub transaction: Option<TransactionId>,
    /// `billing.transaction.dry_run`.
    pub dry_run: bool,
    /// `billing.refund_details.code`.
    pub refund_code: Option<i64>,
}

impl OrderPaid {
    pub(super) fn read(root: &Object<'_>) -> Result<Self, ReadError> {
        let items = root.objects("items")?;
        Ok(Self {
            order: Order::read(&root.object("order")?)?,
            player: root.object("user")?.key("external_id", PLAYER)?,
            items: items.iter().map(Item::read).collect::<Result<_, _>>()?,
            billing: Billing::read(&root.object("billing")?)?,
        })
    }

    /// Whether this is a test purchase: the order's mode or the payment's mark, either
    /// counts.
    #[must_use]
    pub fn is_sandbox(&self) -> bool {
        is_sandbox(&self.order, self.billing.as_ref())
    }

    /// The real-money transaction. `None` for free and virtual-currency orders.
    #[must_use]
    pub fn transaction(&self) -> Option<TransactionId> {
        real_transaction(&self.order, self.billing.as_ref())
    }
}

impl OrderCanceled {
    pub(super) fn read(root: &Object<'_>) -> Result<Self, ReadError> {
        Ok(Self {
            order: Order::read(&root.object("order")?)?,
            player: root.object("user")?.id("external_id")?,
            billing: Billing::read(&root.object("billing")?)?,
        })
    }

    /// As [`OrderPaid::is_sandbox`].
    #[must_use]
    pub fn is_sandbox(&self) -> bool {
        is_sandbox(&self.order, self.billing.as_ref())
    }

    /// As [`OrderPaid::transaction`].
    #[must_use]
    pub fn transaction(&self) -> Option<TransactionId> {
        real_transaction(&self.order, self.billing.as_ref())
    }
}

fn is_sandbox(order: &Order, billing: Option<&Billing>) -> bool {
    order.sandbox || billing.is_some_and(|billing| billing.dry_run)
}

/// A transaction that `billing` names is one. An invoice is one only where the order says
/// that it was paid with money.
fn real_transaction(order: &Order, billing: Option<&Billing>) -> Option<TransactionId> {
    let real = order.currency_type == Some(CurrencyType::Real);
    billing
        .and_then(|billing| billing.transaction)
        .or(order.invoice.filter(|_| real))
}

impl Order {
    fn read(order: &Object<'_>) -> Result<Self, ReadError> {
        Ok(Self {
            id: order.key("id", NUMBER)?,
            sandbox: order
                .text("mode")?
                .is_some_and(|mode| mode.eq_ignore_ascii_case("sandbox")),
            currency_type: order.text("currency_type")?.map(CurrencyType::from),
            price: order.money()?,
            amount: order.amount("amount")?,
            invoice: order.id("invoice_id")?,
        })
    }
}

impl From<Box<str>> for CurrencyType {
    fn from(word: Box<str>) -> Self {
        match &*word {
            "real" => Self::Real,
            "virtual" => Self::Virtual,
            "unknown" => Self::Unknown,
            "loyalty_point" => Self::LoyaltyPoint,
            _ => Self::Other(word),
        }
    }
}

impl Item {
    fn read(item: &Object<'_>) -> Result<Self, ReadError> {
        Ok(Self {
            sku: item.id("sku")?,
            item_type: item.text("type")?,
            quantity: item.whole("quantity")?,
            amount: item.amount("amount")?,
            is_free: item.mark("is_free")?,
            is_bonus: item.mark("is_bonus")?,
            is_bundle_content: item.mark("is_bundle_content")?,
        })
    }

    /// Whether the line is a bundle, whose contents the notice lists beside it.
    #[must_use]
    pub fn is_bundle(&self) -> bool {
        self.item_type.as_deref() == Some("bundle")
    }
}

impl Billing {
    /// `None` where nothing stands in it.
    fn read(billing: &Object<'_>) -> Result<Option<Self>, ReadError> {
        if billing.is_empty() {
            return Ok(None);
        }
        let transaction = billing.object("transaction")?;
        Ok(Some(Self {
            transaction: transaction.id("id")?,
            dry_run: transaction.mark("dry_run")?.unwrap_or(false),
            refund_code: billing.object("refund_details")?.whole("code")?,
        }))
    }
}
