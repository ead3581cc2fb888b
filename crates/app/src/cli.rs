//! The command line.

mod data_file;
mod doctor;
mod moving;
#[cfg(test)]
mod pages;
mod play;
mod reading;
mod rehearse;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use task::Lane;

use crate::demo::Demo;

pub(crate) use data_file::DataFile;
pub(crate) use doctor::Doctor;
pub(crate) use moving::{Backup, Epoch, EpochCommand, MigrateTo, Restore};
pub(crate) use play::{Play, TargetArgs};
pub(crate) use reading::{Order, Parked};
pub(crate) use rehearse::Rehearse;

/// Fulfils game-store orders sold through Xsolla: a signed webhook in, an item granted, the
/// player told.
#[derive(Debug, Parser)]
#[command(name = "grantline", version, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Configuration file; the environment can set every key as well (`GRANTLINE__SECTION__KEY`).
    #[arg(long, global = true, env = "GRANTLINE_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run every role in one process. With nothing configured: on loopback, in one file, with
    /// a demo project.
    Serve(Serve),
    /// Receive Xsolla's webhooks: verify, answer questions, enqueue.
    Ingress,
    /// Grant, revoke and record what the ingress enqueued.
    Worker(Worker),
    /// Push order status to game clients and answer their polling.
    Publisher,
    /// Answer game servers and operators.
    Api,
    /// Create or update the database schema and the broker's topology. Safe to repeat.
    Migrate(Migrate),
    /// Copy the embedded stack's file, while it is served or not.
    Backup(Backup),
    /// Put a copy in place of the embedded stack's file, which is kept aside.
    Restore(Restore),
    /// Move the embedded stack's file to PostgreSQL and RabbitMQ: ledger, queued tasks and
    /// all. Safe to interrupt, and to run again.
    MigrateTo(MigrateTo),
    /// Have every client read its history anew.
    Epoch(Epoch),
    /// Show everything that is known of an order.
    Order(Order),
    /// List what was accepted and waits for a person.
    Parked(Parked),
    /// Check the configuration and say everything that is wrong with it.
    CheckConfig(CheckConfig),
    /// Look for everything that is wrong: configuration, secrets, servers, the running ingress.
    Doctor(Doctor),
    /// Send a signed scenario to an instance and show live what comes of it.
    Play(Box<Play>),
    /// Play a sale against an instance: many shoppers, everything that Xsolla does, and what
    /// their clients see.
    Rehearse(Box<Rehearse>),
    /// Print the Authorization header of a webhook body, for sending it with curl.
    Sign(Sign),
    /// Ask the process of this configuration whether it is ready, or lives; exits with 1 if not.
    Healthcheck(Healthcheck),
    /// Print what completes the command line in a shell.
    Completions(Completions),
    /// Print the manual page, or write a page for each command.
    Man(Man),
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Folder of the demo project that is served while no project is configured: its file,
    /// its secrets, and where `grantline play` finds it.
    #[arg(long, value_name = "FOLDER", default_value = Demo::FOLDER)]
    pub(crate) data: PathBuf,
    /// Play one order through the demo project first and show each step.
    #[arg(long)]
    pub(crate) play: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Worker {
    /// Which work to take.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "grant,revoke,record",
        value_name = "KIND,…"
    )]
    pub(crate) kinds: Vec<Lane>,
}

#[derive(Debug, Args)]
pub(crate) struct Migrate {
    /// Change nothing; say what differs and exit with 1 if anything does.
    #[arg(long)]
    pub(crate) check: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CheckConfig {
    /// Print each value in effect with where it comes from, secrets masked.
    #[arg(long)]
    pub(crate) print_config: bool,
    /// For which role; what another one needs may then be missing.
    #[arg(long, value_enum, default_value = "serve")]
    pub(crate) role: Role,
}

/// Who is to run with a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// Every role in one process.
    Serve,
    Ingress,
    Worker,
    Publisher,
    Api,
    /// `grantline migrate`.
    Migrate,
}

#[derive(Debug, Args)]
pub(crate) struct Healthcheck {
    /// `ready`: it should be sent requests; `live`: it answers.
    #[arg(value_enum, default_value = "ready")]
    pub(crate) probe: Probe,
}

/// What is asked of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Probe {
    Ready,
    Live,
}

#[derive(Debug, Args)]
pub(crate) struct Sign {
    /// File with the project's webhook secret. A secret on the command line would be seen
    /// by every user of the machine.
    #[arg(long, value_name = "FILE")]
    pub(crate) secret_file: PathBuf,
    /// File with the body, byte for byte as it will be sent; `-` for standard input.
    #[arg(default_value = "-")]
    pub(crate) body: PathBuf,
}

#[derive(Debug, Args)]
#[command(after_help = HOW_TO_COMPLETE)]
pub(crate) struct Completions {
    /// The shell.
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}

const HOW_TO_COMPLETE: &str = "\
For bash, in this session:  source <(grantline completions bash)
For bash, from now on:      grantline completions bash \\
                              > ~/.local/share/bash-completion/completions/grantline
For zsh:                    grantline completions zsh > FOLDER/_grantline, FOLDER in $fpath
For fish:                   grantline completions fish > ~/.config/fish/completions/grantline.fish";

#[derive(Debug, Args)]
pub(crate) struct Man {
    /// Write a page for the program and for each command into this folder, such as
    /// /usr/local/share/man/man1; it is made where it is missing.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) dir: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn kinds_are_lanes() {
        let cli = Cli::try_parse_from(["grantline", "worker", "--kinds", "grant,revoke"]).unwrap();
        let Command::Worker(worker) = cli.command else {
            unreachable!()
        };
        assert_eq!(worker.kinds, [Lane::Grant, Lane::Revoke]);
        assert!(Cli::try_parse_from(["grantline", "worker", "--kinds", "grants"]).is_err());
    }
}
