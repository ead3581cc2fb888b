//! Webhooks from Xsolla that no configured secret fits.
//!
//! The tests' sender, 127.0.0.1, is in `sources`. The project's one secret stands in a file,
//! as it does where it is exchanged while the role is running.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use hyper::header::HeaderName;
use ingress::{KeyFault, Quarantine, StartError};
use secret::Secret;
use task::Lane;
use testkit::{CuttingProxy, Database, Postgres, RabbitMq, Vhost};
use xsolla::fixtures;
use xsolla::signature::authorization_header;

use crate::accept::take;
use crate::line::{Answer, Line, Setup, network, project_id, secret, validation};
use crate::run::start;

const PATIENCE: Duration = Duration::from_mins(1);
const KEY: &str = "00112233445566778899aabbccddeeff0123456789abcdeffedcba9876543210";
/// What Xsolla signs with from now on, unknown here.
const NEW: &str = "secret-that-xsolla-has-exchanged";
/// Stands in every body below.
const CANARY: &str = "canary@example.net";

/// The file with the project's secret, removed at the test's end.
struct SecretFile(PathBuf);

impl SecretFile {
    fn new(test: &str) -> Self {
        let name = format!("quarantine-{}-{test}", std::process::id());
        let file = Self(std::env::temp_dir().join(name));
        file.write("secret-before-the-exchange");
        file
    }

    fn write(&self, secret: &str) {
        fs::write(&self.0, secret).unwrap();
    }
}

impl Drop for SecretFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Servers and the secret's file of one test.
struct Scene {
    database: Database,
    vhost: Vhost,
    file: SecretFile,
}

impl Scene {
    async fn new(test: &str) -> Self {
        Self {
            database: Postgres::database().await,
            vhost: RabbitMq::vhost().await,
            file: SecretFile::new(test),
        }
    }

    fn setup(&self) -> Setup {
        let mut setup = Setup::new();
        setup.broker = self.vhost.config();
        setup.ledger = ledger::Ledger::open(&self.database.config()).unwrap();
        setup.config.sources = vec![network("127.0.0.1")];
        setup.config.deadline = PATIENCE;
        setup.project.webhook_secrets = vec![Secret::from_file(&self.file.0).unwrap()];
        setup.project.quarantine = Quarantine {
            enabled: true,
            key: Some(secret(KEY)),
            ..Quarantine::default()
        };
        setup
    }

    async fn serve(&self, change: impl FnOnce(&mut Setup)) -> Line {
        let mut setup = self.setup();
        change(&mut setup);
        let line = setup.serve();
        line.connected().await;
        line
    }

    async fn kept(&self) -> u64 {
        let ledger = self.database.ledger();
        ledger.quarantine_size(project_id()).await.unwrap()
    }

    async fn emptied(&self) {
        eventually("the quarantine is empty", async || self.kept().await == 0).await;
    }
}

async fn eventually(what: &str, condition: impl AsyncFn() -> bool) {
    let waiting = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let held = tokio::time::timeout(PATIENCE, waiting).await.is_ok();
    assert!(held, "not within {PATIENCE:?}: {what}");
}

