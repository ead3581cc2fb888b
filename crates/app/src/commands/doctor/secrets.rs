//! Secrets that look swapped, shared or weak. A secret's value is compared and never shown.

use std::collections::BTreeMap;

use secret::{Revealed, Secret};

use super::finding::Finding;
use crate::configuration::Configuration;

/// Fewer can be guessed from one signed body.
const LEAST_CHARS: usize = 16;

/// What a secret is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    /// Signs webhooks.
    Webhooks,
    /// Signs players' tokens.
    Tokens,
    /// Opens the api.
    Api,
    /// Opens the studio's service.
    Studio,
    /// Encrypts the quarantine.
    Quarantine,
}

impl Use {
    const fn origin(self) -> &'static str {
        match self {
            Self::Webhooks => {
                "the secret of Publisher Account → Project settings → Webhooks, which is not the \
                 API key"
            }
            Self::Tokens => "the secret of the Login project's `HS256`",
            Self::Api => "a key that was drawn for this caller alone",
            Self::Studio => "what the studio's service expects",
            Self::Quarantine => "32 random bytes that nothing else uses",
        }
    }
}

struct Item {
    key: String,
    purpose: Use,
    value: Revealed,
}

pub(super) fn check(config: &Configuration) -> Vec<Finding> {
    judge(&items(config), &login_projects(config))
}

fn items(config: &Configuration) -> Vec<Item> {
    let mut items = Vec::new();
    let mut add = |key: String, purpose, secret: &Secret| {
        let value = secret.reveal();
        items.push(Item {
            key,
            purpose,
            value,
        });
    };
    for (id, project) in &config.projects {
        let id = id.0;
        for (list, secrets) in [
            ("webhook_secrets", &project.webhook_secrets),
            ("order_webhook_secrets", &project.order_webhook_secrets),
        ] {
            for (place, secret) in secrets.iter().enumerate() {
                let key = format!("projects.{id}.{list}[{place}]");
                add(key, Use::Webhooks, secret);
            }
        }
        let (tokens, studio) = (project.publisher.as_ref(), project.studio.as_ref());
        for (key, purpose, secret) in [
            (
                "publisher.secret",
                Use::Tokens,
                tokens.and_then(|it| it.secret.as_ref()),
            ),
            (
                "publisher.previous_secret",
                Use::Tokens,
                tokens.and_then(|it| it.previous_secret.as_ref()),
            ),
            (
                "quarantine.key",
                Use::Quarantine,
                project.quarantine.key.as_ref(),
            ),
            (
                "studio.authorization",
                Use::Studio,
                studio.and_then(|it| it.authorization.as_ref()),
            ),
        ] {
            if let Some(secret) = secret {
                add(format!("projects.{id}.{key}"), purpose, secret);
            }
        }
    }
    for (name, key) in &config.api.keys {
        add(format!("api.keys.{name}.secret"), Use::Api, &key.secret);
    }
    items
}

fn login_projects(config: &Configuration) -> Vec<&str> {
    let publishers = config
        .projects
        .values()
        .filter_map(|it| it.publisher.as_ref());
    publishers.map(|it| it.login_project_id.as_str()).collect()
}

fn judge(items: &[Item], login_projects: &[&str]) -> Vec<Finding> {
    let check = "secrets";
    let mut found = Vec::new();
    for item in items {
        found.extend(form(item, login_projects));
    }
    let mut owners: BTreeMap<&str, Vec<&Item>> = BTreeMap::new();
    for item in items {
        owners.entry(item.value.trim()).or_default().push(item);
    }
    found.extend(owners.values().filter_map(|owners| shared(owners)));
    if found.is_empty() {
        let text = format!("{} secret(s), none swapped, shared or short", items.len());
        found.push(Finding::ok(check, text));
    }
    found
}

/// What is odd about one by itself.
fn form(item: &Item, login_projects: &[&str]) -> Option<Finding> {
    let Item {
        key,
        purpose,
        value,
    } = item;
    let (check, origin) = ("secrets", purpose.origin());
    let trimmed = value.trim();
    if trimmed.len() != value.len() {
        let text = format!(
            "`{key}` begins or ends with a blank or a line's end, which counts as part of it; \
             expected {origin}: take the blank away"
        );
        return Some(Finding::fail(check, text));
    }
    let other = if login_projects.contains(&trimmed) {
        Some("a `login_project_id`")
    } else {
        resembles(trimmed, *purpose)
    };
    if let Some(other) = other {
        let text = format!("`{key}` looks like {other}; expected {origin}: exchange it");
        return Some(Finding::fail(check, text));
    }
    if trimmed.chars().count() < LEAST_CHARS {
        let text = format!(
            "`{key}` has fewer than {LEAST_CHARS} characters and can be guessed; expected a long \
             random one: draw another, with `openssl rand -hex 32` where you may choose"
        );
        return Some(Finding::warn(check, text));
    }
    None
}

/// What else a text is, by its form.
fn resembles(text: &str, purpose: Use) -> Option<&'static str> {
    let begins = |with: &str| {
        let start = text.get(..with.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(with))
    };
    // The studio's may be any value of a header.
    let is_header =
        purpose != Use::Studio && ["Signature ", "Bearer ", "Basic "].into_iter().any(begins);
    if is_header {
        Some("the value of a header")
    } else if begins("-----BEGIN") {
        Some("a key or a certificate in PEM form")
    } else if text.contains("://") {
        Some("a URL")
    } else if begins("eyJ") && text.split('.').count() == 3 {
        Some("a token")
    } else if text.bytes().all(|byte| byte.is_ascii_digit()) {
        Some("the id of a project or a merchant")
    } else {
        None
    }
}

