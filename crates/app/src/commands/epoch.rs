//! `grantline epoch new`: for a ledger that was put back to an earlier moment.

use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use ledger::Ledger;

use crate::cli::{Epoch, EpochCommand};
use crate::configuration::{Configuration, Stack};
use crate::demo::Demo;

/// Nobody reads streams here.
const HISTORY_ROWS: u32 = 1;

pub(crate) async fn run(epoch: &Epoch, config: Option<&Path>) -> anyhow::Result<ExitCode> {
    let EpochCommand::New { data } = &epoch.command;
    let sources = super::sources(config)?;
    if data.file.is_none() && Demo::file(&sources).is_none() {
        let loaded = Configuration::load(&sources)?.value;
        if let Stack::Cluster { ledger, .. } = loaded.stack() {
            let ledger = Ledger::open(ledger)?;
            super::reading::usable(&ledger).await?;
            let drawn = draw(&ledger).await;
            ledger.close().await;
            return drawn;
        }
    }
    let path = data.find(config)?;
    anyhow::ensure!(
        path.exists(),
        "there is no file {}; name the copied one with --file",
        path.display()
    );
    let file = sqlite::File::open(&path)?;
    let drawn = draw(&Ledger::embedded(file.clone(), HISTORY_ROWS)).await;
    file.close().await;
    drawn
}

async fn draw(ledger: &Ledger) -> anyhow::Result<ExitCode> {
    let before = ledger.epoch().await.context("the epoch is as it was")?;
    let drawn = ledger.new_epoch().await.context("the epoch is as it was")?;
    writeln!(
        io::stdout(),
        "The epoch was {before} and is {drawn}: clients read their history anew."
    )?;
    Ok(ExitCode::SUCCESS)
}
