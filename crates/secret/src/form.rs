//! How a secret stands in the configuration: a text, or `{ file = "…" }`.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

use crate::{Secret, SecretFault};

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Form)
    }
}

impl JsonSchema for Secret {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn schema_id() -> Cow<'static, str> {
        "secret::Secret".into()
    }

    /// `format` is what the loader knows a secret by.
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "format": "secret",
            "anyOf": [
                { "type": "string", "minLength": 1 },
                {
                    "type": "object",
                    "properties": { "file": { "type": "string", "minLength": 1 } },
                    "required": ["file"],
                    "additionalProperties": false,
                },
            ],
        })
    }
}

struct Form;

impl<'de> Visitor<'de> for Form {
    type Value = Secret;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a secret as text, or a file it stands in")
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Secret, E> {
        Secret::inline(value).map_err(refuse)
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Secret, E> {
        Secret::inline(value).map_err(refuse)
    }

    // The provided methods quote the value in the error: a secret of digits would be printed.
    fn visit_bool<E: Error>(self, _: bool) -> Result<Secret, E> {
        Err(not_a_text())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Secret, E> {
        Err(not_a_text())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Secret, E> {
        Err(not_a_text())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Secret, E> {
        Err(not_a_text())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Secret, A::Error> {
        let mut file: Option<PathBuf> = None;
        while let Some(key) = map.next_key::<String>()? {
            if key != "file" || file.is_some() {
                return Err(A::Error::custom("expected one key, `file`"));
            }
            file = Some(map.next_value()?);
        }
        let path = file.ok_or_else(|| A::Error::missing_field("file"))?;
        Secret::from_file(path).map_err(refuse)
    }
}

fn not_a_text<E: Error>() -> E {
    E::custom("expected a secret as text, in quotes")
}

fn refuse<E: Error>(fault: SecretFault) -> E {
    match &fault {
        SecretFault::Unreadable { source, .. } => E::custom(format_args!("{fault}: {source}")),
        SecretFault::Empty
        | SecretFault::EmptyFile { .. }
        | SecretFault::TooLarge { .. }
        | SecretFault::NotText { .. } => E::custom(fault),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_and_a_file_are_read() {
        let secret: Secret = serde_json::from_str(r#""abc""#).unwrap();
        assert!(secret.matches(b"abc"));
        let missing = serde_json::from_str::<Secret>(r#"{"file": "/nowhere/key"}"#);
        assert!(missing.unwrap_err().to_string().contains("/nowhere/key"));
    }

    #[test]
    fn what_is_no_secret_is_refused_without_quoting_it() {
        let planted = [
            "734011",
            "-734011",
            "734011.5",
            "[734011]",
            r#"{"734011": 734011}"#,
        ];
        for text in planted {
            let fault = serde_json::from_str::<Secret>(text)
                .unwrap_err()
                .to_string();
            assert!(!fault.contains("734011"), "{fault}");
        }
        assert!(serde_json::from_str::<Secret>(r#""""#).is_err());
    }
}
