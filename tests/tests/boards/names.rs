//! Metrics, labels and values that a query names, and those that the roles really have.

use std::collections::{BTreeMap, BTreeSet};
use std::{fs, path::Path};

use serde_json::Value;

use crate::files;

/// What a scrape and a recording rule put to every series.
const SCRAPED: [&str; 4] = ["namespace", "job", "instance", "le"];
/// Words that are no metrics, beside functions, which an opening parenthesis follows.
const WORDS: [&str; 14] = [
    "sum", "max", "min", "avg", "count", "group", "topk", "and", "or", "unless", "bool", "offset",
    "inf", "nan",
];
const LISTS: [&str; 6] = [
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "group_right",
];

/// Labels and their values, by metric.
type Series = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// What there is to ask for.
pub(crate) struct Exposed {
    series: Series,
    /// All source of the crates: a value that did not occur has to stand there.
    source: String,
}

/// What a query asks for.
#[derive(Debug, Default)]
struct Asked {
    /// Each metric with its matchers.
    selectors: Vec<(String, Vec<(String, String)>)>,
    /// Labels that it groups or joins by.
    labels: BTreeSet<String>,
    /// Texts outside of selectors: labels that `label_replace` makes, among others.
    texts: BTreeSet<String>,
}

impl Exposed {
    /// From the labels of every series.
    pub(crate) fn of(all: &[Value]) -> Self {
        let mut series = Series::new();
        for labels in all {
            let mut labels: BTreeMap<String, String> =
                serde_json::from_value(labels.clone()).unwrap();
            let known = series
                .entry(labels.remove("__name__").unwrap())
                .or_default();
            for (label, value) in labels {
                known.entry(label).or_default().insert(value);
            }
        }
        let mut source = String::new();
        gather(&files::root().join("crates"), &mut source);
        Self { series, source }
    }

    /// What a query names and nobody has.
    pub(crate) fn unknown(&self, expression: &str) -> Vec<String> {
        let asked = Asked::of(expression);
        let mut unknown = Vec::new();
        let mut labels: BTreeSet<&str> = SCRAPED.into_iter().collect();
        labels.extend(asked.texts.iter().map(String::as_str));
        assert!(
            !asked.selectors.is_empty() || expression.contains("vector("),
            "{expression}"
        );
        for (metric, matchers) in &asked.selectors {
            let Some(known) = self.series.get(metric) else {
                unknown.push(format!("there is no metric {metric}"));
                continue;
            };
            labels.extend(known.keys().map(String::as_str));
            for (label, values) in matchers {
                let none = BTreeSet::new();
                let has = known.get(label);
                if has.is_none() && !SCRAPED.contains(&label.as_str()) {
                    unknown.push(format!("{metric} has no label {label}"));
                }
                let has = has.unwrap_or(&none);
                for value in values.split('|').filter(|it| is_word(it)) {
                    let exists = has.contains(value)
                        || (label != "le" && self.source.contains(&format!("\"{value}\"")))
                        || matches!(label.as_str(), "slo" | "alertstate");
                    if !exists {
                        unknown.push(format!("{metric} never has {label}=\"{value}\""));
                    }
                }
            }
        }
        let strange = asked
            .labels
            .iter()
            .filter(|it| !labels.contains(it.as_str()));
        unknown.extend(strange.map(|label| format!("nothing has the label {label}: {expression}")));
        unknown
    }
}

/// Whether it is a value and no pattern.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|it| it.is_alphanumeric() || it == '_')
        || text.parse::<f64>().is_ok()
}

fn gather(folder: &Path, source: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            gather(&path, source);
        } else if path.extension().is_some_and(|it| it == "rs") {
            source.push_str(&fs::read_to_string(path).unwrap());
        }
    }
}

