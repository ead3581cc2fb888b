//! Each value in effect, one a line, with the place it comes from.

use std::fmt::Write as _;

use serde_json::Value as Json;

use super::leaf::{Leaf, file_of};
use super::shape::{Kind, Shape};
use super::tree::{Node, Table, Value, quoted};
use super::twin::{joined, twin};

const MASK: &str = "\"***\"";
/// Origins are aligned behind lines up to this long.
const MAX_WIDTH: usize = 72;

/// Lines of TOML with dotted keys, each with its origin as a comment.
pub(super) fn print(tree: &Table, shape: &Shape) -> String {
    let mut lines = Vec::new();
    keys(shape, Some(tree), None, &[], &mut lines);
    let longest = lines
        .iter()
        .map(|(line, _)| line.chars().count())
        .max()
        .unwrap_or_default();
    let width = longest.min(MAX_WIDTH);
    let mut text = String::new();
    for (line, origin) in lines {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{line:width$}  # {origin}");
    }
    text
}

/// `inherited` is what the section's owner puts there when the whole table is left out.
fn keys(
    shape: &Shape,
    table: Option<&Table>,
    inherited: Option<&Json>,
    path: &[String],
    lines: &mut Vec<(String, String)>,
) {
    match &shape.kind {
        Kind::Table(keys) => {
            for (name, key) in keys {
                let inherited = match table {
                    Some(_) => None,
                    None => inherited
                        .and_then(|default| default.get(name))
                        .filter(|it| !it.is_null()),
                };
                let node = table.and_then(|table| table.get(name));
                value(&key.shape, node, inherited, &joined(path, name), lines);
            }
        }
        Kind::Map { value: shape, .. } => {
            for (name, node) in table.into_iter().flatten() {
                value(shape, Some(node), None, &joined(path, name), lines);
            }
        }
        Kind::List { .. } | Kind::Leaf(_) => {}
    }
}

fn value(
    shape: &Shape,
    node: Option<&Node>,
    inherited: Option<&Json>,
    path: &[String],
    lines: &mut Vec<(String, String)>,
) {
    let default = inherited.or(shape.default.as_ref());
    let key = dotted(path);
    if shape.is_table() {
        let table = node.and_then(|node| node.value.as_table());
        // An optional table without a default does not exist at all.
        if table.is_some() || default.is_some() || !has_required(shape) {
            return keys(shape, table, default, path, lines);
        }
    }
    lines.push(match (node, default) {
        (Some(node), _) => (
            assignment(&key, shape, &node.value),
            node.written_at().to_string(),
        ),
        (None, Some(default)) => (format!("{key} = {}", toml(default)), "default".to_owned()),
        (None, None) => (format!("# {key}"), "not set".to_owned()),
    });
}

fn has_required(shape: &Shape) -> bool {
    matches!(&shape.kind, Kind::Table(keys) if keys.values().any(|key| key.required))
}

fn assignment(key: &str, shape: &Shape, value: &Value) -> String {
    match (&shape.kind, value) {
        (Kind::Leaf(Leaf::Secret), Value::Table(form)) => {
            format!(
                "{} = {}",
                twin(key),
                quoted(file_of(form).unwrap_or_default())
            )
        }
        _ => format!("{key} = {}", written(shape, value)),
    }
}

fn written(shape: &Shape, value: &Value) -> String {
    match (&shape.kind, value) {
        (Kind::Leaf(Leaf::Secret), Value::Table(form)) => {
            format!("{{ file = {} }}", quoted(file_of(form).unwrap_or_default()))
        }
        (Kind::Leaf(Leaf::Secret), _) => MASK.to_owned(),
        (Kind::List { item, .. }, Value::List(list)) => {
            let entries: Vec<_> = list.iter().map(|node| written(item, &node.value)).collect();
            format!("[{}]", entries.join(", "))
        }
        _ if shape.is_secret() => MASK.to_owned(),
        (_, value) => value.shown(),
    }
}

/// A default as TOML. Defaults come from code and hold no secret.
pub(super) fn toml(default: &Json) -> String {
    if let Json::Array(list) = default {
        return format!("[{}]", list.iter().map(toml).collect::<Vec<_>>().join(", "));
    }
    let Json::Object(table) = default else {
        return default.to_string();
    };
    let entries = table
        .iter()
        .map(|(key, value)| format!("{key} = {}", toml(value)));
    format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
}

/// A path as a dotted key; what TOML takes bare stays bare.
fn dotted(path: &[String]) -> String {
    let bare = |part: &str| {
        !part.is_empty()
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
    };
    let parts = path.iter().map(|part| {
        if bare(part) {
            part.clone()
        } else {
            format!("{part:?}")
        }
    });
    parts.collect::<Vec<_>>().join(".")
}
