//! What the configuration may look like, read from the JSON schema of its structs.
//!
//! serde stops at the first fault and knows no descriptions; the schema knows every key at
//! once. What the schema cannot say is left to the types' own `Deserialize`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value as Json;

use super::leaf::Leaf;

/// What one key takes.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    pub(super) kind: Kind,
    /// The doc comment as one paragraph.
    pub(super) description: String,
    /// What serde puts there when the key is left out; none where that is nothing, or where
    /// the schema does not tell.
    pub(super) default: Option<Json>,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// Keys known by name; no others.
    Table(BTreeMap<String, Key>),
    /// Keys chosen by the user, such as project ids.
    Map {
        value: Box<Shape>,
        placeholder: &'static str,
    },
    List {
        item: Box<Shape>,
        min_items: u64,
    },
    Leaf(Leaf),
}

#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) shape: Shape,
    pub(super) required: bool,
}

impl Shape {
    pub(super) fn of<T: JsonSchema>() -> Self {
        let settings = SchemaSettings::draft2020_12().with(|it| it.inline_subschemas = true);
        let schema = settings.into_generator().into_root_schema_for::<T>();
        Self::read(schema.as_value())
    }

    fn read(schema: &Json) -> Self {
        let description = text(schema, "description").unwrap_or_default();
        let default = schema.get("default").filter(|default| !default.is_null());
        Self {
            kind: Kind::read(without_null(schema)),
            description: description.split_whitespace().collect::<Vec<_>>().join(" "),
            default: default.cloned(),
        }
    }

    /// Whether a secret stands here or anywhere below.
    pub(super) fn is_secret(&self) -> bool {
        match &self.kind {
            Kind::Table(keys) => keys.values().any(|key| key.shape.is_secret()),
            Kind::Map { value: item, .. } | Kind::List { item, .. } => item.is_secret(),
            Kind::Leaf(leaf) => matches!(leaf, Leaf::Secret),
        }
    }

    /// Whether the key has a twin with `_file` behind its name.
    pub(super) fn has_twin(&self) -> bool {
        match &self.kind {
            Kind::Table(_) | Kind::Map { .. } => false,
            Kind::List { item, .. } => matches!(item.kind, Kind::Leaf(Leaf::Secret)),
            Kind::Leaf(leaf) => matches!(leaf, Leaf::Secret),
        }
    }

    /// Whether the key holds further keys.
    pub(super) const fn is_table(&self) -> bool {
        match &self.kind {
            Kind::Table(_) | Kind::Map { .. } => true,
            Kind::List { .. } | Kind::Leaf(_) => false,
        }
    }

    /// The shape at the end of `path`.
    pub(super) fn find(&self, path: &[String]) -> Option<&Self> {
        path.iter()
            .try_fold(self, |shape, segment| match &shape.kind {
                Kind::Table(keys) => keys.get(segment).map(|key| &key.shape),
                Kind::Map { value: item, .. } | Kind::List { item, .. } => Some(item.as_ref()),
                Kind::Leaf(_) => None,
            })
    }

    /// What belongs here, as the end of a sentence that begins with "expected".
    pub(super) fn expected(&self) -> String {
        match &self.kind {
            Kind::Table(_) => "a table of keys".to_owned(),
            Kind::Map { placeholder, .. } => format!("a table with one key for each {placeholder}"),
            Kind::List { item, min_items } => {
                let least = match min_items {
                    0 => String::new(),
                    least => format!(" (at least {least})"),
                };
                let (example, expected) = (item.example(), item.expected());
                format!("a list such as [{example}, …]{least}, each {expected}")
            }
            Kind::Leaf(leaf) => leaf.expected(),
        }
    }

    fn example(&self) -> &'static str {
        match &self.kind {
            Kind::Table(_) | Kind::Map { .. } => "{ … }",
            Kind::List { .. } => "[ … ]",
            Kind::Leaf(leaf) => leaf.example(),
        }
    }
}

impl Kind {
    fn read(schema: &Json) -> Self {
        match schema_type(schema) {
            Some("object") => Self::read_object(schema),
            Some("array") => Self::List {
                item: Box::new(Shape::read(schema.get("items").unwrap_or(&Json::Null))),
                min_items: schema.get("minItems").and_then(Json::as_u64).unwrap_or(0),
            },
            kind => Self::Leaf(Leaf::read(schema, kind)),
        }
    }

    fn read_object(schema: &Json) -> Self {
        let members = |name| {
            schema
                .get(name)
                .and_then(Json::as_object)
                .into_iter()
                .flatten()
        };
        if let Some((_, value)) = members("patternProperties").next() {
            return Self::Map {
                value: Box::new(Shape::read(value)),
                placeholder: "id",
            };
        }
        if let Some(value @ Json::Object(_)) = schema.get("additionalProperties") {
            return Self::Map {
                value: Box::new(Shape::read(value)),
                placeholder: "name",
            };
        }
        let required = schema.get("required").and_then(Json::as_array);
        let is_required = |name: &str| required.is_some_and(|it| it.iter().any(|key| key == name));
        let keys = members("properties").map(|(name, value)| {
            let key = Key {
                shape: Shape::read(value),
                required: is_required(name),
            };
            (name.clone(), key)
        });
        Self::Table(keys.collect())
    }
}

/// The schema of `T` where this is the schema of `Option<T>`.
fn without_null(schema: &Json) -> &Json {
    let arms = schema.get("anyOf").and_then(Json::as_array);
    let mut arms = arms
        .into_iter()
        .flatten()
        .filter(|arm| text(arm, "type") != Some("null"));
    match (arms.next(), arms.next()) {
        (Some(only), None) => only,
        _ => schema,
    }
}

/// The one type that is not null.
fn schema_type(schema: &Json) -> Option<&str> {
    let named = schema.get("type")?;
    let several = named
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Json::as_str);
    named
        .as_str()
        .or_else(|| several.into_iter().find(|name| *name != "null"))
}

pub(super) fn text<'a>(schema: &'a Json, name: &str) -> Option<&'a str> {
    schema.get(name).and_then(Json::as_str)
}
