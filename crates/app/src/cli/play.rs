//! The arguments of `grantline play`.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use humantime_serde::re::humantime;
use rehearsal::{Instance, Override, Scenario};

#[derive(Debug, Args)]
#[command(after_help = scenarios())]
pub(crate) struct Play {
    /// A scenario, or a file of notices: a JSON list, one per line, or a single one; `-` for
    /// standard input. They are sent in order, byte for byte.
    #[arg(value_name = "SCENARIO|FILE", default_value = Scenario::Paid.as_str())]
    pub(crate) what: String,
    /// Another value for a field: `user.external_id=mira`, `items.0.quantity=3`. A text stays
    /// a text; PATH:=JSON takes any JSON. Changes the notices that have most of the path.
    #[arg(long = "set", value_name = "PATH=VALUE")]
    pub(crate) overrides: Vec<Override>,
    /// Print one JSON object per step.
    #[arg(long)]
    pub(crate) json: bool,
    /// How long an answer, a status or a booking may take.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub(crate) timeout: Duration,
    #[command(flatten)]
    pub(crate) target: TargetArgs,
}

/// Against whom. Without any of these: the demo instance started in this folder.
#[derive(Debug, Args)]
#[command(next_help_heading = "Against")]
pub(crate) struct TargetArgs {
    /// The file in which a running instance says how it can be reached.
    #[arg(long, value_name = "FILE", default_value = Instance::DEFAULT_PATH)]
    pub(crate) instance: PathBuf,
    /// Send to this instance, and watch it as far as --client-url and --api-url allow.
    #[arg(
        long,
        value_name = "URL",
        requires = "secret_file",
        conflicts_with = "instance"
    )]
    pub(crate) webhook_url: Option<String>,
    /// Send to this receiver of Xsolla's webhooks and judge its answers alone. Signed with
    /// the instance's secret if --secret-file names no other.
    #[arg(long, value_name = "URL", conflicts_with_all = ["webhook_url", "client_url", "api_url"])]
    pub(crate) forward_to: Option<String>,
    /// File with the secret that signs the notices.
    #[arg(long, value_name = "FILE")]
    pub(crate) secret_file: Option<PathBuf>,
    /// Xsolla's project id; otherwise the last number in the webhook URL's path, or the
    /// instance's.
    #[arg(long, value_name = "ID", value_parser = clap::value_parser!(i64).range(1..))]
    pub(crate) project: Option<i64>,
    /// Watch as a game client at this publisher: http://HOST:PORT.
    #[arg(
        long,
        value_name = "URL",
        requires = "webhook_url",
        requires = "login_secret_file",
        requires = "login_project_id"
    )]
    pub(crate) client_url: Option<String>,
    /// File with the shared secret of the players' tokens (HS256).
    #[arg(long, value_name = "FILE", requires = "client_url")]
    pub(crate) login_secret_file: Option<PathBuf>,
    /// The Login project the players' tokens name.
    #[arg(long, value_name = "UUID", requires = "client_url")]
    pub(crate) login_project_id: Option<String>,
    /// The issuer the players' tokens name.
    #[arg(
        long,
        value_name = "URL",
        requires = "client_url",
        default_value = "https://login.xsolla.com"
    )]
    pub(crate) issuer: String,
    /// Register the player and read the inventory at this api: http://HOST:PORT.
    #[arg(
        long,
        value_name = "URL",
        requires = "webhook_url",
        requires = "api_key_file"
    )]
    pub(crate) api_url: Option<String>,
    /// File with an api key that has the rights `register` and `read`.
    #[arg(long, value_name = "FILE", requires = "api_url")]
    pub(crate) api_key_file: Option<PathBuf>,
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(Duration::ZERO) => Err("expected more than nothing".to_owned()),
        Ok(duration) => Ok(duration),
        Err(_) => Err("expected a duration with its unit, such as 500ms or 10s".to_owned()),
    }
}

fn scenarios() -> String {
    let mut text = "Scenarios:\n".to_owned();
    for scenario in Scenario::ALL {
        // Writing to a text cannot fail.
        let _ = writeln!(text, "  {:<15} {}", scenario.as_str(), scenario.about());
    }
    text.push_str("\nExits with 0 if everything came as expected, with 1 if anything did not.");
    text
}
