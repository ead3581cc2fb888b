//! The configuration of Grantline: the sections of all roles, and the projects.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use ingress::PlayersSource;
use order::ProjectId;
use publisher::Algorithm;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use secret::Secret;
use serde::{Deserialize, Deserializer, Serialize, de};

use super::embedded::Embedded;
use super::{Composed, Contradiction, Faults, Loaded, Sources, load};

/// Everything a process of any role is told.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Configuration {
    /// The listener for probes and metrics.
    #[serde(default)]
    pub(crate) admin: Admin,
    /// The listener of game servers and operators.
    #[serde(default)]
    pub(crate) api: api::Config,
    /// RabbitMQ: where it is, how long it may take, how much it may hold.
    #[serde(default)]
    pub(crate) broker: Option<broker::Config>,
    /// Marks in Redis, which spare the database the common duplicate.
    #[serde(default)]
    pub(crate) claim: claim::Config,
    /// One process and one file in place of `ledger`, `broker` and `claim`.
    #[serde(default)]
    pub(crate) embedded: Option<Embedded>,
    /// The listener that takes Xsolla's webhooks.
    #[serde(default)]
    pub(crate) ingress: ingress::Config,
    /// The database that is the truth.
    #[serde(default)]
    pub(crate) ledger: Option<ledger::Config>,
    /// The games, by Xsolla's numeric project id: `[projects.44056]`.
    #[serde(default)]
    pub(crate) projects: BTreeMap<ProjectKey, Project>,
    /// The listener that game clients connect to.
    #[serde(default)]
    pub(crate) publisher: publisher::Config,
    /// Logs, traces and metrics.
    #[serde(default)]
    pub(crate) telemetry: telemetry::Config,
    /// How the workers take and book notices.
    #[serde(default)]
    pub(crate) worker: worker::Config,
}

/// The listener for probes and metrics. Keep it inside the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Admin {
    /// Address and port of `/live`, `/ready` and `/metrics`; port 0 takes a free one.
    #[schemars(with = "String")]
    pub(crate) listen: SocketAddr,
    /// Limits of the listener.
    pub(crate) limits: httpd::Limits,
}

impl Default for Admin {
    fn default() -> Self {
        let listen = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 9090));
        Self {
            listen,
            limits: httpd::Limits::default(),
        }
    }
}

/// What a configuration runs on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stack<'a> {
    /// PostgreSQL and RabbitMQ; Redis as `claim` has it.
    Cluster {
        ledger: &'a ledger::Config,
        broker: &'a broker::Config,
    },
    /// One file.
    Embedded(&'a Embedded),
}

/// A project's id as a key of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ProjectKey(pub(crate) ProjectId);

impl<'de> Deserialize<'de> for ProjectKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <Cow<'_, str>>::deserialize(deserializer)?;
        text.parse().map(Self).map_err(de::Error::custom)
    }
}

impl JsonSchema for ProjectKey {
    fn schema_name() -> Cow<'static, str> {
        "ProjectKey".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[1-9][0-9]*$" })
    }
}

/// One game.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Project {
    /// Secrets that sign Xsolla's webhooks; several while one is exchanged for another. The
    /// first that fits counts. Required where webhooks are taken, by `ingress` and `serve`.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub(crate) webhook_secrets: Vec<Secret>,
    /// Secrets that sign `order_paid` and `order_canceled`, where those were set up apart
    /// from the rest.
    #[serde(default)]
    pub(crate) order_webhook_secrets: Vec<Secret>,
    /// Who says whether a player exists.
    #[serde(default)]
    pub(crate) players: ingress::Players,
    /// The studio's own HTTP service, where there is one.
    #[serde(default)]
    pub(crate) studio: Option<ingress::Studio>,
    /// The unsigned check of the Web Shop.
    #[serde(default)]
    pub(crate) web_shop: ingress::WebShop,
    /// Grace for a secret that was exchanged at Xsolla and not here.
    #[serde(default)]
    pub(crate) quarantine: ingress::Quarantine,
    /// What a paid order grants.
    #[serde(default)]
    pub(crate) grant: grant::Config,
    /// Whose tokens are believed. Without it no player of this project can connect.
    #[serde(default)]
    pub(crate) publisher: Option<publisher::Project>,
    /// Nobody really buys in this project, so that `grantline rehearse` may play a sale in it:
    /// thousands of players, orders, cancellations and refunds, which stay in the ledger.
    #[serde(default)]
    pub(crate) rehearsal: bool,
}

