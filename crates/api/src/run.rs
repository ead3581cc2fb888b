//! Putting the role together and serving it.

use std::collections::BTreeMap;

use broker::{Broker, State};
use bytes::Bytes;
use httpd::{Check, Listener, Need, Readiness};
use ledger::Ledger;
use lifecycle::Lifecycle;
use order::ProjectId;
use telemetry::Meter;
use tokio::sync::watch;

use crate::Config;
use crate::keyring::Keyring;
use crate::metrics::Metrics;
use crate::projects::Project;
use crate::serve::Api;

/// What the role works with.
#[derive(Clone, Debug)]
pub struct Deps {
    /// What is read and written.
    pub ledger: Ledger,
    /// Takes replayed notices, and hints about registered orders.
    pub broker: Broker,
    /// Where instruments come from.
    pub meter: Meter,
    /// Is told how the broker is. Without it everything but replays is still served.
    pub readiness: Readiness,
    /// What `GET /v1/openapi.json` answers: the finished [`httpd::Description`] of every
    /// role, made with [`describe`](crate::describe) and its like.
    pub openapi: Bytes,
}

/// Why the role cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A key is restricted to something that is no project.
    #[error("`api.keys.{key}.projects`: expected project ids above 0, found {found}")]
    NoProject {
        /// The key's name.
        key: String,
        /// What stands there.
        found: i64,
    },
    /// Nobody could tell two callers apart.
    #[error("`api.keys.{one}` and `api.keys.{other}` have the same secret; draw a new one")]
    SameSecret {
        /// One key's name.
        one: String,
        /// The other's.
        other: String,
    },
}

/// Serves game servers and operators of these projects until `lifecycle` drains and what
/// is in flight is answered.
///
/// Meant for [`Lifecycle::supervise`].
///
/// # Errors
/// When the role cannot start; see [`StartError`].
pub async fn run(
    config: Config,
    projects: BTreeMap<ProjectId, Project>,
    deps: Deps,
    listener: Listener,
    lifecycle: &Lifecycle,
) -> Result<(), StartError> {
    let keyring = Keyring::new(&config)?;
    if config.keys.is_empty() {
        tracing::warn!("No key in `api.keys`: every request to the api is refused");
    }
    let check = deps.readiness.register("api.broker", Need::Informational);
    let state = deps.broker.state();
    let api = Api {
        keyring,
        projects,
        ledger: deps.ledger,
        broker: deps.broker,
        limits: config.limits.clone(),
        max_page_rows: config.max_page_rows,
        openapi: deps.openapi,
        metrics: Metrics::new(&deps.meter),
    };
    tokio::select! {
        () = httpd::serve(listener, config.limits, api, lifecycle) => {}
        never = show(state, check) => match never {},
    }
    Ok(())
}

/// Keeps `check` at what `state` says of publishing, for ever.
async fn show(mut state: watch::Receiver<State>, check: Check) -> std::convert::Infallible {
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
