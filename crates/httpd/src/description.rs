//! What the listeners answer, told to programs: a document in OpenAPI 3.1.
//!
//! Each role adds its own paths, with the schemas of the very types it reads and writes;
//! the process that serves the document puts all of them into one.

use bytes::Bytes;
use hyper::Method;
use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

/// A document in the making.
#[derive(Debug)]
pub struct Description {
    info: Value,
    paths: Map<String, Value>,
    names: Map<String, Value>,
    security: Map<String, Value>,
    answers: SchemaGenerator,
    bodies: SchemaGenerator,
}

impl Description {
    /// Nothing but the title.
    #[must_use]
    pub fn new(title: &str, version: &str, about: &str) -> Self {
        let settings = || {
            SchemaSettings::draft2020_12().with(|settings| {
                settings.definitions_path = "/components/schemas".into();
            })
        };
        Self {
            info: json!({"title": title, "version": version, "description": about}),
            paths: Map::new(),
            names: Map::new(),
            security: Map::new(),
            answers: settings().for_serialize().into_generator(),
            bodies: settings().for_deserialize().into_generator(),
        }
    }

    /// Says what stands for `{name}` in a path.
    pub fn name(&mut self, name: &str, about: &str, schema: &Value) {
        let parameter = json!({
            "name": name,
            "in": "path",
            "required": true,
            "description": about,
            "schema": schema,
        });
        self.names.insert(name.to_owned(), parameter);
    }

    /// Adds an operation: an Operation Object of OpenAPI, to which the names in the path are
    /// added as parameters. Each of them must be told by [`Description::name`].
    pub fn add(&mut self, method: &Method, path: &str, mut operation: Value) {
        let names = path
            .split('/')
            .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
        let mut parameters: Vec<Value> = names
            .map(|name| json!({"$ref": format!("#/components/parameters/{name}")}))
            .collect();
        if let Some(Value::Array(others)) = operation.get("parameters") {
            parameters.extend(others.iter().cloned());
        }
        operation["parameters"] = parameters.into();
        let item = self.paths.entry(path).or_insert_with(|| json!({}));
        item[method.as_str().to_ascii_lowercase()] = operation;
    }

    /// Adds a way to prove who calls: a Security Scheme Object of OpenAPI.
    pub fn secure(&mut self, name: &str, scheme: Value) {
        self.security.insert(name.to_owned(), scheme);
    }

    /// A Response Object for an answer in JSON.
    pub fn answer<T: JsonSchema>(&mut self, about: &str) -> Value {
        let schema = self.answers.subschema_for::<T>();
        json!({"description": about, "content": json_of(&schema)})
    }

    /// A Request Body Object for a body in JSON that must be there.
    pub fn body<T: JsonSchema>(&mut self) -> Value {
        let schema = self.bodies.subschema_for::<T>();
        json!({"required": true, "content": json_of(&schema)})
    }

    /// The document.
    #[must_use]
    pub fn finish(mut self) -> Bytes {
        let mut schemas = self.answers.take_definitions(true);
        schemas.extend(self.bodies.take_definitions(true));
        let document = json!({
            "openapi": "3.1.0",
            "info": self.info,
            "paths": self.paths,
            "components": {
                "schemas": schemas,
                "parameters": self.names,
                "securitySchemes": self.security,
            },
        });
        document.to_string().into()
    }
}

fn json_of(schema: &Schema) -> Value {
    json!({"application/json": {"schema": schema}})
}
