//! The embedded stack's ingress alone.
//!
//! `grantline` runs every role of a file in one process. To be measured beside a bare server
//! the ingress must not share the cores with workers, no more than RabbitMQ's does.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use broker::{Broker, EmbeddedConfig};
use httpd::{Listener, Readiness};
use ledger::Ledger;
use lifecycle::Lifecycle;
use order::ProjectId;
use secret::Secret;
use sqlite::File;
use testkit::Folder;

use crate::bare;
use crate::roles::{PROJECT, SECRET};

/// Makes this program that ingress, on the file named behind it.
pub(crate) const INGRESS: &str = "--one-file-ingress";

/// The ingress in a process of its own on a new file, ended when this is dropped.
pub(crate) struct Ingress {
    process: Child,
    pub(crate) at: SocketAddr,
    // After the process, which has its file in it.
    _folder: Folder,
}

impl Ingress {
    pub(crate) fn start() -> Self {
        let folder = Folder::new();
        let mut process = Command::new(std::env::current_exe().unwrap())
            .arg(INGRESS)
            .arg(folder.join("grantline.db"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(folder.join("log")).unwrap())
            .spawn()
            .unwrap();
        let at = bare::told_address(&mut process);
        Self {
            process,
            at,
            _folder: folder,
        }
    }

    pub(crate) fn process(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Ingress {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Serves until whoever started this process is gone, with everything at its default that
/// has one, telemetry included.
pub(crate) async fn serve(path: &Path) {
    bare::end_with_parent();
    let telemetry = telemetry::init(&telemetry::Config::default(), "ingress", 1).unwrap();
    let meter = |owner| telemetry.telemetry().meter(owner);
    let lifecycle = Lifecycle::new();
    let file = File::open(path).unwrap();
    let ledger = Ledger::embedded(file.clone(), 1_000);
    let broker = Broker::embedded(file, EmbeddedConfig::default(), &meter("broker")).await;
    let deps = ingress::Deps {
        broker: broker.unwrap(),
        ledger,
        meter: meter("ingress"),
        readiness: Readiness::new(&lifecycle),
    };
    let project = ingress::Project {
        webhook_secrets: vec![Secret::inline(SECRET).unwrap()],
        order_webhook_secrets: Vec::new(),
        players: ingress::Players::default(),
        studio: None,
        web_shop: ingress::WebShop::default(),
        quarantine: ingress::Quarantine::default(),
    };
    let projects = BTreeMap::from([(ProjectId::try_from(PROJECT).unwrap(), project)]);
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    println!("{}", listener.local_addr());
    ingress::run(
        ingress::Config::default(),
        projects,
        deps,
        listener,
        &lifecycle,
    )
    .await
    .unwrap();
}
