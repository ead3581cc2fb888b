//! A body as a tree of [`Value`], walked by paths.
//!
//! A `Value` keeps neither the digits of a number nor, of two members of one name, the
//! first. So each number is made a text before it is read (and each text marked, to tell
//! them apart), and each tree is built twice where a name stands twice.

use std::fmt;
use std::str::FromStr;

use order::{Amount, Money};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

const TEXT: char = 't';
const NUMBER: char = 'n';
/// How `serde_json` refuses escapes of half a character, and depth. A place nobody looks
/// into may hold both.
const UNKNOWN: [&str; 4] = ["surrogate", "hex escape", "unicode code point", "recursion"];

/// What a plain reader makes of a body.
pub(super) enum Reading {
    /// No JSON object.
    Refused,
    /// `Value` refuses what a reader that skips a part need not see.
    Unknown,
    /// An object without ambiguity.
    Once(Plain),
    /// Somewhere a name stands twice.
    Twice { first: Plain, last: Plain },
}

pub(super) fn read(body: &[u8]) -> Reading {
    let Ok(text) = std::str::from_utf8(body) else {
        return Reading::Refused;
    };
    let marked = marked(text);
    let last = match serde_json::from_str::<Value>(&marked) {
        Ok(last) => last,
        Err(error) => {
            let said = error.to_string();
            let unknown = UNKNOWN.iter().any(|word| said.contains(word));
            return if unknown {
                Reading::Unknown
            } else {
                Reading::Refused
            };
        }
    };
    if !last.is_object() {
        return Reading::Refused;
    }
    let First { value, twice } = serde_json::from_str(&marked).expect("it was read before");
    if twice {
        Reading::Twice {
            first: Plain(value),
            last: Plain(last),
        }
    } else {
        Reading::Once(Plain(last))
    }
}

/// The text with each number in quotes, and each text and number with a mark in front.
fn marked(text: &str) -> String {
    let mut marked = String::with_capacity(text.len() * 2);
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (token, after) = match first {
            '"' => rest.split_at(end_of_text(rest)),
            '-' | '0'..='9' => {
                let in_number = |c: char| c.is_ascii_digit() || "+-.eE".contains(c);
                rest.split_at(rest.find(|c| !in_number(c)).unwrap_or(rest.len()))
            }
            _ => rest.split_at(first.len_utf8()),
        };
        if first == '"' {
            marked.extend(['"', TEXT]);
            marked.push_str(&token[1..]);
        } else if is_number(token) {
            marked.extend(['"', NUMBER]);
            marked.push_str(token);
            marked.push('"');
        } else {
            marked.push_str(token);
        }
        rest = after;
    }
    marked
}

/// The length of the text in quotes that `rest` begins with; all of it, where none ends.
fn end_of_text(rest: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in rest.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

fn is_number(token: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|it| it.is_ascii_digit());
    let token = token.strip_prefix('-').unwrap_or(token);
    let (decimal, exponent) = match token.split_once(['e', 'E']) {
        Some((decimal, exponent)) => (decimal, Some(exponent)),
        None => (token, None),
    };
    let (whole, fraction) = match decimal.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (decimal, None),
    };
    let unsigned = |part: &str| digits(part.strip_prefix(['+', '-']).unwrap_or(part));
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(unsigned)
}

/// A tree, or a part of one.
#[derive(Debug)]
pub(super) struct Plain(Value);

impl Plain {
    /// What stands at a path of names.
    pub(super) fn at(&self, path: &str) -> Option<&Value> {
        path.split('.')
            .try_fold(&self.0, |value, name| value.get(format!("{TEXT}{name}")))
    }

    /// A text or a number, as text.
    pub(super) fn scalar(&self, path: &str) -> Option<String> {
        Some(self.at(path)?.as_str()?[1..].to_owned())
    }

    /// The name of a type: a text that is not empty.
    pub(super) fn name(&self, path: &str) -> Option<String> {
        let name = self.at(path)?.as_str()?.strip_prefix(TEXT)?;
        (!name.is_empty()).then(|| name.to_owned())
    }

    pub(super) fn id<T: FromStr>(&self, path: &str) -> Option<T> {
        self.scalar(path)?.parse().ok()
    }

    pub(super) fn text(&self, path: &str) -> Option<Box<str>> {
        let text = self.scalar(path)?;
        let is_kept =
            (1..=255).contains(&text.len()) && text != "[null]" && !text.contains(char::is_control);
        is_kept.then(|| text.into())
    }

    pub(super) fn money(&self, path: &str) -> Option<Money> {
        Some(Money {
            amount: self.id(&format!("{path}.amount"))?,
            currency: self.text(&format!("{path}.currency"))?,
        })
    }

    pub(super) fn whole(&self, path: &str) -> Option<i64> {
        let text = self.scalar(path)?;
        let whole = match text.split_once('.') {
            Some((whole, fraction)) if fraction.trim_matches('0').is_empty() => whole,
            Some(_) => return None,
            None => &text,
        };
        whole.parse().ok()
    }

    pub(super) fn mark(&self, path: &str) -> Option<bool> {
        if let Value::Bool(mark) = self.at(path)? {
            return Some(*mark);
        }
        let text = self.scalar(path)?;
        let is_zero = text.parse() == Ok(Amount::from_millionths(0));
        Some(!(text.is_empty() || is_zero || text.eq_ignore_ascii_case("false")))
    }

    pub(super) fn list(&self, path: &str) -> Vec<Self> {
        let list = self.at(path).and_then(Value::as_array);
        list.into_iter().flatten().cloned().map(Self).collect()
    }
}

/// A tree in which the first of two members of one name counts.
struct First {
    value: Value,
    twice: bool,
}

impl<'de> Deserialize<'de> for First {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FirstCounts)
    }
}

struct FirstCounts;

impl<T: Into<Value>> From<T> for First {
    fn from(leaf: T) -> Self {
        Self {
            value: leaf.into(),
            twice: false,
        }
    }
}

impl<'de> Visitor<'de> for FirstCounts {
    type Value = First;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without numbers")
    }

    fn visit_unit<E: Error>(self) -> Result<First, E> {
        Ok(().into())
    }

    fn visit_bool<E: Error>(self, truth: bool) -> Result<First, E> {
        Ok(truth.into())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<First, E> {
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<First, A::Error> {
        let (mut list, mut any) = (Vec::new(), false);
        while let Some(First { value, twice }) = seq.next_element()? {
            list.push(value);
            any |= twice;
        }
        Ok(First {
            value: list.into(),
            twice: any,
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<First, A::Error> {
        let (mut members, mut any) = (Map::new(), false);
        while let Some((name, First { value, twice })) = map.next_entry::<String, First>()? {
            any |= twice || members.contains_key(&name);
            members.entry(name).or_insert(value);
        }
        Ok(First {
            value: members.into(),
            twice: any,
        })
    }
}
