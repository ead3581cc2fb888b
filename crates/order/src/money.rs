//! Amounts, exact, as decimal text has them.

use std::fmt;
use std::str::FromStr;

/// An amount of money or virtual currency in millionths of its unit.
///
/// Xsolla writes the same amount as `1.99`, `"1.99"` and `"1.9900"`; all are equal here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(i64);

/// A text that is no amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a decimal number with at most 6 fractional digits, found `{0}`")]
pub struct AmountError(String);

const FRACTION_DIGITS: usize = 6;
const UNIT: i64 = 1_000_000;

impl Amount {
    /// The amount in millionths of its unit, as the ledger stores it.
    #[must_use]
    pub const fn millionths(self) -> i64 {
        self.0
    }

    /// The inverse of [`Amount::millionths`].
    #[must_use]
    pub const fn from_millionths(millionths: i64) -> Self {
        Self(millionths)
    }

    /// Whether nothing has to be paid.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl FromStr for Amount {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        parse(text)
            .map(Self)
            .ok_or_else(|| AmountError(text.chars().take(40).collect()))
    }
}

fn parse(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let fraction = fraction.trim_end_matches('0');
    let numeric = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || fraction.len() > FRACTION_DIGITS || !numeric(whole) || !numeric(fraction)
    {
        return None;
    }
    let whole: i64 = whole.parse().ok()?;
    let fraction: i64 = format!("{fraction:0<FRACTION_DIGITS$}").parse().ok()?;
    let millionths = whole.checked_mul(UNIT)?.checked_add(fraction)?;
    Some(if negative { -millionths } else { millionths })
}

impl fmt::Display for Amount {
    /// Two fractional digits at least, as many as it needs at most.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let magnitude = self.0.unsigned_abs();
        let fraction = format!("{:06}", magnitude % UNIT.unsigned_abs());
        let significant = fraction.trim_end_matches('0').len().max(2);
        write!(
            f,
            "{sign}{}.{}",
            magnitude / UNIT.unsigned_abs(),
            &fraction[..significant]
        )
    }
}

/// An amount with its currency: an ISO code, or a virtual currency's SKU.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Money {
    /// How much.
    pub amount: Amount,
    /// Of what.
    pub currency: Box<str>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn equal_amounts_are_equal_however_written() {
        let amount = |text: &str| text.parse::<Amount>().unwrap();
        assert_eq!(amount("1.9900"), amount("1.99"));
        assert_eq!(amount("0"), amount("0.00"));
        assert_eq!(amount("12").to_string(), "12.00");
        assert_eq!(amount("-0.5").to_string(), "-0.50");
        assert_eq!(amount("0.123456").to_string(), "0.123456");
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for text in [
            "",
            ".",
            "-",
            "[null]",
            "1e3",
            "1.2345678",
            "9223372036855",
            "+1",
            "1,5",
        ] {
            let parsed = text.parse::<Amount>();
            assert!(parsed.is_err(), "{text:?} gave {parsed:?}");
        }
    }

    proptest! {
        #[test]
        fn an_amount_survives_being_written(millionths: i64) {
            prop_assume!(millionths != i64::MIN);
            let amount = Amount::from_millionths(millionths);
            prop_assert_eq!(amount.to_string().parse::<Amount>().unwrap(), amount);
        }
    }
}
