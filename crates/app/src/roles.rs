//! Configuration → objects → roles.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use broker::Broker;
use claim::Claims;
use httpd::{Admin, Check, Connections, Listener, Need, Readiness};
use ledger::{Ledger, SchemaError};
use lifecycle::Lifecycle;
use order::ProjectId;
use task::Lane;
use telemetry::Repeats;
use tokio::runtime::Handle;
use tokio::time::Instant;
use worker::Handler;

use crate::configuration::{Configuration, Stack};
use crate::needs;
use crate::stack::Opened;

/// How long roles other than worker and publisher may take to finish what is in flight.
const GRACE: Duration = Duration::from_secs(15);

/// What a process is to run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Roles {
    ingress: bool,
    worker: Vec<Lane>,
    publisher: bool,
    api: bool,
}

impl Roles {
    pub(crate) fn all() -> Self {
        Self {
            ingress: true,
            worker: Lane::ALL.to_vec(),
            publisher: true,
            api: true,
        }
    }

    pub(crate) fn ingress() -> Self {
        Self {
            ingress: true,
            ..Self::default()
        }
    }

    pub(crate) fn worker(kinds: Vec<Lane>) -> Self {
        Self {
            worker: kinds,
            ..Self::default()
        }
    }

    pub(crate) fn publisher() -> Self {
        Self {
            publisher: true,
            ..Self::default()
        }
    }

    pub(crate) fn api() -> Self {
        Self {
            api: true,
            ..Self::default()
        }
    }

    /// As connections, traces and metrics name the process.
    fn name(&self) -> &'static str {
        match (
            self.ingress,
            self.worker.is_empty(),
            self.publisher,
            self.api,
        ) {
            (true, true, false, false) => "ingress",
            (false, false, false, false) => "worker",
            (false, true, true, false) => "publisher",
            (false, true, false, true) => "api",
            _ => "serve",
        }
    }

    /// How long a drain may take. Longer than the slowest role needs.
    fn grace(&self, config: &Configuration) -> Duration {
        let worker = (!self.worker.is_empty()).then_some(config.worker.drain_timeout);
        let publisher = self
            .publisher
            .then_some(config.publisher.drain_spread + GRACE);
        [worker, publisher]
            .into_iter()
            .flatten()
            .fold(GRACE, Duration::max)
    }
}

/// Where the roles listen. Every port is bound before any of them serves.
struct Listeners {
    admin: Listener,
    ingress: Option<Listener>,
    publisher: Option<Listener>,
    api: Option<Listener>,
}

impl Listeners {
    fn bind(roles: &Roles, config: &Configuration) -> anyhow::Result<Self> {
        let bind = |wanted: bool, key: &'static str, at: SocketAddr| {
            let listener = wanted.then(|| Listener::bind(at)).transpose();
            listener.with_context(|| format!("`{key}` cannot be used"))
        };
        let admin = Listener::bind(config.admin.listen).context("`admin.listen` cannot be used")?;
        Ok(Self {
            admin,
            ingress: bind(roles.ingress, "ingress.listen", config.ingress.listen)?,
            publisher: bind(roles.publisher, "publisher.listen", config.publisher.listen)?,
            api: bind(roles.api, "api.listen", config.api.listen)?,
        })
    }

    /// How many connections each has, by its name.
    fn connections(&self) -> Vec<(&'static str, Connections)> {
        let others = [
            ("ingress", &self.ingress),
            ("publisher", &self.publisher),
            ("api", &self.api),
        ];
        let of = |(name, listener): (_, &Option<Listener>)| {
            Some((name, listener.as_ref()?.connections()))
        };
        let admin = ("admin", self.admin.connections());
        let others = others.into_iter().filter_map(of);
        std::iter::once(admin).chain(others).collect()
    }

    fn addresses(&self) -> Addresses {
        let at = |listener: &Option<Listener>| listener.as_ref().map(Listener::local_addr);
        Addresses {
            admin: self.admin.local_addr(),
            ingress: at(&self.ingress),
            publisher: at(&self.publisher),
            api: at(&self.api),
        }
    }
}

/// Where the roles can be reached.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Addresses {
    pub(crate) admin: SocketAddr,
    pub(crate) ingress: Option<SocketAddr>,
    pub(crate) publisher: Option<SocketAddr>,
    pub(crate) api: Option<SocketAddr>,
}

/// A process at work.
pub(crate) struct Running {
    pub(crate) addresses: Addresses,
    pub(crate) grace: Duration,
    pub(crate) stack: Opened,
    telemetry: telemetry::Guard,
}

impl Running {
    /// Lets go of the servers and sends the last telemetry. To be called when every role
    /// has stopped.
    pub(crate) async fn close(self) {
        self.stack.close().await;
        self.telemetry.shutdown();
    }
}

