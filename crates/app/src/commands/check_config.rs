//! `grantline check-config`: everything that is wrong with the configuration, before any
//! port is bound.

use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use crate::cli::{CheckConfig, Role};

pub(crate) fn run(check: &CheckConfig, config: Option<&Path>) -> anyhow::Result<ExitCode> {
    let loaded = super::load(config)?;
    match check.role {
        Role::Serve | Role::Ingress => loaded.value.check_taking_webhooks()?,
        Role::Worker | Role::Publisher | Role::Api | Role::Migrate => {}
    }
    let mut out = io::stdout().lock();
    if check.print_config {
        write!(out, "{}", loaded.print())?;
    } else {
        writeln!(
            out,
            "The configuration is sound: {} project(s).",
            loaded.value.projects.len()
        )?;
    }
    Ok(ExitCode::SUCCESS)
}
