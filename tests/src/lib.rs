//! Whole-line tests live in `tests/`; here is what they share.

mod chance;

use std::fs;
use std::path::{Path, PathBuf};

pub use chance::Chance;

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
