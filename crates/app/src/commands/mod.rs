//! One file per subcommand that is not a role; roles are started by `serve`.

mod backup;
mod check_config;
mod completions;
mod data_file;
mod epoch;
mod healthcheck;
mod man;
mod migrate;
mod migrate_to;
mod order;
mod parked;
pub(crate) mod play;
mod reading;
mod rehearse;
mod restore;
mod serve;
mod sign;
mod target;

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;

use crate::cli::{Cli, Command};
use crate::configuration::{Configuration, File, Loaded, Sources};
use crate::roles::Roles;

/// Runs what the command line asks for.
pub(crate) fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let config = cli.config.as_deref();
    match cli.command {
        Command::Sign(sign) => sign::run(&sign),
        Command::Healthcheck(health) => healthcheck::run(&health, config),
        Command::Completions(completions) => completions::run(&completions),
        Command::Man(man) => man::run(&man),
        Command::Order(order) => runtime()?.block_on(order::run(&order, config)),
        Command::Parked(parked) => runtime()?.block_on(parked::run(&parked, config)),
        Command::CheckConfig(check) => check_config::run(&check, config),
        Command::Migrate(migrate) => {
            runtime()?.block_on(migrate::run(&migrate, &load(config)?.value))
        }
        Command::Backup(backup) => backup::run(&backup, config),
        Command::Restore(restore) => restore::run(&restore, config),
        Command::MigrateTo(to) => runtime()?.block_on(migrate_to::run(&to, config)),
        Command::Epoch(epoch) => runtime()?.block_on(epoch::run(&epoch, config)),
        Command::Play(play) => runtime()?.block_on(play::run(&play)),
        Command::Rehearse(rehearse) => runtime()?.block_on(rehearse::run(&rehearse)),
        Command::Serve(serve) => serve::serve(&serve, config),
        Command::Ingress => serve::roles(&Roles::ingress(), &load(config)?.value),
        Command::Worker(worker) => serve::roles(&Roles::worker(worker.kinds), &load(config)?.value),
        Command::Publisher => serve::roles(&Roles::publisher(), &load(config)?.value),
        Command::Api => serve::roles(&Roles::api(), &load(config)?.value),
    }
}

/// An error with its causes, for a person.
pub(crate) fn say_error(error: &anyhow::Error) {
    // Nothing can be done where standard error is gone.
    let _ = writeln!(std::io::stderr(), "error: {error:#}");
}

fn load(config: Option<&Path>) -> anyhow::Result<Loaded<Configuration>> {
    Ok(Configuration::load(&sources(config)?)?)
}

/// The configuration file and the process's environment.
fn sources(config: Option<&Path>) -> anyhow::Result<Sources> {
    let file = config.map(|path| {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the configuration file {}", path.display()))?;
        anyhow::Ok(File {
            path: path.to_owned(),
            text,
        })
    });
    // What is not Unicode cannot be one of ours.
    let unicode = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    Ok(Sources {
        file: file.transpose()?,
        environment: std::env::vars_os().filter_map(unicode).collect(),
    })
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")
}
