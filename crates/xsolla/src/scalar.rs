//! One JSON value that is no container, read from its raw text.
//!
//! Xsolla writes the same id as `7` and `"7"` and the same amount as `1.99` and
//! `"1.9900"`, so both forms are read as text. Numbers never pass through a float.

use std::borrow::Cow;

use serde_json::value::RawValue;

/// A value that is no container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scalar<'a> {
    /// A string, unescaped.
    Text(Cow<'a, str>),
    /// A number, digit by digit as it came.
    Number(&'a str),
    /// `true` or `false`.
    Flag(bool),
}

impl<'a> Scalar<'a> {
    /// `None` for `null`, containers, and strings with impossible escapes.
    pub(crate) fn read(raw: &'a RawValue) -> Option<Self> {
        let text = raw.get();
        match text.as_bytes().first()? {
            b'"' => unescape(text).map(Self::Text),
            b't' => Some(Self::Flag(true)),
            b'f' => Some(Self::Flag(false)),
            b'-' | b'0'..=b'9' => Some(Self::Number(text)),
            _ => None,
        }
    }

    /// A string or a number, as text.
    pub(crate) fn into_text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Text(text) => Some(text),
            Self::Number(digits) => Some(Cow::Borrowed(digits)),
            Self::Flag(_) => None,
        }
    }
}

fn unescape(quoted: &str) -> Option<Cow<'_, str>> {
    let inner = quoted.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        serde_json::from_str(quoted).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(inner))
    }
}

/// What a value looks like from outside, for error texts that must not repeat it.
pub(crate) fn shape(raw: &RawValue) -> &'static str {
    match raw.get().as_bytes().first() {
        Some(b'"') if raw.get() == "\"\"" => "an empty text",
        Some(b'"') => "another text",
        Some(b't' | b'f') => "true or false",
        Some(b'n') => "null",
        Some(b'{') => "an object",
        Some(b'[') => "a list",
        _ => "another number",
    }
}
