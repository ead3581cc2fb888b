//! A key that takes one value: what fits it, and how that is said.

use regex::Regex;
use serde_json::Value as Json;

use super::duration;
use super::shape::text;
use super::tree::{Table, Value};

/// From here on an upper bound is the type's own and not worth a word.
const NO_MAX: i128 = u32::MAX as i128;

#[derive(Clone, Debug)]
pub(super) enum Leaf {
    Secret,
    Duration,
    /// One of these words.
    Word(Vec<String>),
    Text {
        min_chars: u64,
        pattern: Option<Regex>,
    },
    Integer {
        min: i128,
        max: i128,
    },
    Number {
        min: f64,
        max: f64,
    },
    Bool,
    /// Whatever its type makes of it.
    Any,
}

impl Leaf {
    /// Reads a schema that is neither an object nor a list.
    pub(super) fn read(schema: &Json, kind: Option<&str>) -> Self {
        if text(schema, "format") == Some("secret") {
            return Self::Secret;
        }
        if let Some(words) = words(schema) {
            return Self::Word(words);
        }
        match kind {
            Some("string") if is_duration(schema) => Self::Duration,
            Some("string") => Self::Text {
                min_chars: schema.get("minLength").and_then(Json::as_u64).unwrap_or(0),
                pattern: text(schema, "pattern").and_then(|pattern| Regex::new(pattern).ok()),
            },
            Some("integer") => {
                let (least, most) = bounds(text(schema, "format"));
                let bound = |name| schema.get(name).and_then(Json::as_i64).map(i128::from);
                Self::Integer {
                    min: bound("minimum").unwrap_or(least),
                    max: bound("maximum").unwrap_or(most),
                }
            }
            Some("number") => {
                let bound = |name| schema.get(name).and_then(Json::as_f64);
                Self::Number {
                    min: bound("minimum").unwrap_or(f64::NEG_INFINITY),
                    max: bound("maximum").unwrap_or(f64::INFINITY),
                }
            }
            Some("boolean") => Self::Bool,
            Some(_) | None => Self::Any,
        }
    }

    /// What belongs here, as the end of a sentence that begins with "expected".
    pub(super) fn expected(&self) -> String {
        match self {
            Self::Secret => {
                "a secret that is not empty, as text in quotes or by the twin key `…_file`"
                    .to_owned()
            }
            Self::Duration => duration::EXPECTED.to_owned(),
            Self::Word(words) => {
                let words: Vec<_> = words.iter().map(|word| format!("{word:?}")).collect();
                format!("one of {}", words.join(", "))
            }
            Self::Text {
                pattern: Some(pattern),
                ..
            } => format!("a text of the form `{pattern}`"),
            Self::Text {
                min_chars: 0,
                pattern: None,
            } => "a text".to_owned(),
            Self::Text { pattern: None, .. } => "a text that is not empty".to_owned(),
            Self::Integer { min, max: NO_MAX.. } if *min == i64::MIN.into() => {
                "a whole number".to_owned()
            }
            Self::Integer { min, max: NO_MAX.. } => format!("a whole number from {min}"),
            Self::Integer { min, max } => format!("a whole number from {min} to {max}"),
            Self::Number { min, max } if min.is_finite() && max.is_finite() => {
                format!("a number from {min} to {max}")
            }
            Self::Number { .. } => "a number".to_owned(),
            Self::Bool => "true or false".to_owned(),
            Self::Any => "another value".to_owned(),
        }
    }

