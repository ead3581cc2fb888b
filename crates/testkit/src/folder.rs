//! Throw-away folders.

use std::fs;
use std::hash::{BuildHasher as _, RandomState};
use std::path::{Path, PathBuf};

/// A folder of one test. Deleted with all that is in it when this is dropped.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// A new and empty one, on the disk that temporary files are on.
    ///
    /// # Panics
    /// When there is no room for one.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "makes a folder")]
    pub fn new() -> Self {
        let name = format!("grantline-test-{:016x}", RandomState::new().hash_one(()));
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).expect("a folder can be made among the temporary files");
        Self(path)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The path of something in it.
    #[must_use]
    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, "A folder stays behind");
        }
    }
}
