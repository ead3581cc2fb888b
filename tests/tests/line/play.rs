//! `grantline play`, the real program, against the line and against strangers.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use hyper::StatusCode;
use rehearsal::{Instance, Scenario};
use serde_json::Value;
use sha1::{Digest as _, Sha1};
use testkit::StudioService;
use tokio::net::TcpListener;
use tokio::process::Command;

use crate::harness::{
    API_KEY, ISSUER, LOGIN_PROJECT, LOGIN_SECRET, Line, PROJECT, Setup, Stack, WEBHOOK_SECRET,
    on_both_stacks,
};

on_both_stacks!(
    every_scenario_ends_in_the_ledger_as_it_says,
    plays_at_the_same_time_do_not_meet,
    an_overridden_player_and_quantity_reach_the_ledger,
    what_does_not_come_as_expected_is_told_and_fails,
    a_url_and_a_secret_are_enough_and_a_wrong_secret_is_named,
);

/// How long one play may take.
const PATIENCE: Duration = Duration::from_mins(3);

/// A folder to play in, with secrets beside it.
struct Folder(PathBuf);

/// What a play printed and how it ended.
struct Played {
    code: Option<i32>,
    out: String,
    error: String,
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Folder {
    fn new() -> Self {
        let name = format!("grantline-play-{:016x}", any_number());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir(&folder).unwrap();
        let folder = Self(folder);
        folder.file("webhook.secret", WEBHOOK_SECRET);
        folder.file("login.secret", LOGIN_SECRET);
        folder.file("api.key", API_KEY);
        folder
    }

    /// A folder in which the line is known.
    fn beside(line: &Line) -> Self {
        let folder = Self::new();
        let instance = Instance {
            project: PROJECT,
            webhook_url: webhook_url(line.ingress),
            webhook_secret_file: "../webhook.secret".into(),
            client_url: format!("http://{}", line.publisher),
            login_secret_file: "../login.secret".into(),
            login_project: LOGIN_PROJECT.to_owned(),
            issuer: ISSUER.to_owned(),
            api_url: format!("http://{}/", line.api),
            api_key_file: "../api.key".into(),
        };
        instance
            .write(&folder.0.join(Instance::DEFAULT_PATH))
            .unwrap();
        folder
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    async fn play(&self, arguments: &[&str]) -> Played {
        let output = Command::new(tests::fresh_binary())
            .arg("play")
            .args(["--timeout", "1m"])
            .args(arguments)
            .current_dir(&self.0)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(PATIENCE, output).await;
        let output = output.expect("it ends in time").unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Played {
            code: output.status.code(),
            out: text(&output.stdout),
            error: text(&output.stderr),
        }
    }
}

impl Played {
    fn lines(&self) -> Vec<Value> {
        let lines = self.out.lines();
        lines.map(|it| serde_json::from_str(it).unwrap()).collect()
    }

    /// The reports, after it has ended well.
    fn passed(&self) -> Vec<Value> {
        assert_eq!(self.code, Some(0), "{}{}", self.out, self.error);
        let lines = self.lines();
        assert_eq!(lines.last().unwrap()["verdict"], "met");
        lines
    }

    /// The one report that was not as expected.
    fn failed(&self) -> Value {
        assert_eq!(self.code, Some(1), "{}{}", self.out, self.error);
        let mut lines = self.lines();
        assert_eq!(lines.pop().unwrap()["verdict"], "unmet");
        let last = lines.pop().unwrap();
        assert_eq!(last["verdict"], "unmet", "{last}");
        last
    }
}

fn any_number() -> u64 {
    use std::hash::{BuildHasher as _, RandomState};
    RandomState::new().hash_one(std::process::id())
}

fn webhook_url(ingress: impl std::fmt::Display) -> String {
    format!("http://{ingress}/webhooks/xsolla/{PROJECT}")
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn shown(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The statuses that the line has recorded for an order.
async fn statuses(line: &Line, player: &str, order: i64) -> Vec<&'static str> {
    let rows = line.stream(player).await.into_iter();
    let ours = rows.filter(|(_, of, _)| *of == order);
    ours.map(|(_, _, status)| status).collect()
}

async fn every_scenario_ends_in_the_ledger_as_it_says(stack: Stack) {
    let line = Line::start(stack).await;
    let folder = Folder::beside(&line);
    let bought: &[&str] = &["com.example.blade_ember×1", "com.example.crystals×250"];
    let content: &[&str] = &["com.example.blade_frost×1", "com.example.crystals×250"];
    let free: &[&str] = &["com.example.daily_crate×1"];
    let paid: &[&str] = &["new", "paid", "done"];
    for scenario in Scenario::ALL {
        let (goods, expected): (&[&str], &[&str]) = match scenario {
            Scenario::Paid | Scenario::Duplicate => (bought, paid),
            Scenario::Bundle => (content, paid),
            Scenario::Free => (free, paid),
            Scenario::Refund => (&[], &["new", "paid", "done", "canceled"]),
            Scenario::CancelFirst => (&[], &["new", "canceled"]),
            Scenario::BadSignature | Scenario::UnknownPlayer => (&[], &[]),
        };
        let run = folder.play(&["--json", scenario.as_str()]).await;
        let lines = run.passed();
        let (player, order) = (text(&lines[0]["player"]), lines[0]["order"].as_i64());
        let seen = statuses(&line, player, order.unwrap()).await;
        assert_eq!(seen, expected, "{scenario}: {}", run.out);
        assert_eq!(line.inventory(player).await, goods, "{scenario}");
        let heard: Vec<_> = lines
            .iter()
            .filter(|report| report["step"] == "hear")
            .map(|report| text(&report["result"]))
            .collect();
        assert_eq!(heard, expected, "{scenario}: {}", run.out);
    }
    assert!(line.parked().await.is_empty());
    line.stop().await;
}

async fn plays_at_the_same_time_do_not_meet(stack: Stack) {
    let line = Line::start(stack).await;
    let folder = Folder::beside(&line);
    let (one, two, three) = tokio::join!(
        folder.play(&["--json", "paid"]),
        folder.play(&["--json", "paid"]),
        folder.play(&["--json", "refund"]),
    );
    let orders = [one, two, three].map(|played| played.passed()[0]["order"].as_i64());
    assert!(orders[0] != orders[1] && orders[1] != orders[2] && orders[0] != orders[2]);
    line.stop().await;
}

async fn an_overridden_player_and_quantity_reach_the_ledger(stack: Stack) {
    let line = Line::start(stack).await;
    let folder = Folder::beside(&line);
    let arguments = [
        "paid",
        "--set",
        "user.external_id=ava 7/7",
        "--set",
        "items.0.quantity=3",
    ];
    // Twice: what the player held before does not count.
    for _ in 0..2 {
        let played = folder.play(&arguments).await;
        assert_eq!(played.code, Some(0), "{}{}", played.out, played.error);
        assert!(played.out.contains("player ava 7/7"), "{}", played.out);
        assert!(!played.out.contains('\x1b'), "no colours in a pipe");
    }
    assert_eq!(
        line.inventory("ava 7/7").await,
        ["com.example.blade_ember×6", "com.example.crystals×500"]
    );
    line.stop().await;
}

async fn what_does_not_come_as_expected_is_told_and_fails(stack: Stack) {
    let setup = Setup {
        stack,
        grant: grant::Config {
            grant_sandbox: true,
            bundles: grant::Bundles::Heading,
        },
        ..Setup::default()
    };
    let line = Line::start_with(setup).await;
    let folder = Folder::beside(&line);
    // A test purchase stops at paid, but here it is granted.
    let arguments = ["--json", "paid", "--set", "order.mode=sandbox"];
    let played = folder.play(&arguments).await;
    let report = played.failed();
    assert_eq!(report["step"], "history", "{report}");
    assert_eq!(report["expected"], "new → paid");
    assert_eq!(report["came"], "new → paid → done");
    let order = played.lines()[0]["order"].as_i64().unwrap();
    assert!(text(&report["look_at"]).contains(&format!("/orders/{order}")));

    // A bundle's content is to be granted, but here its heading is.
    let report = folder.play(&["--json", "bundle"]).await.failed();
    assert_eq!(report["step"], "inventory", "{report}");
    assert_eq!(report["came"], "1 × com.example.starter_chest");
    assert_eq!(
        report["expected"],
        "1 × com.example.blade_frost, 250 × com.example.crystals"
    );
    line.stop().await;
}

async fn a_url_and_a_secret_are_enough_and_a_wrong_secret_is_named(stack: Stack) {
    let line = Line::start(stack).await;
    let folder = Folder::new();
    let url = webhook_url(line.ingress);
    let wrong = folder.file("wrong.secret", "not-the-secret");
    let secret = folder.0.join("webhook.secret");
    let with = |secret: PathBuf| {
        let url = url.clone();
        move |more: &[&str]| -> Vec<String> {
            let own = [
                "--json",
                "--webhook-url",
                &url,
                "--secret-file",
                shown(&secret),
            ];
            own.iter().chain(more).map(|&it| it.to_owned()).collect()
        }
    };
    let play = async |arguments: Vec<String>| {
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        folder.play(&arguments).await
    };
    for scenario in ["free", "cancel-first", "bad-signature", "unknown-player"] {
        let lines = play(with(secret.clone())(&[scenario])).await.passed();
        assert!(
            lines[1..lines.len() - 1]
                .iter()
                .all(|it| it["step"] == "send"),
            "nothing else can be seen: {lines:?}"
        );
    }
    let report = play(with(secret)(&["paid"])).await.failed();
    assert_eq!(report["came"], "400 INVALID_USER");
    assert!(text(&report["look_at"]).contains("--set user.external_id="));

    let report = play(with(wrong)(&["free"])).await.failed();
    assert_eq!(report["came"], "400 INVALID_SIGNATURE");
    assert_eq!(report["answers"], serde_json::json!([400]));
    assert!(text(&report["look_at"]).contains(&format!("projects.{PROJECT}.webhook_secrets")));
    line.stop().await;
}

/// A port at which nobody listens, for this moment.
async fn dead_port() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

#[tokio::test]
async fn who_cannot_be_reached_is_named_with_what_to_do() {
    let folder = Folder::new();
    let dead = dead_port().await;
    let url = webhook_url(dead);
    let secret = folder.0.join("webhook.secret");
    let own = ["--webhook-url", &url, "--secret-file", shown(&secret)];
    let played = folder.play(&own).await;
    assert_eq!(played.code, Some(1), "{}{}", played.out, played.error);
    for said in [&dead.to_string(), "Connection refused", "grantline serve"] {
        assert!(played.out.contains(said), "{said}: {}", played.out);
    }

    let played = folder.play(&[]).await;
    assert_eq!((played.code, played.out.as_str()), (Some(1), ""));
    for said in [Instance::DEFAULT_PATH, "grantline serve", "--webhook-url"] {
        assert!(played.error.contains(said), "{said}: {}", played.error);
    }
    let played = folder.play(&[&["refunds"], own.as_slice()].concat()).await;
    assert_eq!(played.code, Some(1));
    assert!(played.error.contains("cancel-first"), "{}", played.error);
}

/// The signature as Xsolla's documentation has it, without our own code.
fn signature(body: &[u8], secret: &str) -> String {
    let digest = Sha1::new()
        .chain_update(body)
        .chain_update(secret)
        .finalize();
    let mut header = "Signature ".to_owned();
    for byte in digest {
        write!(header, "{byte:02x}").unwrap();
    }
    header
}

#[tokio::test(flavor = "multi_thread")]
async fn any_receiver_gets_a_files_bodies_byte_for_byte_and_rightly_signed() {
    let receiver = StudioService::start().await;
    receiver.answer("/hooks", StatusCode::OK, "");
    let folder = Folder::new();
    let (one, two) = (
        r#"{ "b\u0041" : "\/", "amount":1.50 }"#,
        r#"{"notification_type":"payment","user":{"id":"mira"}}"#,
    );
    let list = folder.file("list.json", &format!("[{one},\n {two}]\n"));
    let lines = folder.file("lines.jsonl", &format!("{two}\n\n{one}\n"));
    let url = format!("{}/hooks", receiver.url());
    let secret = folder.0.join("webhook.secret");
    let own = [
        "--json",
        "--forward-to",
        &url,
        "--secret-file",
        shown(&secret),
    ];
    for file in [&list, &lines] {
        folder
            .play(&[&[shown(file)], own.as_slice()].concat())
            .await
            .passed();
    }
    let changed = [&[shown(&lines), "--set", "user.id=ava"], own.as_slice()].concat();
    folder.play(&changed).await.passed();
    folder
        .play(&[&["duplicate"], own.as_slice()].concat())
        .await
        .passed();

    let asked = receiver.asked();
    for asked in &asked {
        let expected = signature(&asked.body, WEBHOOK_SECRET);
        assert_eq!(asked.authorization.as_deref(), Some(expected.as_str()));
    }
    let bodies: Vec<_> = asked.iter().map(|asked| &asked.body[..]).collect();
    let given = [one, two, two, one].map(str::as_bytes);
    assert_eq!(bodies[..4], given);
    let changed: Value = serde_json::from_slice(bodies[4]).unwrap();
    assert_eq!(changed["user"]["id"], "ava");
    assert_eq!(bodies.len(), 4 + 2 + 4);
    assert!(
        bodies[7..].iter().all(|body| *body == bodies[7]),
        "the same notice thrice"
    );

    receiver.answer("/hooks", StatusCode::INTERNAL_SERVER_ERROR, "out of order");
    let played = folder
        .play(&[&[shown(&list)], own.as_slice()].concat())
        .await;
    assert_eq!(played.failed()["came"], "500 out of order");
    assert_eq!(
        receiver.asked().len(),
        bodies.len() + 2,
        "a file is sent to its end"
    );
}
