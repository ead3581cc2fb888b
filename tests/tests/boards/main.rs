//! Dashboards, rules and runbooks, held against Prometheus and a real sale.
//!
//! Grafana cannot be had here, so what is proven of a dashboard is its data: every query of
//! every panel finds some, in a Prometheus that scraped the roles of the cluster stack.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod boards;
mod files;
mod line;
mod names;
mod prometheus;

use std::fs::{self, File};
use std::net::SocketAddr;
use std::time::Duration;

use boards::Board;
use files::Rules;
use line::{Line, Sale, Target};
use names::Exposed;
use prometheus::Prometheus;
use testkit::Folder;

/// The watcher reads queues and ledger every 15 s, and this machine may be busy.
const PATIENCE: Duration = Duration::from_mins(2);

/// A sale with forged signatures, an order that nobody can grant, and a worker that is killed:
/// every query finds data, and *Sale night* shows each of the three.
#[tokio::test(flavor = "multi_thread")]
async fn every_panel_and_rule_finds_data_after_a_sale_with_faults() {
    let mut line = Line::start().await;
    let prometheus = Prometheus::start(line.folder(), &line.targets()).await;
    play_the_sale(&mut line, &prometheus).await;

    let boards = Board::all();
    let mut faults = Vec::new();
    for board in &boards {
        faults.extend(board.without_data(&prometheus).await);
    }
    faults.extend(names_of_nothing(&boards, &prometheus).await);
    faults.extend(prometheus.broken_rules().await);
    for (page, statement) in files::statements() {
        let answer = line.ask_the_ledger(&statement).await;
        faults.extend(answer.err().map(|error| format!("{page}: {error}")));
    }
    assert!(faults.is_empty(), "{faults:#?}");

    let night = boards.iter().find(|it| it.slug() == "sale-night").unwrap();
    for (panel, least) in [
        ("Backlog", 1.0),
        ("Oldest task", 1.0),
        ("Paid, not granted", 1.0),
        ("Paid, not granted: money", 6.98),
        ("Paid, not granted: the oldest", 1.0),
        ("Signatures that do not hold", 0.5),
        ("Parked", 1.0),
        ("In, booked, pushed", 1.0),
    ] {
        let most = night.most(panel, &prometheus).await;
        assert!(
            most >= least,
            "{panel} shows {most} at most, expected {least}"
        );
    }
    for alert in ["GrantlineWrongSecret", "GrantlineQueueWithoutConsumers"] {
        let seen = format!("max_over_time(ALERTS{{alertname=\"{alert}\"}}[10m])");
        prometheus.until(&seen, PATIENCE, |is| is >= 1.0).await;
    }
}

