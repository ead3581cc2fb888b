//! What the sources say: a tree of values, each with the place it comes from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A line of the configuration file, counted from 1.
    File {
        /// The file as named by the caller.
        path: Arc<Path>,
        /// The line of the value.
        line: usize,
    },
    /// An environment variable, spelled as it was found.
    Variable(Arc<str>),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Variable(name) => f.write_str(name),
        }
    }
}

/// A value and its place. Has no `Debug`: it may hold a secret.
#[derive(Clone)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) origin: Origin,
}

impl Node {
    /// Where it was written; for a secret in a file, where the file was named.
    pub(super) fn written_at(&self) -> &Origin {
        let form = self.value.as_table().filter(|form| form.len() == 1);
        form.and_then(|form| form.get("file"))
            .map_or(&self.origin, |file| &file.origin)
    }
}

#[derive(Clone)]
pub(super) enum Value {
    Text(String),
    Integer(i64),
    Float(f64),
    Bool(bool),
    /// A TOML date or time. No key takes one.
    Date,
    /// A number that fits no type of ours.
    Huge,
    List(Vec<Node>),
    Table(Table),
}

pub(super) type Table = BTreeMap<String, Node>;

impl Value {
    pub(super) const fn as_table(&self) -> Option<&Table> {
        if let Self::Table(table) = self {
            Some(table)
        } else {
            None
        }
    }

    /// What it is, without saying what stands in it.
    pub(super) const fn sort(&self) -> &'static str {
        match self {
            Self::Text(text) if text.is_empty() => "an empty text",
            Self::Text(_) => "a text",
            Self::Integer(_) => "a whole number",
            Self::Float(_) => "a number with a fraction",
            Self::Bool(_) => "true or false",
            Self::Date => "a date or time",
            Self::Huge => "a number beyond 64 bits",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }

    /// What it is and, where it is short, what stands in it. Not for secrets.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Text(text) => quoted(text),
            Self::Integer(number) => number.to_string(),
            Self::Float(number) => number.to_string(),
            Self::Bool(truth) => truth.to_string(),
            Self::Date | Self::Huge | Self::List(_) | Self::Table(_) => self.sort().to_owned(),
        }
    }
}

/// A text in quotes: a long one cut, the password of an address masked.
pub(super) fn quoted(text: &str) -> String {
    const SHOWN_CHARS: usize = 200;
    let text = match text.split_once("://") {
        Some((scheme, rest)) => {
            let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
            match authority.rfind('@') {
                Some(at) => format!("{scheme}://***{}", &rest[at..]),
                None => text.to_owned(),
            }
        }
        None => text.to_owned(),
    };
    if text.chars().count() <= SHOWN_CHARS {
        return format!("{text:?}");
    }
    let head: String = text.chars().take(SHOWN_CHARS).collect();
    format!("{head:?} and more")
}

/// Lays `over` onto `base`: tables key by key, everything else as a whole.
pub(super) fn merge(base: &mut Table, over: Table) {
    for (key, node) in over {
        match (base.get_mut(&key), node) {
            (
                Some(Node {
                    value: Value::Table(base),
                    ..
                }),
                Node {
                    value: Value::Table(over),
                    ..
                },
            ) => merge(base, over),
            (_, node) => {
                base.insert(key, node);
            }
        }
    }
}

/// The value at the end of `path`; a list's entries go by their index.
pub(super) fn find<'a>(table: &'a Table, path: &[String]) -> Option<&'a Node> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(table.get(first)?, |node, segment| {
        if let Value::List(list) = &node.value {
            return list.get(segment.parse::<usize>().ok()?);
        }
        node.value.as_table()?.get(segment)
    })
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_password_in_an_address_is_masked() {
        assert_eq!(
            quoted("http://u:canary@h:1/p?q=a@b"),
            r#""http://***@h:1/p?q=a@b""#
        );
        assert_eq!(quoted("http://h/p@q"), r#""http://h/p@q""#);
    }
}