fn order(id: i64) -> Vec<u8> {
    format!(r#"{{"notification_type":"order_paid","order":{{"id":{id}}},"user":{{"email":"{CANARY}"}}}}"#)
        .into_bytes()
}

/// Posts a body as Xsolla does that has exchanged its secret.
async fn post_new(line: &Line, body: &[u8]) -> Answer {
    let signature = authorization_header(body, NEW.as_bytes());
    line.post_with(body, &[&signature]).await
}

fn counts(line: &Line, outcome: &str, count: u64) -> bool {
    let outcome = format!(r#"outcome="{outcome}""#);
    line.counts("grantline_ingress_quarantine_total", &[&outcome], count)
}

fn not_now() -> (u16, String) {
    (503, "SERVER_ERROR".to_owned())
}

fn bad_signature() -> (u16, String) {
    (400, "INVALID_SIGNATURE".to_owned())
}

#[tokio::test]
async fn a_wrong_secret_from_xsolla_is_503_and_kept_once_and_unreadable_on_disk() {
    let scene = Scene::new("kept").await;
    let line = scene.serve(|_| {}).await;
    let body = order(1);
    for _ in 0..2 {
        assert_eq!(post_new(&line, &body).await.brief(), not_now());
    }
    let signature = authorization_header(&body, NEW.as_bytes());
    let behind_a_proxy = ["Bearer of-a-proxy", &signature, "Basic eDp5"];
    let answer = line.post_with(&body, &behind_a_proxy).await;
    assert_eq!(answer.brief(), not_now());
    assert_eq!(scene.kept().await, 1);
    assert!(counts(&line, "kept", 1) && counts(&line, "repeated", 2));
    assert!(line.counts("grantline_ingress_requests", &["\"quarantined\"", "503"], 3));
    let mismatches = ["mismatch"];
    assert!(line.counts("grantline_ingress_signature_failures", &mismatches, 3));

    let rows: Vec<String> = sqlx::query_scalar("SELECT q::text FROM quarantine q")
        .fetch_all(scene.database.pool())
        .await
        .unwrap();
    let [row] = rows.try_into().unwrap();
    let hex = |text: &str| {
        text.bytes()
            .fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
    };
    assert!(
        row.contains(&hex("")),
        "the row is shown in hexadecimal digits"
    );
    for canary in [CANARY, "order_paid", "notification_type"] {
        assert!(
            !row.contains(canary) && !row.contains(&hex(canary)),
            "{canary} in {row}"
        );
    }
}

#[tokio::test]
async fn nothing_else_is_kept() {
    let scene = Scene::new("else").await;
    let line = scene.serve(|setup| setup.config.proxies = 1).await;
    let body = order(1);
    let signature = authorization_header(&body, NEW.as_bytes());
    let from = |address: &str| {
        let mut request = line.notice(&body, &[&signature]);
        let name = HeaderName::from_static("x-forwarded-for");
        request.headers_mut().insert(name, address.parse().unwrap());
        request
    };
    let elsewhere = line.send(from("203.0.113.9")).await;
    assert_eq!(elsewhere.brief(), not_now());
    // Whatever the sender writes further left.
    let forged = line.send(from("127.0.0.1, 203.0.113.9")).await;
    assert_eq!(forged.brief(), not_now());
    let digits = signature.split_once(' ').unwrap().1;
    let unparsed: [&[&str]; 4] = [
        &[],
        &["Signature x"],
        &[digits],
        &[&signature[..signature.len() - 1]],
    ];
    for headers in unparsed {
        let answer = line.post_with(&body, headers).await;
        assert_eq!(answer.brief(), bad_signature(), "{headers:?}");
    }
    // Nobody waits for the answer; Xsolla's own test of an endpoint wants its 400.
    let question = post_new(&line, &validation("\"mira\"")).await;
    assert_eq!(question.brief(), bad_signature());
    // Its player has paid.
    let pincode = post_new(&line, fixtures::GET_PINCODE).await;
    assert_eq!(pincode.brief(), not_now());
    assert_eq!(scene.kept().await, 0);
    assert!(counts(&line, "question", 1));

    for change in [
        (|setup| setup.project.quarantine = Quarantine::default()) as fn(&mut Setup),
        |setup| setup.project.quarantine.enabled = false,
    ] {
        let line = scene.serve(change).await;
        assert_eq!(post_new(&line, &body).await.brief(), bad_signature());
        line.broker.close().await;
    }
    line.broker.close().await;
    assert_eq!(scene.kept().await, 0);
}

#[tokio::test]
async fn the_right_secret_in_its_file_queues_what_was_kept_byte_for_byte() {
    let scene = Scene::new("exchanged").await;
    let line = scene.serve(|_| {}).await;
    let body = order(1);
    post_new(&line, &body).await;
    scene.file.write("another-wrong-one");
    post_new(&line, b"{broken").await;
    assert_eq!(scene.kept().await, 2);

    scene.file.write(NEW);
    let [task] = take(&line, Lane::Grant, 1).await.try_into().unwrap();
    assert_eq!(
        (task.body.as_ref(), task.project),
        (&body[..], project_id())
    );
    assert_eq!(task.order.map(order::OrderId::get), Some(1));
    let [task] = take(&line, Lane::Record, 1).await.try_into().unwrap();
    assert_eq!(task.body.as_ref(), b"{broken");
    scene.emptied().await;
    eventually("both are counted", async || counts(&line, "replayed", 2)).await;
    assert!(line.counts("grantline_ingress_signatures", &["webhook_secrets.0"], 2));
}

/// A restart is the way of secrets that stand in the configuration itself, and the switch
/// may be off by then.
#[tokio::test]
async fn another_process_replays_what_one_has_kept_even_with_the_switch_off() {
    let scene = Scene::new("restart").await;
    let line = scene.serve(|_| {}).await;
    post_new(&line, &order(1)).await;
    line.broker.close().await;
    line.stop().await;
    let line = scene
        .serve(|setup| {
            setup.project.quarantine.enabled = false;
            setup.project.order_webhook_secrets = vec![secret(NEW)];
        })
        .await;
    take(&line, Lane::Grant, 1).await;
    scene.emptied().await;
}

#[tokio::test]
async fn a_full_quarantine_is_503_and_keeps_the_oldest() {
    let scene = Scene::new("full").await;
    let line = scene
        .serve(|setup| setup.project.quarantine.max_bodies = 2)
        .await;
    for id in 1..=4 {
        assert_eq!(post_new(&line, &order(id)).await.brief(), not_now());
    }
    assert_eq!(scene.kept().await, 2);
    assert!(counts(&line, "kept", 2) && counts(&line, "full", 2));
    assert!(line.counts("grantline_ingress_requests", &["\"not_quarantined\""], 2));
    scene.file.write(NEW);
    let mut tasks = take(&line, Lane::Grant, 2).await;
    tasks.sort_by_key(|task| task.order.map(order::OrderId::get));
    let bodies: Vec<_> = tasks.iter().map(|task| task.body.to_vec()).collect();
    assert_eq!(bodies, [order(1), order(2)]);
}

#[tokio::test]
async fn without_a_ledger_it_is_503_all_the_same() {
    let file = SecretFile::new("no-ledger");
    let mut setup = Setup::new();
    setup.config.sources = vec![network("127.0.0.1")];
    setup.project.webhook_secrets = vec![Secret::from_file(&file.0).unwrap()];
    setup.project.quarantine = Quarantine {
        enabled: true,
        key: Some(secret(KEY)),
        ..Quarantine::default()
    };
    let line = setup.serve();
    assert_eq!(post_new(&line, &order(1)).await.brief(), not_now());
    assert!(counts(&line, "failed", 1));
}

#[tokio::test]
async fn what_no_secret_fits_in_time_is_given_up_with_an_alarm() {
    let scene = Scene::new("expired").await;
    let line = scene
        .serve(|setup| setup.project.quarantine.keep_for = Duration::from_millis(1))
        .await;
    post_new(&line, &order(1)).await;
    scene.emptied().await;
    eventually("it is counted", async || counts(&line, "expired", 1)).await;
    assert!(!counts(&line, "replayed", 1));
}

#[tokio::test]
async fn what_was_kept_expires_even_where_no_project_has_a_key_any_more() {
    let scene = Scene::new("keyless").await;
    let line = scene.serve(|_| {}).await;
    post_new(&line, &order(1)).await;
    line.broker.close().await;
    line.stop().await;
    sqlx::query("UPDATE quarantine SET expires_at = received_at")
        .execute(scene.database.pool())
        .await
        .unwrap();
    assert_eq!(scene.kept().await, 1);
    let line = scene
        .serve(|setup| setup.project.quarantine = Quarantine::default())
        .await;
    scene.emptied().await;
    eventually("it is counted", async || counts(&line, "expired", 1)).await;
}

#[tokio::test]
async fn what_was_tampered_with_is_reported_once_and_holds_up_nothing() {
    let scene = Scene::new("tampered").await;
    let line = scene.serve(|_| {}).await;
    for id in 1..=3 {
        post_new(&line, &order(id)).await;
    }
    // A flipped bit in the first, and the second under another signature.
    sqlx::query(
        "UPDATE quarantine SET
             sealed = CASE id WHEN 1 THEN set_bit(sealed, 150, 1 - get_bit(sealed, 150)) ELSE sealed END,
             digest = CASE id WHEN 2 THEN set_bit(digest, 7, 1 - get_bit(digest, 7)) ELSE digest END",
    )
    .execute(scene.database.pool())
    .await
    .unwrap();
    scene.file.write(NEW);
    eventually("the good one went", async || counts(&line, "replayed", 1)).await;
    assert!(counts(&line, "unreadable", 2));

    // Every body is looked at again with each new secret.
    scene.file.write("another");
    eventually("another one is kept", async || {
        post_new(&line, &order(4)).await.brief() == not_now()
    })
    .await;
    scene.file.write(NEW);
    eventually("it went", async || counts(&line, "replayed", 2)).await;
    assert!(counts(&line, "unreadable", 2));
    let looked_at = "SELECT count(*) FROM quarantine WHERE unreadable_at IS NOT NULL";
    let unreadable: i64 = sqlx::query_scalar(looked_at)
        .fetch_one(scene.database.pool())
        .await
        .unwrap();
    assert_eq!((unreadable, scene.kept().await), (2, 2));
    let tasks = take(&line, Lane::Grant, 1).await;
    assert!(
        tasks
            .iter()
            .all(|task| task.body != order(1) && task.body != order(2))
    );
}

/// Until the broker's confirm the quarantine is the only place where the body is.
#[tokio::test]
async fn nothing_leaves_the_quarantine_before_the_broker_has_confirmed_it() {
    let scene = Scene::new("unconfirmed").await;
    let proxy = CuttingProxy::before(scene.vhost.url()).await;
    let line = scene
        .serve(|setup| {
            setup.broker = broker::Config {
                confirm_timeout: Duration::from_secs(5),
                ..scene.vhost.config_through(&proxy)
            };
        })
        .await;
    post_new(&line, &order(1)).await;
    proxy.stall();
    scene.file.write(NEW);
    let taken = "SELECT count(*) FROM quarantine WHERE taken_until IS NOT NULL";
    eventually("it was tried", async || {
        let tried = sqlx::query_scalar::<_, i64>(taken).fetch_one(scene.database.pool());
        tried.await.unwrap() == 1
    })
    .await;
    assert_eq!(scene.kept().await, 1);
    eventually("it was put back", async || {
        let tried = sqlx::query_scalar::<_, i64>(taken).fetch_one(scene.database.pool());
        tried.await.unwrap() == 0
    })
    .await;
    assert_eq!(scene.kept().await, 1);
    proxy.heal();
    take(&line, Lane::Grant, 1).await;
    scene.emptied().await;
}

#[tokio::test]
async fn a_quarantine_without_a_key_or_open_to_anybody_does_not_start() {
    let with = |key: Option<&str>| {
        let mut setup = Setup::new();
        setup.project.quarantine.enabled = true;
        setup.project.quarantine.key = key.map(secret);
        start(setup)
    };
    for (key, fault) in [
        (None, KeyFault::Missing),
        (Some("abc"), KeyFault::Malformed),
    ] {
        let started = with(key).await;
        let refused = matches!(
            &started,
            Err(StartError::QuarantineKey { source, .. }) if *source == fault
        );
        assert!(refused, "{started:?}");
    }
    let started = with(Some(KEY)).await;
    assert!(
        matches!(started, Err(StartError::NoSources { .. })),
        "{started:?}"
    );
}
