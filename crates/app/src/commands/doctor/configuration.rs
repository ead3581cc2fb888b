//! The configuration: whether it can be loaded, and what is likely missing.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use rehearsal::Instance;
use task::Role;

use super::Patient;
use super::finding::{Finding, chain};
use super::ingress::Ingress;
use crate::cli::Doctor;
use crate::configuration::{Configuration, Sources};
use crate::demo::Demo;

const CHECK: &str = "configuration";

/// What is wrong with the configuration, and what there is to look at beyond it.
pub(super) fn check(doctor: &Doctor, config: Option<&Path>) -> (Vec<Finding>, Option<Patient>) {
    let mut sources = match super::super::sources(config) {
        Ok(sources) => sources,
        Err(error) => return (vec![Finding::fail(CHECK, chain(error))], None),
    };
    let mut demo = None;
    if Demo::is_wanted(&sources) {
        match Demo::existing(&doctor.data) {
            Some(existing) => {
                sources.file = Some(existing.configuration(&sources));
                demo = Some(existing);
            }
            None if Demo::file(&sources).is_some() => return (vec![nothing(doctor)], None),
            None => {}
        }
    }
    let config = match Configuration::load(&sources) {
        Ok(loaded) => loaded.value,
        Err(faults) => {
            let each = faults.iter();
            let each = each.map(|fault| Finding::fail(CHECK, fault.to_string()));
            return (each.collect(), None);
        }
    };
    let findings = complete(&config, &sources, demo.is_some());
    let ingress = ingress(doctor, &config, demo.as_ref());
    let roles: BTreeSet<_> = doctor.roles.iter().copied().collect();
    let patient = Patient {
        config,
        roles: if roles.is_empty() {
            Role::ALL.into()
        } else {
            roles
        },
        ingress,
        limit: doctor.timeout,
    };
    (findings, Some(patient))
}

fn nothing(doctor: &Doctor) -> Finding {
    let text = format!(
        "nothing is configured, and no demo was served in {}; name a configuration with --config, \
         or a demo's folder with --data, or make one with `grantline serve`",
        doctor.data.display()
    );
    Finding::warn(CHECK, text)
}

fn complete(config: &Configuration, sources: &Sources, is_demo: bool) -> Vec<Finding> {
    let whose = match &sources.file {
        Some(file) => file.path.display().to_string(),
        None => "the environment".to_owned(),
    };
    let text = format!("{whose} is sound: {} project(s)", config.projects.len());
    let mut found = vec![Finding::ok(CHECK, text)];
    if config.projects.is_empty() {
        let text = "no project is configured, so that every webhook is answered 503; expected \
                    [projects.ID] with `webhook_secrets_file`";
        found.push(Finding::warn(CHECK, text));
    }
    for (id, project) in &config.projects {
        if project.publisher.is_none() {
            let text = format!(
                "no player of project {} can connect; expected [projects.{}.publisher] with the \
                 Login project of their tokens",
                id.0, id.0
            );
            found.push(Finding::warn(CHECK, text));
        }
        if project.rehearsal && !is_demo {
            let text = format!(
                "project {} is for rehearsals: whoever has its webhook secret may fill the ledger; \
                 expected no `rehearsal = true` where players really buy",
                id.0
            );
            found.push(Finding::warn(CHECK, text));
        }
    }
    if config.api.keys.is_empty() {
        let text = "nobody may call the api; expected [api.keys.NAME] for the game's servers";
        found.push(Finding::warn(CHECK, text));
    }
    found
}

fn ingress(doctor: &Doctor, config: &Configuration, demo: Option<&Demo>) -> Ingress {
    if let Some(url) = &doctor.ingress_url {
        return Ingress::Named(url.clone());
    }
    // A demo may have any port, and says which.
    let said = demo.and_then(|demo| Instance::read(&demo.instance_file()).ok());
    if let Some(instance) = said
        && let Some((base, _)) = instance.webhook_url.split_once("/webhooks/")
    {
        return Ingress::Assumed(base.to_owned());
    }
    match config.ingress.listen.port() {
        0 => Ingress::Unknown,
        port => {
            let here = SocketAddr::new(from_here(config.ingress.listen.ip()), port);
            Ingress::Assumed(format!("http://{here}"))
        }
    }
}

/// Where a listener is reached from its own machine.
fn from_here(listens: IpAddr) -> IpAddr {
    match listens {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        IpAddr::V4(_) | IpAddr::V6(_) => listens,
    }
}
