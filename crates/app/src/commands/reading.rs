//! The ledger as the commands that read open it: without a lock, without a right to write.

use std::io::{self, Write as _};
use std::path::Path;

use anyhow::{Context as _, bail};
use ledger::{Ledger, SchemaError};
use order::ProjectId;

use crate::cli::DataFile;
use crate::configuration::{Configuration, Embedded, Sources, Stack};
use crate::demo::Demo;

/// A ledger to be read, and the projects that are configured beside it.
pub(super) struct Reading {
    pub(super) ledger: Ledger,
    projects: Vec<ProjectId>,
    file: Option<sqlite::File>,
}

impl Reading {
    /// Opens what `data` names, or else what `grantline serve` would serve here.
    ///
    /// # Errors
    /// When it is not there or cannot be read; when servers are away.
    pub(super) async fn open(data: &DataFile, config: Option<&Path>) -> anyhow::Result<Self> {
        let sources = super::sources(config)?;
        match (&data.file, Demo::file(&sources)) {
            (Some(path), demo) => {
                // A backup can be read where nothing is configured.
                let projects = match demo {
                    Some(_) => vec![Demo::project()],
                    None => projects(&Configuration::load(&sources)?.value, &sources),
                };
                Ok(Self::embedded(
                    open(path)?,
                    Embedded::history_rows(),
                    projects,
                ))
            }
            (None, Some(path)) => {
                let file = open(&path).context(
                    "nothing is configured here; name a configuration with --config or a file \
                     with --file, or make the demo's with `grantline serve`",
                )?;
                let projects = vec![Demo::project()];
                Ok(Self::embedded(file, Embedded::history_rows(), projects))
            }
            (None, None) => {
                let config = Configuration::load(&sources)?.value;
                let projects = projects(&config, &sources);
                match config.stack() {
                    Stack::Cluster { ledger, .. } => Ok(Self {
                        ledger: servers(ledger).await?,
                        projects,
                        file: None,
                    }),
                    Stack::Embedded(embedded) => {
                        let file =
                            open(&embedded.file).context("`embedded.file` cannot be read")?;
                        Ok(Self::embedded(file, embedded.history_rows, projects))
                    }
                }
            }
        }
    }

    fn embedded(file: sqlite::File, history_rows: u32, projects: Vec<ProjectId>) -> Self {
        Self {
            ledger: Ledger::embedded(file.clone(), history_rows),
            projects,
            file: Some(file),
        }
    }

    /// The project asked for, or the only one there is.
    pub(super) fn project(&self, asked: Option<ProjectId>) -> anyhow::Result<ProjectId> {
        match (asked, self.projects.as_slice()) {
            (Some(project), _) | (None, &[project]) => Ok(project),
            (None, []) => bail!("no project is configured: say which one with --project"),
            (None, several) => {
                let ids: Vec<_> = several.iter().map(ToString::to_string).collect();
                let ids = ids.join(", ");
                bail!("each project numbers its own orders: say which one with --project ({ids})")
            }
        }
    }

    pub(super) async fn close(self) {
        // Nothing is to be finished in a file that was only read.
        match self.file {
            Some(file) => file.close().await,
            None => self.ledger.close().await,
        }
    }
}

/// Those of the configuration; the demo's where there are none.
fn projects(config: &Configuration, sources: &Sources) -> Vec<ProjectId> {
    let demos = Demo::is_wanted(sources).then(Demo::project);
    config
        .projects
        .keys()
        .map(|key| key.0)
        .chain(demos)
        .collect()
}

fn open(path: &Path) -> anyhow::Result<sqlite::File> {
    anyhow::ensure!(path.exists(), "there is no file {}", path.display());
    Ok(sqlite::File::open_to_read(path)?)
}

async fn servers(config: &ledger::Config) -> anyhow::Result<Ledger> {
    let ledger = Ledger::open_to_read(config)?;
    usable(&ledger).await?;
    Ok(ledger)
}

/// Warns of a newer schema, which the roles work on, too.
///
/// # Errors
/// When the schema is any other one than this version's or a newer one; when servers are away.
pub(super) async fn usable(ledger: &Ledger) -> anyhow::Result<()> {
    match ledger.check_schema().await {
        Ok(()) => {}
        // Every migration leaves the schema usable for the version before it.
        Err(newer @ SchemaError::Newer { .. }) => writeln!(io::stderr(), "warning: {newer}")?,
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