/// What is odd about one value in several places.
fn shared(owners: &[&Item]) -> Option<Finding> {
    let [first, .., last] = owners else {
        return None;
    };
    let check = "secrets";
    let keys: Vec<_> = owners.iter().map(|it| format!("`{}`", it.key)).collect();
    let keys = keys.join(", ");
    if let Some(other) = owners.iter().find(|it| it.purpose != first.purpose) {
        let text = format!(
            "{keys} are one and the same, and cannot all be right; expected {} in `{}`, and {} in \
             `{}`: correct the one that was swapped",
            first.purpose.origin(),
            first.key,
            other.purpose.origin(),
            other.key,
        );
        return Some(Finding::fail(check, text));
    }
    let text = match first.purpose {
        // A notice of orders alone does not name its project.
        Use::Webhooks if section(&first.key) != section(&last.key) => format!(
            "{keys} are one and the same, so that an order of one project would be taken for one \
             of the other; expected a secret of its own for each project: draw another"
        ),
        Use::Webhooks | Use::Tokens | Use::Studio => return twice(first, last, &keys),
        Use::Api | Use::Quarantine => format!(
            "{keys} are one and the same; expected {}: draw another",
            first.purpose.origin()
        ),
    };
    Some(Finding::warn(check, text))
}

/// In one list a second copy is of no use; elsewhere it may have to be so.
fn twice(first: &Item, last: &Item, keys: &str) -> Option<Finding> {
    let list_of = |item: &Item| item.key.split_once('[').map(|(list, _)| list.to_owned());
    let is_one_list = list_of(first).is_some() && list_of(first) == list_of(last);
    is_one_list.then(|| {
        let text = format!("{keys} are one and the same; leave out one of them");
        Finding::warn("secrets", text)
    })
}

/// `projects.44056` of a key.
fn section(key: &str) -> String {
    key.split('.').take(2).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::super::finding::Grade;
    use super::*;

    const GOOD: &str = "canary-5f0e7d1b2a9c4e83";

    fn item(key: &str, purpose: Use, value: &str) -> Item {
        Item {
            key: key.to_owned(),
            purpose,
            value: Secret::inline(value).unwrap().reveal(),
        }
    }

    fn grades(items: &[Item]) -> Vec<Grade> {
        let found = judge(items, &["17a1c0de-0000-4000-8000-000000000001"]);
        for finding in &found {
            assert!(!finding.text.contains("canary"), "{}", finding.text);
        }
        found.iter().map(|it| it.grade).collect()
    }

    #[test]
    fn what_looks_like_something_else_is_a_failure() {
        for (value, grade) in [
            (GOOD, Grade::Ok),
            ("short", Grade::Warn),
            ("canary-5f0e7d1b2a9c4e83\n", Grade::Fail),
            (" canary-5f0e7d1b2a9c4e83", Grade::Fail),
            ("17a1c0de-0000-4000-8000-000000000001", Grade::Fail),
            ("https://canary.example/hooks", Grade::Fail),
            ("eyJhbGciOiJIUzI1NiJ9.canary.canary", Grade::Fail),
            ("-----BEGIN PUBLIC KEY-----canary", Grade::Fail),
            ("Signature canary5f0e7d1b2a9c4e83", Grade::Fail),
            ("44056", Grade::Fail),
        ] {
            let one = item("projects.1.webhook_secrets[0]", Use::Webhooks, value);
            assert_eq!(grades(&[one]), [grade], "{value:?}");
        }
        let studio = item(
            "projects.1.studio.authorization",
            Use::Studio,
            "Bearer canary-5f0e7d1b",
        );
        assert_eq!(grades(&[studio]), [Grade::Ok]);
    }

    #[test]
    fn one_value_for_two_purposes_is_a_failure() {
        let webhook = item("projects.1.webhook_secrets[0]", Use::Webhooks, GOOD);
        for (key, purpose) in [
            ("api.keys.game.secret", Use::Api),
            ("projects.1.publisher.secret", Use::Tokens),
            ("projects.1.quarantine.key", Use::Quarantine),
        ] {
            let both = [
                item(key, purpose, GOOD),
                item(&webhook.key, Use::Webhooks, GOOD),
            ];
            let found = judge(&both, &[]);
            assert_eq!(found.len(), 1, "{found:?}");
            assert_eq!(found[0].grade, Grade::Fail);
            for key in [key, &webhook.key] {
                assert!(found[0].text.contains(key), "{}", found[0].text);
            }
            assert!(!found[0].text.contains(GOOD));
        }
    }

    #[test]
    fn one_secret_of_two_projects_or_twice_in_a_list_is_a_warning() {
        let first = || item("projects.1.webhook_secrets[0]", Use::Webhooks, GOOD);
        let again = item("projects.1.webhook_secrets[1]", Use::Webhooks, GOOD);
        assert_eq!(grades(&[first(), again]), [Grade::Warn]);
        let foreign = item("projects.2.webhook_secrets[0]", Use::Webhooks, GOOD);
        assert_eq!(grades(&[first(), foreign]), [Grade::Warn]);
        // As it is where nobody set up orders apart.
        let orders = item("projects.1.order_webhook_secrets[0]", Use::Webhooks, GOOD);
        assert_eq!(grades(&[first(), orders]), [Grade::Ok]);
        let tokens = |project| item(project, Use::Tokens, GOOD);
        let both = [
            tokens("projects.1.publisher.secret"),
            tokens("projects.2.publisher.secret"),
        ];
        assert_eq!(grades(&both), [Grade::Ok]);
    }
}
