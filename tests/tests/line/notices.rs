//! Notices by few words.

use serde_json::{Value, json};

use crate::harness::PROJECT;

/// `order_paid` in separate mode, for real money.
pub(crate) fn order_paid(order: i64, transaction: i64, player: &str) -> Value {
    json!({
        "notification_type": "order_paid",
        "items": [{"sku": "blade", "type": "virtual_good", "quantity": 2, "amount": "3.9800"}],
        "order": {
            "id": order, "mode": "default", "currency_type": "real", "currency": "EUR",
            "amount": "3.9800", "status": "paid", "invoice_id": transaction.to_string()
        },
        "user": {"external_id": player}
    })
}

/// `order_canceled` of the same.
pub(crate) fn order_canceled(order: i64, transaction: i64, player: &str) -> Value {
    let mut notice = order_paid(order, transaction, player);
    notice["notification_type"] = "order_canceled".into();
    notice
}

/// `payment` that does not say which order it pays.
pub(crate) fn payment(transaction: i64, player: &str) -> Value {
    json!({
        "notification_type": "payment",
        "settings": {"project_id": PROJECT, "merchant_id": 1},
        "purchase": {"total": {"currency": "EUR", "amount": 3.98}},
        "user": {"id": player},
        "transaction": {"id": transaction, "payment_method": 1380}
    })
}

/// `payment` with the order object.
pub(crate) fn payment_of(order: i64, transaction: i64, player: &str) -> Value {
    let mut notice = payment(transaction, player);
    notice["purchase"]["order"] = json!({"id": order, "lineitems": []});
    notice
}

/// `refund` of the transaction.
pub(crate) fn refund(transaction: i64, player: &str) -> Value {
    let mut notice = payment(transaction, player);
    notice["notification_type"] = "refund".into();
    notice["refund_details"] = json!({"code": 1, "reason": "asked for"});
    notice
}
