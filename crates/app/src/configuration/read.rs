//! A tree of values as serde reads it.
//!
//! The error knows the path of the value that was refused and never quotes it: what serde
//! found may be a secret, what it expected is not.

use std::fmt;

use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, Expected, IntoDeserializer, MapAccess,
    SeqAccess, Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;

use super::tree::{Node, Table, Value};

/// The first value that a type refused.
#[derive(Debug)]
pub(super) struct Refusal {
    /// From the innermost key outwards while it is on its way up.
    path: Vec<String>,
    pub(super) reason: Reason,
}

#[derive(Debug)]
pub(super) enum Reason {
    /// What the type takes, in serde's words.
    Expected(String),
    /// The type's own words.
    Said(String),
}

/// Reads `table` as a `T`.
pub(super) fn read<T: DeserializeOwned>(table: &Table) -> Result<T, Refusal> {
    T::deserialize(MapAccessDeserializer::new(Keys::of(table))).map_err(|mut refusal| {
        refusal.path.reverse();
        refusal
    })
}

impl Refusal {
    /// The path of the value, outermost key first.
    pub(super) fn path(&self) -> &[String] {
        &self.path
    }

    fn because(reason: Reason) -> Self {
        Self {
            path: Vec::new(),
            reason,
        }
    }

    fn below(mut self, segment: &str) -> Self {
        self.path.push(segment.to_owned());
        self
    }
}

impl de::Error for Refusal {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::because(Reason::Said(message.to_string()))
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::because(Reason::Expected(expected.to_string()))
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::because(Reason::Expected(expected.to_string()))
    }

    fn invalid_length(_: usize, expected: &dyn Expected) -> Self {
        Self::because(Reason::Expected(expected.to_string()))
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::because(Reason::Expected(format!("one of {}", expected.join(", "))))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::because(Reason::Said("missing".to_owned())).below(field)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            Reason::Expected(text) => write!(f, "expected {text}"),
            Reason::Said(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Refusal {}

struct Reader<'a>(&'a Value);

impl<'de> Deserializer<'de> for Reader<'de> {
    type Error = Refusal;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match self.0 {
            Value::Text(text) => visitor.visit_borrowed_str(text),
            Value::Integer(number) => visitor.visit_i64(*number),
            Value::Float(number) => visitor.visit_f64(*number),
            Value::Bool(truth) => visitor.visit_bool(*truth),
            Value::Date | Value::Huge => Err(de::Error::invalid_type(
                Unexpected::Other(self.0.sort()),
                &visitor,
            )),
            Value::List(list) => visitor.visit_seq(Entries {
                list: list.iter(),
                index: 0,
            }),
            Value::Table(table) => visitor.visit_map(Keys::of(table)),
        }
    }

    // A key that is there has a value: TOML knows no null.
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        if let Value::Text(word) = self.0 {
            return visitor.visit_enum(word.as_str().into_deserializer());
        }
        let table = self.0.as_table().ok_or_else(|| {
            <Refusal as de::Error>::invalid_type(Unexpected::Other(self.0.sort()), &visitor)
        })?;
        visitor.visit_enum(MapAccessDeserializer::new(Keys::of(table)))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

struct Entries<'a> {
    list: std::slice::Iter<'a, Node>,
    index: usize,
}

impl<'de> SeqAccess<'de> for Entries<'de> {
    type Error = Refusal;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Refusal> {
        let Some(node) = self.list.next() else {
            return Ok(None);
        };
        let index = self.index;
        self.index += 1;
        let read = seed.deserialize(Reader(&node.value));
        read.map(Some)
            .map_err(|refusal| refusal.below(&index.to_string()))
    }
}

struct Keys<'a> {
    entries: std::collections::btree_map::Iter<'a, String, Node>,
    current: Option<(&'a String, &'a Node)>,
}

impl<'a> Keys<'a> {
    fn of(table: &'a Table) -> Self {
        Self {
            entries: table.iter(),
            current: None,
        }
    }
}

impl<'de> MapAccess<'de> for Keys<'de> {
    type Error = Refusal;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Refusal> {
        self.current = self.entries.next();
        let Some((key, _)) = self.current else {
            return Ok(None);
        };
        let name: StrDeserializer<'_, Refusal> = key.as_str().into_deserializer();
        seed.deserialize(name)
            .map(Some)
            .map_err(|refusal| refusal.below(key))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Refusal> {
        let Some((key, node)) = self.current.take() else {
            return Err(de::Error::custom("a value was asked for before its key"));
        };
        seed.deserialize(Reader(&node.value))
            .map_err(|refusal| refusal.below(key))
    }
}