impl Project {
    /// What the api role knows of this project.
    pub(crate) fn api(&self) -> api::Project {
        api::Project {
            rehearsal: self.rehearsal,
        }
    }

    /// What the ingress role knows of this project.
    pub(crate) fn ingress(&self) -> ingress::Project {
        ingress::Project {
            webhook_secrets: self.webhook_secrets.clone(),
            order_webhook_secrets: self.order_webhook_secrets.clone(),
            players: self.players.clone(),
            studio: self.studio.clone(),
            web_shop: self.web_shop.clone(),
            quarantine: self.quarantine.clone(),
        }
    }
}

impl Configuration {
    /// Makes the configuration of `sources`.
    ///
    /// # Errors
    /// Everything that is wrong with them; see [`load`].
    pub(crate) fn load(sources: &Sources) -> Result<Loaded<Self>, Faults> {
        load(sources)
    }

    /// Refuses a project whose webhooks nobody could verify. Other roles than the ingress are
    /// better off without the secrets.
    ///
    /// # Errors
    /// Every project without a secret.
    pub(crate) fn check_taking_webhooks(&self) -> Result<(), Faults> {
        let mut rules = Rules(Vec::new());
        for (id, project) in &self.projects {
            if project.webhook_secrets.is_empty() {
                rules.broken(
                    &format!("projects.{}.webhook_secrets", id.0),
                    "missing; whoever takes webhooks needs at least one secret that signs them",
                );
            }
        }
        Faults::of(rules.0)
    }

    /// What it runs on.
    pub(crate) fn stack(&self) -> Stack<'_> {
        match (&self.embedded, &self.ledger, &self.broker) {
            (Some(embedded), _, _) => Stack::Embedded(embedded),
            (None, Some(ledger), Some(broker)) => Stack::Cluster { ledger, broker },
            (None, ..) => unreachable!("a configuration without a stack is not loaded"),
        }
    }
}

impl Composed for Configuration {
    fn contradictions(&self) -> Vec<Contradiction> {
        let mut rules = Rules(Vec::new());
        rules.stack(self);
        rules.certificates(self);
        rules.telemetry(&self.telemetry);
        if self.publisher.pong_timeout >= self.publisher.ping_interval {
            rules.broken(
                "publisher.pong_timeout",
                "must be shorter than `publisher.ping_interval`",
            );
        }
        for (id, project) in &self.projects {
            rules.project(&format!("projects.{}", id.0), project, self);
        }
        rules.0
    }
}

struct Rules(Vec<Contradiction>);

impl Rules {
    fn broken(&mut self, key: &str, rule: impl Into<String>) {
        let path = key.split('.').map(str::to_owned).collect();
        self.0.push(Contradiction {
            path,
            rule: rule.into(),
        });
    }

    fn stack(&mut self, all: &Configuration) {
        let servers = [
            (
                "ledger",
                all.ledger.is_some(),
                "PostgreSQL, `postgres://user:password@host/database`",
            ),
            (
                "broker",
                all.broker.is_some(),
                "RabbitMQ, `amqp://user:password@host:5672/vhost`",
            ),
            ("claim", all.claim.url.is_some(), ""),
        ];
        for (section, is_there, meaning) in servers {
            let key = format!("{section}.url");
            match (all.embedded.is_some(), is_there) {
                (true, true) => self.broken(
                    &key,
                    "contradicts `embedded.file`, which needs no servers; leave out one of them",
                ),
                (false, false) if !meaning.is_empty() => self.broken(
                    &key,
                    format!(
                        "missing; expected the address of {meaning}, also as \
                         GRANTLINE__{}__URL; or `embedded.file` for one process without servers",
                        section.to_uppercase()
                    ),
                ),
                _ => {}
            }
        }
    }

