//! A project to try things with while nothing is configured: secrets of its own, one order
//! played through, and what to try next.

mod folder;
mod page;

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use broker::Link;
use order::ProjectId;
use rehearsal::{Instance, Pace, Purchase, Scenario};

use crate::commands::play;
use crate::configuration::{File, Sources};
use crate::printer::{Printer, Style};
use crate::roles::{Addresses, Running};
use folder::Folder;

const PROJECT: i64 = 44_056;
const LOGIN_PROJECT: &str = "00000000-0000-4000-8000-000000044056";
const ISSUER: &str = "https://login.xsolla.com";
const PLAYER: &str = "mira";

/// The embedded stack's file in the demo's folder.
const FILE: &str = "grantline.db";
/// Where an instance says how it can be reached, in its folder.
const INSTANCE: &str = "instance.toml";

/// How long the servers may take to become usable.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long an answer or a status of the order may take.
const STEP_LIMIT: Duration = Duration::from_secs(10);

/// The demo project.
pub(crate) struct Demo {
    folder: Folder,
}

impl Demo {
    /// Where it is kept unless somebody says otherwise.
    pub(crate) const FOLDER: &str = "grantline-data";

    /// Its project.
    pub(crate) fn project() -> ProjectId {
        ProjectId::try_from(PROJECT).expect("a number above 0")
    }

    /// Whether nothing says what to serve: no file, and no project in the environment.
    pub(crate) fn is_wanted(sources: &Sources) -> bool {
        sources.file.is_none() && !names(sources, "PROJECTS__")
    }

    /// The file that would be served with no argument, where that is the demo's.
    pub(crate) fn file(sources: &Sources) -> Option<PathBuf> {
        let is_demo = Self::is_wanted(sources) && !has_stack(sources);
        is_demo.then(Self::default_file)
    }

    /// Where the demo's file is unless somebody says otherwise.
    pub(crate) fn default_file() -> PathBuf {
        Path::new(Self::FOLDER).join(FILE)
    }

    /// Opens the folder `data` and makes it where there is none.
    pub(crate) fn new(data: &Path) -> anyhow::Result<Self> {
        let folder = Folder::open(data)?;
        Ok(Self { folder })
    }

    /// The one in the folder `data`, which is left as it is. `None` where there is none.
    pub(crate) fn existing(data: &Path) -> Option<Self> {
        let folder = Folder::existing(data)?;
        Some(Self { folder })
    }

    /// Where its running instance says how it can be reached.
    pub(crate) fn instance_file(&self) -> PathBuf {
        self.folder.join(INSTANCE)
    }

    /// The configuration of the demo project: on a file in its folder, unless the
    /// environment in `sources` names servers or another file.
    pub(crate) fn configuration(&self, sources: &Sources) -> File {
        let quoted =
            |name| toml::Value::String(self.folder.join(name).display().to_string()).to_string();
        let stack = if has_stack(sources) {
            String::new()
        } else {
            format!("[embedded]\nfile = {}\n\n", quoted(FILE))
        };
        let text = format!(
            "{stack}[projects.{PROJECT}]\nwebhook_secrets_file = [{}]\nrehearsal = true\n\n\
             [projects.{PROJECT}.publisher]\nalgorithm = \"HS256\"\nsecret_file = {}\n\
             login_project_id = \"{LOGIN_PROJECT}\"\n\n\
             [api]\nlisten = \"127.0.0.1:8082\"\n\n\
             [api.keys.demo]\nsecret_file = {}\nrights = [\"register\", \"read\", \"replay\"]\n\n\
             [ingress]\nlisten = \"127.0.0.1:8080\"\n\n\
             [publisher]\nlisten = \"127.0.0.1:8081\"\n\n\
             [admin]\nlisten = \"127.0.0.1:9090\"\n\n\
             [telemetry]\nlevel = \"warn\"\n",
            quoted(Folder::WEBHOOK_SECRET),
            quoted(Folder::LOGIN_SECRET),
            quoted(Folder::API_KEY),
        );
        File {
            path: self.folder.join("the demo's configuration"),
            text,
        }
    }

    /// Leaves word of how the demo can be reached, and says it.
    pub(crate) fn announce(&self, at: Addresses, page: SocketAddr) -> anyhow::Result<Word> {
        let instance = self.instance(at)?;
        let word = Word(self.instance_file());
        instance.write(&word.0)?;
        writeln!(
            io::stdout(),
            "\nA demo project is served, for nothing is configured.\n\n\
             page       http://{page}/demo\n\
             webhooks   {webhooks}\n\
             clients    ws://{publisher}/connection/websocket\n\
             api        http://{api}/v1/projects/{PROJECT}/…\n\
             metrics    http://{admin}/metrics\n\
             data       {data}",
            webhooks = instance.webhook_url,
            publisher = shown(at.publisher),
            api = shown(at.api),
            admin = at.admin,
            data = shortest(&self.folder.join("")).display(),
        )?;
        Ok(word)
    }

