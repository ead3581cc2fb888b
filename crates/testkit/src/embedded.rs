//! Throw-away files of the embedded stack.

use ledger::Ledger;
use sqlite::File;

use crate::Folder;

/// A file of one test, with the schema of this version. Closed and deleted when this is
/// dropped.
#[derive(Debug)]
pub struct Embedded {
    file: File,
    // After the file: the folder goes when nobody has anything open in it.
    _folder: Folder,
}

impl Embedded {
    /// A new file.
    ///
    /// # Panics
    /// When there is no room for one.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "makes a file")]
    pub fn new() -> Self {
        let folder = Folder::new();
        let file = File::open(&folder.join("grantline.db")).expect("a new file can be opened");
        Self {
            file,
            _folder: folder,
        }
    }

    /// The file.
    #[must_use]
    pub fn file(&self) -> File {
        self.file.clone()
    }

    /// The ledger in it, with as much history as is the default.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        Ledger::embedded(self.file(), 1_000)
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        let file = self.file();
        // A thread, because a test's runtime cannot wait here.
        let closing = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build()?;
            runtime.block_on(file.close());
            std::io::Result::Ok(())
        });
        if let Ok(Err(fault)) = closing.join() {
            tracing::warn!(%fault, "A test's file is left open");
        }
    }
}
