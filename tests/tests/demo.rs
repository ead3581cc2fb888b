//! What `grantline serve` does while nothing is configured: the demo project, and its page as
//! browsers and others see it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Stdio;
use std::time::Duration;

use hyper::{Method, StatusCode};
use rehearsal::Instance;
use serde_json::{Value, json};
use testkit::{Folder, Postgres, RabbitMq, Redis};
use tests::{Answer, Http};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

const PATIENCE: Duration = Duration::from_mins(2);
/// The demo's project.
const PROJECT: i64 = 44_056;

/// A running `grantline serve`.
struct Demo {
    /// Before what it works with, so that it ends first.
    process: Child,
    /// What `--data` names.
    data: Folder,
    told: Lines<BufReader<ChildStdout>>,
    http: Http,
    /// `127.0.0.1:PORT`, once the page is there.
    host: String,
}

fn serve(data: &Folder, arguments: &[&str], environment: &[(&str, &str)]) -> Command {
    let anywhere = |_: &str| SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let mut serve = tests::serve(data.path(), anywhere);
    serve
        .args(arguments)
        .envs(environment.iter().copied())
        .stdout(Stdio::piped());
    serve
}

/// The first line that has this in it and ends so.
async fn tells<R: AsyncRead + Unpin>(
    lines: &mut Lines<BufReader<R>>,
    part: &str,
    end: &str,
) -> String {
    let next = async {
        loop {
            let line = lines.next_line().await.unwrap();
            let line = line.expect("the process goes on");
            if line.contains(part) && line.ends_with(end) {
                return line;
            }
        }
    };
    tokio::time::timeout(PATIENCE, next).await.expect(part)
}

async fn ask_to_stop(process: &Child) {
    let id = process.id().unwrap().to_string();
    let asked = Command::new("kill").arg(id).status().await.unwrap();
    assert!(asked.success());
}

impl Demo {
    fn start(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let data = Folder::new();
        let mut process = serve(&data, arguments, environment).spawn().unwrap();
        let told = BufReader::new(process.stdout.take().unwrap()).lines();
        Self {
            process,
            data,
            told,
            http: Http::new(),
            host: String::new(),
        }
    }

    /// Once the page can be visited.
    async fn with_page(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut demo = Self::start(arguments, environment);
        let line = tells(&mut demo.told, "http://127.0.0.1:", "/demo").await;
        let (_, url) = line.split_once("http://").unwrap();
        url.strip_suffix("/demo")
            .unwrap()
            .clone_into(&mut demo.host);
        demo
    }