    /// Plays one order through, step by step on standard output.
    pub(crate) async fn play(&self, running: &Running) -> anyhow::Result<()> {
        let connected = |state: &broker::State| state.publishing == Link::Connected;
        let mut state = running.stack.broker.state();
        let usable = tokio::time::timeout(PATIENCE, state.wait_for(connected))
            .await
            .is_ok_and(|usable| usable.is_ok());
        ensure!(
            usable,
            "the broker is not usable: {}",
            reason(&running.stack.broker)
        );
        let instance = self.instance(running.addresses)?;
        let target = instance.target(&self.instance_file())?;
        let purchase = Purchase::draw(PROJECT, PLAYER);
        let script = Scenario::Paid.script(&purchase, &[], target.views())?;
        let pace = Pace {
            limit: STEP_LIMIT,
            unix_now: task::now().unix_timestamp(),
        };
        let mut out = io::stdout();
        writeln!(out, "\nOne order, from the click to the item:\n")?;
        let mut printer = Printer::new(out, Style::of_standard_output());
        let all_met = play::show(&script, &target, pace, &mut printer).await?;
        ensure!(all_met, "the order did not come through as expected");
        Ok(())
    }

    /// How the demo can be reached.
    fn instance(&self, at: Addresses) -> anyhow::Result<Instance> {
        let url = |at: Option<SocketAddr>, role| {
            let at = at.with_context(|| format!("the demo needs the {role}"))?;
            anyhow::Ok(format!("http://{at}"))
        };
        let ingress = url(at.ingress, "ingress")?;
        Ok(Instance {
            project: PROJECT,
            webhook_url: format!("{ingress}/webhooks/xsolla/{PROJECT}"),
            webhook_secret_file: self.folder.join(Folder::WEBHOOK_SECRET),
            client_url: url(at.publisher, "publisher")?,
            login_secret_file: self.folder.join(Folder::LOGIN_SECRET),
            login_project: LOGIN_PROJECT.to_owned(),
            issuer: ISSUER.to_owned(),
            api_url: url(at.api, "api")?,
            api_key_file: self.folder.join(Folder::API_KEY),
        })
    }

    /// What to try next, in the words to type.
    pub(crate) fn say_what_next(&self, at: Addresses) -> anyhow::Result<()> {
        let next = Purchase::draw(PROJECT, PLAYER);
        let body = self
            .folder
            .write("order_paid.json", &next.order_paid_combined().to_string())?;
        let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("grantline"));
        let shown_path = |path: &Path| shortest(path).display().to_string();
        let data = shown_path(&self.instance_file());
        // The one default that needs no word.
        let instance = if Path::new(&data) == Path::new(Instance::DEFAULT_PATH) {
            String::new()
        } else {
            format!(" --instance {data}")
        };
        writeln!(
            io::stdout(),
            "\nNext, from another terminal in this folder:\n\n  \
             {program} play refund{instance}\n\n  \
             curl -i http://{ingress}/webhooks/xsolla/{PROJECT} -H 'content-type: application/json' \\\n    \
             -H \"authorization: $({program} sign --secret-file {secret} {body})\" \\\n    \
             --data-binary @{body}\n\n  \
             curl -s http://{api}/v1/projects/{PROJECT}/players/{PLAYER}/inventory \\\n    \
             -H \"authorization: Bearer $(cat {key})\"\n\n\
             The first plays another story (`{program} play --help` names them all), the second sends\n\
             an order that is granted once however often you send it, the third shows what\n\
             the player has. Ctrl-C stops everything; the data stays.\n",
            program = shown_path(&program),
            secret = shown_path(&self.folder.join(Folder::WEBHOOK_SECRET)),
            key = shown_path(&self.folder.join(Folder::API_KEY)),
            body = shown_path(&body),
            ingress = shown(at.ingress),
            api = shown(at.api),
        )?;
        Ok(())
    }
}

/// The instance file, which goes when this is dropped.
pub(crate) struct Word(PathBuf);

impl Drop for Word {
    fn drop(&mut self) {
        // A file that stays names ports where nobody listens: `grantline play` says so.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Whether the environment names servers or a file.
fn has_stack(sources: &Sources) -> bool {
    ["LEDGER__", "BROKER__", "CLAIM__URL", "EMBEDDED__FILE"]
        .iter()
        .any(|key| names(sources, key))
}

/// Whether the environment sets a key that begins like this.
fn names(sources: &Sources, key: &str) -> bool {
    let prefix = format!("GRANTLINE__{key}");
    sources
        .environment
        .iter()
        .any(|(name, _)| name.to_ascii_uppercase().starts_with(&prefix))
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
