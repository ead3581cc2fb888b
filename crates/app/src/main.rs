//! `grantline`: the command line, the configuration, and the wiring of the roles.

mod cli;
mod commands;
mod configuration;
mod demo;
mod openapi;
mod roles;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    match commands::run(cli) {
        Ok(code) => code,
        Err(error) => {
            commands::say_error(&error);
            ExitCode::FAILURE
        }
    }
}
