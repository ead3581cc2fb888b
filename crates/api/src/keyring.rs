//! Who calls, and what they may do.

use std::collections::BTreeSet;

use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;
use order::ProjectId;
use secret::Secret;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::fault::Fault;
use crate::{Config, Right, StartError};

/// Every caller of the configuration.
#[derive(Debug)]
pub(crate) struct Keyring(Vec<Caller>);

/// One caller.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) name: String,
    secret: Secret,
    rights: BTreeSet<Right>,
    /// Empty for all of them.
    projects: BTreeSet<ProjectId>,
}

impl Keyring {
    pub(crate) fn new(config: &Config) -> Result<Self, StartError> {
        let project = |name: &String, found: i64| {
            ProjectId::try_from(found).map_err(|_| StartError::NoProject {
                key: name.clone(),
                found,
            })
        };
        let caller = |(name, key): (&String, &crate::Key)| {
            let projects = key.projects.iter().map(|found| project(name, *found));
            Ok(Caller {
                name: name.clone(),
                secret: key.secret.clone(),
                rights: key.rights.clone(),
                projects: projects.collect::<Result<_, StartError>>()?,
            })
        };
        let callers: Vec<Caller> = config
            .keys
            .iter()
            .map(caller)
            .collect::<Result<_, StartError>>()?;
        let mut digests = std::collections::BTreeMap::new();
        for caller in &callers {
            if let Some(other) = digests.insert(digest(&caller.secret.reveal()), &caller.name) {
                return Err(StartError::SameSecret {
                    one: other.clone(),
                    other: caller.name.clone(),
                });
            }
        }
        Ok(Self(callers))
    }

    /// Finds the caller by the key sent. Compares digests, and all of them, so that the
    /// time tells neither a key's length nor its place.
    pub(crate) fn authenticate(&self, headers: &HeaderMap) -> Result<&Caller, Fault> {
        let sent = digest(bearer(headers).ok_or(Fault::NoKey)?);
        let mut found = None;
        for caller in &self.0 {
            // Read anew each time: the secret may be a file that has changed.
            if bool::from(digest(&caller.secret.reveal()).ct_eq(&sent)) {
                found = Some(caller);
            }
        }
        found.ok_or(Fault::UnknownKey)
    }
}

impl Caller {
    pub(crate) fn has(&self, right: Right) -> bool {
        self.rights.contains(&right)
    }

    pub(crate) fn must_have(&self, right: Right) -> Result<(), Fault> {
        if self.has(right) {
            return Ok(());
        }
        Err(Fault::NoRight {
            key: self.name.clone(),
            right: right.as_str(),
        })
    }

    /// Whether it may see rows of this project, or rows of which no project is known.
    pub(crate) fn may_see(&self, project: Option<ProjectId>) -> bool {
        self.projects.is_empty() || project.is_some_and(|project| self.projects.contains(&project))
    }

    pub(crate) fn must_see(&self, project: ProjectId) -> Result<(), Fault> {
        if self.may_see(Some(project)) {
            return Ok(());
        }
        Err(Fault::ForeignProject {
            key: self.name.clone(),
            project,
        })
    }

    /// The projects it is restricted to, if it is.
    pub(crate) const fn restricted_to(&self) -> &BTreeSet<ProjectId> {
        &self.projects
    }
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, key) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let key = key.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !key.is_empty()).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Key;

    fn keyring(keys: &[(&str, &str, &[i64])]) -> Result<Keyring, String> {
        let key = |(name, secret, projects): &(&str, &str, &[i64])| {
            let key = Key {
                secret: Secret::inline(*secret).unwrap(),
                rights: [Right::Read].into(),
                projects: projects.iter().copied().collect(),
            };
            ((*name).to_owned(), key)
        };
        let config = Config {
            keys: keys.iter().map(key).collect(),
            ..Config::default()
        };
        Keyring::new(&config).map_err(|fault| fault.to_string())
    }

    #[test]
    fn two_keys_with_one_secret_are_refused_by_name() {
        let fault = keyring(&[("game", "same", &[]), ("desk", "same", &[])]).unwrap_err();
        assert!(
            fault.contains("`api.keys.desk`") && fault.contains("`api.keys.game`"),
            "{fault}"
        );
    }

    #[test]
    fn a_project_that_is_none_is_refused_by_name() {
        let fault = keyring(&[("game", "secret", &[-1])]).unwrap_err();
        assert_eq!(
            fault,
            "`api.keys.game.projects`: expected project ids above 0, found -1"
        );
    }

    #[test]
    fn rows_without_a_project_are_for_callers_of_all_projects() {
        let keyring = keyring(&[("all", "a", &[]), ("some", "b", &[7, 8])]).unwrap();
        let [all, some] = &keyring.0[..] else {
            panic!("two callers");
        };
        let project = |id: i64| Some(ProjectId::try_from(id).unwrap());
        assert!(all.may_see(None) && all.may_see(project(9)));
        assert!(some.may_see(project(7)) && some.may_see(project(8)));
        assert!(!some.may_see(None) && !some.may_see(project(9)));
    }
}
