//! The environment twin of every key: `GRANTLINE__WORKER__DRAIN_TIMEOUT`.
//!
//! Only the prefix with two underscores counts: Kubernetes injects `GRANTLINE_PORT` and the
//! like for a service of this name.

use std::collections::BTreeMap;

use super::fault::{Fault, Problem};
use super::file::read_value;
use super::nearest::nearest;
use super::shape::{Kind, Shape};
use super::tree::{Node, Origin, Table, Value, merge, quoted};

/// The prefix of all variables that are ours.
pub(super) const PREFIX: &str = "GRANTLINE__";
const SEPARATOR: &str = "__";

/// The name of the variable that sets the key at `path`.
pub(super) fn variable(path: &[String]) -> String {
    format!("{PREFIX}{}", path.join(SEPARATOR).to_uppercase())
}

/// Reads all variables that are ours into one tree; `file` is what they will be laid onto,
/// its spelling of ids and names wins.
pub(super) fn read(
    variables: &[(String, String)],
    shape: &Shape,
    file: &Table,
    faults: &mut Vec<Fault>,
) -> Table {
    let mut ours: Vec<_> = variables
        .iter()
        .filter(|(name, _)| name.starts_with(PREFIX))
        .collect();
    // A table as a whole comes before its keys.
    ours.sort();
    let mut tree = Table::new();
    let mut seen: BTreeMap<Vec<String>, &str> = BTreeMap::new();
    for (name, text) in ours {
        let origin = Origin::Variable(name.as_str().into());
        let (path, target) = match locate(&name[PREFIX.len()..], shape, file) {
            Ok(found) => found,
            Err(problem) => {
                faults.push(Fault {
                    key: name.clone(),
                    origin: None,
                    problem,
                });
                continue;
            }
        };
        let key = path.join(".");
        if let Some(other) = seen.insert(path.clone(), name) {
            let problem = Problem::Twice {
                other: other.to_owned(),
            };
            faults.push(Fault {
                key,
                origin: Some(origin),
                problem,
            });
            continue;
        }
        match value(text, target, &origin) {
            Ok(node) => merge(&mut tree, nest(&path, node, &origin)),
            Err(problem) => faults.push(Fault {
                key,
                origin: Some(origin),
                problem,
            }),
        }
    }
    tree
}

/// What a variable sets: a key, or the `_file` twin of one.
#[derive(Clone, Copy)]
enum Target<'a> {
    Key(&'a Shape),
    Twin,
}

fn locate<'a>(
    name: &str,
    shape: &'a Shape,
    file: &Table,
) -> Result<(Vec<String>, Target<'a>), Problem> {
    let mut path: Vec<String> = Vec::new();
    let mut target = Target::Key(shape);
    let mut written = Some(file);
    for segment in name.split(SEPARATOR) {
        let segment = segment.to_lowercase();
        let unknown = |keys: &mut dyn Iterator<Item = String>| Problem::Unknown {
            nearest: nearest(&segment, keys).map(|key| {
                let mut path = path.clone();
                path.push(key);
                variable(&path)
            }),
        };
        let Target::Key(Shape { kind, .. }) = target else {
            return Err(unknown(&mut std::iter::empty()));
        };
        let segment = match kind {
            Kind::Table(keys) => {
                let twin = || {
                    segment
                        .strip_suffix("_file")
                        .and_then(|stem| keys.get(stem))
                };
                target = match (keys.get(&segment), twin()) {
                    (Some(key), _) => Target::Key(&key.shape),
                    (None, Some(key)) if key.shape.has_twin() => Target::Twin,
                    (None, _) => return Err(unknown(&mut keys.keys().cloned())),
                };
                segment
            }
            Kind::Map { value, .. } if !segment.is_empty() => {
                target = Target::Key(value);
                let known = written.into_iter().flat_map(Table::keys);
                let mut same = known.filter(|key| key.to_lowercase() == segment);
                same.next().cloned().unwrap_or(segment)
            }
            Kind::Map { .. } | Kind::List { .. } | Kind::Leaf(_) => {
                return Err(unknown(&mut std::iter::empty()));
            }
        };
        written = written.and_then(|table| table.get(&segment)?.value.as_table());
        path.push(segment);
    }
    Ok((path, target))
}

/// A text where the key takes one, else a TOML value.
fn value(text: &str, target: Target<'_>, origin: &Origin) -> Result<Node, Problem> {
    let plain = || Node {
        value: Value::Text(text.to_owned()),
        origin: origin.clone(),
    };
    let shape = match target {
        Target::Key(shape) => shape,
        // The path of a file, or a list of them.
        Target::Twin if text.trim_start().starts_with('[') => {
            return Ok(read_value(text, origin).unwrap_or_else(plain));
        }
        Target::Twin => return Ok(plain()),
    };
    if matches!(&shape.kind, Kind::Leaf(leaf) if leaf.is_text()) {
        return Ok(plain());
    }
    read_value(text, origin).ok_or_else(|| Problem::Wrong {
        found: if shape.is_secret() {
            "a text".to_owned()
        } else {
            quoted(text)
        },
        expected: shape.expected(),
    })
}

fn nest(path: &[String], leaf: Node, origin: &Origin) -> Table {
    let mut segments = path.iter().rev();
    let last = segments.next().cloned().unwrap_or_default();
    segments.fold(Table::from([(last, leaf)]), |table, segment| {
        let node = Node {
            value: Value::Table(table),
            origin: origin.clone(),
        };
        Table::from([(segment.clone(), node)])
    })
}
