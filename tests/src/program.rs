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
    let how = "run `make test`, or `cargo build --workspace --bins` first";
    fresh(built().join("grantline"), how)
}

/// `grantline` as the next version may be: another task format, another schema.
///
/// # Panics
/// When it is missing or older than its sources.
#[must_use]
pub fn ahead_binary() -> PathBuf {
    let how = "run `make test`, or `make ahead` first";
    fresh(built().join("ahead/grantline"), how)
}

/// `grantline` linked with everything it needs: the one that `GRANTLINE_STATIC_BINARY` names,
/// or the one beside the running test.
///
/// # Panics
/// When it is missing or older than its sources.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "how `make verify-static` names the release"
)]
pub fn static_binary() -> PathBuf {
    let named = std::env::var_os("GRANTLINE_STATIC_BINARY").map(PathBuf::from);
    let how = "run `make test`, or `make linked-static` first";
    named.unwrap_or_else(|| fresh(built().join("static/grantline"), how))
}

/// Where cargo puts what the running test was built with.
fn built() -> PathBuf {
    let test = std::env::current_exe().expect("a running test has a path");
    let folder = test.parent().and_then(Path::parent);
    let folder = folder.expect("cargo runs tests from a folder below the binaries");
    folder.to_owned()
}

fn fresh(binary: PathBuf, how: &str) -> PathBuf {
    assert!(binary.exists(), "{} is missing: {how}", binary.display());
    let written = |path: &Path| fs::metadata(path).and_then(|it| it.modified()).ok();
    let built_at = written(&binary).expect("the binary has a date");
    // cargo lists the sources beside each binary, in a make rule.
    let rule = fs::read_to_string(built().join("grantline.d")).expect("a list of sources");
    let (_, sources) = rule.split_once(": ").expect("a make rule");
    for source in sources.split_whitespace() {
        let newer = written(Path::new(source)).is_some_and(|source| source > built_at);
        assert!(!newer, "{source} is newer than {}: {how}", binary.display());
    }
    binary
}
