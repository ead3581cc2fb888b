//! `make bench`: what each step costs, beside the least it could cost on this machine.
//!
//! Every figure is the median of interleaved runs (theirs, ours, theirs, ours, …), so that
//! a machine that slows down slows both. Ratios are worth comparing, absolute times are
//! not.
#![expect(
    clippy::unwrap_used,
    reason = "a benchmark that cannot go on has failed"
)]
#![expect(clippy::print_stdout, reason = "the report is what it is for")]

mod acknowledge;
mod clock;
mod load;
mod machine;
mod order;
mod reading;
mod roles;

fn main() {
    machine::describe();
    reading::compare();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(acknowledge::compare());
    runtime.block_on(order::measure());
}
