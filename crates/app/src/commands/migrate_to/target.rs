//! From where to where.

use std::path::PathBuf;

use anyhow::bail;

use crate::cli::MigrateTo;
use crate::configuration::{Configuration, Sources, Stack};
use crate::demo::Demo;

const LEDGER: &str = "GRANTLINE__LEDGER__URL";
const BROKER: &str = "GRANTLINE__BROKER__URL";

/// A file, and the servers that are to have what it holds.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) file: PathBuf,
    pub(super) ledger: ledger::Config,
    pub(super) broker: broker::Config,
}

impl Target {
    /// The configuration is that of the line as it will run: with `ledger` and `broker`. What
    /// the command line names comes before both file and environment.
    pub(super) fn find(to: &MigrateTo, mut sources: Sources) -> anyhow::Result<Self> {
        for (name, url) in [(LEDGER, &to.ledger), (BROKER, &to.broker)] {
            if let Some(url) = url {
                // Also the file of it: the two would contradict each other.
                let same = |known: &str| {
                    let known = known.to_ascii_uppercase();
                    known == name || known == format!("{name}_FILE")
                };
                sources.environment.retain(|(known, _)| !same(known));
                sources.environment.push((name.to_owned(), url.clone()));
            }
        }
        let config = Configuration::load(&sources)?.value;
        let Stack::Cluster { ledger, broker } = config.stack() else {
            bail!(
                "here is the configuration of the file itself; give the one that the line will run \
                 with afterwards, with `ledger.url` and `broker.url` in place of `embedded.file`, \
                 and the file with --from"
            );
        };
        let file = match &to.from {
            Some(file) => file.clone(),
            None if sources.file.is_none() => Demo::default_file(),
            None => bail!(
                "which file is to be moved? name it with --from; without it only the demo's is \
                 moved, and only where no configuration file is given"
            ),
        };
        Ok(Self {
            file,
            ledger: ledger.clone(),
            broker: broker.clone(),
        })
    }
}
