//! Processes of the `grantline` that `make bench` has just built.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);

/// One process, ended when this is dropped.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
    began: Instant,
}

impl Process {
    /// Starts it with arguments and variables of its own; `log` takes what it says.
    pub(crate) fn start(log: &Path, prepare: impl FnOnce(&mut Command)) -> Self {
        // The kernel ends it with this thread, the main one.
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "--"])
            .arg(binary())
            .stdin(Stdio::null())
            .stdout(File::create(log).unwrap())
            .stderr(File::options().append(true).open(log).unwrap());
        prepare(&mut command);
        Self {
            began: Instant::now(),
            child: command.spawn().unwrap(),
            log: log.to_owned(),
        }
    }

    /// When it was asked for.
    pub(crate) const fn began(&self) -> Instant {
        self.began
    }

    pub(crate) fn id(&self) -> u32 {
        // setpriv has become the process.
        self.child.id()
    }

    /// Insists that it still runs, and has not taken too long to do `what`.
    pub(crate) fn check_that_it_may_still(&mut self, what: &str) {
        let ended = self.child.try_wait().unwrap();
        let log = || fs::read_to_string(&self.log).unwrap_or_default();
        assert!(ended.is_none(), "{ended:?}\n{}", log());
        let in_time = self.began.elapsed() < PATIENCE;
        assert!(in_time, "it does not {what}\n{}", log());
    }

    /// Asks it to end as Ctrl-C does, and waits until it has.
    pub(crate) fn stop(mut self) {
        let asked = Command::new("kill")
            .args(["-INT", &self.id().to_string()])
            .status();
        assert!(asked.unwrap().success());
        self.wait();
    }

    /// Waits until it ends well by itself.
    pub(crate) fn wait(&mut self) {
        let ended = self.child.wait().unwrap();
        let log = || fs::read_to_string(&self.log).unwrap_or_default();
        assert!(ExitStatus::success(&ended), "{ended:?}\n{}", log());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Beside this program.
fn binary() -> PathBuf {
    let this = std::env::current_exe().unwrap();
    let folder = this.parent().and_then(Path::parent).unwrap();
    let binary = folder.join("grantline");
    assert!(binary.exists(), "`make bench` builds grantline first");
    binary
}
