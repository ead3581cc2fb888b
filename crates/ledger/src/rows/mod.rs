//! Columns to values. What the ledger wrote it can read; anything else is said plainly.

pub(crate) mod bookings;
pub(crate) mod notices;
pub(crate) mod orders;
pub(crate) mod parked;
pub(crate) mod transactions;

use std::fmt::Display;
use std::str::FromStr;

use task::MessageId;

use crate::LedgerError;

pub(crate) fn unreadable(what: &'static str, found: impl Display) -> LedgerError {
    LedgerError::Unreadable {
        what,
        found: found.to_string(),
    }
}

pub(crate) fn number<T: TryFrom<i64>>(what: &'static str, value: i64) -> Result<T, LedgerError> {
    T::try_from(value).map_err(|_| unreadable(what, value))
}

pub(crate) fn numbers<T: TryFrom<i64>>(
    what: &'static str,
    value: Option<i64>,
) -> Result<Option<T>, LedgerError> {
    value.map(|value| number(what, value)).transpose()
}

pub(crate) fn text<T: FromStr>(what: &'static str, value: &str) -> Result<T, LedgerError> {
    value.parse().map_err(|_| unreadable(what, value))
}

pub(crate) fn texts<T: FromStr>(
    what: &'static str,
    value: Option<&str>,
) -> Result<Option<T>, LedgerError> {
    value.map(|value| text(what, value)).transpose()
}

pub(crate) fn named<T>(
    what: &'static str,
    value: &str,
    from_name: impl Fn(&str) -> Option<T>,
) -> Result<T, LedgerError> {
    from_name(value).ok_or_else(|| unreadable(what, value))
}

pub(crate) fn digest(what: &'static str, value: &[u8]) -> Result<[u8; 32], LedgerError> {
    value
        .try_into()
        .map_err(|_| unreadable(what, format!("{} bytes", value.len())))
}

pub(crate) fn message(value: &[u8]) -> Result<MessageId, LedgerError> {
    digest("message_id", value).map(MessageId::from_bytes)
}
