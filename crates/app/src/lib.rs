//! `grantline`: the command line, the configuration, and the wiring of the roles.
//!
//! The binary is [`main`] and nothing else; it is a library beside it so that the fuzz
//! targets reach the configuration.

mod cli;
mod commands;
mod configuration;
mod demo;
mod needs;
mod openapi;
mod printer;
mod roles;
mod stack;
mod table;

use std::process::ExitCode;

use clap::Parser as _;

use configuration::{Configuration, File, Sources};

/// Does what the command line asks for.
#[must_use]
pub fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    match commands::run(cli) {
        Ok(code) => code,
        Err(error) => {
            commands::say_error(&error);
            ExitCode::FAILURE
        }
    }
}

/// What `check-config --print-config` prints of a file's `text` and an environment.
///
/// # Errors
/// The faults of the configuration, in the words a person gets.
pub fn print_config(text: &str, environment: Vec<(String, String)>) -> Result<String, String> {
    let file = File {
        path: "grantline.toml".into(),
        text: text.to_owned(),
    };
    let sources = Sources {
        file: Some(file),
        environment,
    };
    Configuration::load(&sources)
        .map(|loaded| loaded.print())
        .map_err(|faults| faults.to_string())
}
