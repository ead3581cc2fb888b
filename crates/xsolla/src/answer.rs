//! The bodies Xsolla expects with a refusal: `{"error":{"code":"…","message":"…"}}`.

use serde_json::json;

/// The codes of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// The player does not exist.
    InvalidUser,
    /// Something in the notice is not acceptable.
    InvalidParameter,
    /// The signature does not fit the body.
    InvalidSignature,
    /// The amount differs from the expected one.
    IncorrectAmount,
    /// The order is unknown.
    IncorrectInvoice,
    /// Our own trouble. Not in the documentation's list; Xsolla's own PHP library answers
    /// with it.
    ServerError,
}

impl ErrorCode {
    /// As Xsolla spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidUser => "INVALID_USER",
            Self::InvalidParameter => "INVALID_PARAMETER",
            Self::InvalidSignature => "INVALID_SIGNATURE",
            Self::IncorrectAmount => "INCORRECT_AMOUNT",
            Self::IncorrectInvoice => "INCORRECT_INVOICE",
            Self::ServerError => "SERVER_ERROR",
        }
    }
}

/// The media type of an error body.
pub const CONTENT_TYPE: &str = "application/json";

/// The body of a refusal, as JSON of the type [`CONTENT_TYPE`].
#[must_use]
pub fn error_body(code: ErrorCode, message: &str) -> String {
    json!({"error": {"code": code.as_str(), "message": message}}).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_body_has_the_contracts_shape() {
        assert_eq!(
            error_body(ErrorCode::InvalidUser, "no \"such\" player"),
            r#"{"error":{"code":"INVALID_USER","message":"no \"such\" player"}}"#
        );
    }
}
