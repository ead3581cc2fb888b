//! On what it was measured.

use std::fs::File;
use std::io::Write as _;
use std::time::Instant;

use crate::clock::median;

/// Tells `when` what the machine is and what else it is doing.
pub(crate) fn describe(when: &str) {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: Vec<&str> = load.split(' ').take(3).collect();
    println!(
        "machine {when}: {cores} cores ({}), load {}, fdatasync of 8 kB {:.0} µs (median of 200)\n",
        model(),
        load.join(" "),
        fsync_micros()
    );
}

fn model() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    let model = model.map(|rest| rest.trim_start_matches([' ', '\t', ':']));
    model.unwrap_or(std::env::consts::ARCH).to_owned()
}

fn fsync_micros() -> f64 {
    let path = std::env::temp_dir().join(format!("grantline-bench-{}", std::process::id()));
    let mut file = File::create(&path).unwrap();
    let block = [0_u8; 8_192];
    let times: Vec<f64> = (0..200)
        .map(|_| {
            file.write_all(&block).unwrap();
            let began = Instant::now();
            file.sync_data().unwrap();
            began.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    std::fs::remove_file(path).unwrap();
    median(&times)
}
