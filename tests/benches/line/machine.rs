//! On what it was measured.

use std::fs::File;
use std::io::Write as _;
use std::time::Instant;

use crate::clock::median;

pub(crate) fn describe() {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!(
        "machine: {cores} cores, fdatasync of 8 kB {:.0} µs (median of 200)",
        fsync_micros()
    );
    println!("client, servers and the roles share these cores; figures are medians\n");
}

fn fsync_micros() -> f64 {
    let path = std::env::temp_dir().join(format!("grantline-bench-{}", std::process::id()));
    let mut file = File::create(&path).unwrap();
    let block = [0_u8; 8_192];
    let mut times: Vec<f64> = (0..200)
        .map(|_| {
            file.write_all(&block).unwrap();
            let began = Instant::now();
            file.sync_data().unwrap();
            began.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    std::fs::remove_file(path).unwrap();
    median(&mut times)
}
