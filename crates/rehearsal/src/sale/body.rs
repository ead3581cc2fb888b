//! The bytes of every notice, written as Xsolla writes them: compact, ids first.
//!
//! Written straight into one text: of all that is done for a request this would otherwise be
//! the dearest.

use std::fmt::{self, Write};

use bytes::Bytes;

use super::goods::{self, Line};
use super::journal::{Kind, Notice, Says};
use super::life::Life;
use super::odd;

/// Bytes that hold almost every body.
const USUAL_BYTES: usize = 1_536;
/// What the merchant id of a notice is: nobody reads it.
const MERCHANT: u32 = 1;
const DATE: &str = "2026-11-20T20:15:42+03:00";

impl Life {
    /// The body of this notice of the purchase, which stands at this place among them.
    pub(crate) fn body(&self, place: usize, notice: Notice) -> Bytes {
        let mut text = String::with_capacity(USUAL_BYTES);
        // Writing to a text cannot fail.
        let _ = self.write(&mut text, notice);
        match notice.kind {
            Kind::Genuine | Kind::Forged | Kind::Conflicting => text.into(),
            Kind::Odd => odd::odd(&text, &mut self.odd_at(place)).into(),
        }
    }

    fn write(&self, to: &mut String, notice: Notice) -> fmt::Result {
        match notice.says {
            Says::KnownPlayer | Says::UnknownPlayer => {
                to.write_str("{\"notification_type\":\"user_validation\",")?;
                self.settings(to)?;
                self.user(to)?;
            }
            Says::Payment { names_order } => {
                to.write_str("{\"notification_type\":\"payment\",")?;
                self.settings(to)?;
                self.purchase(to, names_order)?;
                self.user(to)?;
                self.transaction(to, "payment_date")?;
                details(to, self.cents())?;
            }
            Says::Refund => {
                to.write_str("{\"notification_type\":\"refund\",")?;
                self.settings(to)?;
                self.purchase(to, false)?;
                self.user(to)?;
                self.transaction(to, "payment_date")?;
                details(to, self.cents())?;
                to.write_str(REFUND)?;
            }
            Says::PartialRefund => {
                to.write_str("{\"notification_type\":\"partial_refund\",")?;
                self.settings(to)?;
                self.purchase(to, false)?;
                self.user(to)?;
                self.transaction(to, "date")?;
                details(to, self.cents() / 2)?;
                to.write_str(REFUND)?;
            }
            Says::Dispute => {
                to.write_str("{\"notification_type\":\"dispute\",\"action\":\"adding\",")?;
                self.settings(to)?;
                self.user(to)?;
                self.transaction(to, "date_create")?;
                to.write_str(
                    "\"dispute\":{\"incoming_date\":\"2026-11-21\",\"reason\":\"Fraud\",\
                     \"type\":\"1st_time_chargeback\",\"status\":\"new\"},",
                )?;
            }
            Says::OrderPaid { combined } => {
                let items = match notice.kind {
                    Kind::Genuine | Kind::Odd => None,
                    Kind::Conflicting => Some(goods::others(&self.items)),
                    Kind::Forged => Some(goods::coveted(&self.items)),
                };
                let items = items.as_deref().unwrap_or(&self.items);
                self.order(to, "order_paid", items)?;
                if combined {
                    self.billing(to, "payment")?;
                }
            }
            Says::OrderCanceled { combined } => {
                self.order(to, "order_canceled", &self.items)?;
                if combined {
                    self.billing(to, "refund")?;
                }
            }
        }
        // Every part ends in a comma.
        to.pop();
        to.write_char('}')
    }

    fn cents(&self) -> i64 {
        self.items.iter().map(|line| line.cents).sum()
    }

    fn settings(&self, to: &mut String) -> fmt::Result {
        let project = self.shopper.purchase.project;
        write!(
            to,
            "\"settings\":{{\"project_id\":{project},\"merchant_id\":{MERCHANT}}},"
        )
    }

    /// The names of players are drawn from letters that need no escape.
    fn user(&self, to: &mut String) -> fmt::Result {
        let player = &self.shopper.purchase.player;
        write!(
            to,
            "\"user\":{{\"id\":\"{player}\",\"ip\":\"203.0.113.7\",\
             \"email\":\"{player}@example.com\",\"country\":\"DE\",\"zip\":\"20095\"}},"
        )
    }

