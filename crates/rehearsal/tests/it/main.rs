//! A sale against a receiver that answers as it is told.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod findings;
mod receiver;
mod refusal;
mod rules;
