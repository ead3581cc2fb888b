//! The address of a service of the studio.

use std::borrow::Cow;
use std::str::FromStr;

use hyper::Uri;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

/// An absolute `http://` or `https://` address without user and password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceUrl(Uri);

/// A text that is no address of a service.
#[derive(Debug, thiserror::Error)]
#[error(
    "expected an address such as https://players.example.com/exists, without user and password"
)]
pub struct ServiceUrlError;

impl ServiceUrl {
    pub(crate) fn uri(&self) -> Uri {
        self.0.clone()
    }
}

impl FromStr for ServiceUrl {
    type Err = ServiceUrlError;

    fn from_str(text: &str) -> Result<Self, ServiceUrlError> {
        let uri: Uri = text.parse().map_err(|_| ServiceUrlError)?;
        let known = matches!(uri.scheme_str(), Some("http" | "https"));
        let plain = uri
            .authority()
            // A password in an address ends up in logs.
            .is_some_and(|authority| !authority.as_str().contains('@'));
        if known && plain {
            Ok(Self(uri))
        } else {
            Err(ServiceUrlError)
        }
    }
}

impl<'de> Deserialize<'de> for ServiceUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for ServiceUrl {
    fn schema_name() -> Cow<'static, str> {
        "ServiceUrl".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^https?://[^@]+$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_absolute_addresses_without_a_password_are_taken() {
        for text in ["http://127.0.0.1:9/p", "https://players.example.com/exists?v=1"] {
            assert!(text.parse::<ServiceUrl>().is_ok(), "{text}");
        }
        for text in ["", "/p", "players.example.com", "ftp://h/p", "https://u:p@h/p", "http://"] {
            assert!(text.parse::<ServiceUrl>().is_err(), "{text}");
        }
    }
}
