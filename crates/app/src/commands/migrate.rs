//! `grantline migrate`: schema and topology, ahead of the roles.

use std::io::{self, Write as _};
use std::process::ExitCode;

use broker::Topology;
use ledger::Ledger;

use crate::cli::Migrate;
use crate::configuration::Configuration;

pub(crate) async fn run(migrate: &Migrate, config: &Configuration) -> anyhow::Result<ExitCode> {
    let ledger = Ledger::open(&config.ledger)?;
    let code = if migrate.check {
        check(&ledger, config).await?
    } else {
        apply(&ledger, config).await?
    };
    ledger.close().await;
    Ok(code)
}

async fn apply(ledger: &Ledger, config: &Configuration) -> anyhow::Result<ExitCode> {
    let mut out = io::stdout();
    ledger.migrate().await?;
    writeln!(out, "ledger: the schema is up to date")?;
    let declared = Topology::declare(&config.broker).await?;
    for object in &declared {
        writeln!(out, "broker: {object}")?;
    }
    writeln!(out, "broker: the topology is up to date")?;
    Ok(ExitCode::SUCCESS)
}

async fn check(ledger: &Ledger, config: &Configuration) -> anyhow::Result<ExitCode> {
    let mut out = io::stdout();
    let mut code = ExitCode::SUCCESS;
    if let Err(error) = ledger.check_schema().await {
        writeln!(out, "ledger: {:#}", anyhow::Error::new(error))?;
        code = ExitCode::FAILURE;
    }
    for fault in Topology::check(&config.broker).await? {
        writeln!(out, "broker at {}: {fault}", config.broker.place())?;
        code = ExitCode::FAILURE;
    }
    if code == ExitCode::SUCCESS {
        writeln!(out, "schema and topology are as this version needs them")?;
    }
    Ok(code)
}
