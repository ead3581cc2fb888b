//! The commands of a runbook, run as they stand there.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use tokio::process::Command;

use crate::roles::Roles;
use crate::rolling::numbers;

const PAGES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/runbooks/disaster");

/// A shell in which the commands of the pages do what they do in a cluster.
pub(crate) struct Shell {
    folder: PathBuf,
    variables: Vec<(&'static str, String)>,
}

impl Shell {
    /// With a `kubectl` that reads the logs of the ingress, and runs the program where the page
    /// runs it in a pod, and a `grantline` of the same configuration.
    pub(crate) fn beside(folder: &Path, roles: &Roles) -> Self {
        let tools = folder.join("tools");
        fs::create_dir_all(&tools).unwrap();
        let logs: Vec<String> = numbers("ingress")
            .map(|number| roles.log_of(number).display().to_string())
            .collect();
        let program = ::tests::fresh_binary();
        let configuration = roles.configuration();
        let grantline = format!(
            "#!/bin/bash\nexec '{}' --config '{}' \"$@\"\n",
            program.display(),
            configuration.display()
        );
        let kubectl = format!(
            "#!/bin/bash\ncase $1 in\nlogs) exec cat {} ;;\n\
             exec)\n  while [[ $1 != -- ]]; do shift; done\n  [[ $2 == /grantline ]] || exit 64\n\
             \x20 shift 2\n  exec grantline \"$@\" ;;\n*) exit 64 ;;\nesac\n",
            logs.join(" ")
        );
        for (name, text) in [("grantline", grantline), ("kubectl", kubectl)] {
            let path = tools.join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        Self {
            folder: folder.to_owned(),
            variables: Vec::new(),
        }
    }

    /// What the page takes for granted.
    pub(crate) fn set(&mut self, name: &'static str, value: impl Into<String>) {
        self.variables.retain(|(known, _)| *known != name);
        self.variables.push((name, value.into()));
    }

    /// Runs the block of this name, and insists on success. What it printed.
    pub(crate) async fn run(&self, page: &str, block: &str) -> String {
        let done = self.try_run(page, block).await;
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        assert!(
            done.status.success(),
            "`{block}` of {page}: {}\n{said}{}",
            done.status,
            String::from_utf8_lossy(&done.stderr)
        );
        said
    }

    /// Runs the block of this name, however it ends.
    pub(crate) async fn try_run(&self, page: &str, block: &str) -> Output {
        let script = format!("set -Eeuo pipefail\n{}", block_of(page, block));
        let path = format!(
            "{}:/usr/local/bin:/usr/bin:/bin",
            self.folder.join("tools").display()
        );
        let mut shell = Command::new("bash");
        shell
            .args(["-c", &script])
            .current_dir(&self.folder)
            .env_clear()
            .env("PATH", path)
            .envs(self.variables.iter().cloned())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        shell.output().await.unwrap()
    }
}

/// A fenced block of a page by its name, which stands behind the fence.
fn block_of(page: &str, block: &str) -> String {
    let text = fs::read_to_string(Path::new(PAGES).join(page)).unwrap();
    let begin = format!("```sh {block}\n");
    let (_, rest) = text
        .split_once(&begin)
        .unwrap_or_else(|| panic!("{page} has no block `{block}`"));
    let (script, _) = rest.split_once("```").unwrap();
    script.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(folder: &Path) -> Vec<(String, String)> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
        let named = entries.map(|entry| entry.file_name().into_string().unwrap());
        named
            .map(|name| (name.clone(), fs::read_to_string(folder.join(name)).unwrap()))
            .collect()
    }

    #[test]
    fn every_block_with_a_name_is_run() {
        let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster/disaster");
        let sources: Vec<_> = files(&ours).into_iter().map(|(_, text)| text).collect();
        let mut blocks = 0;
        for (page, text) in files(Path::new(PAGES)) {
            let fences = text.lines().map(str::trim_start);
            for block in fences.filter_map(|line| line.strip_prefix("```sh ")) {
                blocks += 1;
                let call = format!(", \"{block}\")");
                let is_run = sources.iter().any(|source| source.contains(&call));
                assert!(is_run, "nobody runs `{block}` of {page}");
            }
        }
        assert!(blocks > 10, "only {blocks} were found");
    }
}
