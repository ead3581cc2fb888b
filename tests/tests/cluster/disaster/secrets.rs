//! Every secret is exchanged for another one while the sale goes on.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper::Method;
use rehearsal::Target;
use secret::Secret;
use sqlx::{Connection as _, PgConnection};
use tests::Http;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::scene::{PATIENCE, Scene};
use crate::roles::{PROJECT, ROLES, Version};
use crate::rolling::numbers;

const PAGE: &str = "secrets.md";
const SHARES: [&str; 6] = [
    "combined=50%",
    "refund=6%",
    "repeat=8%",
    "registered=50%",
    "socket=30%",
    "polling=20%",
];
/// So many orders are paid with each state of the secrets. A notice that left with the signature
/// before is answered long before as many others are.
const ORDERS: usize = 6;
const ASK_EVERY: Duration = Duration::from_millis(50);
/// A token of an hour.
const TOKEN_S: i64 = 3_600;

pub(crate) async fn exchanged() {
    let mut scene = Scene::open_with("secrets", &SHARES, in_files, held_by_others).await;
    scene.sells(ORDERS).await;
    let watch = Watch::begin(&scene.target);
    webhook(&mut scene).await;
    tokens(&mut scene, &watch).await;
    api_key(&mut scene).await;
    servers(&mut scene).await;
    scene.sells(ORDERS).await;
    assert_eq!(watch.end().await, [""; 0], "refused");
    scene.judged_clean().await;
}

/// Xsolla signs with the other secret when both are configured.
async fn webhook(scene: &mut Scene) {
    let (old, new) = (ours(scene, "webhook_secrets"), ours(scene, "webhook.next"));
    fs::write(&new, "webhook-secret-that-comes-after-0123456789").unwrap();
    change(scene, |text| {
        text.replace(&format!("[{old:?}]"), &format!("[{old:?}, {new:?}]"))
    });
    roll(scene, &["ingress"]).await;
    exchange(&new, theirs(scene, "webhook"), &scene.target.webhook.secret).await;
    let deadline = Instant::now() + PATIENCE;
    let signed = r#""secret.slot":"webhook_secrets.1""#;
    while !numbers("ingress").any(|number| scene.roles.logged(number).contains(signed)) {
        assert!(Instant::now() < deadline, "nothing is signed with it");
        sleep(ASK_EVERY).await;
    }
    scene.sells(2 * ORDERS).await;
    change(scene, |text| {
        text.replace(&format!("[{old:?}, {new:?}]"), &format!("[{new:?}]"))
    });
    roll(scene, &["ingress"]).await;
    scene.sells(ORDERS).await;
}

/// Xsolla Login signs with the other secret; players come with tokens of both for a day.
async fn tokens(scene: &mut Scene, watch: &Watch) {
    let (old, new) = (ours(scene, "login"), ours(scene, "login.next"));
    fs::write(&new, "login-secret-that-comes-after-0123456789abcdef").unwrap();
    change(scene, |text| {
        let both = format!("secret_file = {new:?}\nprevious_secret_file = {old:?}");
        text.replace(&format!("secret_file = {old:?}"), &both)
    });
    roll(scene, &["publisher"]).await;
    let of_login = &scene.target.client.as_ref().unwrap().login_secret;
    exchange(&new, theirs(scene, "login"), of_login).await;
    scene.sells(ORDERS).await;
    // The day is over.
    watch.forget_old_tokens().await;
    change(scene, |text| {
        text.replace(&format!("previous_secret_file = {old:?}\n"), "")
    });
    roll(scene, &["publisher"]).await;
    scene.sells(ORDERS).await;
}

/// A caller gets a second name with a key of its own, and loses the first.
async fn api_key(scene: &mut Scene) {
    let (old, new) = (ours(scene, "api"), ours(scene, "api.next"));
    fs::write(&new, "api-key-that-comes-after-0123456789").unwrap();
    let entry = |name: &str, file: &str| {
        format!("[api.keys.{name}]\nsecret_file = {file:?}\nrights = [\"register\", \"read\"]\n")
    };
    let first = entry("tests", &old);
    let both = format!("{first}\n{}", entry("tests_next", &new));
    change(scene, |text| text.replace(&first, &both));
    roll(scene, &["api"]).await;
    let of_server = &scene.target.server.as_ref().unwrap().key;
    exchange(&new, theirs(scene, "api"), of_server).await;
    scene.sells(ORDERS).await;
    change(scene, |text| text.replace(&format!("{first}\n"), ""));
    roll(scene, &["api"]).await;
}

