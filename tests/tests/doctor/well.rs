//! What is well.

use std::fs;
use std::time::Duration;

use broker::{Broker, Link};
use hyper::Method;
use rehearsal::Instance;
use serde_json::{Value, json};
use telemetry::Telemetry;
use testkit::Folder;
use tokio::process::Command;
use tokio::time::{sleep, timeout};

use crate::program::anywhere;
use crate::{Scene, Told, serve};

const PATIENCE: Duration = Duration::from_mins(1);

#[tokio::test]
async fn a_line_that_is_well_has_no_failure_and_is_left_as_it_was() {
    let scene = Scene::new().await;
    let settings = scene.settings();
    let (mut process, ingress) = serve(&settings).await;

    let told = Told::of(&settings, &["--ingress-url", &ingress]).await;
    told.is_well();
    for (check, said) in [
        ("configuration", "1 project(s)"),
        ("ledger.reach", "PostgreSQL answers"),
        ("ledger.version", "PostgreSQL "),
        ("ledger.clock", "agrees"),
        ("ledger.schema", "as this version needs it"),
        ("ledger.rights", "may do all"),
        ("broker.reach", "RabbitMQ answers"),
        ("broker.queues", "is there"),
        ("broker.rights", "may do all"),
        ("broker.topology", "policies are as this version"),
        ("broker.version", "RabbitMQ "),
        ("broker.clock", "agrees"),
        ("claim.version", "Redis "),
        ("claim.rights", "claims and marks"),
        ("claim.eviction", "drops nothing"),
        ("claim.clock", "agrees"),
        ("ingress.question", "400 INVALID_USER"),
        ("ingress.forgery", "400 INVALID_SIGNATURE"),
    ] {
        told.finds(check, "ok", &[said]);
    }
    // One node, and no standby: whoever lives with that knows.
    told.finds("ledger.durability", "warn", &["synchronous_standby_names"]);
    told.finds("broker.members", "warn", &["expected three"]);

    for table in ["notices", "quarantine", "players", "parked"] {
        let rows = format!("SELECT count(*) FROM {table}");
        let rows = sqlx::query_scalar(sqlx::AssertSqlSafe(rows));
        let rows: i64 = rows.fetch_one(scene.database.pool()).await.unwrap();
        assert_eq!(rows, 0, "{table}");
    }
    assert_eq!(process.stop().await, Some(0), "{}", process.text());
}

#[tokio::test]
async fn a_broker_has_no_message_and_no_queue_of_the_doctors() {
    let scene = Scene::new().await;
    Told::of(&scene.settings(), &[]).await.is_well();
    let meter = Telemetry::quiet().meter("tests");
    let broker = Broker::connect(scene.vhost.config(), "tests", &meter);
    let connected = |state: &broker::State| state.publishing == Link::Connected;
    let mut state = broker.state();
    let connected = state.wait_for(connected);
    timeout(PATIENCE, connected).await.unwrap().unwrap();
    let depths = broker.depths().await.unwrap();
    broker.close().await;
    for depth in &depths {
        assert_eq!((depth.ready, depth.consumers), (0, 0), "{}", depth.queue);
    }
    let queues = scene.vhost.call_api(Method::GET, "queues", "", None).await;
    assert_eq!(queues.unwrap().as_array().unwrap().len(), depths.len());
}

#[tokio::test]
async fn what_programs_read_keeps_its_shape() {
    let scene = Scene::new().await;
    let told = Told::of(&scene.settings(), &[]).await;
    let report = told.report.as_object().unwrap();
    let keys: Vec<_> = report.keys().map(String::as_str).collect();
    assert_eq!(keys, ["counts", "findings", "verdict"]);
    let findings = report["findings"].as_array().unwrap();
    for grade in ["ok", "warn", "fail"] {
        let of_it = findings.iter().filter(|it| it["grade"] == grade).count();
        assert_eq!(report["counts"][grade], json!(of_it), "{grade}");
    }
    for finding in findings {
        let keys: Vec<_> = finding.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["check", "grade", "text"]);
        assert!(["ok", "warn", "fail"].contains(&finding["grade"].as_str().unwrap()));
    }
    // Nobody runs an ingress here, and nobody said there is one.
    assert_eq!(report["verdict"], "warn");
    told.finds("ingress.question", "warn", &["--ingress-url"]);
}

#[tokio::test]
async fn the_file_beside_its_server_and_the_demo_are_looked_at_with_no_argument() {
    let folder = Folder::new();
    let doctor = async |arguments: &[&str]| {
        let mut command = tests::grantline(&["doctor", "--json"]);
        command
            .args(arguments)
            .current_dir(folder.path())
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin");
        let output = timeout(PATIENCE, command.output()).await.unwrap().unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let code = output.status.code();
        Told { code, report }
    };
    let told = doctor(&[]).await;
    told.is_well();
    told.finds(
        "configuration",
        "warn",
        &["nothing is configured", "`grantline serve`"],
    );
    assert!(fs::read_dir(folder.path()).unwrap().next().is_none());

    let data = folder.join("grantline-data");
    let log = fs::File::create(folder.join("log")).unwrap();
    let mut process = tests::serve(&data, |_| anywhere())
        .stdout(log)
        .spawn()
        .unwrap();
    let served = async {
        while Instance::read(&data.join("instance.toml")).is_err() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, served).await.unwrap();
    let told = doctor(&[]).await;
    told.is_well();
    told.finds("file.reach", "ok", &["grantline.db"]);
    told.finds("file.soundness", "ok", &["holds together"]);
    told.finds("ingress.question", "ok", &["400 INVALID_USER"]);
    told.finds("ingress.forgery", "ok", &["400 INVALID_SIGNATURE"]);
    told.finds("secrets", "ok", &["3 secret(s)"]);

    let id = process.id().unwrap().to_string();
    let asked = Command::new("kill").arg(id).status().await.unwrap();
    assert!(asked.success());
    timeout(PATIENCE, process.wait()).await.unwrap().unwrap();
    let told = doctor(&[]).await;
    told.is_well();
    told.finds("file.soundness", "ok", &["holds together"]);
    told.finds("ingress.question", "warn", &["no ingress was asked"]);

    // In the middle of its pages, where no header is.
    let file = data.join("grantline.db");
    let mut bytes = fs::read(&file).unwrap();
    let middle = 4_096 * 2;
    bytes[middle..middle + 64].fill(0xFF);
    fs::write(&file, bytes).unwrap();
    let told = doctor(&[]).await;
    assert_eq!(told.code, Some(1), "{:#}", told.report);
    told.finds(
        "file.soundness",
        "fail",
        &["is damaged", "grantline restore"],
    );
}
