//! `grantline` as a process.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

/// The sections whose `listen` says where a role is, as the environment spells them.
pub const LISTENERS: [&str; 4] = ["INGRESS", "PUBLISHER", "API", "ADMIN"];

/// `grantline` with these arguments. It ends with the thread that starts it, however that
/// ends, and with the handle of its process.
///
/// # Panics
/// As [`fresh_binary`] does.
#[must_use]
pub fn grantline(arguments: &[&str]) -> Command {
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL", "--"])
        .arg(fresh_binary())
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

/// `grantline serve` on the folder `data`, each of [`LISTENERS`] at an address of its own.
///
/// # Panics
/// As [`fresh_binary`] does.
#[must_use]
pub fn serve(data: &Path, listen: impl Fn(&str) -> SocketAddr) -> Command {
    let mut serve = grantline(&["serve", "--data"]);
    serve.arg(data).envs(LISTENERS.map(|role| {
        let key = format!("GRANTLINE__{role}__LISTEN");
        (key, listen(role).to_string())
    }));
    serve
}

/// `grantline` as it was built beside the running test. An older one than its sources would
/// judge yesterday's code.
///
/// # Panics
/// When it is missing or older.
#[must_use]
pub fn fresh_binary() -> PathBuf {
    const HOW: &str = "run `make test`, or `cargo build --workspace --bins` first";
    let test = std::env::current_exe().expect("a running test has a path");
    let folder = test.parent().and_then(Path::parent);
    let folder = folder.expect("cargo runs tests from a folder below the binaries");
    let binary = folder.join("grantline");
    assert!(binary.exists(), "{} is missing: {HOW}", binary.display());
    let written = |path: &Path| fs::metadata(path).and_then(|it| it.modified()).ok();
    let built = written(&binary).expect("the binary has a date");
    // cargo lists the sources beside each binary, in a make rule.
    let rule = fs::read_to_string(folder.join("grantline.d")).expect("a list of sources");
    let (_, sources) = rule.split_once(": ").expect("a make rule");
    for source in sources.split_whitespace() {
        let newer = written(Path::new(source)).is_some_and(|source| source > built);
        assert!(!newer, "{source} is newer than {}: {HOW}", binary.display());
    }
    binary
}
