//! The binary `grantline`.

use std::process::ExitCode;

fn main() -> ExitCode {
    grantline::main()
}
