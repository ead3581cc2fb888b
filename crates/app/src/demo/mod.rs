//! A project to try things with: secrets of its own, one order played through, and what to
//! try next.

mod client;
mod http;
mod page;
mod play;

use std::fs::{self, Permissions};
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use broker::Link;

use crate::configuration::File;
use crate::roles::{Addresses, Running};
use play::{Line, Purchase};

const PROJECT: i64 = 44_056;
const LOGIN_PROJECT: &str = "00000000-0000-4000-8000-000000044056";
const ISSUER: &str = "https://login.xsolla.com";
const PLAYER: &str = "mira";

/// How long the servers may take to become usable.
const PATIENCE: Duration = Duration::from_secs(30);

/// The demo project's secrets, in a folder that goes when this is dropped.
pub(crate) struct Demo {
    folder: PathBuf,
    webhook_secret: String,
    login_secret: String,
    api_key: String,
}

impl Demo {
    /// Draws new secrets.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let draw = || {
            format!(
                "{:032x}{:032x}",
                rand::random::<u128>(),
                rand::random::<u128>()
            )
        };
        let folder =
            std::env::temp_dir().join(format!("grantline-demo-{:016x}", rand::random::<u64>()));
        let demo = Self {
            folder,
            webhook_secret: draw(),
            login_secret: draw(),
            api_key: draw(),
        };
        let context = || {
            format!(
                "cannot write the demo's secrets to {}",
                demo.folder.display()
            )
        };
        demo.write_secrets().with_context(context)?;
        Ok(demo)
    }

    fn write_secrets(&self) -> io::Result<()> {
        fs::create_dir(&self.folder)?;
        fs::set_permissions(&self.folder, Permissions::from_mode(0o700))?;
        fs::write(self.path("webhook.secret"), &self.webhook_secret)?;
        fs::write(self.path("login.secret"), &self.login_secret)?;
        fs::write(self.path("api.key"), &self.api_key)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The configuration of the demo project. Only the servers are missing.
    pub(crate) fn configuration(&self) -> File {
        let quoted = |name| toml::Value::String(self.path(name).display().to_string());
        let text = format!(
            "[projects.{PROJECT}]\nwebhook_secrets_file = [{}]\n\n\
             [projects.{PROJECT}.publisher]\nalgorithm = \"HS256\"\nsecret_file = {}\n\
             login_project_id = \"{LOGIN_PROJECT}\"\n\n\
             [api]\nlisten = \"127.0.0.1:8082\"\n\n\
             [api.keys.demo]\nsecret_file = {}\nrights = [\"register\", \"read\", \"replay\"]\n\n\
             [ingress]\nlisten = \"127.0.0.1:8080\"\n\n\
             [publisher]\nlisten = \"127.0.0.1:8081\"\n\n\
             [admin]\nlisten = \"127.0.0.1:9090\"\n\n\
             [telemetry]\nlevel = \"warn\"\n",
            quoted("webhook.secret"),
            quoted("login.secret"),
            quoted("api.key"),
        );
        File {
            path: self.path("grantline.toml"),
            text,
        }
    }

    /// Plays one order through and says what to try next.
    pub(crate) async fn play(&self, running: &Running) -> anyhow::Result<()> {
        let connected = |state: &broker::State| state.publishing == Link::Connected;
        let mut state = running.broker.state();
        let usable = tokio::time::timeout(PATIENCE, state.wait_for(connected))
            .await
            .is_ok_and(|usable| usable.is_ok());
        ensure!(
            usable,
            "the broker is not usable: {}",
            reason(&running.broker)
        );
        let line = self.line(running.addresses)?;
        let now = task::now().unix_timestamp();
        // Seconds: unique enough for a demo, and small enough for SDKs that read 32 bits.
        let purchase = Purchase {
            player: PLAYER,
            order: now,
            transaction: now,
        };
        let mut out = io::stdout();
        writeln!(out, "\nOne order, from the click to the item:\n")?;
        line.play(&purchase, now, &mut out).await?;
        self.say_what_next(
            running.addresses,
            &Purchase {
                player: PLAYER,
                order: now + 1,
                transaction: now + 1,
            },
        )?;
        Ok(())
    }

    fn line(&self, at: Addresses) -> anyhow::Result<Line> {
        Ok(Line {
            project: PROJECT,
            ingress: at.ingress.context("the demo needs the ingress")?,
            publisher: at.publisher.context("the demo needs the publisher")?,
            api: at.api.context("the demo needs the api")?,
            webhook_secret: self.webhook_secret.clone(),
            login_secret: self.login_secret.clone(),
            login_project: LOGIN_PROJECT.to_owned(),
            issuer: ISSUER.to_owned(),
            api_key: self.api_key.clone(),
        })
    }

    fn say_what_next(&self, at: Addresses, next: &Purchase) -> anyhow::Result<()> {
        let body = self.path("order_paid.json");
        fs::write(&body, next.order_paid(PROJECT).to_string())?;
        let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("grantline"));
        let program = shortest(&program);
        let (secret, key) = (self.path("webhook.secret"), self.path("api.key"));
        let (body, secret, key) = (body.display(), secret.display(), key.display());
        writeln!(
            io::stdout(),
            "\nEvery role goes on serving. Send the next order yourself, as often as you like: it is\n\
             granted once. A changed `order.id` and `transaction.id` make it another one.\n\n  \
             curl -i http://{ingress}/webhooks/xsolla/{PROJECT} -H 'content-type: application/json' \\\n    \
             -H \"authorization: $({program} sign --secret-file {secret} {body})\" \\\n    \
             --data-binary @{body}\n\n  \
             curl -s http://{api}/v1/projects/{PROJECT}/players/{PLAYER}/inventory \\\n    \
             -H \"authorization: Bearer $(cat {key})\"\n\n\
             webhooks   http://{ingress}/webhooks/xsolla/{PROJECT}\n\
             clients    ws://{publisher}/connection/websocket\n\
             api        http://{api}/v1/projects/{PROJECT}/…\n\
             metrics    http://{admin}/metrics\n\nCtrl-C stops everything.\n",
            ingress = shown(at.ingress),
            publisher = shown(at.publisher),
            api = shown(at.api),
            admin = at.admin,
            program = program.display(),
        )?;
        Ok(())
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // What cannot be removed is of no use to anybody once the process is gone.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn reason(broker: &broker::Broker) -> String {
    let state = broker.state().borrow().clone();
    state
        .publishing
        .reason()
        .unwrap_or("still connecting")
        .to_owned()
}

fn shown(at: Option<SocketAddr>) -> String {
    at.map(|at| at.to_string()).unwrap_or_default()
}

/// The path a person in this folder would type.
fn shortest(program: &Path) -> PathBuf {
    let here = std::env::current_dir().ok();
    let below = here.and_then(|here| program.strip_prefix(here).ok().map(Path::to_owned));
    below.unwrap_or_else(|| program.to_owned())
}