    fn certificates(&mut self, all: &Configuration) {
        let claim = all.claim.url.as_ref();
        let sections = [
            (
                "ledger",
                all.ledger.as_ref().map(|it| (&it.url, &it.tls)),
                "",
            ),
            (
                "broker",
                all.broker.as_ref().map(|it| (&it.url, &it.tls)),
                "amqps://",
            ),
            ("claim", claim.map(|url| (url, &all.claim.tls)), "rediss://"),
        ];
        for (section, configured, scheme) in sections {
            let Some((url, tls)) = configured else {
                continue;
            };
            if tls.is_default() {
                continue;
            }
            if let Err(fault) = tls.client_config() {
                let fault = anyhow::Error::new(fault);
                self.broken(&format!("{section}.tls"), format!("{fault:#}"));
            }
            if !url.reveal().starts_with(scheme) {
                self.broken(
                    &format!("{section}.url"),
                    format!("`{section}.tls` would count for nothing; expected {scheme}…"),
                );
            }
        }
    }

    fn telemetry(&mut self, telemetry: &telemetry::Config) {
        match telemetry.check() {
            Err(error @ telemetry::Error::Level { .. }) => {
                self.broken("telemetry.level", error.to_string());
            }
            Err(telemetry::Error::Endpoint { .. }) => {
                self.broken(
                    "telemetry.otlp_endpoint",
                    "expected an http:// or https:// address such as `http://127.0.0.1:4318`",
                );
            }
            Err(error) => self.broken("telemetry", error.to_string()),
            Ok(()) => {}
        }
    }

    fn project(&mut self, key: &str, project: &Project, all: &Configuration) {
        if project.players.source == PlayersSource::Studio && project.studio.is_none() {
            self.broken(
                &format!("{key}.players.source"),
                format!("`studio` needs the address of the service in `{key}.studio.url`"),
            );
        }
        if project.players.deadline >= all.ingress.deadline {
            self.broken(
                &format!("{key}.players.deadline"),
                "must be shorter than `ingress.deadline`, or no question is answered in time",
            );
        }
        if project
            .studio
            .as_ref()
            .is_some_and(|studio| studio.deadline > all.ingress.deadline)
        {
            self.broken(
                &format!("{key}.studio.deadline"),
                "must not exceed `ingress.deadline`",
            );
        }
        if project.web_shop.enabled && project.web_shop.sources.is_empty() {
            self.broken(
                &format!("{key}.web_shop.sources"),
                "the check is unsigned; name the networks it may come from, such as \
                 [\"34.102.38.178\"]",
            );
        }
        if let Err(fault) = project.quarantine.check() {
            self.broken(&format!("{key}.quarantine.key"), fault.to_string());
        }
        if project.quarantine.enabled && all.ingress.sources.is_empty() {
            self.broken(
                &format!("{key}.quarantine.enabled"),
                "anybody could fill the quarantine; name the networks of Xsolla in \
                 `ingress.sources`",
            );
        }
        if let Some(publisher) = &project.publisher {
            self.tokens(&format!("{key}.publisher"), publisher);
        }
    }

    /// Each algorithm has its own key, and the other one must not lie about: a public key
    /// taken for a shared secret would let anybody sign.
    fn tokens(&mut self, key: &str, publisher: &publisher::Project) {
        match publisher.algorithm {
            Algorithm::HS256 => {
                if publisher.secret.is_none() {
                    self.broken(
                        &format!("{key}.secret"),
                        "missing; `HS256` needs the shared secret",
                    );
                }
                if !publisher.keys.is_empty() {
                    self.broken(&format!("{key}.keys"), "`HS256` takes no public keys");
                }
            }
            Algorithm::RS256 | Algorithm::ES256 => {
                if publisher.keys.is_empty() {
                    self.broken(
                        &format!("{key}.keys"),
                        "missing; this algorithm needs at least one public key in PEM form",
                    );
                }
                for (name, secret) in [
                    ("secret", &publisher.secret),
                    ("previous_secret", &publisher.previous_secret),
                ] {
                    if secret.is_some() {
                        self.broken(
                            &format!("{key}.{name}"),
                            "this algorithm takes no shared secret",
                        );
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
