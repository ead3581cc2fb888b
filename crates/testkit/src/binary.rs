//! The program itself, for tests that run it as a process.

use std::fs;
use std::path::{Path, PathBuf};

const HOW: &str = "run `make test`, or `cargo build --workspace --bins` first";

/// `grantline` as it was built beside the running test.
///
/// # Panics
/// When it is missing, or older than its sources: it would judge yesterday's code.
#[must_use]
pub fn fresh_binary() -> PathBuf {
    let test = std::env::current_exe().expect("a test is a file");
    let folder = test
        .parent()
        .and_then(Path::parent)
        .expect("cargo's folders");
    let binary = folder.join("grantline");
    assert!(binary.exists(), "{} is missing: {HOW}", binary.display());
    let modified = |path: &Path| fs::metadata(path).and_then(|file| file.modified());
    let built = modified(&binary).expect("the binary is readable");
    // cargo lists the sources beside each binary, in a make rule.
    let rule = fs::read_to_string(folder.join("grantline.d")).expect("cargo wrote it");
    let (_, sources) = rule.split_once(": ").expect("a make rule");
    for source in sources.split_whitespace() {
        let newer = modified(Path::new(source)).is_ok_and(|source| source > built);
        assert!(!newer, "{source} is newer than {}: {HOW}", binary.display());
    }
    binary
}