/// Each server knows a second user; every process comes as that one; the first may come no more.
async fn servers(scene: &mut Scene) {
    let next = "grantline_next";
    let password = "0123456789abcdef0123456789abcdef";
    scene.shell.set("NEXT", next);
    scene.shell.set("PASSWORD", password);
    scene.shell.run(PAGE, "postgresql").await;
    scene.shell.run(PAGE, "redis").await;
    scene.shell.set("VHOST", "/");
    for right in ["CONFIGURE", "WRITE", "READ"] {
        // One user is all the roles here.
        scene.shell.set(right, ".*");
    }
    scene.shell.run(PAGE, "rabbitmq").await;
    let before = scene.servers.password();
    for section in ["ledger", "broker", "claim"] {
        let file = ours(scene, section);
        let url = fs::read_to_string(&file).unwrap();
        let (scheme, rest) = url.split_once("://").unwrap();
        // Redis had none.
        let rest = rest.rsplit_once('@').map_or(rest, |(_, at)| at);
        fs::write(&file, format!("{scheme}://{next}:{password}@{rest}")).unwrap();
        assert!(section == "claim" || url.contains(&before));
    }
    roll(scene, &ROLES.map(|(_, role)| role)).await;

    let mut ledger = PgConnection::connect(scene.servers.url("DATABASE_URL"))
        .await
        .unwrap();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let who = scene.shell.run(PAGE, "who").await;
        assert!(who.contains(next), "{who}");
        // A server learns a little later that somebody has left.
        if !who.lines().any(|line| line.starts_with("grantline|")) {
            break;
        }
        assert!(Instant::now() < deadline, "{who}");
        sleep(ASK_EVERY).await;
    }
    scene
        .servers
        .rabbitmqctl(&["delete_user", "grantline"])
        .await;
    scene.shell.run(PAGE, "redis-off").await;
    sqlx::query("ALTER ROLE grantline NOLOGIN")
        .execute(&mut ledger)
        .await
        .unwrap();
    // Whoever comes now comes as the other.
    roll(scene, &["worker"]).await;
}

/// The file of one of our own secrets.
fn ours(scene: &Scene, name: &str) -> String {
    let folder = scene.folder.0.join("ours");
    folder.join(name).display().to_string()
}

/// Where Xsolla, Login and the game server keep theirs.
fn theirs(scene: &Scene, name: &str) -> PathBuf {
    scene.folder.0.join("theirs").join(name)
}

/// The others use another secret from when this returns.
async fn exchange(new: &str, theirs: PathBuf, used: &Secret) {
    fs::copy(new, theirs).unwrap();
    let new = fs::read_to_string(new).unwrap();
    let deadline = Instant::now() + PATIENCE;
    while *used.reveal() != *new {
        assert!(Instant::now() < deadline, "the file is never read again");
        sleep(ASK_EVERY).await;
    }
}

fn change(scene: &Scene, how: impl FnOnce(&str) -> String) {
    let path = scene.roles.configuration();
    let before = fs::read_to_string(&path).unwrap();
    let after = how(&before);
    assert_ne!(before, after, "nothing was changed");
    fs::write(path, after).unwrap();
}

async fn roll(scene: &mut Scene, roles: &[&str]) {
    let mark = scene.sale.live.lasting_fault("processes are replaced");
    for (number, (_, role)) in ROLES.iter().enumerate() {
        if roles.contains(role) {
            scene.roles.replace(number, Version::Released).await;
        }
    }
    mark.over();
}

/// Every secret of the configuration goes into a file of its own.
fn in_files(folder: &Path, text: &str) -> String {
    let folder = folder.join("ours");
    fs::create_dir_all(&folder).unwrap();
    let mut section = String::new();
    let mut changed = String::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('[') {
            name.trim_end_matches(']').clone_into(&mut section);
        }
        let line = match line.split_once(" = ") {
            Some((key @ ("url" | "secret" | "webhook_secrets"), value)) => {
                let name = match (section.as_str(), key) {
                    (_, "webhook_secrets") => key,
                    ("api.keys.tests", _) => "api",
                    (section, "secret") if section.ends_with("publisher") => "login",
                    (section, _) => section,
                };
                let file = folder.join(name).display().to_string();
                let value = value.trim_matches(['[', ']']).trim_matches('"');
                fs::write(&file, value).unwrap();
                if key == "webhook_secrets" {
                    format!("{key}_file = [{file:?}]")
                } else {
                    format!("{key}_file = {file:?}")
                }
            }
            Some(_) | None => line.to_owned(),
        };
        changed.push_str(&line);
        changed.push('\n');
    }
    changed
}

