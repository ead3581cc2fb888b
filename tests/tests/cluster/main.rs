//! The line as separate processes on servers of its own, behind balancers and cutting
//! proxies, under a sale: broken on purpose, rolled to another version, scaled, lost and put
//! back.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod balancer;
mod chaos;
mod disaster;
mod process;
mod quiet;
mod roles;
mod rolling;
mod sale;
mod scaling;
#[expect(dead_code, reason = "the test of TLS asks who is connected")]
mod servers;

use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;

use tokio::sync::Mutex;

/// Two clusters at once would be too many for two processors.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// Past the test harness, which keeps what passing tests print.
fn say(line: &str) {
    let _ = writeln!(io::stdout(), "cluster: {line}");
}

/// Where the servers and logs of this run are. Stays behind when the test fails.
struct Folder(PathBuf);

impl Folder {
    fn new(what: &str, seed: u64) -> Self {
        let parent = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        let folder = parent.join(format!("{what}-{}-{seed}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}
