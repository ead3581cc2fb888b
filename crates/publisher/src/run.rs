//! Putting the role together and serving it.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use broker::{Broker, State};
use centrifuge::Settings;
use httpd::{Check, Listener, Need, Readiness};
use ledger::Ledger;
use lifecycle::Lifecycle;
use order::ProjectId;
use telemetry::Meter;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::{Config, Project};
use crate::credentials::Verifiers;
use crate::hints;
use crate::hub::Hub;
use crate::metrics::Metrics;
use crate::origins::Origins;
use crate::positions::Comparison;
use crate::reader::Reader;
use crate::service::Publisher;
use crate::shared::Shared;
use crate::token::{KeyFault, Verifier};

/// What the role works with.
#[derive(Clone, Debug)]
pub struct Deps {
    /// Hints come from here.
    pub broker: Broker,
    /// What clients are told. Read, never written.
    pub ledger: Ledger,
    /// Where instruments come from.
    pub meter: Meter,
    /// Is told how broker and ledger are. The role becomes ready with the ledger's first
    /// answer, so that a wrong setting does not replace a working process, and then stays
    /// so: sockets that are open, and clients that come back with growing pauses, are
    /// better off here than at a gateway without anybody behind it. Without the broker a
    /// status is merely up to half a minute late.
    pub readiness: Readiness,
}

/// Why the role cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Nobody's token could be checked.
    #[error("project {project}: {fault}")]
    Key {
        /// Whose.
        project: ProjectId,
        /// What is wrong.
        fault: KeyFault,
    },
    /// Hints or positions are not looked after any more: that task panicked, or the
    /// broker was closed before the drain.
    #[error("a task of the publisher ended unasked")]
    TaskEnded,
}

/// Serves game clients until `lifecycle` drains; then closes their connections over
/// `config.drain_spread` and returns when the last one is gone.
///
/// Meant for [`Lifecycle::supervise`].
///
/// # Errors
/// When the role cannot start or go on; see [`RunError`].
pub async fn run(
    config: Config,
    projects: BTreeMap<ProjectId, Project>,
    deps: Deps,
    listener: Listener,
    lifecycle: &Lifecycle,
) -> Result<(), RunError> {
    let verifiers = verifiers(projects)?;
    let metrics = Metrics::new(&deps.meter);
    let hub = Hub::new(config.max_sockets_per_player);
    let reader = Reader::new(deps.ledger, config.ledger_reads);
    let gap = Arc::new(Notify::new());
    let check = |name, need| deps.readiness.register(name, need);
    let comparison = Comparison {
        hub: Arc::clone(&hub),
        reader: reader.clone(),
        metrics: metrics.clone(),
        gap: Arc::clone(&gap),
        interval: config.position_check,
        started: check("publisher.started", Need::Required),
        ledger: check("publisher.ledger", Need::Informational),
    };
    let heard = check("publisher.hints", Need::Informational);
    let passing = hints::pass_on(deps.broker.hints(), Arc::clone(&hub), gap, metrics.clone());
    let mut tasks = JoinSet::new();
    tasks.spawn(passed_on(passing, lifecycle.drain_token().clone()));
    tasks.spawn(show(deps.broker.state(), heard));
    tasks.spawn(comparison.run());
    let sockets = TaskTracker::new();
    let publisher = Publisher {
        origins: Origins::new(config.allowed_origins.clone()),
        max_frame_bytes: config.max_frame_bytes,
        free_sockets: Arc::new(Semaphore::new(
            config.max_sockets.min(Semaphore::MAX_PERMITS),
        )),
        sockets: sockets.clone(),
        lifecycle: lifecycle.clone(),
        shared: Arc::new(Shared {
            settings: Arc::new(settings(&config, reader.rows_max())),
            verifiers,
            hub,
            reader,
            metrics,
            write_timeout: config.write_timeout,
            drain_spread: config.drain_spread,
            drain: lifecycle.drain_token().clone(),
            abort: lifecycle.abort_token().clone(),
        }),
    };
    let serving = async {
        httpd::serve(listener, config.limits, publisher, lifecycle).await;
        // Statuses go on being pushed to those who are still connected.
        sockets.close();
        sockets.wait().await;
    };
    tokio::select! {
        () = serving => Ok(()),
        _ = tasks.join_next() => Err(RunError::TaskEnded),
    }
}

/// A project that no token can be checked for is found here, before anything is served.
fn verifiers(projects: BTreeMap<ProjectId, Project>) -> Result<Verifiers, RunError> {
    let verifier = |(project, config)| match Verifier::new(config) {
        Ok(verifier) => Ok((project, verifier)),
        Err(fault) => Err(RunError::Key { project, fault }),
    };
    projects.into_iter().map(verifier).collect()
}

fn settings(config: &Config, rows_max: u32) -> Settings {
    Settings {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        connect_timeout: config.connect_timeout,
        ping_interval: config.ping_interval,
        pong_timeout: config.pong_timeout,
        rows_max,
        ..Settings::default()
    }
}

/// Runs `passing`, whose end is only in order once the drain has begun.
async fn passed_on(passing: impl Future<Output = ()>, drain: CancellationToken) {
    passing.await;
    if drain.is_cancelled() {
        std::future::pending::<()>().await;
    }
}

/// Keeps `check` at what `state` says of consuming, for ever.
async fn show(mut state: watch::Receiver<State>, check: Check) {
    loop {
        let link = state.borrow_and_update().consuming.clone();
        match link.reason() {
            None => check.ok(),
            Some(reason) => check.not_ok(format!("{}: {reason}", link.as_str())),
        }
        if state.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}
