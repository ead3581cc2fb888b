//! A sale, rehearsed against the whole line in one process on one file.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::Duration;

use order::Status;
use rehearsal::findings::{Deadline, Findings};
use rehearsal::journal::{Answer, Follows, Journal, Kind, Notice, Row, Says, Seen, Shopper};
use rehearsal::verdict::{Invariant, Limits, Verdict};
use rehearsal::{Http, Instance, Live, Plan, Rate, Run, Shares, Target, prepare};
use serde_json::Value;
use testkit::Folder;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_mins(3);
/// The demo's project.
const PROJECT: i64 = 44_056;

/// A running `grantline serve`.
struct Line {
    /// Before the folder it works in, so that it ends first.
    _process: Child,
    folder: Folder,
}

impl Line {
    async fn start() -> Self {
        let folder = Folder::new();
        let mut process = Command::new(tests::fresh_binary())
            .args(["serve", "--data"])
            .arg(folder.join("data"))
            .envs(
                ["INGRESS", "PUBLISHER", "API", "ADMIN"]
                    .map(|role| (format!("GRANTLINE__{role}__LISTEN"), "127.0.0.1:0")),
            )
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut told = BufReader::new(process.stdout.take().unwrap()).lines();
        let ready = async {
            while let Some(line) = told.next_line().await.unwrap() {
                if line.contains("Next, from another terminal") {
                    break;
                }
            }
        };
        tokio::time::timeout(PATIENCE, ready)
            .await
            .expect("it starts");
        tokio::spawn(async move { while let Ok(Some(_)) = told.next_line().await {} });
        Self {
            _process: process,
            folder,
        }
    }

    fn instance(&self) -> PathBuf {
        self.folder.join("data/instance.toml")
    }

    fn target(&self) -> Target {
        let file = self.instance();
        Instance::read(&file).unwrap().target(&file).unwrap()
    }

    fn rehearse(&self, arguments: &[&str]) -> Command {
        let mut rehearse = Command::new(tests::fresh_binary());
        rehearse
            // How fast it is here says nothing.
            .args([
                "rehearse",
                "--timeout",
                "3m",
                "--p99",
                "3m",
                "--drain",
                "3m",
            ])
            .args(["--time-scale", "3000", "--instance"])
            .arg(self.instance())
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        rehearse
    }
}

async fn ended(rehearse: &mut Command) -> Output {
    let output = tokio::time::timeout(PATIENCE, rehearse.output()).await;
    output.expect("it ends in time").unwrap()
}

