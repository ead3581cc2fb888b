//! What lies in the repository: rules, their tests, runbooks.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const RUNBOOKS: &str = "deploy/runbooks";
/// How to read the pages, which none of the alerts is about.
const ABOUT: &str = "README";

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The files of a folder that end so, by their paths from the root.
pub(crate) fn below(folder: &str, ending: &str) -> Vec<String> {
    let entries = fs::read_dir(root().join(folder)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut files: Vec<_> = names
        .filter(|name| Path::new(name).extension().is_some_and(|it| it == ending))
        .map(|name| format!("{folder}/{name}"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{folder} is empty");
    files
}

/// Runs a program at the root. It has to end well.
pub(crate) fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(root())
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}; run `make test`"));
    let said = [output.stdout, output.stderr].concat();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&said)
    );
}

pub(crate) fn page_exists(page: &str) -> bool {
    root().join(RUNBOOKS).join(page).exists()
}

/// What the runbooks tell a person to ask the ledger, with the page that says so.
pub(crate) fn statements() -> Vec<(String, String)> {
    let mut statements = Vec::new();
    for page in below(RUNBOOKS, "md") {
        let text = read(&page);
        let blocks = text.split("```sql\n").skip(1);
        statements.extend(blocks.map(|block| {
            let (statement, _) = block.split_once("```").unwrap();
            (page.clone(), statement.to_owned())
        }));
    }
    statements
}

/// What they tell a person to ask Prometheus.
pub(crate) fn questions() -> Vec<(String, String)> {
    let mut questions = Vec::new();
    for page in below(RUNBOOKS, "md") {
        let text = read(&page);
        // Every second piece stands between backticks; blocks have three of them.
        let pieces = text.split('`').skip(1).step_by(2);
        let asked = pieces.filter(|piece| piece.contains("grantline_"));
        questions.extend(asked.map(|piece| (page.clone(), piece.replace('\n', " "))));
    }
    questions
}

/// An alert as the files name it.
pub(crate) struct Alert {
    name: String,
    /// The file name of its runbook page.
    page: String,
}

/// What the files of rules and their tests say, read by line.
pub(crate) struct Rules {
    pub(crate) alerts: Vec<Alert>,
    tests: String,
}

impl Rules {
    pub(crate) fn read() -> Self {
        let all = |folder| -> String {
            let files = below(folder, "yaml");
            files.iter().map(|file| read(file)).collect()
        };
        let mut alerts = Vec::<Alert>::new();
        for line in all("deploy/prometheus/rules").lines() {
            if let Some(name) = line.trim().strip_prefix("- alert: ") {
                let (name, page) = (name.to_owned(), String::new());
                alerts.push(Alert { name, page });
            }
            if let Some(url) = line.trim().strip_prefix("runbook_url: ") {
                let page = url.strip_prefix(&format!("{RUNBOOKS}/")).unwrap();
                page.clone_into(&mut alerts.last_mut().unwrap().page);
            }
        }
        Self {
            alerts,
            tests: all("deploy/prometheus/tests"),
        }
    }

    /// Alerts without a moment at which they fire, or without one at which they do not.
    pub(crate) fn untested(&self) -> Vec<String> {
        let mut untested = Vec::new();
        for Alert { name, .. } in &self.alerts {
            let asked = format!("ALERTS{{alertname=\"{name}\",alertstate=\"firing\"}}");
            let answers: Vec<_> = self
                .tests
                .split(&asked)
                .skip(1)
                .filter_map(|rest| rest.split_once("exp_samples: ["))
                .map(|(_, samples)| samples.starts_with(']'))
                .collect();
            for (silent, word) in [(true, "silent"), (false, "firing")] {
                if !answers.contains(&silent) {
                    untested.push(format!("{name} is never expected {word}"));
                }
            }
        }
        untested
    }

    /// Alerts whose page is missing or does not name them.
    pub(crate) fn without_page(&self) -> Vec<String> {
        let names_it = |alert: &&Alert| {
            let page = root().join(RUNBOOKS).join(&alert.page);
            let text = fs::read_to_string(page).unwrap_or_default();
            !text.contains(&format!("`{}`", alert.name))
        };
        let missing = self.alerts.iter().filter(names_it);
        missing
            .map(|it| format!("{} is not named in {:?}", it.name, it.page))
            .collect()
    }

    /// Pages that no alert leads to.
    pub(crate) fn orphaned_pages(&self) -> Vec<String> {
        let pages = below(RUNBOOKS, "md");
        let used: BTreeSet<_> = self
            .alerts
            .iter()
            .map(|alert| format!("{RUNBOOKS}/{}", alert.page))
            .collect();
        let about = format!("{RUNBOOKS}/{ABOUT}.md");
        let orphaned = |page: &String| *page != about && !used.contains(page);
        pages.into_iter().filter(orphaned).collect()
    }
}
