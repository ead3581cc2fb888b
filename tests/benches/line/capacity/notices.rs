//! Xsolla's notices of one purchase, by its number.

use serde_json::{Value, json};
use xsolla::fixtures;

use super::PLAYERS;

/// Who buys.
pub(super) fn player(number: u32) -> String {
    format!("player-{:05}", number % PLAYERS)
}

pub(super) fn user_validation(number: u32) -> Vec<u8> {
    let mut notice = read(fixtures::USER_VALIDATION);
    notice["user"]["id"] = json!(player(number));
    notice.to_string().into()
}

pub(super) fn payment(number: u32) -> Vec<u8> {
    let mut notice = read(fixtures::PAYMENT_WITH_ORDER_OBJECT);
    notice["purchase"]["order"]["id"] = json!(order(number));
    notice["transaction"]["id"] = json!(transaction(number));
    notice["user"]["id"] = json!(player(number));
    notice.to_string().into()
}

pub(super) fn order_paid(number: u32) -> Vec<u8> {
    let mut notice = read(fixtures::ORDER_PAID_SEPARATE);
    notice["order"]["id"] = json!(order(number));
    notice["order"]["invoice_id"] = json!(transaction(number).to_string());
    notice["user"]["external_id"] = json!(player(number));
    notice.to_string().into()
}

fn read(fixture: &[u8]) -> Value {
    serde_json::from_slice(fixture).unwrap()
}

/// Beyond the fixtures' own.
fn order(number: u32) -> i64 {
    1_000_000_000 + i64::from(number)
}

fn transaction(number: u32) -> i64 {
    4_000_000_000 + i64::from(number)
}
