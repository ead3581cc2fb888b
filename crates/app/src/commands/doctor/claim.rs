//! Redis: reach, version, rights, clock, what it drops.

use claim::{Config, Server};

use super::clock;
use super::finding::{Finding, chain};

/// The first that says in one command what was there and claims it.
const OLDEST: u64 = 7;

pub(super) async fn check(config: &Config) -> Vec<Finding> {
    let server = match Server::examine(config, task::now).await {
        Ok(Some(server)) => server,
        Ok(None) => {
            let text = "no Redis is configured: the ledger sees every repeat, and does as well";
            return vec![Finding::ok("claim.reach", text)];
        }
        Err(error) => return vec![Finding::fail("claim.reach", chain(error))],
    };
    let answers = format!("Redis answers at {}", server.at);
    let mut found = vec![
        Finding::ok("claim.reach", answers),
        version(server.version.as_deref()),
        rights(&server.refused),
    ];
    found.extend(server.eviction.as_deref().map(eviction));
    let ahead = server.clock_ahead;
    found.extend(ahead.map(|ahead| clock::judge("claim.clock", "Redis", ahead)));
    found
}

fn version(version: Option<&str>) -> Finding {
    let check = "claim.version";
    let Some(version) = version else {
        let text = "the version and settings of Redis were not looked at; expected a user that \
                    may call INFO: `ACL SETUSER … +info`";
        return Finding::warn(check, text);
    };
    let major = version.split('.').next().and_then(|it| it.parse().ok());
    if major.is_some_and(|major: u64| major >= OLDEST) {
        return Finding::ok(check, format!("Redis {version}"));
    }
    let text = format!("Redis is of version {version}; expected {OLDEST} or later: upgrade it");
    Finding::fail(check, text)
}

fn rights(refused: &[String]) -> Finding {
    let check = "claim.rights";
    if refused.is_empty() {
        return Finding::ok(check, "claims and marks can be set and taken back");
    }
    let text = format!(
        "Redis refuses what workers do ({}); expected a primary with room, and a user that may \
         call SET, EVAL, GET and DEL on keys that begin with `claim.key_prefix`: `ACL SETUSER`",
        refused.join("; ")
    );
    Finding::fail(check, text)
}

fn eviction(policy: &str) -> Finding {
    let check = "claim.eviction";
    if policy == "noeviction" {
        return Finding::ok(check, "a full Redis refuses, and drops nothing");
    }
    let text = format!(
        "`maxmemory-policy` is {policy}: a full Redis drops marks and nobody hears of it; \
         expected noeviction: CONFIG SET maxmemory-policy noeviction"
    );
    Finding::warn(check, text)
}

#[cfg(test)]
mod tests {
    use super::super::finding::Grade;
    use super::*;

    #[test]
    fn an_old_redis_fails_and_one_that_drops_marks_is_a_warning() {
        assert_eq!(version(Some("6.2.14")).grade, Grade::Fail);
        assert_eq!(version(Some("7.0.15")).grade, Grade::Ok);
        assert_eq!(version(Some("10.0.0")).grade, Grade::Ok);
        assert_eq!(version(None).grade, Grade::Warn);
        assert_eq!(eviction("allkeys-lru").grade, Grade::Warn);
    }
}
