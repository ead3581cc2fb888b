//! `make bench`: what each step costs, beside the least it could cost on this machine.
//!
//! Every figure is the median of interleaved runs (theirs, ours, theirs, ours, …), so that
//! a machine that slows down slows both. Ratios and microseconds of processor time are
//! worth comparing between machines, rates and latencies are not.
//!
//! The roles run as `grantline` processes with default configuration, the bare server as a
//! process of this program: what is measured shares nothing with the load tool but the
//! cores.
#![expect(
    clippy::unwrap_used,
    reason = "a benchmark that cannot go on has failed"
)]
#![expect(clippy::print_stdout, reason = "the report is what it is for")]

mod acknowledge;
mod bare;
mod clock;
mod goal;
mod load;
mod machine;
mod order;
mod reading;
mod roles;

fn main() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if std::env::args().any(|argument| argument == bare::SERVER) {
        runtime.block_on(bare::serve());
        return;
    }
    machine::describe("before");
    let mut goals = Vec::from(reading::compare());
    goals.extend(runtime.block_on(acknowledge::compare()));
    goals.extend(runtime.block_on(order::measure()));
    machine::describe("after");
    goal::print(&goals);
}
