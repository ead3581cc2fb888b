//! `grantline backup`: a copy of the embedded stack's file, beside whoever serves it.

use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use crate::cli::Backup;

pub(crate) async fn run(backup: Backup, config: Option<&Path>) -> anyhow::Result<ExitCode> {
    let from = backup.data.find(config)?;
    let (source, to) = (from.clone(), backup.to.clone());
    let bytes = super::copying::run(move |stop| sqlite::backup(&source, &to, stop)).await??;
    writeln!(
        io::stdout(),
        "{} is a whole copy of {}: {bytes} bytes, checked and on disk.\n\
         It holds the notices that still wait, with all they say of players: keep it as safe as \
         the file.\nTo go back to it: `grantline restore {}`.",
        backup.to.display(),
        from.display(),
        backup.to.display(),
    )?;
    Ok(ExitCode::SUCCESS)
}
