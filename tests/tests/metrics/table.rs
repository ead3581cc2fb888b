//! The table in `deploy/metrics.md`, and the names in the source.

use std::collections::BTreeSet;
use std::fmt::{self, Display};
use std::fs;
use std::path::Path;

use crate::collector::Instrument;

/// What is 1 or 0, and what is in units of its own label.
pub(crate) const WITHOUT_UNIT: [&str; 5] = [
    "grantline.build.info",
    "grantline.dependency.available",
    "grantline.ledger.epoch",
    "grantline.ledger.paid_not_granted_amount",
    "grantline.worker.watching",
];

/// Behind the name of what is there only once something has happened.
const CONDITIONAL: &str = " †";

/// One row of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) is_conditional: bool,
    prometheus: String,
    kind: String,
    unit: String,
    labels: BTreeSet<String>,
    about: String,
}

impl Row {
    /// As the table should have it.
    pub(crate) fn of(name: &str, instrument: &Instrument) -> Self {
        Self {
            name: name.to_owned(),
            is_conditional: false,
            prometheus: instrument.prometheus_name(),
            kind: instrument.kind.to_owned(),
            unit: instrument.unit.clone(),
            labels: instrument.labels.clone(),
            about: instrument.about.clone(),
        }
    }

    /// Whether the table has what a process told.
    pub(crate) fn fits(&self, told: &Self) -> bool {
        let known = Self {
            is_conditional: false,
            ..self.clone()
        };
        known == *told
    }

    fn read(line: &str) -> Option<Self> {
        let cells: Vec<_> = line.strip_prefix("| `")?.split(" | ").collect();
        let [name, prometheus, kind, unit, labels, about] = cells.try_into().ok()?;
        let (name, mark) = name.split_once('`')?;
        let names = labels.split(", ").filter(|label| *label != "—");
        Some(Self {
            name: name.to_owned(),
            is_conditional: mark == CONDITIONAL,
            prometheus: code(prometheus),
            kind: kind.to_owned(),
            unit: code(unit).replace('—', ""),
            labels: names.map(code).collect(),
            about: about.strip_suffix(" |")?.to_owned(),
        })
    }
}

fn code(cell: &str) -> String {
    cell.trim_matches('`').to_owned()
}

impl Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let labels: Vec<_> = self.labels.iter().map(|it| format!("`{it}`")).collect();
        let labels = if labels.is_empty() {
            "—".to_owned()
        } else {
            labels.join(", ")
        };
        let unit = if self.unit.is_empty() {
            "—".to_owned()
        } else {
            format!("`{}`", self.unit)
        };
        let mark = if self.is_conditional { CONDITIONAL } else { "" };
        let Self {
            name,
            prometheus,
            kind,
            about,
            ..
        } = self;
        write!(
            f,
            "| `{name}`{mark} | `{prometheus}` | {kind} | {unit} | {labels} | {about} |"
        )
    }
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

pub(crate) fn rows() -> Vec<Row> {
    let text = fs::read_to_string(root().join("deploy/metrics.md")).unwrap();
    let rows: Vec<_> = text.lines().filter_map(Row::read).collect();
    assert!(rows.len() > 50, "{} rows are read", rows.len());
    rows
}

/// The names of instruments that stand in the source. What spans tell stands in files of their
/// own.
fn named(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.ends_with("spans") || path.ends_with("spans.rs") {
            continue;
        }
        if path.is_dir() {
            named(&path, names);
        } else if path.extension().is_some_and(|it| it == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            names.extend(
                text.split('"')
                    .filter(|word| is_name(word))
                    .map(str::to_owned),
            );
        }
    }
}

fn is_name(word: &str) -> bool {
    let owner = word.split('.').next().unwrap_or_default();
    let is_word =
        |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    ["grantline", "process", "db"].contains(&owner)
        && word.matches('.').count() >= 1
        && word.split('.').all(is_word)
}

/// In the source for something else: files, resources, and a label.
const NO_INSTRUMENTS: [&str; 5] = [
    "db.client.connection.pool.name",
    "db.client.connection.state",
    "grantline.db",
    "grantline.role",
    "grantline.toml",
];

#[test]
fn the_table_has_every_instrument_of_the_source_and_no_other() {
    let mut source = BTreeSet::new();
    for entry in fs::read_dir(root().join("crates")).unwrap() {
        named(&entry.unwrap().path().join("src"), &mut source);
    }
    source.retain(|name| !NO_INSTRUMENTS.contains(&name.as_str()));
    let table: BTreeSet<_> = rows().into_iter().map(|row| row.name).collect();
    let missing: Vec<_> = source.difference(&table).collect();
    let gone: Vec<_> = table.difference(&source).collect();
    assert!(
        missing.is_empty() && gone.is_empty(),
        "missing {missing:?}, gone {gone:?}"
    );
}

#[test]
fn a_row_is_written_as_it_is_read() {
    for row in rows() {
        assert_eq!(Row::read(&row.to_string()), Some(row));
    }
}
