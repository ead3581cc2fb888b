//! The program under test.

use std::fs;
use std::path::{Path, PathBuf};

/// `grantline` as it was built beside this test. An older one than its sources would judge
/// yesterday's code.
pub(crate) fn fresh_binary() -> PathBuf {
    const HOW: &str = "run `make test` or `make chaos`, or `cargo build --workspace --bins` first";
    let test = std::env::current_exe().unwrap();
    let folder = test.parent().and_then(Path::parent).unwrap();
    let binary = folder.join("grantline");
    assert!(binary.exists(), "{} is missing: {HOW}", binary.display());
    let built = fs::metadata(&binary).unwrap().modified().unwrap();
    // cargo lists the sources beside each binary, in a make rule.
    let rule = fs::read_to_string(folder.join("grantline.d")).unwrap();
    let (_, sources) = rule.split_once(": ").unwrap();
    for source in sources.split_whitespace() {
        let newer = fs::metadata(source).is_ok_and(|source| source.modified().unwrap() > built);
        assert!(!newer, "{source} is newer than {}: {HOW}", binary.display());
    }
    binary
}
