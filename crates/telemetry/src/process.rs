//! The process itself, as the operating system and Tokio see it.
//!
//! Read from Linux's `/proc` when somebody asks; elsewhere these instruments say nothing.

use std::fs;
use std::time::Instant;

use opentelemetry::KeyValue;
use opentelemetry::metrics::Meter;
use tokio::runtime::Handle;

/// Linux tells times in `/proc` in hundredths of a second, whatever its own clock.
const TICKS_PER_SECOND: f64 = 100.0;

/// Registers the instruments; the meter keeps them.
pub(crate) fn tell(meter: &Meter, runtime: &Handle) {
    build(meter);
    time(meter);
    memory(meter);
    tokio_runtime(meter, runtime);
}

fn build(meter: &Meter) {
    let version = [KeyValue::new("version", env!("CARGO_PKG_VERSION"))];
    let _ = meter
        .u64_observable_gauge("grantline.build.info")
        .with_description("Always 1; its label tells the version that runs")
        .with_callback(move |gauge| gauge.observe(1, &version))
        .build();
}

fn time(meter: &Meter) {
    let _ = meter
        .f64_observable_counter("process.cpu.time")
        .with_unit("s")
        .with_description("Processor time used, by where it was spent")
        .with_callback(|counter| {
            let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
            for (mode, seconds) in cpu_seconds(&stat) {
                counter.observe(seconds, &[KeyValue::new("cpu.mode", mode)]);
            }
        })
        .build();
    let began = Instant::now();
    let _ = meter
        .f64_observable_gauge("process.uptime")
        .with_unit("s")
        .with_description("Since the process has set up its telemetry")
        .with_callback(move |gauge| gauge.observe(began.elapsed().as_secs_f64(), &[]))
        .build();
}

fn memory(meter: &Meter) {
    let _ = meter
        .u64_observable_gauge("process.memory.usage")
        .with_unit("By")
        .with_description("Physical memory in use")
        .with_callback(|gauge| {
            let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
            if let Some(bytes) = resident_bytes(&status) {
                gauge.observe(bytes, &[]);
            }
        })
        .build();
    let _ = meter
        .u64_observable_gauge("process.unix.file_descriptor.count")
        .with_unit("{file_descriptor}")
        .with_description("Open file descriptors, sockets among them")
        .with_callback(|gauge| {
            if let Ok(open) = fs::read_dir("/proc/self/fd") {
                // One of them is the folder that is being read.
                let open = open.count().saturating_sub(1);
                gauge.observe(open as u64, &[]);
            }
        })
        .build();
}

fn tokio_runtime(meter: &Meter, runtime: &Handle) {
    let gauge = |name, unit, description, value: fn(&Handle) -> usize| {
        let runtime = runtime.clone();
        let _ = meter
            .u64_observable_gauge(name)
            .with_unit(unit)
            .with_description(description)
            .with_callback(move |gauge| gauge.observe(value(&runtime) as u64, &[]))
            .build();
    };
    gauge(
        "grantline.runtime.workers",
        "{thread}",
        "Threads that run tasks",
        |runtime| runtime.metrics().num_workers(),
    );
    gauge(
        "grantline.runtime.alive_tasks",
        "{task}",
        "Tasks that have not ended",
        |runtime| runtime.metrics().num_alive_tasks(),
    );
    gauge(
        "grantline.runtime.global_queue_depth",
        "{task}",
        "Tasks that could run and wait for a thread to take them",
        |runtime| runtime.metrics().global_queue_depth(),
    );
}

/// What `/proc/self/stat` says of processor time.
fn cpu_seconds(stat: &str) -> Vec<(&'static str, f64)> {
    // The name of the program stands in parentheses and may hold any of them.
    let fields = stat.rsplit_once(')').map(|(_, rest)| rest);
    let mut times = fields
        .into_iter()
        .flat_map(str::split_whitespace)
        .skip(11)
        .map(|ticks| ticks.parse::<f64>().map(|ticks| ticks / TICKS_PER_SECOND));
    ["user", "system"]
        .into_iter()
        .filter_map(|mode| Some((mode, times.next()?.ok()?)))
        .collect()
}

/// What `/proc/self/status` says of memory.
fn resident_bytes(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kibibytes * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_any_name_of_the_program() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194560 900 0 0 0 250 125 3 4 20 0 9 0 100 1 1";
        assert_eq!(cpu_seconds(stat), [("user", 2.5), ("system", 1.25)]);
        assert_eq!(cpu_seconds(""), []);
    }

    #[test]
    fn memory_is_told_in_bytes() {
        let status = "Name:\tgrantline\nVmRSS:\t    2048 kB\nThreads:\t4\n";
        assert_eq!(resident_bytes(status), Some(2_097_152));
        assert_eq!(resident_bytes("Name:\tkthread\n"), None);
    }
}
