//! What is measured about connections and about what a process needs.

use opentelemetry::KeyValue;
use telemetry::Meter;

use crate::{Connections, Readiness};

/// The role of a check whose name has none.
const NO_ROLE: &str = "";

/// Tells how many connections each listener serves, by its name.
pub fn tell_connections(meter: &Meter, listeners: Vec<(&'static str, Connections)>) {
    // The meter keeps the callback.
    let _ = meter
        .u64_observable_gauge("grantline.httpd.connections")
        .with_unit("{connection}")
        .with_description("Open HTTP connections, without those that became WebSockets")
        .with_callback(move |gauge| {
            for (name, connections) in &listeners {
                gauge.observe(connections.open(), &[KeyValue::new("listener", *name)]);
            }
        })
        .build();
}

/// Tells of every check of `/ready` whether it is ok, whenever somebody asks. A check is
/// named `role.dependency`.
pub fn tell_dependencies(meter: &Meter, readiness: Readiness) {
    let _ = meter
        .u64_observable_gauge("grantline.dependency.available")
        .with_description("1 while what the role needs works, as /ready shows it, else 0")
        .with_callback(move |gauge| {
            for (name, state) in readiness.report().checks() {
                let (role, dependency) = name.split_once('.').unwrap_or((NO_ROLE, name));
                let labels = [
                    KeyValue::new("role", role),
                    KeyValue::new("dependency", dependency),
                ];
                gauge.observe(u64::from(state.ok), &labels);
            }
        })
        .build();
}
