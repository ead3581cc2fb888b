//! The commands of a runbook, run as they stand there.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use tokio::process::Command;

use crate::roles::Roles;
use crate::rolling::numbers;
use crate::servers::Servers;

const PAGES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/runbooks/disaster");

/// In the pod of the ingress the ingress is on this machine, in the others it is not.
const KUBECTL: &str = r#"#!/bin/bash
set -Eeuo pipefail
case "$*" in
'logs job/grantline-migrate') exec cat migrate.out ;;
'logs --selector app.kubernetes.io/component=ingress '*) exec cat @LOGS@ ;;
'delete job grantline-migrate --ignore-not-found') exec rm --force migrate.out ;;
'apply --filename -')
  [[ $(cat) == 'the hooks' ]]
  grantline migrate | tee migrate.out
  ;;
'wait '*' job/grantline-migrate') [[ -s migrate.out ]] ;;
'exec deploy/grantline-'*' -- /grantline '*)
  export GRANTLINE__INGRESS__LISTEN=127.0.0.1:0
  [[ $2 != deploy/grantline-ingress ]] || GRANTLINE__INGRESS__LISTEN=@INGRESS@
  shift 4
  exec grantline "$@"
  ;;
*) exit 64 ;;
esac
"#;
const HELM: &str = r"#!/bin/bash
[[ $* == 'get hooks grantline' ]] || exit 64
echo 'the hooks'
";

/// A shell in which the commands of the pages do what they do in a cluster.
pub(crate) struct Shell {
    folder: PathBuf,
    variables: Vec<(&'static str, String)>,
}

impl Shell {
    /// With a `kubectl` that reads the logs of the ingress, and runs the program where the page
    /// runs it in a pod, a `helm` that knows of the migration, a `grantline` of the same
    /// configuration, and a `rabbitmqctl` for the broker.
    pub(crate) fn beside(folder: &Path, roles: &Roles, servers: &Servers) -> Self {
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
        let kubectl = KUBECTL
            .replace("@LOGS@", &logs.join(" "))
            .replace("@INGRESS@", &roles.serving("ingress").to_string());
        for (name, text) in [
            ("grantline", grantline),
            ("kubectl", kubectl),
            ("helm", HELM.to_owned()),
            ("rabbitmqctl", servers.control()),
        ] {
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
    use crate::disaster::scene::README;

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
        // Each file of ours is of one page, and some look into the common one as well.
        let sources = files(&ours).into_iter().map(|(_, text)| {
            let named = text.split_once("const PAGE: &str = \"");
            let page = named.map(|(_, rest)| rest.split('"').next().unwrap().to_owned());
            (page, text)
        });
        let sources: Vec<_> = sources.collect();
        let is_run = |page: &str, block: &str| {
            sources.iter().any(|(own, text)| {
                let by_own = own.as_deref() == Some(page);
                let by_name = page == README;
                (by_own && text.contains(&format!("run(PAGE, \"{block}\")")))
                    || (by_name && text.contains(&format!("run(README, \"{block}\")")))
            })
        };
        let mut blocks = 0;
        for (page, text) in files(Path::new(PAGES)) {
            let fences = text.lines().map(str::trim_start);
            for block in fences.filter_map(|line| line.strip_prefix("```sh ")) {
                blocks += 1;
                assert!(is_run(&page, block), "nobody runs `{block}` of {page}");
            }
        }
        assert!(blocks > 10, "only {blocks} were found");
    }
}
