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
mod capacity;
mod clock;
mod goal;
mod load;
mod machine;
mod memory;
mod one_file;
mod order;
mod player;
mod process;
mod reading;
mod roles;
mod table;
mod telemetry;

use testkit::{Postgres, RabbitMq};

use goal::Goal;
use roles::{Role, Stack};

/// A part of the report. All are measured, or those named on the command line.
#[derive(Clone, Copy)]
enum Part {
    Reading,
    /// Needs servers.
    Servers,
    File,
    Steady,
    Telemetry,
    /// Needs servers.
    TelemetryOnServers,
    Start,
    /// Needs servers, that nobody else uses, and takes longest.
    Capacity,
}

impl Part {
    const ALL: [Self; 8] = [
        Self::Reading,
        Self::Servers,
        Self::File,
        Self::Steady,
        Self::Telemetry,
        Self::TelemetryOnServers,
        Self::Start,
        Self::Capacity,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Reading => "reading",
            Self::Servers => "servers",
            Self::Capacity => "capacity",
            Self::File => "file",
            Self::Steady => "steady",
            Self::Telemetry => "telemetry",
            Self::TelemetryOnServers => "telemetry-on-servers",
            Self::Start => "start",
        }
    }

    async fn measure(self) -> Vec<Goal> {
        match self {
            Self::Reading => reading::compare().into(),
            Self::Servers => servers().await,
            Self::Capacity => {
                capacity::measure().await;
                Vec::new()
            }
            Self::File => one_file::measure().await,
            Self::Steady => one_file::steady().await.into(),
            Self::Telemetry => vec![telemetry::on_one_file().await],
            Self::TelemetryOnServers => vec![telemetry::on_servers().await],
            Self::Start => one_file::start().await.into(),
        }
    }
}

fn main() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [role] if role == bare::SERVER => return runtime.block_on(bare::serve()),
        [role, file] if role == one_file::INGRESS => {
            return runtime.block_on(one_file::serve(file.as_ref()));
        }
        _ => {}
    }
    let is_named = |part: &Part| arguments.iter().any(|argument| argument == part.as_str());
    let names_none = !Part::ALL.iter().any(is_named);
    machine::describe("before");
    let mut goals = Vec::new();
    for part in Part::ALL {
        if names_none || is_named(&part) {
            goals.extend(runtime.block_on(part.measure()));
        }
    }
    machine::describe("after");
    // What things cost has no aim.
    if !goals.is_empty() {
        goal::print(&goals);
    }
}

async fn servers() -> Vec<Goal> {
    let mut goals = Vec::from(acknowledge::compare().await);
    let vhost = RabbitMq::vhost().await;
    let database = Postgres::database().await;
    let line = Role::start("serve", Stack::Servers(&vhost, &database)).await;
    let pushed = order::measure(&line, "servers").await;
    goals.push(Goal {
        what: "one order at a time, webhook sent to `done` pushed, p50",
        measured: format!("{pushed:.2} ms"),
        aim: "under 10 ms",
        met: pushed < 10.0,
    });
    goals
}
