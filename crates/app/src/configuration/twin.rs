//! The `_file` twin of every key that takes a secret.
//!
//! `url_file = "/run/secrets/amqp"` becomes `url = { file = "/run/secrets/amqp" }`, the one
//! form [`secret::Secret`] reads beside a text. Done for each source by itself, so that a
//! file named in the environment replaces a text of the configuration file, and the reverse.

use super::check::sample;
use super::fault::{Fault, Problem};
use super::shape::{Kind, Shape};
use super::tree::{Node, Table, Value};

/// The twin of a key.
pub(super) fn twin(key: &str) -> String {
    format!("{key}_file")
}

/// Replaces all twins in `table`, which has the shape of `shape`.
pub(super) fn fold(table: &mut Table, shape: &Shape, path: &[String], faults: &mut Vec<Fault>) {
    if let Kind::Table(keys) = &shape.kind {
        for (name, key) in keys {
            if key.shape.has_twin() && !keys.contains_key(&twin(name)) {
                fold_one(table, name, &key.shape, path, faults);
            }
        }
    }
    for (name, node) in table {
        let below = shape.find(std::slice::from_ref(name));
        if let (Value::Table(table), Some(shape)) = (&mut node.value, below) {
            fold(table, shape, &joined(path, name), faults);
        }
    }
}

/// `path` with one more segment.
pub(super) fn joined(path: &[String], segment: &str) -> Vec<String> {
    path.iter().cloned().chain([segment.to_owned()]).collect()
}

fn fold_one(
    table: &mut Table,
    name: &str,
    shape: &Shape,
    path: &[String],
    faults: &mut Vec<Fault>,
) {
    let twin = twin(name);
    let Some(given) = table.remove(&twin) else {
        return;
    };
    let mut fault = |problem| {
        let key = joined(path, &twin).join(".");
        faults.push(Fault {
            key,
            origin: Some(given.origin.clone()),
            problem,
        });
    };
    if table.contains_key(name) {
        return fault(Problem::Twice {
            other: joined(path, name).join("."),
        });
    }
    let is_list = matches!(shape.kind, Kind::List { .. });
    let value = form(&given, is_list).unwrap_or_else(|| {
        let paths = if is_list { ", or a list of paths" } else { "" };
        let found = given.value.sort().to_owned();
        fault(Problem::Wrong {
            found,
            expected: format!("the path of a file{paths}"),
        });
        // Something must stand there, or the key would be missing on top of it.
        sample(shape).value
    });
    table.insert(
        name.to_owned(),
        Node {
            value,
            origin: given.origin,
        },
    );
}

/// `{ file = "…" }` for each path; none where it is no path.
fn form(given: &Node, is_list: bool) -> Option<Value> {
    let one = |node: &Node| {
        let is_path = matches!(&node.value, Value::Text(path) if !path.is_empty());
        is_path.then(|| Value::Table(Table::from([("file".to_owned(), node.clone())])))
    };
    if !is_list {
        return one(given);
    }
    let paths = if let Value::List(list) = &given.value {
        list
    } else {
        std::slice::from_ref(given)
    };
    let forms = paths.iter().map(|node| {
        one(node).map(|value| Node {
            value,
            origin: node.origin.clone(),
        })
    });
    forms.collect::<Option<Vec<_>>>().map(Value::List)
}
