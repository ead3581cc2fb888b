//! `grantline doctor` beside real servers: nothing to complain of a line that is well, and
//! each fault by its name, with what to do, whatever else is broken.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../tls/certificates.rs"]
mod certificates;
mod encrypted;
mod faults;
#[path = "../cluster/process.rs"]
#[expect(dead_code, reason = "the kill test ends roles, too")]
mod process;
#[path = "../binary/process.rs"]
mod program;
mod rights;
#[path = "../cluster/servers.rs"]
#[expect(dead_code, reason = "the kill test ends servers")]
mod servers;
mod well;

use std::net::SocketAddr;

use serde_json::Value;
use testkit::{Database, Postgres, RabbitMq, Vhost};

use crate::program::{Process, Settings};

/// Servers with the schema and the topology of this version.
struct Scene {
    database: Database,
    vhost: Vhost,
}

impl Scene {
    async fn new() -> Self {
        let (database, vhost) = tokio::join!(Postgres::database(), RabbitMq::vhost());
        Self { database, vhost }
    }

    fn settings(&self) -> Settings {
        Settings::of(&self.database, &self.vhost)
    }
}

/// What the doctor said with `--json`.
struct Told {
    code: Option<i32>,
    report: Value,
}

impl Told {
    /// Examines it with these arguments more. No secret is in what it says.
    async fn of(settings: &Settings, arguments: &[&str]) -> Self {
        let all = [&["doctor", "--json"], arguments].concat();
        let mut process = Process::start(&all, settings);
        let code = process.ends().await;
        let text = process.text();
        assert!(!text.contains("canary"), "{text}");
        let report = serde_json::from_str(&text);
        let report = report.unwrap_or_else(|fault| panic!("{fault}: {text}"));
        Self { code, report }
    }

    /// The texts of a check with a grade.
    fn texts(&self, check: &str, grade: &str) -> Vec<&str> {
        let findings = self.report["findings"].as_array().unwrap();
        let those = findings
            .iter()
            .filter(|it| it["check"] == check && it["grade"] == grade);
        those.map(|it| it["text"].as_str().unwrap()).collect()
    }

    /// Insists on one with all of `parts`, and says it.
    fn finds(&self, check: &str, grade: &str, parts: &[&str]) -> &str {
        let has = |text: &&str| parts.iter().all(|part| text.contains(part));
        let found = self.texts(check, grade).into_iter().find(has);
        found.unwrap_or_else(|| panic!("no {grade} of {check} with {parts:?}: {:#}", self.report))
    }

    /// Insists on a failure with all of `parts`, and on an end that says so.
    fn fails(&self, check: &str, parts: &[&str]) -> &str {
        assert_eq!(self.code, Some(1), "{:#}", self.report);
        assert_eq!(self.report["verdict"], "fail");
        self.finds(check, "fail", parts)
    }

    /// Insists that there is no failure.
    fn is_well(&self) {
        assert_eq!(self.code, Some(0), "{:#}", self.report);
        assert_eq!(self.report["counts"]["fail"], 0, "{:#}", self.report);
    }
}

/// A line that runs, and where its ingress is.
async fn serve(settings: &Settings) -> (Process, String) {
    let process = Process::start(&["serve"], settings);
    let line = process.says(&["Starting", "role=\"serve\""]).await;
    let (_, rest) = line.split_once("ingress=Some(").unwrap();
    let at: SocketAddr = rest.split_once(')').unwrap().0.parse().unwrap();
    process
        .says(&["Connected to the broker", "publishing"])
        .await;
    (process, format!("http://{at}"))
}

/// `host:port` of a URL.
fn place(url: &str) -> &str {
    let rest = url.split_once("://").unwrap().1;
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    rest.split(['/', '?']).next().unwrap()
}

/// The URL with this user and password.
fn as_user(url: &str, user: &str, password: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap();
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    format!("{scheme}://{user}:{password}@{rest}")
}
