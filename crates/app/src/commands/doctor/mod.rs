//! `grantline doctor`: everything that is wrong around a line, and what to do about it.
//!
//! Each check is a function that returns what it finds. All run at once, and each waits for a
//! server for a limited time, so that one that is away hides nothing of the others.
//!
//! Invariant: no secret is in a finding, and nothing is changed but a key in Redis that
//! expires within a second.

mod broker;
mod certificates;
mod claim;
mod clock;
mod configuration;
mod file;
mod finding;
mod ingress;
mod ledger;
mod print;
mod secrets;

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use task::Role;
use tokio::task::JoinHandle;

use crate::cli::Doctor;
use crate::configuration::{Configuration, Stack};
use certificates::{Greeting, Server};
use finding::{Finding, Grade};
use ingress::Ingress;

/// What is looked at.
struct Patient {
    config: Configuration,
    /// Whose rights are looked for.
    roles: BTreeSet<Role>,
    ingress: Ingress,
    /// How long a server may take to answer.
    limit: Duration,
}

pub(crate) async fn run(doctor: &Doctor, config: Option<&Path>) -> anyhow::Result<ExitCode> {
    let (mut findings, patient) = configuration::check(doctor, config);
    if let Some(patient) = patient {
        findings.extend(secrets::check(&patient.config));
        findings.extend(examine(Arc::new(patient)).await);
    }
    let out = &mut io::stdout().lock();
    if doctor.json {
        print::json(out, &findings)?;
    } else {
        print::text(out, &findings)?;
    }
    Ok(match print::verdict(&findings) {
        Grade::Ok | Grade::Warn => ExitCode::SUCCESS,
        Grade::Fail => ExitCode::FAILURE,
    })
}

/// Runs every check that may have to wait.
async fn examine(patient: Arc<Patient>) -> Vec<Finding> {
    let mut running: Vec<(&'static str, JoinHandle<Vec<Finding>>)> = Vec::new();
    // A check that panics or hangs must not take the others with it.
    macro_rules! start {
        ($check:literal, $patient:ident => $findings:expr) => {{
            let $patient = Arc::clone(&patient);
            running.push(($check, tokio::spawn(async move { $findings })));
        }};
    }
    let limit = patient.limit;
    macro_rules! ask {
        ($check:literal, $patient:ident => $findings:expr) => {
            start!($check, $patient => limited($check, limit, async move { $findings }).await)
        };
    }
    match patient.config.stack() {
        Stack::Embedded(embedded) => {
            let path = embedded.file.clone();
            // Reads all of it, however large it is.
            start!("file", _patient => file::check(&path).await);
        }
        Stack::Cluster { ledger, broker } => {
            let config = ledger.clone();
            ask!("ledger", patient => ledger::check(&patient, &config).await);
            let config = broker.clone();
            ask!("broker", patient => broker::access(&patient, &config).await);
            let config = broker.clone();
            ask!("broker.management", _patient => broker::cluster(&config).await);
            let config = broker.clone();
            ask!("broker.topology", _patient => broker::topology(&config).await);
            ask!("claim", patient => claim::check(&patient.config.claim).await);
            for server in servers(&patient.config, ledger, broker) {
                ask!("certificates", _patient => certificates::check(&server).await);
            }
        }
    }
    // Limits each request by itself: there may be many projects.
    start!("ingress", patient => ingress::check(&patient).await);
    let mut found = encryption(&patient.config);
    for (check, running) in running {
        found.extend(running.await.unwrap_or_else(|_| {
            vec![Finding::fail(
                check,
                "the check itself is at fault; please report it",
            )]
        }));
    }
    found
}

async fn limited(
    check: &'static str,
    limit: Duration,
    looking: impl Future<Output = Vec<Finding>>,
) -> Vec<Finding> {
    tokio::time::timeout(limit, looking).await.unwrap_or_else(|_| {
        let text = format!(
            "no answer within {limit:?}; check that the server is well and not behind something \
             that swallows connections, or give it longer with --timeout"
        );
        vec![Finding::fail(check, text)]
    })
}

/// The servers that may show a certificate.
fn servers(
    config: &Configuration,
    ledger: &::ledger::Config,
    broker: &::broker::Config,
) -> Vec<Server> {
    let server = |check, key, greeting| {
        move |endpoint| Server {
            check,
            key,
            endpoint,
            greeting,
        }
    };
    let database = server("ledger.certificate", "ledger", Greeting::Postgres);
    let rabbit = server("broker.certificate", "broker", Greeting::None);
    let redis = server("claim.certificate", "claim", Greeting::None);
    let plain = |it: &secret::Endpoint| it.encrypted;
    ledger
        .endpoint()
        .map(database)
        .into_iter()
        .chain(broker.endpoints().into_iter().filter(plain).map(rabbit))
        .chain(config.claim.endpoint().filter(plain).map(redis))
        .collect()
}

/// What needs no server: certificates of the configuration, and connections that leave this
/// machine in the clear. PostgreSQL decides only when it is asked.
fn encryption(config: &Configuration) -> Vec<Finding> {
    let Stack::Cluster { ledger, broker } = config.stack() else {
        return Vec::new();
    };
    let mut found = certificates::own("ledger.certificate", "ledger", &ledger.tls);
    found.extend(certificates::own(
        "broker.certificate",
        "broker",
        &broker.tls,
    ));
    found.extend(certificates::own(
        "claim.certificate",
        "claim",
        &config.claim.tls,
    ));
    let broker = broker.endpoints().into_iter();
    let broker = broker.map(|at| ("broker.encryption", "broker.url", at));
    let claim = config.claim.endpoint().into_iter();
    let claim = claim.map(|at| ("claim.encryption", "claim.url", at));
    for (check, key, at) in broker.chain(claim) {
        let place = format!("{}:{}", at.host, at.port);
        found.push(match (at.encrypted, at.is_here()) {
            (true, _) => Finding::ok(check, format!("TLS to {place}")),
            (false, true) => {
                Finding::ok(check, format!("in the clear to {place}, on this machine"))
            }
            (false, false) => Finding::warn(
                check,
                format!(
                    "passwords and notices cross the network to {place} in the clear; expected an \
                     encrypted address in `{key}`: amqps://, https:// or rediss://"
                ),
            ),
        });
    }
    found
}
