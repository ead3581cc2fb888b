//! The content of an order as stored.

use order::{Amount, Content, ContentItem, Money};
use serde::{Deserialize, Serialize};

use crate::LedgerError;

#[derive(Serialize, Deserialize)]
struct StoredMoney {
    amount: String,
    currency: String,
}

#[derive(Serialize, Deserialize)]
struct StoredItem {
    sku: String,
    quantity: i64,
    is_free: bool,
    price: Option<StoredMoney>,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    price: Option<StoredMoney>,
    is_virtual: bool,
    is_free: bool,
    items: Vec<StoredItem>,
}

pub(crate) fn to_json(content: &Content) -> serde_json::Value {
    let item = |item: &ContentItem| StoredItem {
        sku: item.sku.as_str().into(),
        quantity: item.quantity,
        is_free: item.is_free,
        price: item.price.as_ref().map(store_money),
    };
    let stored = Stored {
        price: content.price.as_ref().map(store_money),
        is_virtual: content.is_virtual,
        is_free: content.is_free,
        items: content.items.iter().map(item).collect(),
    };
    serde_json::to_value(stored).unwrap_or_default()
}

pub(crate) fn from_json(value: serde_json::Value) -> Result<Content, LedgerError> {
    let unreadable = |found: String| LedgerError::Unreadable {
        what: "orders.content",
        found,
    };
    let stored: Stored =
        serde_json::from_value(value).map_err(|fault| unreadable(fault.to_string()))?;
    let item = |item: StoredItem| {
        let sku = item.sku.parse().map_err(|_| unreadable(item.sku))?;
        let price = item.price.map(read_money).transpose()?;
        Ok(ContentItem {
            sku,
            quantity: item.quantity,
            is_free: item.is_free,
            price,
        })
    };
    Ok(Content {
        price: stored.price.map(read_money).transpose()?,
        is_virtual: stored.is_virtual,
        is_free: stored.is_free,
        items: stored
            .items
            .into_iter()
            .map(item)
            .collect::<Result<_, LedgerError>>()?,
    })
}

fn store_money(money: &Money) -> StoredMoney {
    StoredMoney {
        amount: money.amount.to_string(),
        currency: money.currency.to_string(),
    }
}

fn read_money(StoredMoney { amount, currency }: StoredMoney) -> Result<Money, LedgerError> {
    let parsed: Result<Amount, _> = amount.parse();
    let amount = parsed.map_err(|_| LedgerError::Unreadable {
        what: "amount",
        found: amount,
    })?;
    Ok(Money {
        amount,
        currency: currency.into(),
    })
}
