//! Whether the process should be sent work, and how its dependencies are.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};

use lifecycle::Lifecycle;
use schemars::JsonSchema;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

/// The checks of one process. Clones share them.
#[derive(Clone, Debug)]
pub struct Readiness {
    drain: CancellationToken,
    checks: Arc<Mutex<Vec<Entry>>>,
}

/// What a failing check means for readiness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Need {
    /// Without it the process should get no traffic.
    Required,
    /// Shown, and nothing more: the process has something useful to do without it.
    Informational,
}

/// One dependency as its owner sees it. A new one is not ok, with the reason `starting`.
#[derive(Clone, Debug)]
pub struct Check {
    index: usize,
    checks: Arc<Mutex<Vec<Entry>>>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "Check")]
struct Entry {
    name: &'static str,
    need: Need,
    #[serde(flatten)]
    state: State,
}

/// Where a dependency stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct State {
    /// Whether it works.
    pub ok: bool,
    /// Why not; no secrets, for anybody who may call the admin port reads it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Cow<'static, str>>,
}

/// The body of `/ready`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "Readiness")]
pub struct Report {
    /// No drain, and every required check ok.
    pub ready: bool,
    /// Whether the process is on its way out.
    pub draining: bool,
    checks: Vec<Entry>,
}

impl Report {
    /// Every check by its name, and where it stands.
    pub fn checks(&self) -> impl Iterator<Item = (&'static str, &State)> {
        self.checks.iter().map(|entry| (entry.name, &entry.state))
    }

    /// The state of the first check of that name.
    #[must_use]
    pub fn check(&self, name: &str) -> Option<&State> {
        self.checks
            .iter()
            .find(|entry| entry.name == name)
            .map(|entry| &entry.state)
    }
}

impl Readiness {
    /// No checks: ready until `lifecycle` drains.
    #[must_use]
    pub fn new(lifecycle: &Lifecycle) -> Self {
        Self {
            drain: lifecycle.drain_token().clone(),
            checks: Arc::default(),
        }
    }

    /// Adds a check. Where several roles share the process, name it `role.dependency`.
    pub fn register(&self, name: &'static str, need: Need) -> Check {
        let state = State {
            ok: false,
            reason: Some(Cow::Borrowed("starting")),
        };
        let mut checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner);
        checks.push(Entry { name, need, state });
        Check {
            index: checks.len() - 1,
            checks: Arc::clone(&self.checks),
        }
    }

    /// The state of everything, now.
    pub fn report(&self) -> Report {
        let checks = self
            .checks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let draining = self.drain.is_cancelled();
        let met = |entry: &Entry| match entry.need {
            Need::Required => entry.state.ok,
            Need::Informational => true,
        };
        Report {
            ready: !draining && checks.iter().all(met),
            draining,
            checks,
        }
    }
}

impl Check {
    /// It works.
    pub fn ok(&self) {
        self.set(State {
            ok: true,
            reason: None,
        });
    }

    /// It does not, because of `reason`.
    pub fn not_ok(&self, reason: impl Into<Cow<'static, str>>) {
        self.set(State {
            ok: false,
            reason: Some(reason.into()),
        });
    }

    fn set(&self, state: State) {
        self.checks.lock().unwrap_or_else(PoisonError::into_inner)[self.index].state = state;
    }
}
