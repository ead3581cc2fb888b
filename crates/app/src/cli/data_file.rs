//! Which data a command is about.

use std::path::PathBuf;

use clap::Args;

/// The data of this line, or a file of it.
#[derive(Debug, Args)]
pub(crate) struct DataFile {
    /// A file of the embedded stack; one that is only read may be a backup. Without it what is
    /// configured (`embedded.file`, or `ledger.url`); with nothing configured the demo's,
    /// grantline-data/grantline.db.
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
}
