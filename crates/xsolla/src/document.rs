//! A JSON object, one level deep, with the path at which it stands.
//!
//! Only the levels somebody asks for are ever taken apart: the members keep their raw
//! text. That skips the greater part of a payment notice, keeps numbers exact, and lets
//! every error name its path.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use order::{Amount, Money};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::ReadError;
use crate::scalar::{Scalar, shape};

/// Longest text that is kept of a field that is no id, in bytes.
const TEXT_MAX_BYTES: usize = 255;

/// The members of one JSON object.
#[derive(Default)]
pub(crate) struct Object<'a> {
    path: String,
    members: Members<'a>,
}

#[derive(Default)]
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Object<'a> {
    /// Reads a whole body.
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, ReadError> {
        let text =
            std::str::from_utf8(body).map_err(|fault| ReadError::Encoding(fault.valid_up_to()))?;
        let members = serde_json::from_str(text).map_err(|fault| match fault.classify() {
            serde_json::error::Category::Data => ReadError::NoObject,
            serde_json::error::Category::Io
            | serde_json::error::Category::Syntax
            | serde_json::error::Category::Eof => ReadError::Syntax {
                line: fault.line(),
                column: fault.column(),
            },
        })?;
        Ok(Self {
            path: String::new(),
            members,
        })
    }

    /// The path of a member.
    pub(crate) fn path(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        }
    }

    /// A member that is there and not `null`.
    fn member(&self, name: &str) -> Result<Option<&'a RawValue>, ReadError> {
        let mut found = self.members.0.iter().filter(|(key, _)| key == name);
        let first = found.next();
        if found.next().is_some() {
            return Err(ReadError::Twice(self.path(name)));
        }
        Ok(first.map(|(_, raw)| *raw).filter(|raw| raw.get() != "null"))
    }

    /// A member object.
    ///
    /// Empty where it is absent or `null`, and where PHP's `[]` or anything else stands in
    /// its place: then a key below it is what is found missing.
    pub(crate) fn object(&self, name: &str) -> Result<Self, ReadError> {
        let path = self.path(name);
        Ok(match self.member(name)? {
            Some(raw) => Self::from_raw(raw, path)?,
            None => Self {
                path,
                ..Self::default()
            },
        })
    }

    /// A member list of objects. An element that is no object is an empty one, so that
    /// whoever reads the list finds its keys missing instead of passing it over.
    pub(crate) fn objects(&self, name: &str) -> Result<Vec<Self>, ReadError> {
        let elements: Vec<&'a RawValue> = self
            .member(name)?
            .and_then(|raw| serde_json::from_str(raw.get()).ok())
            .unwrap_or_default();
        let path = self.path(name);
        elements
            .into_iter()
            .enumerate()
            .map(|(index, raw)| Self::from_raw(raw, format!("{path}[{index}]")))
            .collect()
    }

    fn from_raw(raw: &'a RawValue, path: String) -> Result<Self, ReadError> {
        if !raw.get().starts_with('{') {
            return Ok(Self {
                path,
                ..Self::default()
            });
        }
        // Taken for an empty one it would hide a mark such as `dry_run`.
        match serde_json::from_str(raw.get()) {
            Ok(members) => Ok(Self { path, members }),
            Err(_) => Err(ReadError::Name(path)),
        }
    }

    /// Whether nothing stands in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.members.0.is_empty()
    }

    /// An amount with its currency, where both are there.
    pub(crate) fn money(&self) -> Result<Option<Money>, ReadError> {
        let (amount, currency) = (self.amount("amount")?, self.text("currency")?);
        Ok(amount
            .zip(currency)
            .map(|(amount, currency)| Money { amount, currency }))
    }

    fn scalar(&self, name: &str) -> Result<Option<Scalar<'a>>, ReadError> {
        Ok(self.member(name)?.and_then(Scalar::read))
    }

    /// An id that must be there, as text or number.
    pub(crate) fn key<T: FromStr>(
        &self,
        name: &str,
        expected: &'static str,
    ) -> Result<T, ReadError> {
        self.key_if_present(name, expected)?
            .ok_or_else(|| ReadError::Key {
                path: self.path(name),
                expected,
                found: "nothing",
            })
    }

    /// An id that may be missing but must be readable where it is there.
    pub(crate) fn key_if_present<T: FromStr>(
        &self,
        name: &str,
        expected: &'static str,
    ) -> Result<Option<T>, ReadError> {
        let Some(raw) = self.member(name)? else {
            return Ok(None);
        };
        let value = Scalar::read(raw)
            .and_then(Scalar::into_text)
            .and_then(|text| text.parse().ok());
        value.map(Some).ok_or_else(|| ReadError::Key {
            path: self.path(name),
            expected,
            found: shape(raw),
        })
    }

    /// An id, or `None` where it is missing or unreadable.
    pub(crate) fn id<T: FromStr>(&self, name: &str) -> Result<Option<T>, ReadError> {
        Ok(self
            .scalar(name)?
            .and_then(Scalar::into_text)
            .and_then(|text| text.parse().ok()))
    }

    /// A short text without control characters, which no database column takes alike;
    /// numbers are read as text, and Xsolla's `"[null]"` as none.
    pub(crate) fn text(&self, name: &str) -> Result<Option<Box<str>>, ReadError> {
        let text = self.scalar(name)?.and_then(Scalar::into_text);
        let kept = |text: &Cow<'a, str>| {
            (1..=TEXT_MAX_BYTES).contains(&text.len())
                && text != "[null]"
                && !text.chars().any(char::is_control)
        };
        Ok(text.filter(kept).map(Into::into))
    }

    /// The name of a type: a string, never a number.
    pub(crate) fn type_name(&self, name: &str) -> Result<Cow<'a, str>, &'static str> {
        match self.member(name) {
            Ok(Some(raw)) => match Scalar::read(raw) {
                Some(Scalar::Text(text)) if !text.is_empty() => Ok(text),
                Some(Scalar::Text(_) | Scalar::Number(_) | Scalar::Flag(_)) | None => {
                    Err(shape(raw))
                }
            },
            Ok(None) => Err("nothing"),
            Err(_) => Err("two members of this name"),
        }
    }

    /// An amount, from a string or a number. `"[null]"` and other words are none.
    pub(crate) fn amount(&self, name: &str) -> Result<Option<Amount>, ReadError> {
        self.id(name)
    }

    /// A whole number; `"3"` and `3.0` are the same one as `3`.
    pub(crate) fn whole(&self, name: &str) -> Result<Option<i64>, ReadError> {
        let text = self.scalar(name)?.and_then(Scalar::into_text);
        Ok(text.and_then(|text| {
            let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
            fraction
                .bytes()
                .all(|digit| digit == b'0')
                .then(|| whole.parse().ok())
                .flatten()
        }))
    }

    /// Whether a mark is set: `None` where nothing is said.
    ///
    /// `0`, `false` and empty texts say no; whatever else stands there says yes.
    pub(crate) fn mark(&self, name: &str) -> Result<Option<bool>, ReadError> {
        Ok(self.scalar(name)?.map(|scalar| match scalar {
            Scalar::Flag(flag) => flag,
            Scalar::Number(text) => !is_no(text),
            Scalar::Text(text) => !is_no(&text),
        }))
    }
}

fn is_no(text: &str) -> bool {
    text.is_empty()
        || text.eq_ignore_ascii_case("false")
        || text.parse::<Amount>().is_ok_and(Amount::is_zero)
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(Name(name)) = map.next_key()? {
                    members.push((name, map.next_value()?));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

/// A member's name, borrowed where it has no escapes.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);
