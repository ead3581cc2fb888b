//! A small disk for PostgreSQL, in memory, that can be filled. Only root can have one.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::servers::{Server, Servers};

/// Several times what a run writes.
const SIZE: &str = "size=800m";

/// Gone when this is dropped, which is before its server is.
#[derive(Debug)]
pub(crate) struct Disk(PathBuf);

impl Disk {
    /// Moves PostgreSQL to a disk of its own.
    pub(crate) async fn under_postgres(servers: &mut Servers) -> Self {
        servers.kill(Server::Postgres, Duration::ZERO).await;
        let data = servers.data(Server::Postgres);
        let before = data.with_extension("before");
        fs::rename(&data, &before).unwrap();
        fs::create_dir(&data).unwrap();
        let is_mounted = run("mount", &["-t", "tmpfs", "-o", SIZE, "grantline"], &data);
        assert!(is_mounted, "no disk can be mounted: run this as root");
        let disk = Self(data.clone());
        let whole = format!("{}/.", before.display());
        assert!(run("cp", &["--archive", &whole], &data));
        fs::remove_dir_all(&before).unwrap();
        servers.start_missing().await;
        disk
    }

    /// Leaves no byte free.
    pub(crate) fn fill(&self) {
        let options = OpenOptions::new().create(true).append(true).to_owned();
        let mut ballast = options.open(self.ballast()).unwrap();
        for size in [1_024 * 1_024, 1_024, 1] {
            while ballast.write_all(&vec![7; size]).is_ok() {}
        }
    }

    pub(crate) fn free(&self) {
        fs::remove_file(self.ballast()).unwrap();
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        run("umount", &["--lazy"], &self.0);
    }
}

fn run(program: &str, arguments: &[&str], path: &Path) -> bool {
    let ran = Command::new(program).args(arguments).arg(path).output();
    ran.is_ok_and(|output| output.status.success())
}
