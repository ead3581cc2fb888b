//! What the demo's shop sells, and the notices that selling it causes.

use serde::Serialize;
use serde_json::{Value, json};

/// One thing to click.
#[derive(Debug, Serialize)]
pub(crate) struct Offer {
    pub(crate) id: &'static str,
    name: &'static str,
    about: &'static str,
    /// In euros, with a point; `None` is free.
    price: Option<&'static str>,
    #[serde(skip)]
    items: &'static [Item],
}

/// One line of an order.
#[derive(Debug)]
struct Item {
    sku: &'static str,
    kind: &'static str,
    quantity: u32,
    is_content: bool,
}

impl Item {
    const fn new(sku: &'static str, kind: &'static str, quantity: u32) -> Self {
        Self {
            sku,
            kind,
            quantity,
            is_content: false,
        }
    }

    const fn inside(sku: &'static str, kind: &'static str, quantity: u32) -> Self {
        Self {
            sku,
            kind,
            quantity,
            is_content: true,
        }
    }
}

pub(crate) static OFFERS: [Offer; 4] = [
    Offer {
        id: "blade",
        name: "Ember blade",
        about: "One virtual good",
        price: Some("4.99"),
        items: &[Item::new("com.example.blade_ember", "virtual_good", 1)],
    },
    Offer {
        id: "crystals",
        name: "250 crystals",
        about: "A virtual currency",
        price: Some("1.99"),
        items: &[Item::new("com.example.crystals", "virtual_currency", 250)],
    },
    Offer {
        id: "chest",
        name: "Starter chest",
        about: "A bundle: shield, 3 potions, 100 crystals",
        price: Some("9.99"),
        items: &[
            Item::new("com.example.starter_chest", "bundle", 1),
            Item::inside("com.example.shield_oak", "virtual_good", 1),
            Item::inside("com.example.potion", "virtual_good", 3),
            Item::inside("com.example.crystals", "virtual_currency", 100),
        ],
    },
    Offer {
        id: "gift",
        name: "Daily gift",
        about: "Costs nothing: 1 potion",
        price: None,
        items: &[Item::new("com.example.potion", "virtual_good", 1)],
    },
];

impl Offer {
    pub(crate) const fn is_paid(&self) -> bool {
        self.price.is_some()
    }
}

/// How a person calls what stands for `sku`.
pub(crate) fn name_of(sku: &str) -> &str {
    match sku {
        "com.example.blade_ember" => "Ember blade",
        "com.example.crystals" => "Crystals",
        "com.example.starter_chest" => "Starter chest",
        "com.example.shield_oak" => "Oak shield",
        "com.example.potion" => "Potion",
        other => other,
    }
}

/// An order as notices speak of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sale<'a> {
    pub(crate) project: i64,
    pub(crate) player: &'a str,
    pub(crate) order: i64,
    /// `None` where nothing was paid.
    pub(crate) transaction: Option<i64>,
}

impl Sale<'_> {
    /// What Xsolla sends once this order of `offer` is paid.
    pub(crate) fn order_paid(&self, offer: &Offer) -> Value {
        let mut price = offer.price;
        let line = |item: &Item| {
            json!({
                "sku": item.sku, "type": item.kind, "quantity": item.quantity,
                // The first line is what was clicked; what is inside costs nothing more.
                "amount": price.take().unwrap_or("0"), "is_free": offer.price.is_none(),
                "is_bonus": false, "is_bundle_content": item.is_content
            })
        };
        let items: Vec<Value> = offer.items.iter().map(line).collect();
        let money = offer.price.map(|amount| (amount, "EUR"));
        self.notice("order_paid", "payment", &items, money)
    }

    /// What Xsolla sends once it is canceled. `content` is the order's, as the api tells it.
    pub(crate) fn order_canceled(&self, content: &Value) -> Value {
        let line = |item: &Value| {
            json!({
                "sku": item["sku"], "type": "virtual_good", "quantity": item["quantity"],
                "amount": item["price"]["amount"]
            })
        };
        let items = content["items"].as_array();
        let items: Vec<Value> =
            items.map_or_else(Vec::new, |items| items.iter().map(line).collect());
        let amount = content["price"]["amount"].as_str();
        let money = amount.zip(content["price"]["currency"].as_str());
        self.notice("order_canceled", "refund", &items, money)
    }

    fn notice(
        &self,
        kind: &str,
        billing: &str,
        items: &[Value],
        money: Option<(&str, &str)>,
    ) -> Value {
        let (amount, currency) = money.unzip();
        let currency_type = if money.is_some() { "real" } else { "unknown" };
        let mut notice = json!({
            "notification_type": kind,
            "items": items,
            "order": {
                "id": self.order, "mode": "default", "currency_type": currency_type,
                "currency": currency, "amount": amount.unwrap_or("0"),
                "status": kind.trim_start_matches("order_"), "platform": "xsolla",
                "invoice_id": self.transaction.map(|number| number.to_string())
            },
            "user": {"external_id": self.player, "country": "DE"}
        });
        if let Some(transaction) = self.transaction {
            notice["billing"] = json!({
                "notification_type": billing,
                "settings": {"project_id": self.project, "merchant_id": 1},
                "purchase": {"total": {"currency": currency, "amount": amount}},
                "transaction": {"id": transaction, "payment_method": 1380}
            });
        }
        notice
    }
}