    fn purchase(&self, to: &mut String, names_order: bool) -> fmt::Result {
        let total = Money(self.cents());
        write!(
            to,
            "\"purchase\":{{\"total\":{{\"currency\":\"EUR\",\"amount\":{total}}}"
        )?;
        if names_order {
            let order = self.shopper.purchase.order;
            write!(to, ",\"order\":{{\"id\":{order},\"lineitems\":[")?;
            for (place, line) in self.items.iter().enumerate() {
                let comma = if place == 0 { "" } else { "," };
                let Line { sku, quantity, .. } = line;
                let price = Money(line.cents);
                write!(
                    to,
                    "{comma}{{\"sku\":\"{sku}\",\"quantity\":{quantity},\
                     \"price\":{{\"amount\":\"{price}\",\"currency\":\"EUR\"}}}}"
                )?;
            }
            to.write_str("]}")?;
        }
        to.write_str("},")
    }

    fn transaction(&self, to: &mut String, date: &str) -> fmt::Result {
        let id = self.shopper.purchase.transaction;
        write!(
            to,
            "\"transaction\":{{\"id\":{id},\"{date}\":\"{DATE}\",\"payment_method\":1380,\
             \"payment_method_name\":\"Bank card\",\"payment_method_order_id\":\"{id}77\""
        )?;
        if self.shopper.sandbox {
            to.write_str(",\"dry_run\":1")?;
        }
        to.write_str(",\"agreement\":1},")
    }

    fn order(&self, to: &mut String, kind: &str, items: &[Line]) -> fmt::Result {
        write!(to, "{{\"items\":[")?;
        for (place, line) in items.iter().enumerate() {
            self.item(to, place, line)?;
        }
        let purchase = &self.shopper.purchase;
        let mode = if self.shopper.sandbox {
            "sandbox"
        } else {
            "default"
        };
        write!(
            to,
            "],\"notification_type\":\"{kind}\",\"order\":{{\"id\":{},\"mode\":\"{mode}\",",
            purchase.order
        )?;
        if self.is_free {
            to.write_str(
                "\"currency_type\":\"unknown\",\"currency\":null,\"amount\":\"0\",\
                 \"status\":\"paid\",\"platform\":\"xsolla\",\"comment\":null,\
                 \"invoice_id\":null,",
            )?;
        } else {
            let amount = Money(self.cents());
            write!(
                to,
                "\"currency_type\":\"real\",\"currency\":\"EUR\",\"amount\":\"{amount}00\",\
                 \"status\":\"paid\",\"platform\":\"xsolla\",\"comment\":null,\
                 \"invoice_id\":\"{}\",",
                purchase.transaction
            )?;
        }
        write!(
            to,
            "\"promotions\":[],\"promocodes\":[],\"coupons\":[]}},\
             \"user\":{{\"external_id\":\"{player}\",\"email\":\"{player}@example.com\",\
             \"country\":\"DE\"}},\"custom_parameters\":{{}},",
            player = purchase.player
        )
    }

    fn item(&self, to: &mut String, place: usize, line: &Line) -> fmt::Result {
        let comma = if place == 0 { "" } else { "," };
        let Line {
            sku,
            kind,
            quantity,
            ..
        } = line;
        write!(
            to,
            "{comma}{{\"sku\":\"{sku}\",\"type\":\"{kind}\",\"is_pre_order\":false,\
             \"quantity\":{quantity},\"amount\":"
        )?;
        match (self.is_free, line.is_content) {
            (true, _) => to.write_str("\"0\"")?,
            (false, true) => to.write_str("\"[null]\"")?,
            (false, false) => write!(to, "\"{}00\"", Money(line.cents))?,
        }
        if self.marks_contents {
            let (free, content) = (self.is_free, line.is_content);
            write!(
                to,
                ",\"is_free\":{free},\"is_bonus\":false,\"is_bundle_content\":{content}"
            )?;
        }
        to.write_str(",\"promotions\":[]}")
    }

    fn billing(&self, to: &mut String, kind: &str) -> fmt::Result {
        write!(to, "\"billing\":{{\"notification_type\":\"{kind}\",")?;
        self.settings(to)?;
        self.purchase(to, false)?;
        self.transaction(to, "payment_date")?;
        details(to, self.cents())?;
        if kind == "refund" {
            to.write_str(REFUND)?;
        }
        to.pop();
        to.write_str("},")
    }
}

fn details(to: &mut String, cents: i64) -> fmt::Result {
    let (money, payout) = (Money(cents), Money(cents * 9 / 10));
    write!(
        to,
        "\"payment_details\":{{\"payment\":{{\"currency\":\"EUR\",\"amount\":{money}}},\
         \"payout\":{{\"currency\":\"EUR\",\"amount\":{payout}}},\
         \"payout_currency_rate\":\"1\"}},"
    )
}

const REFUND: &str =
    "\"refund_details\":{\"code\":1,\"reason\":\"Cancellation by the user request\"},";

/// Cents, as a number with two decimals.
struct Money(i64);

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}
