//! `--set PATH=VALUE`: other values than a notice has.
//!
//! A path is names and places in lists, joined by dots: `items.0.sku`. With `=` a text
//! stays a text (`user.external_id=42`), and anywhere else the value is JSON where it reads
//! as such; with `:=` it is JSON whatever stood there.
//!
//! An override is for those notices of a script that have most of its path: `items.0.sku`
//! changes the notices with items and leaves a `payment` as it is, and a field that no
//! notice has is put where its surroundings are.

use std::str::FromStr;

use serde_json::{Map, Value};

/// The largest place in a list: a typing error should not become gigabytes.
const MAX_PLACE: usize = 999;

/// One field and what it is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    path: Vec<String>,
    value: String,
    json: Option<Value>,
}

/// Why a text is no override, or cannot be applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OverrideError {
    /// No `=` in it.
    #[error("expected PATH=VALUE, such as user.external_id=mira or items.0.quantity=3")]
    NoValue,
    /// A path with nothing in it, or between two dots.
    #[error("the path `{0}` has an empty name; expected names joined by dots")]
    EmptyName(String),
    /// What follows `:=` is not JSON.
    #[error("`:=` takes JSON, and `{value}` is none: {fault}; texts need quotes")]
    NoJson {
        /// What was given.
        value: String,
        /// What the parser said.
        fault: String,
    },
    /// A list has no such place.
    #[error("`{path}`: `{name}` is no place in a list of {len}; expected 0 to {len}")]
    NoPlace {
        /// The whole path.
        path: String,
        /// The part that does not fit.
        name: String,
        /// How many there are.
        len: usize,
    },
    /// A number or text stands where the path goes on.
    #[error("`{path}`: there is nothing below a plain value to reach `{name}` by")]
    NotInside {
        /// The whole path.
        path: String,
        /// The part that cannot be reached.
        name: String,
    },
}

impl FromStr for Override {
    type Err = OverrideError;

    fn from_str(text: &str) -> Result<Self, OverrideError> {
        let (path, value) = text.split_once('=').ok_or(OverrideError::NoValue)?;
        let (path, json) = match path.strip_suffix(':') {
            Some(path) => (path, Some(parse(value)?)),
            None => (path, None),
        };
        if path.split('.').any(str::is_empty) {
            return Err(OverrideError::EmptyName(path.to_owned()));
        }
        Ok(Self {
            path: path.split('.').map(str::to_owned).collect(),
            value: value.to_owned(),
            json,
        })
    }
}

fn parse(value: &str) -> Result<Value, OverrideError> {
    serde_json::from_str(value).map_err(|fault| OverrideError::NoJson {
        value: value.to_owned(),
        fault: fault.to_string(),
    })
}

impl Override {
    /// The path as it was written.
    #[must_use]
    pub fn path(&self) -> String {
        self.path.join(".")
    }

    /// The value as a text, without the quotes of JSON.
    #[must_use]
    pub fn text(&self) -> String {
        match &self.json {
            Some(Value::String(text)) => text.clone(),
            _ => self.value.clone(),
        }
    }

    /// Applies it to those of the notices that have most of its path.
    ///
    /// # Errors
    /// When the path leads nowhere in one of them.
    pub fn apply(&self, notices: &mut [&mut Value]) -> Result<(), OverrideError> {
        let depths: Vec<usize> = notices.iter().map(|notice| self.depth(notice)).collect();
        let deepest = depths.iter().copied().max().unwrap_or_default();
        for (notice, depth) in notices.iter_mut().zip(depths) {
            if depth == deepest {
                self.put(notice)?;
            }
        }
        Ok(())
    }

    /// How many names of the path lead somewhere.
    fn depth(&self, notice: &Value) -> usize {
        let mut at = notice;
        for (depth, name) in self.path.iter().enumerate() {
            match child(at, name) {
                Some(child) => at = child,
                None => return depth,
            }
        }
        self.path.len()
    }

    fn put(&self, notice: &mut Value) -> Result<(), OverrideError> {
        let mut at = notice;
        for name in &self.path {
            at = self.enter(at, name)?;
        }
        *at = self.value_for(at);
        Ok(())
    }

