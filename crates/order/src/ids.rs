//! Identities, each of a type of its own so that they cannot be mixed up.
//!
//! Numbers fit a signed 64-bit column: what does not is refused when it is parsed.

use std::fmt;
use std::str::FromStr;

/// Why a text or number is not an id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Not a whole number between 1 and 2⁶³ − 1.
    #[error("expected a whole number from 1 to 9223372036854775807, found `{0}`")]
    Number(String),
    /// Empty, too long, or with control characters.
    #[error("expected 1 to {max} bytes without control characters, found {found} bytes")]
    Text {
        /// The bound in bytes.
        max: usize,
        /// The length found, in bytes.
        found: usize,
    },
}

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(i64);

        impl $name {
            /// The number as the ledger stores it.
            #[must_use]
            pub const fn get(self) -> i64 {
                self.0
            }
        }

        impl TryFrom<i64> for $name {
            type Error = IdError;

            fn try_from(number: i64) -> Result<Self, IdError> {
                if number > 0 { Ok(Self(number)) } else { Err(IdError::Number(number.to_string())) }
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            /// Decimal digits only: no sign, no blank, no leading zero.
            fn from_str(text: &str) -> Result<Self, IdError> {
                let refused = || IdError::Number(text.chars().take(40).collect());
                let canonical = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
                if !canonical {
                    return Err(refused());
                }
                text.parse::<i64>().map_err(|_| refused()).and_then(Self::try_from)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number! {
    /// Xsolla's number of a project. Part of the webhook's path.
    ProjectId
}
number! {
    /// Xsolla's number of a Store order: the one id that every order has.
    OrderId
}
number! {
    /// Xsolla's transaction number. Unique per real-money payment, shared by its refund.
    TransactionId
}

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $max:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// The longest text accepted, in bytes.
            pub const MAX_BYTES: usize = $max;

            /// The text as it came.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                if text.is_empty() || text.len() > Self::MAX_BYTES || text.chars().any(char::is_control) {
                    return Err(IdError::Text { max: Self::MAX_BYTES, found: text.len() });
                }
                Ok(Self(text.into()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

text! {
    /// The player as the game knows them: opaque, compared byte by byte.
    ///
    /// `user.id` in payment notices and `user.external_id` in order notices are the same
    /// id space.
    PlayerId, 255
}
text! {
    /// The code of an item in the game's catalogue.
    Sku, 255
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_outside_the_column_are_refused() {
        for text in [
            "",
            "0",
            "-1",
            "+1",
            " 1",
            "01",
            "1.0",
            "9223372036854775808",
            "1e3",
        ] {
            assert!(text.parse::<OrderId>().is_err(), "{text:?}");
        }
        assert_eq!(
            "9223372036854775807".parse::<OrderId>().unwrap().get(),
            i64::MAX
        );
    }

    #[test]
    fn texts_are_bounded_and_printable() {
        assert!("".parse::<PlayerId>().is_err());
        assert!("a\u{0}b".parse::<PlayerId>().is_err());
        assert!("x".repeat(256).parse::<PlayerId>().is_err());
        assert_eq!("игрок 1".parse::<PlayerId>().unwrap().as_str(), "игрок 1");
    }
}
