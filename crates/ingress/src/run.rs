//! Putting the role together and serving it.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::sync::Arc;

use broker::{Broker, State};
use httpd::{Check, Listener, Need, Readiness};
use ledger::Ledger;
use lifecycle::Lifecycle;
use order::ProjectId;
use telemetry::Meter;
use tokio::sync::watch;

use crate::config::{self, Config};
use crate::metrics::Metrics;
use crate::project::Project;
use crate::quarantine::{KeyFault, Replay};
use crate::rate::Rate;
use crate::receive::Ingress;
use crate::report::{Refusals, RequestIds, sum_up, sum_up_for_ever};
use crate::studio::HttpClient;

/// What the role works with.
#[derive(Clone, Debug)]
pub struct Deps {
    /// Takes the notices.
    pub broker: Broker,
    /// Knows the players of projects without a service of their own.
    pub ledger: Ledger,
    /// Where instruments come from.
    pub meter: Meter,
    /// Is told how broker and players' sources are. The role itself is ready while it does
    /// not drain: questions are answered even with the broker down.
    pub readiness: Readiness,
}

/// Why the role cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A project without secrets would have every notice refused, which Xsolla takes as
    /// final.
    #[error("project {project} needs at least one secret in `webhook_secrets`")]
    NoSecret {
        /// Which.
        project: ProjectId,
    },
    /// The source of players is a service that is not configured.
    #[error("project {project} has `players.source` = `studio` and no `studio.url`")]
    NoStudio {
        /// Which.
        project: ProjectId,
    },
    /// The address of the studio's service is none.
    #[error("project {project}: `studio.url` is not an address")]
    StudioUrl {
        /// Which.
        project: ProjectId,
        /// What is wrong with it.
        #[source]
        source: hyper::http::uri::InvalidUri,
    },
    /// The quarantine has no usable key.
    #[error("project {project}: `quarantine.key` cannot be used")]
    QuarantineKey {
        /// Which.
        project: ProjectId,
        /// What is wrong with it.
        #[source]
        source: KeyFault,
    },
    /// Anybody could fill the quarantine.
    #[error("project {project} has `quarantine.enabled` and nothing stands in `ingress.sources`")]
    NoSources {
        /// Which.
        project: ProjectId,
    },
    /// Without root certificates no studio's service can be trusted at `https`.
    #[error(
        "no root certificates for the `studio.url` at `https`; install `ca-certificates`, or \
         name a PEM file in the variable SSL_CERT_FILE"
    )]
    RootCertificates(#[source] std::io::Error),
}

/// Serves webhooks until `lifecycle` drains and what is in flight is answered.
///
/// Meant for [`Lifecycle::supervise`].
///
/// # Errors
/// When the role cannot start; see [`StartError`].
pub async fn run(
    config: Config,
    projects: BTreeMap<ProjectId, config::Project>,
    deps: Deps,
    listener: Listener,
    lifecycle: &Lifecycle,
) -> Result<(), StartError> {
    let studios = projects
        .values()
        .filter_map(|project| project.studio.as_ref());
    let client = HttpClient::new(studios).map_err(StartError::RootCertificates)?;
    let projects = projects
        .into_iter()
        .map(|(id, config)| {
            Project::new(id, config, &deps.ledger, &client).map(|project| (id, project))
        })
        .collect::<Result<HashMap<ProjectId, Project>, StartError>>()?;
    let takes_any = |project: &&Project| project.takes_mismatched();
    if let (true, Some(project)) = (config.sources.is_empty(), projects.values().find(takes_any)) {
        return Err(StartError::NoSources {
            project: project.id,
        });
    }
    let queue = deps
        .readiness
        .register("ingress.broker", Need::Informational);
    let players = deps
        .readiness
        .register("ingress.players", Need::Informational);
    // As the last question found it; before the first one nothing speaks against it.
    players.ok();
    let state = deps.broker.state();
    let metrics = Metrics::new(&deps.meter);
    for project in projects.values() {
        metrics.begin(project.id, project.keyring.slots());
    }
    let quarantined = projects.values().filter_map(Project::quarantined);
    let replay = Replay::new(
        quarantined,
        deps.ledger,
        deps.broker.clone(),
        metrics.clone(),
    );
    let refusals = Arc::<Refusals>::default();
    let ingress = Ingress {
        projects,
        broker: deps.broker,
        sources: config.sources,
        proxies: config.proxies,
        rate: config.requests_per_second.map(Rate::new),
        limits: config.limits.clone(),
        deadline: config.deadline,
        metrics,
        requests: RequestIds::new(),
        refusals: Arc::clone(&refusals),
        players,
    };
    tokio::select! {
        () = httpd::serve(listener, config.limits, ingress, lifecycle) => {}
        never = show(state, queue) => match never {},
        never = replay.run() => match never {},
        never = sum_up_for_ever(&refusals) => match never {},
    }
    sum_up(&refusals);
    Ok(())
}

/// Keeps `check` at what `state` says of publishing, for ever.
async fn show(mut state: watch::Receiver<State>, check: Check) -> Infallible {
    loop {
        let link = state.borrow_and_update().publishing.clone();
        match link.reason() {
            None => check.ok(),
            Some(reason) => check.not_ok(format!("{}: {reason}", link.as_str())),
        }
        if state.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}