    /// How one looks in a list.
    pub(super) const fn example(&self) -> &'static str {
        match self {
            Self::Integer { .. } | Self::Number { .. } => "1",
            Self::Bool => "true",
            Self::Secret | Self::Duration | Self::Word(_) | Self::Text { .. } | Self::Any => {
                "\"…\""
            }
        }
    }

    /// Whether an environment variable's text is the value itself, and not TOML.
    pub(super) const fn is_text(&self) -> bool {
        match self {
            Self::Secret | Self::Duration | Self::Word(_) | Self::Text { .. } => true,
            Self::Integer { .. } | Self::Number { .. } | Self::Bool | Self::Any => false,
        }
    }

    /// Whether `value` may stand here. Of a secret in a file only the form is judged.
    pub(super) fn fits(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Any, _) | (Self::Bool, Value::Bool(_)) => true,
            (Self::Secret, Value::Text(text)) => !text.is_empty(),
            (Self::Secret, Value::Table(form)) => file_of(form).is_some(),
            (Self::Duration, Value::Text(text)) => duration::parse(text).is_some(),
            (Self::Word(words), Value::Text(text)) => words.contains(text),
            (Self::Text { min_chars, pattern }, Value::Text(text)) => {
                text.chars().count() as u64 >= *min_chars
                    && pattern
                        .as_ref()
                        .is_none_or(|pattern| pattern.is_match(text))
            }
            (Self::Integer { min, max }, Value::Integer(number)) => {
                (*min..=*max).contains(&i128::from(*number))
            }
            (Self::Number { min, max }, Value::Float(number)) => (*min..=*max).contains(number),
            #[expect(
                clippy::cast_precision_loss,
                reason = "compared with a bound, not kept"
            )]
            (Self::Number { min, max }, Value::Integer(number)) => {
                (*min..=*max).contains(&(*number as f64))
            }
            _ => false,
        }
    }

    /// A value that fits, or nearly: a pattern is not met.
    pub(super) fn sample(&self) -> Value {
        match self {
            Self::Secret | Self::Text { .. } | Self::Any => Value::Text("***".to_owned()),
            Self::Duration => Value::Text("1s".to_owned()),
            Self::Word(words) => Value::Text(words.first().cloned().unwrap_or_default()),
            Self::Integer { min, max } => {
                Value::Integer(i64::try_from(1.clamp(*min, *max)).unwrap_or(1))
            }
            Self::Number { min, max } => Value::Float(1.0_f64.clamp(*min, *max)),
            Self::Bool => Value::Bool(false),
        }
    }
}

/// The path in `{ file = "…" }`, the form of a secret that stands in a file.
pub(super) fn file_of(form: &Table) -> Option<&str> {
    match (form.len(), form.get("file").map(|node| &node.value)) {
        (1, Some(Value::Text(file))) => Some(file),
        _ => None,
    }
}

/// The words of an enumeration without payload.
fn words(schema: &Json) -> Option<Vec<String>> {
    let owned = |word: &Json| word.as_str().map(str::to_owned);
    if let Some(Json::Array(words)) = schema.get("enum") {
        return Some(words.iter().filter_map(owned).collect());
    }
    if let Some(word) = schema.get("const") {
        return owned(word).map(|word| vec![word]);
    }
    let arms = schema.get("oneOf").and_then(Json::as_array)?;
    let words = arms.iter().map(words).collect::<Option<Vec<_>>>()?;
    Some(words.concat())
}

/// Durations are texts to the schema; their default, or a format, gives them away.
fn is_duration(schema: &Json) -> bool {
    let by_default = text(schema, "default").and_then(duration::parse).is_some();
    by_default || text(schema, "format") == Some("duration")
}

/// The bounds of an integer type by the name schemars gives it.
fn bounds(format: Option<&str>) -> (i128, i128) {
    match format {
        Some("uint8") => (0, u8::MAX.into()),
        Some("uint16") => (0, u16::MAX.into()),
        Some("uint32") => (0, u32::MAX.into()),
        Some("int8") => (i8::MIN.into(), i8::MAX.into()),
        Some("int16") => (i16::MIN.into(), i16::MAX.into()),
        Some("int32") => (i32::MIN.into(), i32::MAX.into()),
        Some("uint64" | "uint") => (0, i64::MAX.into()),
        Some(_) | None => (i64::MIN.into(), i64::MAX.into()),
    }
}
