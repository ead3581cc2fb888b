//! The reference of all keys, for the README. Only the test that compares it needs it.

use std::fmt::Write as _;

use schemars::JsonSchema;

use super::environment::variable;
use super::leaf::Leaf;
use super::print::toml;
use super::shape::{Key, Kind, Shape};
use super::twin::joined;

/// Where the reference begins in the README.
const BEGIN: &str = "<!-- configuration:begin -->";
/// Where it ends.
const END: &str = "<!-- configuration:end -->";

/// One table a section: key, type and default, description, environment twin.
fn reference_markdown<T: JsonSchema>() -> String {
    let shape = Shape::of::<T>();
    let mut text = String::new();
    let Kind::Table(sections) = &shape.kind else {
        return text;
    };
    for (name, section) in sections {
        // Writing to a String cannot fail.
        let _ = write!(text, "#### `[{}]`\n\n", head(name, &section.shape));
        if !section.shape.description.is_empty() {
            let _ = write!(text, "{}\n\n", section.shape.description);
        }
        text.push_str("| key | value | meaning | environment |\n|---|---|---|---|\n");
        rows(&section.shape, std::slice::from_ref(name), &mut text);
        text.push('\n');
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

fn head(name: &str, shape: &Shape) -> String {
    if let Kind::Map { placeholder, .. } = &shape.kind {
        return format!("{name}.<{placeholder}>");
    }
    name.to_owned()
}

fn rows(shape: &Shape, path: &[String], text: &mut String) {
    match &shape.kind {
        Kind::Table(keys) => {
            // A section's own keys come before its tables.
            let (tables, own): (Vec<_>, Vec<_>) =
                keys.iter().partition(|(_, key)| key.shape.is_table());
            for (name, key) in own.into_iter().chain(tables) {
                let path = joined(path, name);
                if key.shape.is_table() {
                    rows(&key.shape, &path, text);
                } else {
                    row(key, &path, text);
                }
            }
        }
        Kind::Map { value, placeholder } => {
            rows(value, &joined(path, &format!("<{placeholder}>")), text);
        }
        Kind::List { .. } | Kind::Leaf(_) => {}
    }
}

fn row(key: &Key, path: &[String], text: &mut String) {
    let standing = match &key.shape.default {
        Some(default) => format!("`{}`", toml(default)),
        None if key.required => "**required**".to_owned(),
        None => "not set".to_owned(),
    };
    let _ = writeln!(
        text,
        "| `{}` | {}; {} | {} | `{}` |",
        path.join("."),
        cell(&takes(&key.shape)),
        cell(&standing),
        cell(&key.shape.description),
        variable(path),
    );
}

/// What a key takes, in few words.
fn takes(shape: &Shape) -> String {
    match &shape.kind {
        Kind::List { .. } if shape.has_twin() => {
            "list of secrets, or of their paths in `…_file`".to_owned()
        }
        Kind::List { item, .. } => format!("list, each {}", takes(item)),
        Kind::Leaf(Leaf::Secret) => "secret, or its path in `…_file`".to_owned(),
        Kind::Leaf(Leaf::Duration) => "duration".to_owned(),
        Kind::Leaf(Leaf::Text { .. }) => "text".to_owned(),
        Kind::Leaf(Leaf::Word(words)) => {
            let words = words.iter().map(|word| format!("`\"{word}\"`"));
            words.collect::<Vec<_>>().join(" or ")
        }
        Kind::Table(_)
        | Kind::Map { .. }
        | Kind::Leaf(Leaf::Integer { .. } | Leaf::Number { .. } | Leaf::Bool | Leaf::Any) => {
            shape.expected().trim_start_matches("a ").to_owned()
        }
    }
}

/// A text that cannot end its cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::super::Configuration;
    use super::*;

    /// `UPDATE_README=1` writes the reference instead of comparing it.
    #[test]
    fn the_readme_holds_the_reference_of_this_code() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
        let readme = fs::read_to_string(&path).expect("README.md at the root of the workspace");
        let (before, rest) = readme.split_once(BEGIN).expect("the begin marker");
        let (written, after) = rest.split_once(END).expect("the end marker behind it");
        let reference = format!("\n{}", reference_markdown::<Configuration>());
        #[expect(
            clippy::disallowed_methods,
            reason = "a switch of this test, no configuration"
        )]
        let update = std::env::var("UPDATE_README").is_ok_and(|value| value == "1");
        if update {
            fs::write(&path, format!("{before}{BEGIN}{reference}{END}{after}")).unwrap();
        } else {
            assert!(
                written == reference,
                "stale: run this test again with UPDATE_README=1"
            );
        }
    }

    #[test]
    fn every_key_stands_in_the_reference_with_its_meaning() {
        let text = reference_markdown::<Configuration>();
        let rows: Vec<_> = text
            .lines()
            .filter(|line| line.starts_with("| `"))
            .collect();
        assert!(rows.len() > 50, "{text}");
        for row in rows {
            assert!(!row.contains("|  |"), "a key without a doc comment: {row}");
            assert!(
                !row.contains("another value"),
                "a key whose schema says nothing: {row}"
            );
        }
        assert!(text.contains("| `ledger.url` | secret, or its path in `…_file`; **required** |"));
        assert!(text.contains("`GRANTLINE__PROJECTS__<ID>__WEBHOOK_SECRETS`"));
        assert!(text.contains("| `worker.drain_timeout` | duration; `\"25s\"` |"));
    }
}
