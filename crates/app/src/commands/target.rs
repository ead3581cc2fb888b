//! Whom the arguments of a command mean.

use std::path::Path;

use anyhow::{anyhow, bail};
use rehearsal::{GameClient, GameServer, Instance, Target, Webhook};
use secret::Secret;

use crate::cli::TargetArgs;

/// The project in the notices where nobody names one: a foreign receiver may not care.
const SOME_PROJECT: i64 = 44_056;

/// Whom the arguments mean, and its project.
pub(crate) fn target(args: &TargetArgs) -> anyhow::Result<(Target, i64)> {
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
pub(crate) fn number_in(url: &str) -> Option<i64> {
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
