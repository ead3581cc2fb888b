//! `grantline sign`: the header that makes a body one of Xsolla's.

use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use secret::Secret;

use crate::cli::Sign;

pub(crate) fn run(sign: &Sign) -> anyhow::Result<ExitCode> {
    let secret = Secret::from_file(&sign.secret_file)?;
    let body = read(&sign.body)?;
    let header = xsolla::signature::authorization_header(&body, secret.reveal().as_bytes());
    writeln!(io::stdout(), "{header}")?;
    Ok(ExitCode::SUCCESS)
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    if path == Path::new("-") {
        let mut body = Vec::new();
        io::stdin()
            .read_to_end(&mut body)
            .context("cannot read the body from standard input")?;
        return Ok(body);
    }
    std::fs::read(path).with_context(|| format!("cannot read the body from {}", path.display()))
}
