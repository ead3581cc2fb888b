//! `grantline restore`: a backup in place of the embedded stack's file.

use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use crate::cli::Restore;

pub(crate) async fn run(restore: Restore, config: Option<&Path>) -> anyhow::Result<ExitCode> {
    let to = restore.data.find(config)?;
    // Clients may have seen what was booked after the backup, under the epoch it has.
    let from = restore.from.clone();
    let copy = move |stop: &sqlite::Stop| sqlite::restore(&from, &to, ledger::draw_epoch, stop);
    let restored = super::copying::run(copy).await??;
    let mut out = io::stdout();
    writeln!(
        out,
        "{} is what {} was, with epoch {}: clients read their history anew.",
        restored.path.display(),
        restore.from.display(),
        restored.prepared,
    )?;
    if let Some(replaced) = restored.replaced {
        writeln!(
            out,
            "What was there is kept in {}; nobody serves it, and you may delete it.",
            replaced.display()
        )?;
    }
    if let Some(moved) = restored.moved {
        writeln!(
            out,
            "What was there had been moved to {} and {}. Serve this one only where that line is \
             gone: each of the two would grant what the other has granted.",
            moved.ledger, moved.broker
        )?;
    }
    writeln!(
        out,
        "Notices booked since the backup are not in it: have Xsolla send them again (Publisher \
         Account, a transaction's webhooks), or compare with its list of orders."
    )?;
    Ok(ExitCode::SUCCESS)
}
