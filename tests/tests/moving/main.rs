//! The embedded stack's file as a person handles it: copied, put back, moved to servers; and
//! what is said when it cannot be served.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod backups;
mod disks;
mod line;
mod moved;
mod unusable;
