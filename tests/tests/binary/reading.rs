//! The commands that read, on both stacks: beside a running server they say what its api
//! says, and without one the same.

use std::fs;
use std::path::PathBuf;
use std::process::Output;
use std::time::Duration;

use hyper::Method;
use rehearsal::Instance;
use serde_json::{Value, json};
use testkit::{Database, Folder, Postgres, RabbitMq, Vhost};
use tests::Http;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};
use xsolla::signature::authorization_header;

use crate::logs::Addresses;
use crate::process::{API_KEY, PROJECT, Process, Settings, WEBHOOK_SECRET, anywhere};

const PATIENCE: Duration = Duration::from_mins(1);

/// A running line, and what its commands are told.
struct Scene {
    project: i64,
    webhooks: String,
    secret: String,
    api: String,
    key: String,
    folder: Folder,
    arguments: Vec<PathBuf>,
    server: Server,
}

/// What runs it. Before what it works with, so that it ends first.
enum Server {
    OnServers {
        _process: Box<Process>,
        _database: Box<Database>,
        _vhost: Box<Vhost>,
    },
    OnOneFile(Child),
}

impl Scene {
    async fn on_servers() -> Self {
        let (database, vhost) = tokio::join!(Postgres::database(), RabbitMq::vhost());
        let settings = Settings::of(&database, &vhost);
        let process = Process::start(&["serve"], &settings);
        let at = Addresses::read(&process.says(&["Starting", "role=\"serve\""]).await);
        let folder = Folder::new();
        let config = folder.join("grantline.toml");
        fs::write(&config, settings.text()).unwrap();
        Self {
            project: PROJECT,
            webhooks: format!("http://{}/webhooks/xsolla/{PROJECT}", at.ingress),
            secret: WEBHOOK_SECRET.to_owned(),
            api: format!("http://{}", at.api),
            key: API_KEY.to_owned(),
            folder,
            arguments: vec!["--config".into(), config],
            server: Server::OnServers {
                _process: process.into(),
                _database: database.into(),
                _vhost: vhost.into(),
            },
        }
    }

    /// The demo, which its commands find with no argument.
    async fn on_one_file() -> Self {
        let folder = Folder::new();
        let data = folder.join("grantline-data");
        let log = fs::File::create(folder.join("log")).unwrap();
        let process = tests::serve(&data, |_| anywhere()).stdout(log).spawn();
        let path = data.join("instance.toml");
        let instance = eventually("the line is there", async || Instance::read(&path).ok()).await;
        let read = |path: PathBuf| fs::read_to_string(path).unwrap();
        Self {
            project: instance.project,
            webhooks: instance.webhook_url,
            secret: read(instance.webhook_secret_file),
            api: instance.api_url,
            key: read(instance.api_key_file),
            folder,
            arguments: Vec::new(),
            server: Server::OnOneFile(process.unwrap()),
        }
    }

    /// Sends a signed body until it is taken.
    async fn deliver(&self, http: &Http, body: &str) {
        let signed = authorization_header(body.as_bytes(), self.secret.as_bytes());
        let headers = [("authorization", signed.as_str())];
        eventually("it is taken", async || {
            let answer = http.ask(Method::POST, &self.webhooks, &headers, body).await;
            (answer.ok()?.status == 204).then_some(())
        })
        .await;
    }

