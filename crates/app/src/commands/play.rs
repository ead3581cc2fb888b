//! `grantline play`: a scenario or somebody's own notices, sent to an instance and judged.

use std::io::{self, Read as _};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, anyhow, bail};
use rehearsal::{
    GameClient, GameServer, Instance, Pace, Purchase, Scenario, Script, Target, Webhook,
};
use secret::Secret;

use crate::cli::{Play, TargetArgs};
use crate::printer::{Printer, Style};

/// The project in the notices where nobody names one: a foreign receiver may not care.
const SOME_PROJECT: i64 = 44_056;
/// The player where we cannot register one.
const SOME_PLAYER: &str = "mira";

pub(crate) async fn run(play: &Play) -> anyhow::Result<ExitCode> {
    let (target, project) = target(&play.target)?;
    let mut purchase = Purchase::draw(project, SOME_PLAYER);
    if target.server.is_some() {
        // A player of this run's own: what others do does not change what it holds.
        purchase.player = format!("{SOME_PLAYER}-{}", purchase.order);
    }
    let script = script(play, &purchase, &target)?;
    let style = if play.json {
        Style::Json
    } else {
        Style::of_standard_output()
    };
    let pace = Pace {
        limit: play.timeout,
        unix_now: task::now().unix_timestamp(),
    };
    let all_met = show(
        &script,
        &target,
        pace,
        &mut Printer::new(io::stdout(), style),
    )
    .await?;
    Ok(if all_met {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Plays the script and prints each step. Returns whether all of them ended as expected.
pub(crate) async fn show<W: io::Write>(
    script: &Script,
    target: &Target,
    pace: Pace,
    printer: &mut Printer<W>,
) -> anyhow::Result<bool> {
    printer.begin(script, target)?;
    let began = Instant::now();
    let mut outcome = Ok(());
    let tell = |report: &rehearsal::Report| {
        if outcome.is_ok() {
            outcome = printer.step(report);
        }
    };
    let all_met = rehearsal::play(script, target, pace, tell).await?;
    outcome?;
    printer.end(all_met, began.elapsed())?;
    Ok(all_met)
}

fn script(play: &Play, purchase: &Purchase, target: &Target) -> anyhow::Result<Script> {
    let (what, overrides) = (play.what.as_str(), &play.overrides);
    if let Ok(scenario) = what.parse::<Scenario>() {
        return Ok(scenario.script(purchase, overrides, target.views())?);
    }
    let text = if what == "-" {
        io::read_to_string(io::stdin()).context("cannot read notices from standard input")?
    } else {
        read(Path::new(what))?
    };
    Script::of_notices(what, &text, purchase, overrides)
        .with_context(|| format!("cannot send {what}"))
}

fn read(path: &Path) -> anyhow::Result<String> {
    let names = Scenario::ALL.map(Scenario::as_str).join(", ");
    let mut file = std::fs::File::open(path).with_context(|| {
        format!(
            "`{}` is neither a scenario ({names}) nor a file that can be read",
            path.display()
        )
    })?;
    let mut text = String::new();
    file.read_to_string(&mut text)
        .with_context(|| format!("cannot read notices from {}", path.display()))?;
    Ok(text)
}

/// Whom the arguments mean, and its project.
fn target(args: &TargetArgs) -> anyhow::Result<(Target, i64)> {
    let url = args.webhook_url.as_ref().or(args.forward_to.as_ref());
    let (mut target, in_file) = match (url, &args.secret_file) {
        (Some(url), Some(file)) => (alone(url, Secret::from_file(file)?), None),
        (Some(url), None) => {
            let (known, project) = instance(&args.instance)?;
            (alone(url, known.webhook.secret), Some(project))
        }
        (None, file) => {
            let (mut known, project) = instance(&args.instance)?;
            if let Some(file) = file {
                known.webhook.secret = Secret::from_file(file)?;
            }
            (known, Some(project))
        }
    };
    let in_url = url.and_then(|url| number_in(url));
    if let (Some(url), Some(secret), Some(login_project)) = (
        &args.client_url,
        &args.login_secret_file,
        &args.login_project_id,
    ) {
        target.client = Some(GameClient {
            url: url.clone(),
            login_secret: Secret::from_file(secret)?,
            login_project: login_project.clone(),
            issuer: args.issuer.clone(),
        });
    }
    if let (Some(url), Some(key)) = (&args.api_url, &args.api_key_file) {
        target.server = Some(GameServer {
            url: url.clone(),
            key: Secret::from_file(key)?,
        });
    }
    match args.project.or(in_url).or(in_file) {
        Some(project) => Ok((target, project)),
        None if args.forward_to.is_some() => Ok((target, SOME_PROJECT)),
        None => bail!("the webhook URL does not end in a project's id; name it with --project"),
    }
}

/// A receiver of which nothing is known but its address.
fn alone(url: &str, secret: Secret) -> Target {
    Target {
        webhook: Webhook {
            url: url.to_owned(),
            secret,
        },
        client: None,
        server: None,
    }
}

/// The instance a file tells of. What to do comes last, behind what is wrong.
fn instance(path: &Path) -> anyhow::Result<(Target, i64)> {
    let found = Instance::read(path).and_then(|it| Ok((it.target(path)?, it.project)));
    found.map_err(|error| {
        anyhow!(
            "no running instance is known here: {:#}; start one in this folder with `grantline \
             serve`, or name one with --webhook-url and --secret-file",
            anyhow::Error::new(error)
        )
    })
}

/// The number a URL's path ends with.
fn number_in(url: &str) -> Option<i64> {
    let path = url.split(['?', '#']).next().unwrap_or(url);
    path.trim_end_matches('/').rsplit('/').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_project_is_the_last_number_of_the_path() {
        for (url, project) in [
            ("http://a:8080/webhooks/xsolla/44056", Some(44_056)),
            ("http://a/hooks/7/?x=9", Some(7)),
            ("http://a:8080/", None),
            ("http://a/hooks/xsolla", None),
        ] {
            assert_eq!(number_in(url), project, "{url}");
        }
    }
}
