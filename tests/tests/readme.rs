//! The README names a guarding test for each promise, and the one beside these tests for each
//! fault. They have to exist.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Every Rust file of the workspace, with its text.
fn sources() -> Vec<(PathBuf, String)> {
    let mut folders = vec![root().join("crates"), root().join("tests")];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a readable folder") {
            let path = entry.expect("a readable folder").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a readable source");
                sources.push((path, text));
            }
        }
    }
    sources
}

/// The last column of a row of a table.
fn last_column(row: &str) -> Option<&str> {
    row.trim_end_matches(" |").rsplit(" | ").next()
}

/// What stands between backticks.
fn names(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// The last column of each row of the table of promises.
fn promises(readme: &str) -> Vec<&str> {
    let promises = readme.lines().filter(|line| {
        let number = line
            .strip_prefix("| ")
            .and_then(|rest| rest.split(' ').next());
        number.is_some_and(|number| number.parse::<u8>().is_ok())
    });
    promises.filter_map(last_column).collect()
}

/// The last column of each row of every table of faults.
fn faults(readme: &str) -> Vec<&str> {
    let rows = readme.lines().filter(|line| line.starts_with("| "));
    let guards = rows.filter_map(last_column);
    guards.filter(|guard| *guard != "guarded by").collect()
}

fn exists(sources: &[(PathBuf, String)], name: &str) -> bool {
    let function = format!("fn {}(", name.rsplit("::").next().unwrap_or(name));
    sources
        .iter()
        .any(|(path, text)| path.ends_with(name) || text.contains(&function))
}

#[test]
fn every_promise_names_tests_that_exist() {
    let readme = fs::read_to_string(root().join("README.md")).expect("a README");
    let (sources, guards) = (sources(), promises(&readme));
    assert_eq!(guards.len(), 10, "ten promises, each with its guards");
    for guard in guards {
        let names = names(guard);
        assert!(!names.is_empty(), "no test in {guard:?}");
        for name in names {
            let is_there = exists(&sources, name);
            assert!(is_there, "the README names `{name}`, which does not exist");
        }
    }
}

#[test]
fn every_fault_names_tests_that_exist_or_says_why_there_is_none() {
    let readme = fs::read_to_string(root().join("tests/README.md")).expect("a README");
    let (sources, guards) = (sources(), faults(&readme));
    assert!(guards.len() > 50, "only {} faults were found", guards.len());
    let excused = |guard: &str| {
        ["cannot happen: ", "**not harmless**", "killed under load"]
            .iter()
            .any(|excuse| guard.starts_with(excuse))
    };
    for guard in guards {
        let tests: Vec<_> = names(guard)
            .into_iter()
            .filter(|name| name.contains('_') && !name.contains(' '))
            .collect();
        assert!(!tests.is_empty() || excused(guard), "no test in {guard:?}");
        for name in tests {
            let is_there = exists(&sources, name);
            assert!(is_there, "`{name}` does not exist");
        }
    }
}