impl Roles {
    /// Starts the roles. Servers may be away: roles that need them wait, and say so.
    ///
    /// # Errors
    /// What no waiting can mend: an address that is taken, a URL that is none, a file that
    /// cannot be served.
    pub(crate) async fn start(
        &self,
        config: &Configuration,
        lifecycle: &Lifecycle,
    ) -> anyhow::Result<Running> {
        let name = self.name();
        if matches!(config.stack(), Stack::Embedded(_)) && name != "serve" {
            anyhow::bail!(
                "`{name}` needs servers: `embedded.file` is served by one process; run every \
                 role with `grantline serve`, or configure `ledger.url` and `broker.url`"
            );
        }
        if self.ingress {
            config.check_taking_webhooks()?;
        }
        let listeners = Listeners::bind(self, config)?;
        let named = config.projects.len() + config.api.keys.len();
        let telemetry = telemetry::init(&config.telemetry, name, named)?;
        let addresses = listeners.addresses();
        tracing::info!(
            role = name, version = env!("CARGO_PKG_VERSION"), projects = config.projects.len(),
            admin = %addresses.admin, ingress = ?addresses.ingress, publisher = ?addresses.publisher,
            api = ?addresses.api, "Starting"
        );
        let meter = |owner| telemetry.telemetry().meter(owner);
        let readiness = Readiness::new(lifecycle);
        let stack = Opened::new(config, name, &meter("broker")).await?;
        telemetry.telemetry().tell_process(&Handle::current());
        httpd::tell_connections(&meter("httpd"), listeners.connections());
        httpd::tell_dependencies(&meter("httpd"), readiness.clone());
        stack.ledger.measure(&meter("ledger"));
        let grace = self.grace(config);

        let admin = Admin::new(readiness.clone(), telemetry.telemetry().clone());
        let wiring = Wiring {
            ledger: stack.ledger.clone(),
            broker: stack.broker.clone(),
            readiness,
            lifecycle: lifecycle.clone(),
        };
        if let Some(listener) = listeners.ingress {
            wiring.ingress(config, meter("ingress"), listener);
        }
        if let Some(listener) = listeners.publisher {
            wiring.publisher(config, meter("publisher"), listener);
        }
        if let Some(listener) = listeners.api {
            wiring.api(config, meter("api"), listener);
        }
        if !self.worker.is_empty() {
            let claims = Claims::connect(config.claim.clone(), &meter("claim"));
            wiring.worker(&self.worker, config, meter("worker"), claims);
        }
        // When every role has said what it waits for: a process without checks is ready.
        admin.start(listeners.admin, config.admin.limits.clone(), lifecycle);
        Ok(Running {
            addresses,
            grace,
            stack,
            telemetry,
        })
    }
}

/// What every role is built from.
struct Wiring {
    ledger: Ledger,
    broker: Broker,
    readiness: Readiness,
    lifecycle: Lifecycle,
}

impl Wiring {
    /// Serves whatever is away: the ledger is there for questions alone. A first connection
    /// is made ahead of the first one, which would not wait for it. Only where a file's
    /// content is still on its way nothing may be accepted: another attempt replaces it.
    fn ingress(&self, config: &Configuration, meter: telemetry::Meter, listener: Listener) {
        let deps = ingress::Deps {
            broker: self.broker.clone(),
            ledger: self.ledger.clone(),
            meter,
            readiness: self.readiness.clone(),
        };
        let (ledger, lifecycle) = (self.ledger.clone(), self.lifecycle.clone());
        self.lifecycle.track(async move {
            if let Err(error) = ledger.check_schema().await {
                if matches!(error, SchemaError::Arriving { .. }) {
                    lifecycle.supervise("ingress", async { Err(error) });
                    return;
                }
                let reason = format!("{:#}", anyhow::Error::new(error));
                tracing::error!(reason, "The ledger may not be able to answer questions");
            }
            // Whatever it says is said when it is asked.
            let _ = ledger.ping().await;
        });
        let projects = each_project(config, crate::configuration::Project::ingress);
        let (config, lifecycle) = (config.ingress.clone(), self.lifecycle.clone());
        self.lifecycle.supervise("ingress", async move {
            ingress::run(config, projects, deps, listener, &lifecycle).await
        });
    }

    fn publisher(&self, config: &Configuration, meter: telemetry::Meter, listener: Listener) {
        let deps = publisher::Deps {
            ledger: self.ledger.clone(),
            broker: self.broker.clone(),
            meter,
            readiness: self.readiness.clone(),
        };
        let projects = each_project(config, |project| project.publisher.clone());
        let projects = projects
            .into_iter()
            .filter_map(|(id, project)| Some((id, project?)))
            .collect();
        let (config, lifecycle) = (config.publisher.clone(), self.lifecycle.clone());
        let schema = self.schema("publisher.schema");
        self.lifecycle.supervise("publisher", async move {
            if schema.await? {
                publisher::run(config, projects, deps, listener, &lifecycle).await?;
            }
            anyhow::Ok(())
        });
    }

