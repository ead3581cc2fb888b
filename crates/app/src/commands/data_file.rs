//! Which file of the embedded stack a command is about.

use std::path::{Path, PathBuf};

use anyhow::bail;

use crate::cli::DataFile;
use crate::configuration::{Configuration, Stack};
use crate::demo::Demo;

impl DataFile {
    /// The one that is named, or else the one that `grantline serve` would serve here.
    pub(super) fn find(&self, config: Option<&Path>) -> anyhow::Result<PathBuf> {
        if let Some(file) = &self.file {
            return Ok(file.clone());
        }
        let sources = super::sources(config)?;
        if let Some(file) = Demo::file(&sources) {
            return Ok(file);
        }
        match Configuration::load(&sources)?.value.stack() {
            Stack::Embedded(embedded) => Ok(embedded.file.clone()),
            Stack::Cluster { .. } => bail!(
                "here is the configuration of servers (`ledger.url`), and this is about a file; \
                 name one with --file, or use PostgreSQL's own tools (`pg_dump`, snapshots) and \
                 `grantline epoch new` after"
            ),
        }
    }
}
