//! A disk that is full, and one that cannot be written: on small disks in memory, which only
//! root can have. Where that is not possible the tests say loudly that they were skipped.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use hyper::StatusCode;

use crate::line::{Line, paid, sku};

const SERVE: [&str; 3] = ["serve", "--config", "embedded.toml"];

/// A disk of some megabytes. Gone when this is dropped.
struct Disk(PathBuf);

impl Disk {
    fn new(line: &Line, megabytes: u32) -> Self {
        let path = line.join("disk");
        fs::create_dir(&path).unwrap();
        let size = format!("size={megabytes}m");
        let mounted = run("mount", &["-t", "tmpfs", "-o", &size, "grantline"], &path);
        assert!(
            mounted,
            "no disk can be mounted here; run the tests as root"
        );
        line.on_file(&path.join("line.db"));
        Self(path)
    }

    fn make(&self, how: &str) {
        assert!(run("mount", &["-o", &format!("remount,{how}")], &self.0));
    }

    /// Leaves no byte free.
    fn fill(&self) {
        let options = OpenOptions::new().create(true).append(true).to_owned();
        let mut ballast = options.open(self.0.join("ballast")).unwrap();
        for size in [64 * 1_024, 1_024, 1] {
            while ballast.write_all(&vec![7; size]).is_ok() {}
        }
    }

    fn free(&self) {
        fs::remove_file(self.0.join("ballast")).unwrap();
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

/// Sends new orders until one is refused. Gives the first that was.
async fn refused(line: &Line, from: i64) -> i64 {
    for order in from..from + 5_000 {
        match line.tell(&paid(order, "mira")).await {
            Some(StatusCode::NO_CONTENT) => {}
            Some(StatusCode::SERVICE_UNAVAILABLE) => return order,
            other => panic!("{other:?} for order {order}"),
        }
    }
    panic!("a full disk took everything");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_answers_503_alone_and_loses_nothing() {
    let line = Line::new();
    let disk = Disk::new(&line, 8);
    let served = line.serve("embedded.toml").await;
    for order in 1..=20 {
        line.deliver(&paid(order, "mira")).await;
    }
    disk.fill();
    let first = refused(&line, 21).await;
    let text = served.text();
    assert!(
        text.contains("disk of the file is full; make room"),
        "{text}"
    );
    // Killed while it is full, and again while it cannot start.
    served.kill().await;
    disk.free();
    let served = line.serve("embedded.toml").await;
    let all = |last: i64| (1..=last).map(sku).collect::<Vec<_>>();
    line.deliver(&paid(first, "mira")).await;
    let owed = all(first);
    let owed: Vec<_> = owed.iter().map(String::as_str).collect();
    line.holds("mira", &owed).await;

    // Space comes back to one that runs.
    disk.fill();
    let second = refused(&line, first + 1).await;
    for _ in 0..20 {
        let answer = line.tell(&paid(second, "mira")).await;
        assert!(
            matches!(
                answer,
                Some(StatusCode::SERVICE_UNAVAILABLE | StatusCode::NO_CONTENT)
            ),
            "{answer:?}"
        );
    }
    disk.free();
    line.deliver(&paid(second, "mira")).await;
    let owed = all(second);
    let owed: Vec<_> = owed.iter().map(String::as_str).collect();
    line.holds("mira", &owed).await;
    assert!(line.parked(0).await.is_empty());
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_named_at_the_start_and_by_a_backup() {
    let line = Line::new();
    let disk = Disk::new(&line, 1);
    disk.fill();
    let parts = ["disk/line.db", "is full", "make room"];
    line.fails(&SERVE, &parts).await;
    disk.free();
    let served = line.serve("embedded.toml").await;
    line.deliver(&paid(1, "mira")).await;
    line.holds("mira", &["blade-1"]).await;
    disk.fill();
    let backup = ["backup", "disk/copy.db", "--config", "embedded.toml"];
    line.fails(
        &backup,
        &["disk/copy.db", "is full", "make room, or use another disk"],
    )
    .await;
    assert!(!line.join("disk/copy.db").exists());
    // To another disk it goes.
    let elsewhere = line
        .run(&["backup", "copy.db", "--config", "embedded.toml"])
        .await;
    assert_eq!(elsewhere.code, Some(0), "{}", elsewhere.text);
    disk.free();
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_disk_is_named() {
    let line = Line::new();
    let disk = Disk::new(&line, 4);
    disk.make("ro");
    let parts = [
        "disk/line.db",
        "expected a folder that exists and that this user may write",
    ];
    line.fails(&SERVE, &parts).await;
    disk.make("rw");
    let served = line.serve("embedded.toml").await;
    line.deliver(&paid(1, "mira")).await;
    line.holds("mira", &["blade-1"]).await;
    served.stop().await;
    let before = fs::read(line.join("disk/line.db")).unwrap();
    disk.make("ro");
    let parts = [
        "line.db",
        "expected a file that this user may write",
        "Read-only file system",
    ];
    line.fails(&SERVE, &parts).await;
    assert!(before == fs::read(line.join("disk/line.db")).unwrap());
    for copying in [
        ["backup", "copy.db", "--file", "disk/line.db"],
        ["restore", "disk/line.db", "--file", "again.db"],
    ] {
        let copied = line.run(&copying).await;
        assert_eq!(copied.code, Some(0), "{}", copied.text);
    }
    assert!(before == fs::read(line.join("disk/line.db")).unwrap());
    disk.make("rw");
    let served = line.serve("embedded.toml").await;
    line.holds("mira", &["blade-1"]).await;
    served.stop().await;
}
