//! Processes by number, and their end. Only what this test has started is ever ended: a
//! number counts together with the moment its process was born, so one that was given out
//! again is left alone.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::time::Duration;

use tokio::time::{Instant, sleep};

const GONE: Duration = Duration::from_secs(10);

/// What Linux tells of a process.
struct Stat {
    state: char,
    parent: u32,
    session: u32,
    born: u64,
}

/// `None` when there is no such process.
fn stat(process: u32) -> Option<Stat> {
    let line = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The program's name before it may hold any character.
    let (_, rest) = line.rsplit_once(") ")?;
    let fields: Vec<_> = rest.split(' ').collect();
    Some(Stat {
        state: fields.first()?.chars().next()?,
        parent: fields.get(1)?.parse().ok()?,
        session: fields.get(3)?.parse().ok()?,
        born: fields.get(19)?.parse().ok()?,
    })
}

fn alive(process: u32) -> bool {
    stat(process).is_some_and(|stat| !matches!(stat.state, 'Z' | 'X'))
}

/// When a process was born, in the clock ticks of its machine.
pub(crate) fn born(process: u32) -> Option<u64> {
    stat(process).map(|stat| stat.born)
}

/// The leader of a session that was born at this moment, its session, and all that descend
/// from it (PostgreSQL's children lead sessions of their own).
fn family(leader: u32, born: u64) -> BTreeSet<u32> {
    if stat(leader).is_none_or(|stat| stat.born != born) {
        return BTreeSet::new();
    }
    let all: Vec<(u32, Stat)> = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|process| Some((process, stat(process)?)))
        .collect();
    let mut members = BTreeSet::from([leader]);
    loop {
        let more = all.iter().filter(|(process, stat)| {
            !members.contains(process) && (stat.session == leader || members.contains(&stat.parent))
        });
        let more: Vec<_> = more.map(|(process, _)| *process).collect();
        if more.is_empty() {
            return members;
        }
        members.extend(more);
    }
}

fn signal(name: &str, processes: &BTreeSet<u32>) {
    let numbers = processes.iter().map(u32::to_string);
    // Some may have ended by themselves since, and `kill` says so.
    let _ = Command::new("kill").arg(name).args(numbers).output();
}

/// Processes that stand still.
#[derive(Debug)]
pub(crate) struct Halted(BTreeSet<u32>);

/// A whole family stands still: as a dying machine does, with more and more work on its hands.
/// Returns when every one of them does.
pub(crate) async fn halt_family(leader: u32, born: u64) -> Halted {
    let deadline = Instant::now() + GONE;
    loop {
        let members = family(leader, born);
        assert!(!members.is_empty(), "process {leader} is not there to stop");
        if members.iter().all(|process| stands(*process)) {
            return Halted(members);
        }
        assert!(Instant::now() < deadline, "{members:?} cannot be stopped");
        // One that was born meanwhile is stopped in the next turn.
        signal("-STOP", &members);
        sleep(Duration::from_millis(10)).await;
    }
}

/// Whether it does nothing any more.
fn stands(process: u32) -> bool {
    stat(process).is_none_or(|stat| matches!(stat.state, 'T' | 't' | 'Z' | 'X'))
}

impl Halted {
    /// They go on where they were.
    pub(crate) fn go_on(self) {
        signal("-CONT", &self.0);
    }

    /// Ends them with no time for last words.
    pub(crate) async fn kill(self) {
        signal("-KILL", &self.0);
        let deadline = Instant::now() + GONE;
        while self.0.iter().any(|process| alive(*process)) {
            assert!(Instant::now() < deadline, "{:?} cannot be killed", self.0);
            sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Ends a whole family after it stood still for a while.
pub(crate) async fn kill_family(leader: u32, born: u64, stall: Duration) {
    let halted = halt_family(leader, born).await;
    sleep(stall).await;
    halted.kill().await;
}

/// Asks one process to end in order.
pub(crate) fn ask_to_end(process: u32) {
    signal("-TERM", &BTreeSet::from([process]));
}