/// The same dashboards fit `grantline serve` on one file, where nothing waits for servers.
#[tokio::test(flavor = "multi_thread")]
async fn every_panel_finds_data_of_one_process_on_one_file() {
    let (folder, ip) = (Folder::new(), line::own_address());
    let target = Target {
        name: "serve",
        admin: SocketAddr::from((ip, 9_090)),
    };
    let log = folder.join("log");
    let told = File::create(&log).unwrap();
    let _process = tests::serve(&folder.join("data"), |role| match role {
        "ADMIN" => target.admin,
        _ => SocketAddr::from((ip, 0)),
    })
    .stdout(told.try_clone().unwrap())
    .stderr(told)
    .spawn()
    .unwrap();
    let log = || fs::read_to_string(&log).unwrap_or_default();
    line::until_ready(target, log).await;
    let prometheus = Prometheus::start(folder.path(), &[target]).await;
    let sale = Sale::begin(&folder.join("data/instance.toml"), "8s");
    let see = async |query: &str| prometheus.until(query, PATIENCE, |_| true).await;
    see("sum(grantline_publisher_booked_to_pushed_seconds_count) > 0").await;
    see("sum(grantline_worker_received_to_booked_seconds_count{type=\"order_canceled\"}) > 0")
        .await;
    sale.ended().await;
    see("sum(grantline_worker_queue_depth) == 0").await;
    let mut faults = prometheus.broken_rules().await;
    for board in Board::all() {
        faults.extend(board.without_data(&prometheus).await);
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

/// Returns when everything that was accepted has ended, and the watcher has seen it.
async fn play_the_sale(line: &mut Line, prometheus: &Prometheus) {
    let of_grants = "{queue=\"grantline.grant.v1\"}";
    let see = async |query: &str| prometheus.until(query, PATIENCE, |_| true).await;
    see(&format!("count(up == 1) == {}", line.targets().len())).await;
    // Before anybody buys: however slow this machine is, grants have to wait.
    line.kill_the_worker().await;
    // And before there are many good signatures beside these.
    line.forge_signatures(60).await;
    let sale = line.begin_sale();
    line.sell_what_nobody_can_grant().await;
    see(&format!(
        "max(grantline_worker_queue_oldest_seconds{of_grants}) > 1"
    ))
    .await;
    see(&format!(
        "max(grantline_worker_queue_consumers{of_grants}) == 0"
    ))
    .await;
    line.start_the_worker();
    sale.ended().await;
    see("sum(grantline_worker_queue_depth) == 0").await;
    // Not only an order of which the payment alone is booked yet, whose amount nobody knows.
    see("max(grantline_ledger_paid_not_granted_amount) >= 6.98").await;
}

/// What queries name and nobody has, or what is no query.
async fn names_of_nothing(boards: &[Board], prometheus: &Prometheus) -> Vec<String> {
    let exposed = Exposed::of(&prometheus.series().await);
    let mut faults = Vec::new();
    let mut expressions: Vec<_> = boards.iter().flat_map(Board::queries).collect();
    let rules = prometheus.rules().await;
    expressions.extend(rules.iter().map(prometheus::Rule::query));
    for (page, question) in files::questions() {
        let answer = prometheus.range(&question).await;
        faults.extend(
            answer
                .err()
                .map(|error| format!("{page}: {error} from {question}")),
        );
        expressions.push((page, question));
    }
    for (place, expression) in expressions {
        let unknown = exposed.unknown(&expression);
        faults.extend(unknown.into_iter().map(|what| format!("{place}: {what}")));
    }
    faults.sort();
    faults.dedup();
    faults
}

#[test]
fn dashboards_are_as_their_source_writes_them() {
    files::run("python3", &["-B", "deploy/grafana/build.py", "--check"]);
    let mut uids: Vec<_> = Board::all().iter().map(Board::uid).collect();
    uids.sort();
    uids.dedup();
    assert_eq!(uids.len(), Board::all().len(), "one uid is taken twice");
    for board in Board::all() {
        assert_eq!(board.faults(), Vec::<String>::new(), "{}", board.slug());
    }
}

#[test]
fn rules_fire_and_are_silent_as_their_tests_say() {
    files::run(
        "promtool",
        &["check", "config", "deploy/prometheus/prometheus.yml"],
    );
    let tests = files::below("deploy/prometheus/tests", "yaml");
    let tests = tests.iter().map(String::as_str);
    let arguments: Vec<_> = ["test", "rules"].into_iter().chain(tests).collect();
    files::run("promtool", &arguments);
}

#[test]
fn every_alert_is_tested_silent_and_firing_and_leads_to_its_page() {
    let rules = Rules::read();
    assert!(rules.alerts.len() > 50, "{}", rules.alerts.len());
    assert_eq!(rules.untested(), Vec::<String>::new());
    assert_eq!(rules.without_page(), Vec::<String>::new());
    assert_eq!(rules.orphaned_pages(), Vec::<String>::new());
    let linked = Board::all();
    let linked = linked.iter().flat_map(Board::runbooks);
    let missing: Vec<_> = linked.filter(|page| !files::page_exists(page)).collect();
    assert_eq!(missing, Vec::<String>::new(), "linked by a panel");
}
