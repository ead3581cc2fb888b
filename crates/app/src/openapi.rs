//! One document for every HTTP endpoint, whichever role of whichever process answers it.

use bytes::Bytes;
use httpd::{Admin, Description};

const ABOUT: &str = "Fulfils game-store orders sold through Xsolla. Each tag is a listener of \
                     its own: `api`, `publisher`, `ingress` and `admin`, each at the address \
                     its section of the configuration names. Status pushes are not in here: \
                     the publisher's WebSocket speaks the Centrifuge protocol.";

/// The document, in OpenAPI 3.1.
pub(crate) fn document() -> Bytes {
    let mut told = Description::new("Grantline", env!("CARGO_PKG_VERSION"), ABOUT);
    api::describe(&mut told);
    publisher::describe(&mut told);
    ingress::describe(&mut told);
    Admin::describe(&mut told);
    told.finish()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    fn document() -> Value {
        serde_json::from_slice(&super::document()).unwrap()
    }

    fn operations(document: &Value) -> impl Iterator<Item = &Value> {
        let paths = document["paths"].as_object().unwrap().values();
        paths.flat_map(|path| path.as_object().unwrap().values())
    }

    #[test]
    fn every_listener_is_described() {
        let document = document();
        let tags: BTreeSet<_> = operations(&document)
            .map(|operation| operation["tags"][0].as_str().unwrap())
            .collect();
        assert_eq!(
            tags,
            BTreeSet::from(["admin", "api", "ingress", "publisher"])
        );
    }

    #[test]
    fn no_two_operations_have_one_name() {
        let document = document();
        let ids: Vec<_> = operations(&document)
            .map(|operation| operation["operationId"].as_str().unwrap())
            .collect();
        assert_eq!(
            ids.iter().collect::<BTreeSet<_>>().len(),
            ids.len(),
            "{ids:?}"
        );
    }

    #[test]
    fn whatever_is_referred_to_is_there() {
        fn check(document: &Value, value: &Value) {
            match value {
                Value::Object(fields) => {
                    if let Some(target) = fields.get("$ref").and_then(Value::as_str) {
                        let pointer = target.strip_prefix('#').unwrap();
                        assert!(document.pointer(pointer).is_some(), "{target}");
                    }
                    fields.values().for_each(|field| check(document, field));
                }
                Value::Array(items) => items.iter().for_each(|item| check(document, item)),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
        }
        let document = document();
        check(&document, &document);
    }
}
