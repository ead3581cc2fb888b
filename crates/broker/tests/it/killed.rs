//! A process that is killed in the middle of its work. The process is this test binary
//! again, told by its environment to be the one.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use broker::{Broker, EmbeddedConfig};
use futures_util::future::join_all;
use order::Kind;
use sqlite::File;
use task::Lane;
use testkit::Folder;

use crate::{order, orders, take, task};

const FILE: &str = "GRANTLINE_TEST_FILE";
const SENDERS: i64 = 16;
/// More than there ever are: everything unfinished stays held.
const PREFETCH: u16 = u16::MAX;

fn child_file() -> Option<PathBuf> {
    std::env::vars_os()
        .find(|(name, _)| name == FILE)
        .map(|(_, value)| value.into())
}

async fn open(path: &Path) -> (File, Broker) {
    let file = File::open(path).unwrap();
    let meter = telemetry::Telemetry::quiet().meter("broker");
    let broker = Broker::embedded(file.clone(), EmbeddedConfig::default(), &meter);
    (file, broker.await.unwrap())
}

/// The harness captures what macros print, and not this.
fn say(word: &str, number: i64) {
    let line = format!("{word} {number}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

/// The process to be killed: publishes for ever, and finishes every other task. A test that
/// does nothing when nobody asks for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_to_be_killed_works_until_then() {
    let Some(path) = child_file() else { return };
    let (_file, broker) = open(&path).await;
    // Later runs must not use the numbers of earlier ones.
    let from = i64::from(std::process::id()) * 1_000_000;
    let senders = (0..SENDERS).map(|sender| {
        let broker = broker.clone();
        async move {
            for step in 0.. {
                let number = from + sender + step * SENDERS;
                broker
                    .publish(&task(Kind::OrderPaid, number))
                    .await
                    .unwrap();
                say("accepted", number);
            }
        }
    });
    let consumer = broker.consume(Lane::Grant, PREFETCH);
    let consuming = async {
        loop {
            for delivery in consumer.batch(20, Duration::ZERO).await {
                let number = order(&delivery);
                if number % 2 == 0 {
                    say("finishing", number);
                    consumer.finish([delivery.tag]).await;
                    say("finished", number);
                }
            }
        }
    };
    tokio::join!(join_all(senders), consuming);
}

fn child(path: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([
            "killed::whoever_is_to_be_killed_works_until_then",
            "--exact",
        ])
        .env(FILE, path)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// What a killed process had said.
#[derive(Default)]
struct Said {
    accepted: BTreeSet<i64>,
    finishing: BTreeSet<i64>,
    finished: BTreeSet<i64>,
}

impl Said {
    fn hear(&mut self, line: &str) {
        let (word, number) = line
            .trim_end()
            .split_once(' ')
            .expect("a word and a number");
        let number = number.parse().unwrap();
        match word {
            "accepted" => self.accepted.insert(number),
            "finishing" => self.finishing.insert(number),
            "finished" => self.finished.insert(number),
            other => panic!("{other}"),
        };
    }
}

#[tokio::test]
async fn what_a_killed_process_accepted_comes_again_and_what_it_finished_does_not() {
    let folder = Folder::new();
    let path = folder.join("line.db");
    for lines in [1, 100, 1_500, 4_000] {
        let mut child = child(&path);
        let mut heard = Said::default();
        let mut said = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        for _ in 0..lines {
            line.clear();
            said.read_line(&mut line).unwrap();
            heard.hear(&line);
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // All of it counts: a line is one write, so the kill cuts none in two, and the last
        // may tell of a task that is gone.
        let mut rest = String::new();
        said.read_to_string(&mut rest).unwrap();
        for line in rest.lines() {
            heard.hear(line);
        }

        let (file, broker) = open(&path).await;
        let depths = broker.depths().await.unwrap();
        let grant = depths.iter().find(|d| d.queue == "grantline.grant.v1");
        let count = usize::try_from(grant.unwrap().ready).unwrap();
        let consumer = broker.consume(Lane::Grant, PREFETCH);
        let held = take(&consumer, count).await;
        let here: BTreeSet<i64> = orders(&held).into_iter().collect();
        assert_eq!(here.len(), count, "one was there twice");
        let lost: Vec<_> = heard
            .accepted
            .iter()
            .filter(|number| !here.contains(number) && !heard.finishing.contains(number))
            .collect();
        assert!(lost.is_empty(), "{lost:?}");
        let back: Vec<_> = heard.finished.intersection(&here).collect();
        assert!(back.is_empty(), "{back:?}");
        consumer
            .finish(held.iter().map(|delivery| delivery.tag))
            .await;
        broker.close().await;
        file.close().await;
    }
}
