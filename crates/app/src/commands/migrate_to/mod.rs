//! `grantline migrate-to`: the embedded stack's file to PostgreSQL and RabbitMQ.
//!
//! In this order, each step safe to repeat: the move is noted in the file; the ledger is
//! copied in one transaction, marked as unfinished; every queued message is published and
//! confirmed; the file is marked as moved; the copy is marked as finished. Until the fourth
//! step the file is the truth and can be served, and no role uses the copy. From there on it
//! is refused, and the copy is the truth as soon as the fifth step is done, which the next
//! run makes up for. So both are never served at once.

mod table;
mod target;

use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, anyhow, bail};
use broker::Topology;
use ledger::Arrival;
use sqlite::Move;
use telemetry::Telemetry;

use crate::cli::MigrateTo;
use target::Target;

pub(crate) async fn run(to: &MigrateTo, config: Option<&Path>) -> anyhow::Result<ExitCode> {
    let target = Target::find(to, super::sources(config)?)?;
    let file = sqlite::File::open_to_move(&target.file)?;
    let database = ledger::Destination::open(&target.ledger)?;
    let moved = bring(&target, &file, &database).await;
    database.close().await;
    file.close().await;
    moved
}

async fn bring(
    target: &Target,
    file: &sqlite::File,
    database: &ledger::Destination,
) -> anyhow::Result<ExitCode> {
    let places = (database.place().to_owned(), target.broker.place());
    let known = file.movement().await?;
    if let Some(known) = &known
        && known.moved_at.is_some()
    {
        return finish_again(known, places, file.path(), database)
            .await
            .with_context(|| format!("{} was moved", file.path().display()));
    }
    say(format_args!(
        "Moving {} to PostgreSQL at {} and RabbitMQ at {}.",
        file.path().display(),
        places.0,
        places.1
    ))?;
    // Before anything is changed there: the wrong address may be that of a running line.
    let id = known.as_ref().map(|known| known.id.as_str());
    let vacant = database.expect_vacant(id).await;
    vacant.map_err(|error| again(&error.into()))?;
    database.migrate().await?;
    Topology::declare(&target.broker).await?;
    let begun = file.begin_move(&places.0, &places.1, task::now()).await?;
    let meter = Telemetry::quiet().meter("broker");
    let broker = broker::Destination::connect(target.broker.clone(), &meter).await?;
    let copied = copy(&begun, file, database, &broker)
        .await
        .map_err(|error| again(&error));
    broker.close().await;
    let (tables, messages) = copied?;

    // Both sides are counted. From here on nobody serves the file, and then the copy is free.
    let ended = file.end_move(task::now()).await;
    ended.map_err(|error| again(&error.into()))?;
    let finished = database.finish(&begun.id, task::now()).await;
    finished.map_err(|error| {
        anyhow!(
            "{:#}; everything has arrived and the file is served no more: run this again, so that \
             the database may be used",
            anyhow::Error::new(error)
        )
    })?;
    table::print(&mut io::stdout(), &tables, &messages)?;
    say(format_args!(
        "Everything has arrived. {} is marked as moved and is served no more; keep it until you \
         are sure.\nServe what it was with this configuration's `ledger` and `broker`; clients \
         read their history anew and go on at the next offset.",
        file.path().display()
    ))?;
    Ok(ExitCode::SUCCESS)
}

async fn copy(
    begun: &Move,
    file: &sqlite::File,
    database: &ledger::Destination,
    broker: &broker::Destination,
) -> anyhow::Result<(Vec<ledger::Copied>, Vec<broker::Carried>)> {
    match database.arrival(&begun.id).await? {
        // Where an earlier attempt was, there may be messages of it.
        Arrival::Nothing => broker.expect_empty().await?,
        Arrival::Unfinished => {}
        Arrival::Finished => bail!(
            "the database at {} holds this file as it was when it was moved, and this is a copy of \
             it from before; name another database",
            database.place()
        ),
    }
    let tables = database.copy(file, &begun.id, task::now()).await?;
    let messages = broker.carry(file, task::now).await?;
    Ok((tables, messages))
}

/// The file is marked: all that can be missing is the mark of the copy.
async fn finish_again(
    known: &Move,
    (ledger, broker): (String, String),
    file: &Path,
    database: &ledger::Destination,
) -> anyhow::Result<ExitCode> {
    if (&known.ledger, &known.broker) != (&ledger, &broker) {
        bail!(
            "to {} and {}, and cannot be moved to {ledger} and {broker} any more; run the line there",
            known.ledger,
            known.broker
        );
    }
    match database.arrival(&known.id).await? {
        Arrival::Nothing => bail!(
            "to {ledger}, and nothing is there now; restore that database, or a backup of the file \
             (`grantline restore`)"
        ),
        Arrival::Unfinished => database.finish(&known.id, task::now()).await?,
        Arrival::Finished => {}
    }
    say(format_args!(
        "{} was moved to {ledger} and {broker}, all of it; serve those.",
        file.display()
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// What to do comes last, behind what is wrong.
fn again(error: &anyhow::Error) -> anyhow::Error {
    anyhow!("{error:#}; nothing is lost: the file can be served as before, or run this again")
}

fn say(what: std::fmt::Arguments<'_>) -> io::Result<()> {
    writeln!(io::stdout(), "{what}")
}
