//! Arguments of the commands that copy the data, or take it elsewhere.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::data_file::DataFile;

#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// Where the copy is to be. Nothing is overwritten.
    #[arg(value_name = "COPY")]
    pub(crate) to: PathBuf,
    #[command(flatten)]
    pub(crate) data: DataFile,
}

#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// The copy that `grantline backup` made.
    #[arg(value_name = "COPY")]
    pub(crate) from: PathBuf,
    #[command(flatten)]
    pub(crate) data: DataFile,
}

#[derive(Debug, Args)]
pub(crate) struct MigrateTo {
    /// The new database, `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, in place of
    /// `ledger.url`. Every user of this machine can read a command line: better leave it in
    /// the configuration, the environment (`GRANTLINE__LEDGER__URL`) or a file
    /// (`GRANTLINE__LEDGER__URL_FILE`).
    #[arg(value_name = "URL")]
    pub(crate) ledger: Option<String>,
    /// The new broker, `amqp://USER:PASSWORD@HOST:5672/VHOST`, in place of `broker.url`.
    #[arg(long, value_name = "URL")]
    pub(crate) broker: Option<String>,
    /// The embedded stack's file that is moved. Without it the demo's,
    /// grantline-data/grantline.db.
    #[arg(long, value_name = "FILE")]
    pub(crate) from: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Epoch {
    #[command(subcommand)]
    pub(crate) command: EpochCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum EpochCommand {
    /// Draw another one, after the database was restored from a snapshot or its file copied.
    New {
        #[command(flatten)]
        data: DataFile,
    },
}
