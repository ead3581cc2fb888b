//! The program as people meet it: a process, a configuration file, and what it says.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod alone;
mod collector;
mod faults;
mod logs;
mod process;
mod reading;
mod shell;
mod traces;