    /// The place below `at`, made where there is none.
    fn enter<'a>(&self, at: &'a mut Value, name: &str) -> Result<&'a mut Value, OverrideError> {
        if at.is_null() {
            *at = Value::Object(Map::new());
        }
        match at {
            Value::Object(fields) => Ok(fields.entry(name).or_insert(Value::Null)),
            Value::Array(places) => {
                let len = places.len();
                let place = name.parse().ok().filter(|it| *it <= len.min(MAX_PLACE));
                let place: usize = place.ok_or_else(|| OverrideError::NoPlace {
                    path: self.path(),
                    name: name.to_owned(),
                    len,
                })?;
                if place == len {
                    places.push(Value::Null);
                }
                Ok(&mut places[place])
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                Err(OverrideError::NotInside {
                    path: self.path(),
                    name: name.to_owned(),
                })
            }
        }
    }

    fn value_for(&self, before: &Value) -> Value {
        if let Some(json) = &self.json {
            return json.clone();
        }
        let text = || Value::String(self.value.clone());
        if before.is_string() {
            return text();
        }
        serde_json::from_str(&self.value).unwrap_or_else(|_| text())
    }
}

fn child<'a>(at: &'a Value, name: &str) -> Option<&'a Value> {
    match at {
        Value::Object(fields) => fields.get(name),
        Value::Array(places) => places.get(name.parse::<usize>().ok()?),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn changed(mut notice: Value, text: &str) -> Result<Value, OverrideError> {
        let one: Override = text.parse()?;
        one.apply(&mut [&mut notice])?;
        Ok(notice)
    }

    #[test]
    fn a_path_leads_through_objects_and_lists() {
        let notice = || json!({"user": {"id": "mira"}, "items": [{"sku": "a"}, {"sku": "b"}]});
        for (text, pointer, expected) in [
            ("user.id=ava", "/user/id", json!("ava")),
            ("items.1.sku=c", "/items/1/sku", json!("c")),
            ("items.2.sku=c", "/items/2/sku", json!("c")),
            ("user.address.city=Ulm", "/user/address/city", json!("Ulm")),
            ("user=null", "/user", json!(null)),
            ("items=[]", "/items", json!([])),
            ("custom=a=b", "/custom", json!("a=b")),
        ] {
            let notice = changed(notice(), text).unwrap();
            assert_eq!(notice.pointer(pointer), Some(&expected), "{text}");
        }
    }

    #[test]
    fn a_text_stays_a_text_and_a_number_a_number() {
        let notice = || json!({"text": "1", "number": 1, "null": null});
        for (text, name, expected) in [
            ("text=42", "text", json!("42")),
            ("text=null", "text", json!("null")),
            ("text:=42", "text", json!(42)),
            ("text:=null", "text", json!(null)),
            ("text:=\"a\"", "text", json!("a")),
            ("number=42", "number", json!(42)),
            ("number=4.20", "number", json!(4.2)),
            ("number=many", "number", json!("many")),
            ("number:=\"42\"", "number", json!("42")),
            ("null=42", "null", json!(42)),
            ("other=42", "other", json!(42)),
            ("other=true", "other", json!(true)),
            ("other=ava", "other", json!("ava")),
            ("other=", "other", json!("")),
        ] {
            assert_eq!(changed(notice(), text).unwrap()[name], expected, "{text}");
        }
    }

    #[test]
    fn an_override_is_for_the_notices_with_most_of_its_path() {
        let notices = || {
            [
                json!({"user": {"id": "mira"}}),
                json!({"user": {"external_id": "mira"}, "items": [{"sku": "a"}]}),
            ]
        };
        for (text, expected) in [
            (
                "items.0.sku=b",
                [
                    json!({"user": {"id": "mira"}}),
                    json!({"user": {"external_id": "mira"}, "items": [{"sku": "b"}]}),
                ],
            ),
            (
                "user.zip=10115",
                [
                    json!({"user": {"id": "mira", "zip": 10115}}),
                    json!({"user": {"external_id": "mira", "zip": 10115}, "items": [{"sku": "a"}]}),
                ],
            ),
        ] {
            let [mut one, mut other] = notices();
            let change: Override = text.parse().unwrap();
            change.apply(&mut [&mut one, &mut other]).unwrap();
            assert_eq!([one, other], expected, "{text}");
        }
    }

    #[test]
    fn what_leads_nowhere_is_an_error_that_names_the_path() {
        let notice = || json!({"order": {"id": 7}, "items": []});
        for (text, said) in [
            ("order.id", "expected PATH=VALUE"),
            ("=7", "empty name"),
            ("order..id=7", "`order..id`"),
            ("order.id:=seven", "`seven`"),
            ("items.1=x", "expected 0 to 0"),
            ("items.first=x", "`first`"),
            ("order.id.part=x", "`part`"),
        ] {
            let error = changed(notice(), text).unwrap_err().to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