impl Asked {
    /// Reads a query. It has been parsed by Prometheus, so only what matters is looked at.
    fn of(expression: &str) -> Self {
        let mut asked = Self::default();
        let mut rest = expression;
        while let Some(first) = rest.chars().next() {
            if matches!(first, '"' | '\'') {
                let (text, behind) = quoted(rest);
                asked.texts.insert(text);
                rest = behind;
            } else if first.is_ascii_digit() {
                rest = rest.trim_start_matches(|it: char| it.is_ascii_alphanumeric() || it == '.');
            } else if first != ':' && is_name(first) {
                rest = asked.name(rest);
            } else {
                rest = &rest[first.len_utf8()..];
            }
        }
        asked
    }

    /// One that begins with a name. Returns what is behind it.
    fn name<'a>(&mut self, text: &'a str) -> &'a str {
        let end = text
            .find(|it: char| !is_name(it) && !it.is_ascii_digit())
            .unwrap_or(text.len());
        let (name, behind) = text.split_at(end);
        let next = behind.trim_start();
        if LISTS.contains(&name) {
            let Some(list) = next.strip_prefix('(') else {
                return behind;
            };
            let (list, behind) = list.split_once(')').unwrap();
            let labels = list.split(',').map(str::trim).filter(|it| !it.is_empty());
            self.labels.extend(labels.map(str::to_owned));
            return behind;
        }
        if WORDS.contains(&name.to_lowercase().as_str()) || next.starts_with('(') {
            return behind;
        }
        let (matchers, behind) = match next.strip_prefix('{') {
            Some(inside) => matchers(inside),
            None => (Vec::new(), behind),
        };
        self.selectors.push((name.to_owned(), matchers));
        behind
    }
}

/// Label and value of each, whatever their operator, to the closing brace.
fn matchers(mut rest: &str) -> (Vec<(String, String)>, &str) {
    let mut found = Vec::new();
    loop {
        rest = rest.trim_start_matches([' ', ',', '\n']);
        if let Some(behind) = rest.strip_prefix('}') {
            return (found, behind);
        }
        let (label, behind) = rest.split_at(rest.find(['=', '!']).unwrap());
        let behind = behind.trim_start_matches(['=', '!', '~']);
        let (value, behind) = quoted(behind);
        found.push((label.trim().to_owned(), value));
        rest = behind;
    }
}

/// A text in quotes, and what is behind it.
fn quoted(text: &str) -> (String, &str) {
    let quote = text.chars().next().unwrap();
    let mut inside = String::new();
    let mut characters = text.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => inside.extend(characters.next().map(|(_, escaped)| escaped)),
            end if end == quote => return (inside, &text[at + 1..]),
            other => inside.push(other),
        }
    }
    panic!("{text} does not end");
}

fn is_name(character: char) -> bool {
    character.is_ascii_alphabetic() || matches!(character, '_' | ':')
}

#[test]
fn a_query_is_read_for_its_metrics_labels_and_values() {
    let query =
        r#"sum by (project) (rate(a_total{fault="x",le="0.5"}[5m])) > 0.1 * on (b) c{} or d"#;
    let asked = Asked::of(query);
    let names: Vec<_> = asked
        .selectors
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(names, ["a_total", "c", "d"]);
    assert_eq!(
        asked.labels,
        BTreeSet::from(["project".to_owned(), "b".to_owned()])
    );
    let series = [
        serde_json::json!({"__name__": "a_total", "fault": "y", "le": "0.5"}),
        serde_json::json!({"__name__": "c"}),
    ];
    let exposed = Exposed::of(&series);
    let unknown = exposed.unknown(&query.replace("\"x\"", "\"no such fault\""));
    assert!(
        unknown.iter().any(|it| it.contains("no metric d")),
        "{unknown:?}"
    );
    assert!(
        unknown.iter().any(|it| it.contains("label project")),
        "{unknown:?}"
    );
    let typo = ["mis", "mach"].concat();
    let unknown = exposed.unknown(&format!("a_total{{fault=\"{typo}\"}}"));
    assert!(
        unknown.iter().any(|it| it.contains("never has fault")),
        "{unknown:?}"
    );
}
