//! The arguments of `grantline doctor`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use task::Role;

use super::play::duration;
use crate::demo::Demo;

/// Looks at the configuration, at every server in it and at the running ingress, all at once,
/// and changes nothing but a key in Redis that expires within a second.
#[derive(Debug, Args)]
#[command(after_help = WHAT_IS_LOOKED_AT)]
pub(crate) struct Doctor {
    /// Look for the rights that these roles need: ingress, worker, publisher, api. Without it
    /// for those that all of them need.
    #[arg(long, value_delimiter = ',', value_name = "ROLE,…")]
    pub(crate) roles: Vec<Role>,
    /// Where the ingress is reached: what stands before `/webhooks/xsolla/…`. Without it
    /// `ingress.listen` on this machine, or the instance that serves the demo.
    #[arg(long, value_name = "URL")]
    pub(crate) ingress_url: Option<String>,
    /// How long a server may take to answer a check.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub(crate) timeout: Duration,
    /// Folder of the demo project, which is looked at while nothing is configured.
    #[arg(long, value_name = "FOLDER", default_value = Demo::FOLDER)]
    pub(crate) data: PathBuf,
    /// Print one JSON object: `verdict`, `counts`, and `findings` with `check`, `grade` and
    /// `text` each. The words of `verdict` and `grade` are `ok`, `warn` and `fail`.
    #[arg(long)]
    pub(crate) json: bool,
}

const WHAT_IS_LOOKED_AT: &str = "\
configuration  whether it can be loaded, and what is missing in it
secrets        swapped, used twice, too short, with blanks around them
ledger         PostgreSQL: reach, version, TLS, clock, schema, rights, what a commit survives;
               or the embedded stack's file: version, and that it holds together
broker         RabbitMQ: reach, rights, TLS; over its management API version, clock, alarms,
               members of the queues, topology and policies
claim          Redis: reach, version, TLS, clock, rights, eviction
ingress        a signed question about a player whom nobody knows, as Xsolla's own test sends it,
               and a forged one

Exits with 1 if anything fails, with 0 if there are warnings alone. No secret is printed.";
