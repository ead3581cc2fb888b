//! The notices Xsolla sends about a purchase, in both of its delivery modes.

use serde_json::{Value, json};

use crate::purchase::Purchase;

/// What the merchant id of a notice is: nobody reads it.
const MERCHANT: i64 = 1;

impl Purchase {
    /// The question whether the player exists.
    #[must_use]
    pub fn user_validation(&self) -> Value {
        json!({
            "notification_type": "user_validation",
            "settings": {"project_id": self.project, "merchant_id": MERCHANT},
            "user": {"id": self.player, "country": "DE"}
        })
    }

    /// The payment, in separate mode. It does not name its order.
    #[must_use]
    pub fn payment(&self) -> Value {
        let mut payment = self.billing("payment");
        payment["user"] = json!({"id": self.player, "country": "DE"});
        payment
    }

    /// The refund of the payment, in separate mode.
    #[must_use]
    pub fn refund(&self) -> Value {
        let mut refund = self.payment();
        refund["notification_type"] = "refund".into();
        refund["refund_details"] = json!({"code": 9, "reason": "Cancellation by the user request"});
        refund
    }

    /// The order is paid, in separate mode.
    #[must_use]
    pub fn order_paid(&self) -> Value {
        self.order("order_paid", &blade_and_crystals())
    }

    /// The order is paid, in combined mode: with the payment's data.
    #[must_use]
    pub fn order_paid_combined(&self) -> Value {
        let mut paid = self.order_paid();
        paid["billing"] = self.billing("payment");
        paid
    }

    /// A bundle is paid, in combined mode. The list names the bundle and what is in it, and
    /// marks the latter as webhook version 2 does.
    #[must_use]
    pub fn bundle_paid(&self) -> Value {
        let line = |sku: &str, kind: &str, quantity: i64, amount: &str| {
            json!({
                "sku": sku, "type": kind, "quantity": quantity, "amount": amount,
                "is_free": false, "is_bonus": false, "is_bundle_content": kind != "bundle"
            })
        };
        let items = json!([
            line("com.example.starter_chest", "bundle", 1, "6.9800"),
            line("com.example.blade_frost", "virtual_good", 1, "0"),
            line("com.example.crystals", "virtual_currency", 250, "[null]")
        ]);
        let mut paid = self.order("order_paid", &items);
        paid["billing"] = self.billing("payment");
        paid
    }

    /// A free order, which has no payment and no transaction.
    #[must_use]
    pub fn free_order_paid(&self) -> Value {
        let items = json!([
            {"sku": "com.example.daily_crate", "type": "virtual_good", "quantity": 1, "amount": "0"}
        ]);
        let mut paid = self.order("order_paid", &items);
        for (field, value) in [
            ("currency_type", json!("unknown")),
            ("currency", Value::Null),
            ("amount", json!("0")),
            ("invoice_id", Value::Null),
        ] {
            paid["order"][field] = value;
        }
        paid
    }

    /// The order is canceled, in separate mode. Its status says `paid`, as Xsolla's does.
    #[must_use]
    pub fn order_canceled(&self) -> Value {
        self.order("order_canceled", &blade_and_crystals())
    }

    fn order(&self, kind: &str, items: &Value) -> Value {
        json!({
            "notification_type": kind,
            "items": items,
            "order": {
                "id": self.order, "mode": "default", "currency_type": "real",
                "currency": "EUR", "amount": "6.9800", "status": "paid", "platform": "xsolla",
                "comment": null, "invoice_id": self.transaction.to_string()
            },
            "user": {"external_id": self.player, "country": "DE"}
        })
    }

    fn billing(&self, kind: &str) -> Value {
        json!({
            "notification_type": kind,
            "settings": {"project_id": self.project, "merchant_id": MERCHANT},
            "purchase": {"total": {"currency": "EUR", "amount": 6.98}},
            "transaction": {
                "id": self.transaction, "payment_method": 1380,
                "payment_method_name": "Bank card"
            }
        })
    }
}

fn blade_and_crystals() -> Value {
    json!([
        {"sku": "com.example.blade_ember", "type": "virtual_good", "quantity": 1, "amount": "4.9900"},
        {"sku": "com.example.crystals", "type": "virtual_currency", "quantity": 250, "amount": "1.9900"}
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn purchase() -> Purchase {
        Purchase {
            project: 44_056,
            player: "mira".to_owned(),
            order: 7,
            transaction: 70,
        }
    }

    #[test]
    fn every_notice_is_read_back_with_the_purchases_ids() {
        let purchase = purchase();
        for (notice, kind) in [
            (purchase.order_paid(), "order_paid"),
            (purchase.order_paid_combined(), "order_paid"),
            (purchase.bundle_paid(), "order_paid"),
            (purchase.free_order_paid(), "order_paid"),
            (purchase.order_canceled(), "order_canceled"),
            (purchase.payment(), "payment"),
            (purchase.refund(), "refund"),
        ] {
            assert_eq!(notice["notification_type"], kind);
            let body = notice.to_string();
            let read = xsolla::Notice::read(body.as_bytes());
            assert!(read.is_ok(), "{body}: {read:?}");
        }
    }

    #[test]
    fn a_free_order_has_no_transaction_and_a_combined_one_has_it_twice() {
        let free = purchase().free_order_paid();
        assert!(free["order"]["invoice_id"].is_null() && free["billing"].is_null());
        let combined = purchase().order_paid_combined();
        assert_eq!(combined["order"]["invoice_id"], "70");
        assert_eq!(combined["billing"]["transaction"]["id"], 70);
    }
}
