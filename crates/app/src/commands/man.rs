//! `grantline man`: the manual, made of the same texts as `--help`.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::CommandFactory as _;
use clap_mangen::Man as Page;

use crate::cli::{Cli, Man};

pub(crate) fn run(man: &Man) -> anyhow::Result<ExitCode> {
    if let Some(folder) = &man.dir {
        write(folder)?;
    } else {
        let mut page = Vec::new();
        Page::new(command()).render(&mut page)?;
        io::stdout().write_all(&page)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// `help` has no page: it says what the pages say.
fn command() -> clap::Command {
    Cli::command().disable_help_subcommand(true)
}

/// `grantline.1`, and `grantline-serve.1` and its like.
fn write(folder: &Path) -> anyhow::Result<()> {
    let written =
        fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(command(), folder));
    written.with_context(|| format!("cannot write manual pages to {}", folder.display()))
}
