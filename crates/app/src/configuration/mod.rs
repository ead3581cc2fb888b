//! The configuration: one TOML file, an environment twin for every key, all faults at once.
//!
//! Sections belong to the crates that use them; [`Configuration`] composes them. Defaults
//! give way to the file and the file to the environment. Everything here is a function of
//! [`Sources`]; the process's own environment is read by `main` alone.
//!
//! How a section is written so that all of this works for it: `Deserialize` and `JsonSchema`
//! with a doc comment for each key; durations by `humantime_serde` with
//! `#[schemars(with = "String")]`; bounds by `#[schemars(range(…))]` or `NonZero…`; secrets as
//! `Secret`, `Option<Secret>` or `Vec<Secret>`. A rule that is more than a bound stands in the
//! type's own `Deserialize`, a rule over several keys in [`Composed::contradictions`].
//! `serde(flatten)` and tagged enums hide from a fault which key it belongs to.
//!
//! Invariant: a secret's value is in no fault and in nothing printed.

mod check;
mod duration;
mod embedded;
mod environment;
mod fault;
mod file;
mod leaf;
mod nearest;
mod print;
mod read;
#[cfg(test)]
mod reference;
mod sections;
mod shape;
mod tree;
mod twin;

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

pub(crate) use embedded::Embedded;
pub(crate) use fault::{Fault, Faults, Problem};
pub(crate) use sections::{Admin, Configuration, Project, Stack};

use read::{Reason, Refusal};
use shape::{Kind, Shape};
use tree::{Node, Table, Value, find, merge};

/// Everything a configuration is made from.
#[derive(Clone, Default)]
pub(crate) struct Sources {
    /// The configuration file, where there is one.
    pub(crate) file: Option<File>,
    /// Environment variables by name and value; only those that begin with `GRANTLINE__`
    /// count.
    pub(crate) environment: Vec<(String, String)>,
}

/// A configuration file that was read.
#[derive(Clone)]
pub(crate) struct File {
    /// As faults name it.
    pub(crate) path: PathBuf,
    /// Its text.
    pub(crate) text: String,
}

/// What the sections of a process are composed into.
pub(crate) trait Composed: DeserializeOwned + JsonSchema {
    /// Rules over several keys that do not hold.
    fn contradictions(&self) -> Vec<Contradiction>;
}

/// A rule over several keys that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Contradiction {
    /// The path of the key that is at fault, or that is missing.
    pub(crate) path: Vec<String>,
    /// What is wrong and what would be right, without a secret's value.
    pub(crate) rule: String,
}

/// A configuration without faults.
pub(crate) struct Loaded<T> {
    /// The values in effect.
    pub(crate) value: T,
    tree: Table,
    shape: Shape,
}

impl<T> Loaded<T> {
    /// Each value in effect with its origin, a line each, secrets masked.
    pub(crate) fn print(&self) -> String {
        print::print(&self.tree, &self.shape)
    }
}

/// Makes a configuration of `sources`.
///
/// # Errors
/// Everything that is wrong with them, found in one go; only with a file that is no TOML its
/// keys are not looked at. Files of secrets are read.
pub(crate) fn load<T: Composed>(sources: &Sources) -> Result<Loaded<T>, Faults> {
    let shape = Shape::of::<T>();
    let mut faults = Vec::new();
    let (mut tree, is_toml) = match &sources.file {
        None => (Table::new(), true),
        Some(file) => match file::read(&file.path, &file.text) {
            Ok(tree) => (tree, true),
            Err(syntax) => {
                faults.extend(syntax);
                (Table::new(), false)
            }
        },
    };
    let mut environment = environment::read(&sources.environment, &shape, &tree, &mut faults);
    twin::fold(&mut tree, &shape, &[], &mut faults);
    twin::fold(&mut environment, &shape, &[], &mut faults);
    merge(&mut tree, environment);
    if !is_toml {
        return Err(sorted(faults));
    }

    check::check(&mut tree, &shape, &mut faults);
    let value = read_all::<T>(&mut tree, &shape, &mut faults);
    if let (Some(value), true) = (&value, faults.is_empty()) {
        faults.extend(value.contradictions().into_iter().map(|broken| Fault {
            key: broken.path.join("."),
            origin: find(&tree, &broken.path).map(|node| node.origin.clone()),
            problem: Problem::Refused(broken.rule),
        }));
    }
    match value {
        Some(value) if faults.is_empty() => Ok(Loaded { value, tree, shape }),
        _ => Err(sorted(faults)),
    }
}

fn sorted(mut faults: Vec<Fault>) -> Faults {
    // Stable: the syntax errors of a file stay in the order of its lines.
    faults.sort_by(|left, right| left.key.cmp(&right.key));
    Faults(faults)
}

/// Reads the tree until serde finds nothing more to refuse: what it refuses becomes a fault
/// and is replaced by something that fits.
fn read_all<T: DeserializeOwned>(
    tree: &mut Table,
    shape: &Shape,
    faults: &mut Vec<Fault>,
) -> Option<T> {
    let mut last: Option<Vec<String>> = None;
    loop {
        let refusal = match read::read::<T>(tree) {
            Ok(value) => return Some(value),
            Err(refusal) => refusal,
        };
        let path = refusal.path().to_vec();
        // The replacement is refused as well: there is no way past this value.
        if last.as_ref() == Some(&path) {
            return None;
        }
        if !faults.iter().any(|fault| fault.key == path.join(".")) {
            faults.push(refused(&refusal, tree, shape));
        }
        if !replace(tree, shape, &path) {
            return None;
        }
        last = Some(path);
    }
}

fn refused(refusal: &Refusal, tree: &Table, shape: &Shape) -> Fault {
    let path = refusal.path();
    let node = find(tree, path);
    let is_secret = shape.find(path).is_none_or(Shape::is_secret);
    let problem = match &refusal.reason {
        Reason::Said(message) => Problem::Refused(message.clone()),
        Reason::Expected(expected) => Problem::Wrong {
            found: node.map_or_else(|| "nothing".to_owned(), |node| found(node, is_secret)),
            expected: if expected == "a duration" {
                duration::EXPECTED.to_owned()
            } else {
                expected.clone()
            },
        },
    };
    Fault {
        key: path.join("."),
        origin: node.map(|node| node.origin.clone()),
        problem,
    }
}

fn found(node: &Node, is_secret: bool) -> String {
    if is_secret {
        node.value.sort().to_owned()
    } else {
        node.value.shown()
    }
}

/// Takes an optional value away, an entry of a map too; puts a fitting one in place of any
/// other. An entry of a list goes with its list.
fn replace(tree: &mut Table, shape: &Shape, path: &[String]) -> bool {
    let Some((last, parents)) = path.split_last() else {
        return false;
    };
    let fitting = match shape.find(parents).map(|parent| &parent.kind) {
        Some(Kind::List { .. }) => return replace(tree, shape, parents),
        Some(Kind::Table(keys)) => keys.get(last).filter(|key| key.required),
        Some(_) | None => None,
    };
    let Some(parent) = table_at(tree, parents) else {
        return false;
    };
    match fitting {
        Some(key) => parent
            .insert(last.clone(), check::sample(&key.shape))
            .is_some(),
        None => parent.remove(last).is_some(),
    }
}

fn table_at<'a>(tree: &'a mut Table, path: &[String]) -> Option<&'a mut Table> {
    path.iter().try_fold(tree, |table, segment| {
        if let Value::Table(table) = &mut table.get_mut(segment)?.value {
            Some(table)
        } else {
            None
        }
    })
}

#[cfg(test)]
mod tests;
