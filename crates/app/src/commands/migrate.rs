//! `grantline migrate`: schema and topology, ahead of the roles.

use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use broker::Topology;
use ledger::{Ledger, SchemaError};

use crate::cli::Migrate;
use crate::configuration::{Configuration, Stack};

pub(crate) async fn run(migrate: &Migrate, config: &Configuration) -> anyhow::Result<ExitCode> {
    match config.stack() {
        Stack::Cluster { ledger, broker } => {
            let ledger = Ledger::open(ledger)?;
            let code = if migrate.check {
                check(&ledger, broker).await?
            } else {
                apply(&ledger, broker).await?
            };
            ledger.close().await;
            Ok(code)
        }
        Stack::Embedded(embedded) => file(&embedded.file, migrate.check).await,
    }
}

/// Opening brings a file up to date, so that nobody has to do it ahead.
async fn file(path: &Path, check: bool) -> anyhow::Result<ExitCode> {
    let opened = if check {
        sqlite::File::open_to_read(path)?
    } else {
        sqlite::File::open(path)?
    };
    opened.close().await;
    writeln!(
        io::stdout(),
        "{}: the schema is as this version needs it",
        path.display()
    )?;
    Ok(ExitCode::SUCCESS)
}

async fn apply(ledger: &Ledger, broker: &broker::Config) -> anyhow::Result<ExitCode> {
    let mut out = io::stdout();
    ledger.migrate().await?;
    match ledger.check_schema().await {
        Ok(()) => writeln!(out, "ledger: the schema is up to date")?,
        Err(newer @ SchemaError::Newer { .. }) => {
            writeln!(out, "ledger: nothing to do: {newer}")?;
        }
        Err(error) => return Err(error.into()),
    }
    let declared = Topology::declare(broker).await?;
    for object in &declared {
        writeln!(out, "broker: {object}")?;
    }
    writeln!(out, "broker: the topology is up to date")?;
    Ok(ExitCode::SUCCESS)
}

async fn check(ledger: &Ledger, broker: &broker::Config) -> anyhow::Result<ExitCode> {
    let mut out = io::stdout();
    let mut code = ExitCode::SUCCESS;
    if let Err(error) = ledger.check_schema().await {
        writeln!(out, "ledger: {:#}", anyhow::Error::new(error))?;
        code = ExitCode::FAILURE;
    }
    for fault in Topology::check(broker).await? {
        writeln!(out, "broker at {}: {fault}", broker.place())?;
        code = ExitCode::FAILURE;
    }
    if code == ExitCode::SUCCESS {
        writeln!(out, "schema and topology are as this version needs them")?;
    }
    Ok(code)
}
