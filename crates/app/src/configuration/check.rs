//! Holds a tree of values against its shape and finds every fault in one pass.
//!
//! A faulty value is replaced by one that fits, so that reading the tree with serde
//! afterwards meets only the faults that a shape cannot know. Nobody ever gets such a value:
//! with a fault there is no configuration.

use secret::Secret;
use telemetry::chain;

use super::environment::variable;
use super::fault::{Fault, Problem};
use super::leaf::{Leaf, file_of};
use super::nearest::nearest;
use super::shape::{Key, Kind, Shape};
use super::tree::{Node, Origin, Table, Value};
use super::twin::{joined, twin};

/// Checks all of `table`, which has the shape of `shape`.
pub(super) fn check(table: &mut Table, shape: &Shape, faults: &mut Vec<Fault>) {
    Check {
        root: shape,
        faults,
    }
    .table(table, shape, &[]);
}

struct Check<'a> {
    root: &'a Shape,
    faults: &'a mut Vec<Fault>,
}

impl Check<'_> {
    fn fault(&mut self, path: &[String], origin: Option<&Origin>, problem: Problem) {
        self.faults.push(Fault {
            key: path.join("."),
            origin: origin.cloned(),
            problem,
        });
    }

    fn table(&mut self, table: &mut Table, shape: &Shape, path: &[String]) {
        match &shape.kind {
            Kind::Table(keys) => {
                table.retain(|name, node| {
                    let known = keys.contains_key(name);
                    if !known {
                        let nearest = self.nearest(name, shape, path);
                        let problem = Problem::Unknown { nearest };
                        self.fault(&joined(path, name), Some(&node.origin), problem);
                    }
                    known
                });
                for (name, key) in keys {
                    self.key(table, name, key, &joined(path, name));
                }
            }
            Kind::Map { value, .. } => {
                for (name, node) in table {
                    self.node(node, value, &joined(path, name));
                }
            }
            Kind::List { .. } | Kind::Leaf(_) => {}
        }
    }

    fn key(&mut self, table: &mut Table, name: &str, key: &Key, path: &[String]) {
        match table.get_mut(name) {
            Some(node) => self.node(node, &key.shape, path),
            None if key.required => {
                let node = self.missing(&key.shape, path);
                table.insert(name.to_owned(), node);
            }
            None => {}
        }
    }

    fn missing(&mut self, shape: &Shape, path: &[String]) -> Node {
        if !matches!(shape.kind, Kind::Table(_)) {
            let problem = Problem::Missing {
                meaning: shape.description.clone(),
                expected: shape.expected(),
                variable: variable(path),
            };
            self.fault(path, None, problem);
            return sample(shape);
        }
        // A section that is left out misses the keys it needs, not itself.
        let mut table = Table::new();
        self.table(&mut table, shape, path);
        Node {
            value: Value::Table(table),
            origin: nowhere(),
        }
    }

    fn node(&mut self, node: &mut Node, shape: &Shape, path: &[String]) {
        match (&shape.kind, &mut node.value) {
            (Kind::Table(_) | Kind::Map { .. }, Value::Table(table)) => {
                return self.table(table, shape, path);
            }
            (Kind::List { item, min_items }, Value::List(list)) => {
                for (index, node) in list.iter_mut().enumerate() {
                    self.node(node, item, &joined(path, &index.to_string()));
                }
                if list.len() as u64 >= *min_items {
                    return;
                }
            }
            (Kind::Leaf(leaf), value) if leaf.fits(value) => return self.file(node, leaf, path),
            _ => {}
        }
        let found = if matches!(&node.value, Value::List(list) if list.is_empty()) {
            "an empty list".to_owned()
        } else if shape.is_secret() {
            node.value.sort().to_owned()
        } else {
            node.value.shown()
        };
        let problem = Problem::Wrong {
            found,
            expected: shape.expected(),
        };
        self.fault(path, Some(node.written_at()), problem);
        node.value = sample(shape).value;
    }

    /// Reads the file of a secret that stands in one.
    fn file(&mut self, node: &mut Node, leaf: &Leaf, path: &[String]) {
        let form = node
            .value
            .as_table()
            .filter(|_| matches!(leaf, Leaf::Secret));
        if let Some(Err(fault)) = form.and_then(file_of).map(Secret::from_file) {
            self.fault(
                path,
                Some(node.written_at()),
                Problem::Refused(chain(&fault)),
            );
            node.value = leaf.sample();
        }
    }

    /// A sibling with a similar name, or a key of the same name in another section.
    fn nearest(&self, name: &str, shape: &Shape, path: &[String]) -> Option<String> {
        let Kind::Table(keys) = &shape.kind else {
            return None;
        };
        let twins = keys
            .iter()
            .filter(|(_, key)| key.shape.has_twin())
            .map(|(name, _)| twin(name));
        let sibling = nearest(name, &mut keys.keys().cloned().chain(twins));
        sibling
            .map(|name| joined(path, &name).join("."))
            .or_else(|| elsewhere(name, self.root, &[]))
    }
}

fn elsewhere(name: &str, shape: &Shape, path: &[String]) -> Option<String> {
    match &shape.kind {
        Kind::Table(keys) if keys.contains_key(name) => Some(joined(path, name).join(".")),
        Kind::Table(keys) => keys
            .iter()
            .find_map(|(key, value)| elsewhere(name, &value.shape, &joined(path, key))),
        Kind::Map { value, placeholder } => {
            elsewhere(name, value, &joined(path, &format!("<{placeholder}>")))
        }
        Kind::List { .. } | Kind::Leaf(_) => None,
    }
}

/// A value that fits, in place of one that does not.
pub(super) fn sample(shape: &Shape) -> Node {
    let value = match &shape.kind {
        Kind::Table(keys) => {
            let required = keys.iter().filter(|(_, key)| key.required);
            Value::Table(
                required
                    .map(|(name, key)| (name.clone(), sample(&key.shape)))
                    .collect(),
            )
        }
        Kind::Map { .. } => Value::Table(Table::new()),
        Kind::List { item, min_items } => {
            Value::List((0..*min_items).map(|_| sample(item)).collect())
        }
        Kind::Leaf(leaf) => leaf.sample(),
    };
    Node {
        value,
        origin: nowhere(),
    }
}

/// The place of a value that nobody wrote.
fn nowhere() -> Origin {
    Origin::Variable("".into())
}