/// The keys of the others stand in files of theirs, so that they can be exchanged there.
fn held_by_others(folder: &Path, mut target: Target) -> Target {
    let folder = folder.join("theirs");
    fs::create_dir_all(&folder).unwrap();
    let hold = |name: &str, secret: &mut Secret| {
        let file = folder.join(name);
        fs::write(&file, &*secret.reveal()).unwrap();
        *secret = Secret::from_file(file).unwrap();
    };
    hold("webhook", &mut target.webhook.secret);
    hold("login", &mut target.client.as_mut().unwrap().login_secret);
    hold("api", &mut target.server.as_mut().unwrap().key);
    target
}

/// Asks api and publisher all the time, as somebody who must not be refused.
struct Watch {
    only_new: CancellationToken,
    only_new_now: CancellationToken,
    over: CancellationToken,
    asking: JoinHandle<Vec<String>>,
}

impl Watch {
    fn begin(target: &Target) -> Self {
        let only_new = CancellationToken::new();
        let only_new_now = CancellationToken::new();
        let over = CancellationToken::new();
        let asking = tokio::spawn(ask_on(
            target.clone(),
            [only_new.clone(), only_new_now.clone(), over.clone()],
        ));
        Self {
            only_new,
            only_new_now,
            over,
            asking,
        }
    }

    /// From when this returns nobody comes with a token of the beginning.
    async fn forget_old_tokens(&self) {
        self.only_new.cancel();
        self.only_new_now.cancelled().await;
    }

    /// Every refusal.
    async fn end(self) -> Vec<String> {
        self.over.cancel();
        self.asking.await.unwrap()
    }
}

/// With what somebody comes.
const ASKED: [&str; 6] = [
    "a token of the first secret",
    "a token of the other secret",
    "an old token, while Login signs with the first secret",
    "an old token, when Login signs with the other secret",
    "the first key",
    "the other key",
];

/// How many were asked for, and came or not.
#[derive(Default)]
struct Answers {
    given: usize,
    without: usize,
}

async fn ask_on(
    target: Target,
    [only_new, only_new_now, over]: [CancellationToken; 3],
) -> Vec<String> {
    let http = Http::new();
    let (client, server) = (target.client.unwrap(), target.server.unwrap());
    let token = || {
        let until = task::now().unix_timestamp() + TOKEN_S;
        client.token("somebody", until).unwrap()
    };
    let first = token();
    let (login, api) = (client.login_secret.reveal(), server.key.reveal());
    // Nobody's order: 404 is what somebody is told who is let in.
    let order = format!("{}/api/v2/project/{PROJECT}/order/7", client.url);
    let project = format!("{}/v1/projects/{PROJECT}", server.url);
    let mut refused = Vec::new();
    let mut answers = ASKED.map(|what| (what, Answers::default()));
    while !over.is_cancelled() {
        if only_new.is_cancelled() {
            only_new_now.cancel();
        }
        let is_other = *client.login_secret.reveal() != *login;
        let old =
            (!only_new.is_cancelled()).then(|| (2 + usize::from(is_other), &order, first.clone()));
        let fresh = (usize::from(is_other), &order, token());
        let key = server.key.reveal();
        let called = (4 + usize::from(*key != *api), &project, key.to_string());
        for (place, url, bearer) in [fresh, called].into_iter().chain(old) {
            let (what, answers) = &mut answers[place];
            let bearer = format!("Bearer {bearer}");
            let headers = [("authorization", bearer.as_str())];
            let asking = http.ask(Method::GET, url, &headers, "");
            // Nobody answers while the one copy of a role is replaced under a kept connection.
            let Ok(answer) = asking.await else {
                answers.without += 1;
                continue;
            };
            answers.given += 1;
            let status = answer.status.as_u16();
            if answer.status.is_client_error() && status != 404 {
                refused.push(format!("{what} at {url}: {status} {}", answer.body));
            }
        }
        sleep(ASK_EVERY).await;
    }
    for (what, Answers { given, without }) in answers {
        assert!(
            given > without,
            "{what}: {given} answers, {without} times none"
        );
    }
    refused
}
