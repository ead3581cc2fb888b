//! A process that is killed while it writes. The process is this test binary again, told by
//! its environment to be the one.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use sqlite::File;
use testkit::Folder;

use crate::{check, insert, numbers, open, put};

const FILE: &str = "GRANTLINE_TEST_FILE";
const WRITERS: i64 = 32;

fn child_file() -> Option<PathBuf> {
    std::env::vars_os()
        .find(|(name, _)| name == FILE)
        .map(|(_, value)| value.into())
}

/// The process to be killed: writes for ever, and says what was committed. A test that does
/// nothing when nobody asks for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_to_be_killed_writes_until_then() {
    let Some(path) = child_file() else { return };
    let file = File::open(&path).unwrap();
    let from = numbers(&file).await.last().copied().unwrap_or(0);
    let write = |number| {
        let file = &file;
        async move {
            let written = file.write(move |connection| put(connection, number, 1_000));
            (number, written.await)
        }
    };
    let mut writes: FuturesUnordered<_> = (from + 1..=from + WRITERS).map(write).collect();
    let mut next = from + WRITERS;
    while let Some((number, outcome)) = writes.next().await {
        // The harness captures what macros print, and not this.
        let line = match outcome {
            Ok(()) => format!("done {number}\n"),
            Err(fault) => format!("failed {fault:?}\n"),
        };
        std::io::stderr().write_all(line.as_bytes()).unwrap();
        next += 1;
        writes.push(write(next));
    }
}

fn child(command: &mut Command, path: &Path) -> Child {
    command
        .env(FILE, path)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn this_test() -> Vec<String> {
    let binary = std::env::current_exe().unwrap().display().to_string();
    let name = "killed::whoever_is_to_be_killed_writes_until_then";
    [&binary, name, "--exact"].map(str::to_owned).into()
}

#[tokio::test]
async fn nothing_that_was_answered_is_lost_with_a_killed_process() {
    let folder = Folder::new();
    open(&folder).await.close().await;
    let path = folder.join("line.db");
    let mut done = Vec::new();
    for lines in [1, 50, 700, 2_000] {
        let [program, arguments @ ..] = &this_test()[..] else {
            unreachable!()
        };
        let mut child = child(Command::new(program).args(arguments), &path);
        let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut heard = 0;
        while heard < lines {
            let line = said.next().expect("it lives").unwrap();
            done.push(line.strip_prefix("done ").unwrap().parse().unwrap());
            heard += 1;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What it had still said. A line is one write, so the kill cuts none in two.
        for line in said.map_while(Result::ok) {
            done.extend(
                line.strip_prefix("done ")
                    .and_then(|n| n.parse::<i64>().ok()),
            );
        }
        let file = File::open(&path).unwrap();
        check(&file).await;
        let held = numbers(&file).await;
        let lost: Vec<_> = done.iter().filter(|n| !held.contains(n)).collect();
        assert!(lost.is_empty(), "{lost:?} of {}", done.len());
        file.close().await;
    }
}

/// A shell's limit on the size of files: the system fails the writes themselves, somewhere
/// in the middle of a commit.
#[tokio::test]
async fn commits_that_the_system_fails_are_told_and_leave_the_file_whole() {
    let folder = Folder::new();
    open(&folder).await.close().await;
    let path = folder.join("line.db");
    let script = "trap '' XFSZ; ulimit -f 2048; exec \"$@\"";
    let mut child = child(
        Command::new("sh")
            .args(["-c", script, "sh"])
            .args(this_test()),
        &path,
    );
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut done = Vec::new();
    let mut failed = 0;
    while failed < 100 {
        let line = said.next().expect("it lives").unwrap();
        match line.strip_prefix("done ") {
            Some(number) => done.push(number.parse::<i64>().unwrap()),
            None => failed += i32::from(line.starts_with("failed Write(")),
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(done.len() > 100, "{}", done.len());
    let file = File::open(&path).unwrap();
    check(&file).await;
    let held = numbers(&file).await;
    assert!(done.iter().all(|number| held.contains(number)));
    insert(&file, 1_000_000).await.unwrap();
    file.close().await;
}
