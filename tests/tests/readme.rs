//! The README names a guarding test for each promise. They have to exist.

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

/// The last column of each row of the table of promises.
fn guards(readme: &str) -> Vec<&str> {
    let promises = readme.lines().filter(|line| {
        let number = line
            .strip_prefix("| ")
            .and_then(|rest| rest.split(' ').next());
        number.is_some_and(|number| number.parse::<u8>().is_ok())
    });
    promises
        .filter_map(|row| row.trim_end_matches(" |").rsplit(" | ").next())
        .collect()
}

#[test]
fn every_promise_names_tests_that_exist() {
    let readme = fs::read_to_string(root().join("README.md")).expect("a README");
    let (sources, guards) = (sources(), guards(&readme));
    assert_eq!(guards.len(), 10, "ten promises, each with its guards");
    for guard in guards {
        let names: Vec<&str> = guard.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "no test in {guard:?}");
        for name in names {
            let function = format!("fn {}(", name.rsplit("::").next().unwrap_or(name));
            let is_there = sources
                .iter()
                .any(|(path, text)| path.ends_with(name) || text.contains(&function));
            assert!(is_there, "the README names `{name}`, which does not exist");
        }
    }
}