fn said(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Everything that can happen, often.
fn plan() -> Plan {
    let rate = Rate {
        orders_per_second: 30.0,
        duration: Duration::from_secs(4),
        ramp: Duration::from_secs(1),
        spikes: vec!["2x@2s+1s".parse().unwrap()],
    };
    let mut plan = Plan::new(PROJECT, 4, Run::draw(), rate).unwrap();
    let shares = [
        "refund=10%",
        "cancel=5%",
        "cancel-first=10%",
        "chargeback=5%",
        "dispute=5%",
        "partial-refund=5%",
        "free=10%",
        "sandbox=5%",
        "unknown-player=5%",
        "bundle=30%",
        "socket=60%",
        "polling=30%",
        "drop=60%",
        "repeat=10%",
        "late=10%",
        "simultaneous=10%",
        "odd=20%",
        "forged=5%",
        "conflict=5%",
    ];
    let settings: Vec<_> = shares.iter().map(|it| it.parse().unwrap()).collect();
    plan.shares = Shares::default().with(&settings).unwrap();
    plan.time_scale = 600;
    plan.poll_interval = Duration::from_millis(100);
    plan.answer_limit = PATIENCE;
    plan.settle = PATIENCE;
    plan
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sale_on_one_file_is_taken_whole_and_followed_by_its_players() {
    let line = Line::start().await;
    let plan = plan();
    let sale = Live::new(plan.seed);
    let ready = prepare(plan.clone(), line.target(), task::now().unix_timestamp())
        .await
        .unwrap();
    let playing = ready.play(&sale, CancellationToken::new());
    let journal = tokio::time::timeout(PATIENCE, playing)
        .await
        .expect("it ends");
    assert!(journal.shoppers.len() > 80, "{}", journal.shoppers.len());
    everything_was_taken(&journal);
    players_saw_it(&journal);
    assert!(journal.gauges.iter().any(|gauge| gauge.backlog.is_some()));
    every_body_is_taken_again(&line, &plan, &journal).await;
    the_verdict_is_clean_and_finds_a_lie(&line, journal).await;
}

async fn the_verdict_is_clean_and_finds_a_lie(line: &Line, mut journal: Journal) {
    let target = line.target();
    let urls = [
        &target.server.as_ref().unwrap().url,
        &target.client.as_ref().unwrap().url,
    ];
    let http = Http::new(urls.into_iter().map(String::as_str), PATIENCE).unwrap();
    let judge = async |journal: &Journal, drain| {
        let deadline = Deadline {
            drain,
            answer: PATIENCE,
        };
        let now = task::now().unix_timestamp();
        let findings = Findings::read(journal, &target, &http, deadline, now)
            .await
            .unwrap();
        // How fast it is here says nothing.
        let limits = Limits {
            answer_p99: PATIENCE,
            ..Limits::default()
        };
        Verdict::judge(journal, &findings, &limits)
    };
    let verdict = judge(&journal, PATIENCE).await;
    assert!(verdict.is_clean(), "{:#?}", verdict.violations);
    let untested: Vec<Invariant> = verdict
        .checks
        .iter()
        .filter(|check| check.examined == 0)
        .map(|check| check.invariant)
        .collect();
    assert_eq!(
        untested,
        [Invariant::I8, Invariant::I14],
        "no faults, nothing parked"
    );
    // Somebody who says that a notice was taken which never came, and another bought less
    // than was granted.
    let is_paid = |shopper: &&mut Shopper| {
        !shopper.sandbox
            && shopper.notices.iter().all(|it| it.kind == Kind::Genuine)
            && ends_final(shopper)
    };
    let richer = journal.shoppers.iter_mut().find(is_paid).unwrap();
    richer.lines[0].1 -= 1;
    let richer = richer.purchase.order;
    let mut lost = journal.shoppers[0].clone();
    lost.purchase.order = 999_999_937;
    lost.notices = vec![Notice {
        says: Says::OrderPaid { combined: true },
        kind: Kind::Genuine,
    }];
    let shopper = u32::try_from(journal.shoppers.len()).unwrap();
    let mut post = journal.posts[0];
    (post.shopper, post.notice, post.answer) = (shopper, 0, Answer::Code(204));
    journal.shoppers.push(lost);
    journal.posts.push(post);
    let verdict = judge(&journal, Duration::ZERO).await;
    for (invariant, order) in [(Invariant::I1, 999_999_937), (Invariant::I4, richer)] {
        let mut named = verdict.violations.iter();
        let named = named.any(|it| it.invariant == invariant && it.order == Some(order));
        assert!(named, "{invariant:?} {order}: {:#?}", verdict.violations);
    }
}

/// Whatever Xsolla sent, and nothing that somebody else signed.
fn everything_was_taken(journal: &Journal) {
    for post in &journal.posts {
        let shopper = &journal.shoppers[usize::try_from(post.shopper).unwrap()];
        let notice = shopper.notices[usize::from(post.notice)];
        let refused = notice.kind == Kind::Forged || notice.says == Says::UnknownPlayer;
        let expected = Answer::Code(if refused { 400 } else { 204 });
        assert_eq!(post.answer, expected, "{notice:?} of {shopper:?}");
    }
    let sent: BTreeSet<_> = journal
        .posts
        .iter()
        .map(|post| (post.shopper, post.notice))
        .collect();
    let planned = journal.shoppers.iter().map(|shopper| shopper.notices.len());
    let unknown = journal
        .shoppers
        .iter()
        .filter(|it| it.notices[0].says == Says::UnknownPlayer);
    assert!(unknown.count() > 0);
    assert_eq!(
        sent.len(),
        planned.sum::<usize>(),
        "each notice of everybody"
    );
}

fn players_saw_it(journal: &Journal) {
    let owners: BTreeMap<i64, &str> = journal
        .shoppers
        .iter()
        .map(|shopper| (shopper.purchase.order, shopper.purchase.player.as_str()))
        .collect();
    let (mut recovered, mut polled) = (0, 0);
    for (client, shopper) in (0..).zip(&journal.shoppers) {
        let sights = journal.sights.iter().filter(|sight| sight.client == client);
        let (mut position, mut rows, mut last) = (0, Vec::new(), None);
        for sight in sights {
            assert_eq!(sight.player, shopper.purchase.player);
            match &sight.seen {
                Seen::Subscribed {
                    offset,
                    recovered: all,
                    ..
                } => {
                    position = *offset;
                    recovered += u32::from(*all);
                }
                Seen::Pushed(row) => {
                    assert_eq!(row.offset, position + 1, "a gap: {shopper:?}");
                    position = row.offset;
                    rows.push(*row);
                }
                Seen::History { rows: all, .. } => {
                    let holds = |row: &Row| all.contains(row);
                    assert!(rows.iter().all(holds), "less than was pushed: {shopper:?}");
                    rows.clone_from(all);
                }
                Seen::Polled { order, status } => {
                    assert!(Some(*status) >= last, "backwards: {shopper:?}");
                    assert_eq!(*order, shopper.purchase.order);
                    last = Some(*status);
                    polled += 1;
                }
                Seen::Closed { code } => assert_eq!(*code, 0, "{shopper:?}"),
            }
        }
        for row in &rows {
            assert_eq!(
                owners[&row.order], shopper.purchase.player,
                "somebody else's"
            );
        }
        let ours = rows
            .iter()
            .rev()
            .find(|row| row.order == shopper.purchase.order);
        let seen = ours.map(|row| row.status).or(last);
        if shopper.follows != Follows::Nothing && ends_final(shopper) {
            assert!(seen.is_some_and(Status::is_final), "{seen:?} {shopper:?}");
        }
    }
    assert!(recovered > 0 && polled > 0, "{recovered} {polled}");
}

fn ends_final(shopper: &Shopper) -> bool {
    let (paid, canceled) = (
        |says: Says| matches!(says, Says::OrderPaid { .. }),
        |says: Says| matches!(says, Says::OrderCanceled { .. }),
    );
    let mut said = shopper.notices.iter().map(|notice| notice.says);
    said.any(|says| canceled(says) || (paid(says) && !shopper.sandbox))
}

async fn every_body_is_taken_again(line: &Line, plan: &Plan, journal: &Journal) {
    let target = line.target();
    let http = Http::new([target.webhook.url.as_str()].into_iter(), PATIENCE).unwrap();
    for (number, shopper) in (0..).zip(&journal.shoppers) {
        for (place, notice) in shopper.notices.iter().enumerate() {
            if notice.kind == Kind::Forged || notice.says == Says::UnknownPlayer {
                continue;
            }
            let body = plan.body(journal, number, place).unwrap();
            let answer = target.webhook.send(&http, body).await.unwrap();
            assert_eq!(answer.status, 204, "{notice:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_rehearses_the_demo_and_can_be_repeated() {
    let line = Line::start().await;
    let arguments = [
        "--json",
        "--duration",
        "2s",
        "--ramp",
        "1s",
        "--spike",
        "3x@1s",
        "--share",
        "refund=20%,odd=5%",
    ];
    let page = line.folder.join("report.html");
    let first = ended(line.rehearse(&arguments).arg("--html").arg(&page)).await;
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains("<h1>Clean</h1>"), "{page}");
    assert_eq!(first.status.code(), Some(0), "{}", said(&first.stderr));
    assert_eq!(said(&first.stderr), "", "nothing but the outcome");
    let outcome: Value = serde_json::from_slice(&first.stdout).unwrap();
    let seed = outcome["seed"].as_u64().unwrap().to_string();
    let again = [&arguments[..], &["--seed", &seed]].concat();
    let second = ended(&mut line.rehearse(&again)).await;
    let repeated: Value = serde_json::from_slice(&second.stdout).unwrap();
    assert_eq!(outcome["verdict"], "clean", "{outcome}");
    assert!(outcome["played"]["orders"].as_u64() > Some(20), "{outcome}");
    assert_eq!(repeated["played"]["orders"], outcome["played"]["orders"]);
    assert_ne!(repeated["run"], outcome["run"], "ids of its own");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_rehearsal_still_says_what_came() {
    let line = Line::start().await;
    let mut rehearse = line
        .rehearse(&["--duration", "1h", "--orders-per-second", "5"])
        .spawn()
        .unwrap();
    let mut told = BufReader::new(rehearse.stderr.take().unwrap()).lines();
    let goes_on = async {
        while !told
            .next_line()
            .await
            .unwrap()
            .unwrap()
            .contains("under way")
        {}
    };
    tokio::time::timeout(PATIENCE, goes_on)
        .await
        .expect("progress is told");
    let id = rehearse.id().unwrap().to_string();
    let asked = Command::new("kill")
        .args(["-INT", &id])
        .status()
        .await
        .unwrap();
    assert!(asked.success());
    let output = tokio::time::timeout(PATIENCE, rehearse.wait_with_output()).await;
    let output = output.expect("it ends in time").unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(
        said(&output.stdout).contains("CLEAN"),
        "{}",
        said(&output.stdout)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_cannot_be_asked_is_not_rehearsed() {
    let folder = Folder::new();
    let secret = folder.join("webhook.secret");
    std::fs::write(&secret, "a-secret-of-the-tests").unwrap();
    let mut rehearse = Command::new(tests::fresh_binary());
    rehearse.args([
        "rehearse",
        "--webhook-url",
        "http://127.0.0.1:1/hooks/7",
        "--secret-file",
    ]);
    let refused = ended(rehearse.arg(&secret)).await;
    assert_eq!(refused.status.code(), Some(1));
    let why = said(&refused.stderr);
    assert!(
        why.contains("only a project that is marked for it is rehearsed"),
        "{why}"
    );
}