    fn api(&self, config: &Configuration, meter: telemetry::Meter, listener: Listener) {
        let deps = api::Deps {
            ledger: self.ledger.clone(),
            broker: self.broker.clone(),
            meter,
            readiness: self.readiness.clone(),
            openapi: crate::openapi::document(),
        };
        let projects = each_project(config, crate::configuration::Project::api);
        let (config, lifecycle) = (config.api.clone(), self.lifecycle.clone());
        let schema = self.schema("api.schema");
        self.lifecycle.supervise("api", async move {
            if schema.await? {
                api::run(config, projects, deps, listener, &lifecycle).await?;
            }
            anyhow::Ok(())
        });
    }

    fn worker(
        &self,
        lanes: &[Lane],
        config: &Configuration,
        meter: telemetry::Meter,
        claims: Claims,
    ) {
        let grants = each_project(config, |project| project.grant);
        let handler = |lane: &Lane| -> Arc<dyn Handler> {
            match lane {
                Lane::Grant => Arc::new(grant::Grant::new(grants.clone().into_iter().collect())),
                Lane::Revoke => Arc::new(revoke::Revoke),
                Lane::Record => Arc::new(worker::Record),
            }
        };
        let handlers: Vec<_> = lanes.iter().map(handler).collect();
        let deps = worker::Deps {
            ledger: self.ledger.clone(),
            broker: self.broker.clone(),
            claims: claims.clone(),
            meter,
            projects: config.projects.keys().map(|key| key.0).collect(),
        };
        self.show_needs(claims);
        let (config, lifecycle) = (config.worker.clone(), self.lifecycle.clone());
        let schema = self.schema("worker.schema");
        self.lifecycle.supervise("worker", async move {
            if schema.await? {
                worker::run(&config, deps, &handlers, &lifecycle);
                lifecycle.drain_token().cancelled().await;
            }
            anyhow::Ok(())
        });
    }

    /// Shows what a worker needs, until the drain.
    fn show_needs(&self, claims: Claims) {
        let check = |name| self.readiness.register(name, Need::Informational);
        let broker = needs::show_broker(self.broker.clone(), check("worker.broker"));
        let claims = needs::show_claims(claims, check("worker.claims"));
        let ledger = needs::show_ledger(self.ledger.clone(), check("worker.ledger"));
        let shown = async move { tokio::join!(broker, claims, ledger) };
        let drained = self.lifecycle.drain_token().clone().cancelled_owned();
        self.lifecycle.track(async move {
            tokio::select! {
                _ = shown => {}
                () = drained => {}
            }
        });
    }

    /// Waits until the ledger can be used. `false` when the process drains before. In a box:
    /// what it needs is not needed for as long as a role lives.
    fn schema(
        &self,
        name: &'static str,
    ) -> Pin<Box<dyn Future<Output = Result<bool, SchemaError>> + Send>> {
        let check = self.readiness.register(name, Need::Required);
        let (ledger, drain) = (self.ledger.clone(), self.lifecycle.drain_token().clone());
        Box::pin(async move {
            let usable = drain.run_until_cancelled(usable(&ledger, &check)).await;
            usable.map_or(Ok(false), |usable| usable.map(|()| true))
        })
    }
}

/// An older schema needs a person; a database that is away comes back.
async fn usable(ledger: &Ledger, check: &Check) -> Result<(), SchemaError> {
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    let lines = Repeats::default();
    loop {
        ticks.tick().await;
        match ledger.check_schema().await {
            Ok(()) => {
                check.ok();
                return Ok(());
            }
            Err(error @ SchemaError::Connect { .. }) => {
                let reason = format!("{:#}", anyhow::Error::new(error));
                if lines.admit(&(), Instant::now()).is_some() {
                    tracing::error!(reason, "The ledger cannot be used yet");
                }
                check.not_ok(reason);
            }
            // A newer version is being rolled out, or back: every migration leaves the
            // schema usable for the version before it.
            Err(newer @ SchemaError::Newer { .. }) => {
                tracing::warn!("{newer}");
                check.ok();
                return Ok(());
            }
            Err(fatal) => return Err(fatal),
        }
    }
}

fn each_project<T>(
    config: &Configuration,
    of: impl Fn(&crate::configuration::Project) -> T,
) -> BTreeMap<ProjectId, T> {
    config
        .projects
        .iter()
        .map(|(key, project)| (key.0, of(project)))
        .collect()
}