    /// Once it has played an order of its own.
    async fn after_a_play() -> Self {
        let mut demo = Self::with_page(&["--play"], &[]).await;
        tells(&mut demo.told, "Next, from another terminal", ":").await;
        demo
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let url = format!("http://{}{path}", self.host);
        self.http.ask(method, &url, headers, body).await.unwrap()
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], "").await
    }

    /// Posts as the page's own script does.
    async fn post(&self, path: &str, body: &str) -> Answer {
        let origin = format!("http://{}", self.host);
        self.send(Method::POST, path, &[("origin", &origin)], body)
            .await
    }

    /// Asks the api with the demo's own key, as a game server does.
    async fn api(&self, method: Method, what: &str, body: &str) -> (StatusCode, Value) {
        let instance = Instance::read(&self.data.join("instance.toml")).unwrap();
        let key = std::fs::read_to_string(&instance.api_key_file).unwrap();
        let url = format!("{}/v1/projects/{PROJECT}/{what}", instance.api_url);
        let bearer = format!("Bearer {key}");
        let headers = [("authorization", bearer.as_str())];
        let answer = self.http.ask(method, &url, &headers, body).await.unwrap();
        (answer.status, answer.body)
    }

    async fn status_of(&self, order: &Value) -> Value {
        self.get(&format!("/demo/orders/{order}")).await.body["status"].clone()
    }

    async fn reaches(&self, order: &Value, status: &str) {
        let wait = async {
            while self.status_of(order).await != status {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, wait).await;
        assert!(in_time.is_ok(), "order {order} is never {status}");
    }

    /// Visits the page with a real browser.
    async fn is_visited(&self, client: &str) {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/js/page.mjs");
        let visit = Command::new("node")
            .args([script, &format!("http://{}/demo", self.host), client])
            .kill_on_drop(true)
            .output();
        let visit = tokio::time::timeout(PATIENCE * 2, visit).await.unwrap();
        let visit = visit.expect("node runs: `make test` installs it");
        let told = String::from_utf8_lossy(&visit.stderr);
        assert!(visit.status.success(), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_buys_watches_cancels_and_comes_back() {
    Demo::after_a_play().await.is_visited("ours").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_official_client_runs_the_same_page() {
    Demo::after_a_play().await.is_visited("official").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_answers_itself_alone() {
    let demo = Demo::with_page(&[], &[]).await;
    let page = demo.get("/demo").await;
    assert_eq!(page.status, StatusCode::OK);
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(
        policy.starts_with("default-src 'none'; script-src 'self'"),
        "{policy}"
    );
    assert!(
        policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"),
        "{policy}"
    );

    let own = ("origin", format!("http://{}", demo.host));
    let number = demo.host.rsplit(':').next().unwrap();
    let rebound = ("host", format!("evil.example:{number}"));
    let foreign = ("origin", "http://evil.example".to_owned());
    let cross_site = ("sec-fetch-site", "cross-site".to_owned());
    let (get, post) = (Method::GET, Method::POST);
    for (method, path, header, expected) in [
        (&get, "/demo", Some(&rebound), 421),
        (&get, "/demo/session", Some(&rebound), 421),
        (&get, "/demo/session", Some(&foreign), 403),
        (&get, "/demo/session", Some(&cross_site), 403),
        (&post, "/demo/orders", None, 403),
        (&post, "/demo/orders", Some(&foreign), 403),
        (&post, "/demo", Some(&own), 405),
        (&get, "/demo/orders", None, 405),
        (&Method::OPTIONS, "/demo/orders", Some(&own), 405),
        (&get, "/demo/secrets", None, 404),
        (&get, "/metrics", None, 404),
    ] {
        let headers: Vec<_> = header
            .map(|(name, value)| (*name, value.as_str()))
            .into_iter()
            .collect();
        let buy = r#"{"offer":"blade"}"#;
        let answer = demo.send(method.clone(), path, &headers, buy).await;
        assert_eq!(answer.status, expected, "{method} {path} {headers:?}");
        assert!(!answer.headers.contains_key("access-control-allow-origin"));
        assert!(answer.headers.contains_key("content-security-policy"));
    }
    let held = demo.get("/demo/inventory").await.body;
    assert_eq!(
        held["items"],
        json!([]),
        "none of these has bought anything"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_bought_shown_and_canceled_over_http() {
    is_bought_shown_and_canceled(Demo::with_page(&[], &[]).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_named_by_the_environment_serve_the_demo_as_well() {
    let (database, vhost) = tokio::join!(Postgres::database(), RabbitMq::vhost());
    let keys = Redis::key_space();
    let management = vhost.config().management_url.unwrap();
    let servers = [
        ("GRANTLINE__LEDGER__URL", database.url()),
        ("GRANTLINE__BROKER__URL", vhost.url()),
        ("GRANTLINE__BROKER__MANAGEMENT_URL", &*management.reveal()),
        ("GRANTLINE__CLAIM__URL", &keys.url),
        ("GRANTLINE__CLAIM__KEY_PREFIX", &keys.prefix),
    ];
    is_bought_shown_and_canceled(Demo::with_page(&[], &servers).await).await;
}

async fn is_bought_shown_and_canceled(mut demo: Demo) {
    let session = demo.get("/demo/session").await.body;
    assert_eq!(
        (&session["player"], &session["project"]),
        (&json!("mira"), &json!(PROJECT))
    );
    assert_eq!(session["offers"].as_array().unwrap().len(), 4);

    let bought = demo.post("/demo/orders", r#"{"offer":"chest"}"#).await;
    assert_eq!(bought.status, StatusCode::CREATED, "{}", bought.body);
    assert_eq!(bought.body["notice"]["code"], 204);
    let order = &bought.body["order"];
    demo.reaches(order, "done").await;
    let shown = demo.get(&format!("/demo/orders/{order}")).await.body;
    assert_eq!(shown["items"][1]["name"], "Oak shield", "{shown}");
    let paid = &shown["notices"][0];
    assert_eq!(
        (&paid["kind"], &paid["outcome"]),
        (&json!("order_paid"), &json!("booked"))
    );
    let booked_at = paid["booked_at"].as_f64().unwrap();
    let sent_at = bought.body["notice"]["sent_at"].as_f64().unwrap();
    assert!(booked_at >= sent_at, "{booked_at} {sent_at}");

    let canceled = demo.post(&format!("/demo/orders/{order}/cancel"), "").await;
    assert_eq!(canceled.body["notice"]["code"], 204);
    demo.reaches(order, "canceled").await;
    let (_, known) = demo.api(Method::GET, &format!("orders/{order}"), "").await;
    assert_eq!(
        known["conflicts"],
        json!([]),
        "the cancellation says what the purchase said: {known}"
    );
    ask_to_stop(&demo.process).await;
    let ended = tokio::time::timeout(PATIENCE, demo.process.wait()).await;
    let code = ended.expect("it ends").unwrap().code();
    assert_eq!(code, Some(0), "the page drains with the rest");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_the_players_or_no_offer_is_refused() {
    let demo = Demo::with_page(&[], &[]).await;
    for (path, body, expected) in [
        ("/demo/orders", r#"{"offer":"castle"}"#, 422),
        ("/demo/orders", r#"{"offer":7}"#, 400),
        ("/demo/orders", "", 400),
        ("/demo/orders", &"x".repeat(2_000), 413),
        ("/demo/orders/1/cancel", "", 404),
    ] {
        assert_eq!(
            demo.post(path, body).await.status,
            expected,
            "{path} {body}"
        );
    }
    // Nobody else's order is shown or canceled.
    for (what, body) in [("players/nils", ""), ("orders/7", r#"{"player":"nils"}"#)] {
        let (status, told) = demo.api(Method::PUT, what, body).await;
        assert_eq!(status, StatusCode::CREATED, "{told}");
    }
    assert_eq!(
        demo.get("/demo/orders/7").await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        demo.post("/demo/orders/7/cancel", "").await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_of_somebodys_own_is_served_without_a_page() {
    let (data, folder) = (Folder::new(), Folder::new());
    let file = folder.join("real.db").display().to_string();
    let real = [
        (
            "GRANTLINE__PROJECTS__77__WEBHOOK_SECRETS",
            r#"["secret-of-a-real-project"]"#,
        ),
        ("GRANTLINE__EMBEDDED__FILE", &file),
    ];
    let mut process = serve(&data, &[], &real)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(process.stderr.take().unwrap()).lines();
    tells(&mut log, "No key in `api.keys`", "").await;
    ask_to_stop(&process).await;
    let ended = tokio::time::timeout(PATIENCE, process.wait_with_output()).await;
    let ended = ended.expect("it ends").unwrap();
    assert_eq!(ended.status.code(), Some(0));
    assert_eq!(String::from_utf8(ended.stdout).unwrap(), "");
    let left = std::fs::read_dir(data.path()).unwrap().count();
    assert_eq!(left, 0, "no demo's secrets");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_server_of_the_folder_is_refused_and_leaves_the_first_alone() {
    let mut demo = Demo::with_page(&[], &[]).await;
    tells(&mut demo.told, "Next, from another terminal", ":").await;
    let second = serve(&demo.data, &[], &[]).stderr(Stdio::piped()).output();
    let second = tokio::time::timeout(PATIENCE, second)
        .await
        .expect("it ends");
    let second = second.unwrap();
    let said = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(1), "{said}");
    let first = demo.process.id().unwrap();
    assert!(said.contains(&format!("(pid {first})")), "{said}");
    // `grantline play` still finds the first.
    assert!(demo.data.join("instance.toml").exists());
    ask_to_stop(&demo.process).await;
    let ended = tokio::time::timeout(PATIENCE, demo.process.wait()).await;
    assert_eq!(ended.expect("it ends").unwrap().code(), Some(0));
    assert!(!demo.data.join("instance.toml").exists());
}
