//! What the buyer sees of an order.

use order::{Amount, Content, ContentItem, Money};
use xsolla::notice::{CurrencyType, Item, Order, OrderPaid};

/// The price and the readable lines of a notice. What cannot be shown is left out: it
/// decides nothing.
pub(crate) fn of(paid: &OrderPaid) -> Content {
    let order = &paid.order;
    let is_free = is_free(order);
    let currency = order.price.as_ref().map(|price| &*price.currency);
    Content {
        price: order.price.clone().filter(|_| !is_free),
        is_virtual: matches!(
            order.currency_type,
            Some(CurrencyType::Virtual | CurrencyType::LoyaltyPoint)
        ),
        is_free,
        items: paid
            .items
            .iter()
            .filter_map(|item| shown(item, currency))
            .collect(),
    }
}

/// Free orders say so by their amount; the currency type of one is `unknown`.
fn is_free(order: &Order) -> bool {
    let unknown = order.currency_type == Some(CurrencyType::Unknown);
    order.amount.map_or(unknown, Amount::is_zero)
}

fn shown(item: &Item, currency: Option<&str>) -> Option<ContentItem> {
    Some(ContentItem {
        sku: item.sku.clone()?,
        quantity: item.quantity.filter(|quantity| *quantity >= 1)?,
        is_free: item
            .is_free
            .unwrap_or_else(|| item.amount.is_some_and(Amount::is_zero)),
        price: item.amount.zip(currency).map(|(amount, currency)| Money {
            amount,
            currency: currency.into(),
        }),
    })
}
