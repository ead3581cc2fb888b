//! Who is slow, large, many or dishonest, against the real `grantline ingress`, and the faults
//! of the broker that only a real one has.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod broker_faults;
mod full;
mod heads;
mod ingress;
mod memory;
mod peer;
#[path = "../cluster/process.rs"]
#[expect(dead_code, reason = "the kill test ends roles, too")]
mod process;
#[path = "../cluster/servers.rs"]
#[expect(dead_code, reason = "the kill test has use for every server")]
mod servers;
mod slow;
