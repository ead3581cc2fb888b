//! The configuration file: TOML, each value with its line.

use std::path::Path;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fault::{Fault, Problem};
use super::tree::{Node, Origin, Table, Value};

/// Reads a whole file; the faults are all of its syntax errors.
pub(super) fn read(path: &Path, text: &str) -> Result<Table, Vec<Fault>> {
    let path: Arc<Path> = path.into();
    let lines = Lines::of(text);
    let (table, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        let origin = |offset| Origin::File {
            path: path.clone(),
            line: lines.place(offset).0,
        };
        return Ok(convert(table.into_inner(), &origin));
    }
    let mut places: Vec<_> = errors
        .iter()
        .map(|error| {
            (
                lines.place(error.span().map_or(0, |span| span.start)),
                error.message(),
            )
        })
        .collect();
    places.sort_unstable();
    let faults = places.into_iter().map(|((line, column), message)| {
        Fault {
            key: String::new(),
            origin: Some(Origin::File {
                path: path.clone(),
                line,
            }),
            // The parser's message alone: its `Display` quotes the line, secrets included.
            problem: Problem::Syntax {
                line,
                column,
                message: message.to_owned(),
            },
        }
    });
    Err(faults.collect())
}

/// Reads one TOML value, such as `25` or `["a", "b"]`.
pub(super) fn read_value(text: &str, origin: &Origin) -> Option<Node> {
    let value = DeValue::parse(text.trim()).ok()?;
    Some(node(value, &|_| origin.clone()))
}

fn convert(table: DeTable<'_>, origin: &dyn Fn(usize) -> Origin) -> Table {
    let entries = table.into_iter();
    entries
        .map(|(key, value)| (key.into_inner().into_owned(), node(value, origin)))
        .collect()
}

fn node(value: Spanned<DeValue<'_>>, origin: &dyn Fn(usize) -> Origin) -> Node {
    let place = origin(value.span().start);
    let value = match value.into_inner() {
        DeValue::String(text) => Value::Text(text.into_owned()),
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).map_or(Value::Huge, Value::Integer)
        }
        DeValue::Float(number) => number.as_str().parse().map_or(Value::Huge, Value::Float),
        DeValue::Boolean(truth) => Value::Bool(truth),
        DeValue::Datetime(_) => Value::Date,
        DeValue::Array(list) => {
            Value::List(list.into_iter().map(|value| node(value, origin)).collect())
        }
        DeValue::Table(table) => Value::Table(convert(table, origin)),
    };
    Node {
        value,
        origin: place,
    }
}

/// Byte offsets to lines and columns.
struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn of(text: &'a str) -> Self {
        let after = text.match_indices('\n').map(|(at, _)| at + 1);
        Self {
            text,
            starts: std::iter::once(0).chain(after).collect(),
        }
    }

    /// Line and column of an offset, both counted from 1.
    fn place(&self, offset: usize) -> (usize, usize) {
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = self
            .starts
            .get(line.saturating_sub(1))
            .copied()
            .unwrap_or(0);
        let before = self.text.get(start..offset).unwrap_or_default();
        (line, before.chars().count() + 1)
    }
}