    async fn api(&self, http: &Http, path: &str) -> Option<Value> {
        let bearer = format!("Bearer {}", self.key);
        let headers = [("authorization", bearer.as_str())];
        let url = format!("{}{path}", self.api);
        let answer = http.ask(Method::GET, &url, &headers, "").await.ok()?;
        (answer.status == 200).then_some(answer.body)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = tests::grantline(arguments);
        command
            .args(&self.arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin");
        command
    }

    async fn says(&self, arguments: &[&str]) -> String {
        let output = ended(self.command(arguments)).await;
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    async fn tells(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.says(arguments).await).unwrap()
    }

    async fn fails(&self, arguments: &[&str]) -> String {
        let output = ended(self.command(arguments)).await;
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    }
}

async fn ended(mut command: Command) -> Output {
    timeout(PATIENCE, command.output()).await.unwrap().unwrap()
}

async fn eventually<T>(what: &str, look: impl AsyncFn() -> Option<T>) -> T {
    let seen = async {
        loop {
            if let Some(seen) = look().await {
                return seen;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, seen).await.expect(what)
}

fn paid(order: i64, player: &str) -> String {
    json!({
        "notification_type": "order_paid",
        "items": [{"sku": "blade", "type": "virtual_good", "quantity": 2, "amount": "3.98"}],
        "order": {
            "id": order, "mode": "default", "currency_type": "real", "currency": "EUR",
            "amount": "3.98", "status": "paid", "invoice_id": (order + 100).to_string()
        },
        "user": {"external_id": player}
    })
    .to_string()
}

#[tokio::test]
async fn the_commands_say_what_the_api_of_a_line_on_servers_says() {
    let scene = Scene::on_servers().await;
    say_what_the_api_says(&scene).await;
}

#[tokio::test]
async fn the_commands_say_what_the_api_of_a_line_on_one_file_says() {
    let scene = Scene::on_one_file().await;
    let said = say_what_the_api_says(&scene).await;
    let Server::OnOneFile(mut server) = scene.server else {
        unreachable!("it was started so")
    };
    server.start_kill().unwrap();
    server.wait().await.unwrap();
    let order = ["order", "1", "--json"];
    let scene = Scene {
        server: Server::OnOneFile(server),
        ..scene
    };
    assert_eq!(scene.tells(&order).await, said, "beside a killed one's log");
    several_projects_are_told_apart(&scene).await;
}

/// Returns what is said of the first order.
async fn say_what_the_api_says(scene: &Scene) -> Value {
    let http = Http::new();
    let (of_project, project) = (format!("/v1/projects/{}", scene.project), scene.project);
    let unknown = scene.fails(&["order", "1"]).await;
    let said = format!("no order 1 is known in project {project};");
    assert!(unknown.contains(&said), "{unknown}");
    for body in [&paid(1, "mira"), "{broken", "{broken, too"] {
        scene.deliver(&http, body).await;
    }
    let path = format!("{of_project}/orders/1");
    let known = eventually("it is done", async || {
        let known = scene.api(&http, &path).await?;
        (known["status"] == "done").then_some(known)
    });
    let known = known.await;
    let parked = eventually("two are parked", async || {
        let parked = scene.api(&http, "/v1/parked").await?["parked"].clone();
        (parked.as_array()?.len() == 2).then_some(parked)
    });
    let mut parked = parked.await.as_array().unwrap().clone();
    parked.reverse();

    assert_eq!(scene.tells(&["order", "1", "--json"]).await, known);
    let text = scene.says(&["order", "1"]).await;
    for part in [
        &format!("Order 1 of project {project}: done\n"),
        "  player          mira\n",
        "Bought for 3.98 EUR\n",
        "Told to the player\n",
        "2 × blade\n",
        "order_paid  booked",
    ] {
        assert!(text.contains(part), "{part:?} in {text}");
    }

    let all = scene.tells(&["parked", "--json"]).await;
    assert_eq!(all["parked"], json!(parked), "the newest first");
    let first = scene.tells(&["parked", "--json", "--limit", "1"]).await;
    assert_eq!(first["parked"], json!([parked[0]]));
    let after = first["next_after"].to_string();
    let rest = scene.tells(&["parked", "--json", "--after", &after]).await;
    assert_eq!(rest["parked"], json!([parked[1]]));
    let table = scene.says(&["parked", "--limit", "1"]).await;
    assert!(table.contains(&format!("--after {after}\n")), "{table}");
    let none = scene.says(&["parked", "--order", "1"]).await;
    assert_eq!(none, "Nothing is parked.\n");
    known
}

async fn several_projects_are_told_apart(scene: &Scene) {
    let file = scene.folder.join("grantline-data/grantline.db");
    let asked = async |arguments: &[&str]| {
        let mut command = scene.command(arguments);
        command
            .env("GRANTLINE__EMBEDDED__FILE", &file)
            .env("GRANTLINE__PROJECTS__7__WEBHOOK_SECRETS", r#"["one"]"#)
            .env("GRANTLINE__PROJECTS__9__WEBHOOK_SECRETS", r#"["other"]"#);
        ended(command).await
    };
    let output = asked(&["order", "1"]).await;
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said.contains("say which one with --project (7, 9)"),
        "{said}"
    );
    let project = scene.project.to_string();
    let output = asked(&["order", "1", "--project", &project]).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[tokio::test]
async fn what_is_not_there_is_named_and_not_made() {
    let folder = Folder::new();
    let said = async |arguments: &[&str], at: Option<&str>| {
        let mut command = tests::grantline(arguments);
        command.current_dir(folder.path()).env_clear();
        command.env("PATH", "/usr/local/bin:/usr/bin:/bin");
        command.envs(at.map(|at| ("GRANTLINE__EMBEDDED__FILE", at)));
        let output = ended(command).await;
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let demo = said(&["order", "1"], None).await;
    assert!(
        demo.contains("no file grantline-data/grantline.db") && demo.contains("--config"),
        "{demo}"
    );
    let configured = said(&["parked"], Some("missing/line.db")).await;
    assert!(
        configured.contains("`embedded.file` cannot be read: there is no file missing/line.db"),
        "{configured}"
    );
    let named = said(&["parked", "--file", "backup.db"], None).await;
    assert!(named.contains("there is no file backup.db"), "{named}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
