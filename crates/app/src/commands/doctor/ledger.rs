//! PostgreSQL: reach, version, encryption, clock, schema, rights, durability.

use ledger::{Config, Durability, Ledger, SchemaError, Server, Standbys};

use super::Patient;
use super::clock;
use super::finding::{Finding, chain};

/// The oldest version whose functions the schema finds.
const OLDEST: i32 = 130_000;

pub(super) async fn check(patient: &Patient, config: &Config) -> Vec<Finding> {
    let server = match Server::examine(config, &patient.roles, task::now).await {
        Ok(server) => server,
        Err(error) => return vec![Finding::fail("ledger.reach", chain(error))],
    };
    let mut found = vec![
        reach(&server),
        version(server.version),
        encryption(&server, config),
        clock::judge("ledger.clock", "PostgreSQL", server.clock_ahead),
    ];
    found.extend(durability(&server.durability));
    found.push(schema(config).await);
    found.push(rights(&server));
    found
}

fn reach(server: &Server) -> Finding {
    let (at, user) = (&server.at, &server.user);
    if server.is_standby {
        return Finding::fail(
            "ledger.reach",
            format!(
                "the database at {at} is a standby and takes no writes; expected the primary: \
                 correct `ledger.url`"
            ),
        );
    }
    Finding::ok(
        "ledger.reach",
        format!("PostgreSQL answers at {at}, as user `{user}`"),
    )
}

fn version(version: i32) -> Finding {
    let shown = format!("{}.{}", version / 10_000, version % 10_000);
    if version < OLDEST {
        let oldest = OLDEST / 10_000;
        let text =
            format!("PostgreSQL is of version {shown}; expected {oldest} or later: upgrade it");
        return Finding::fail("ledger.version", text);
    }
    Finding::ok("ledger.version", format!("PostgreSQL {shown}"))
}

fn encryption(server: &Server, config: &Config) -> Finding {
    let is_here = config.endpoint().is_none_or(|at| at.is_here());
    let text = match (&server.tls, server.is_verified) {
        (Some(tls), true) => format!("{tls}, and the server's certificate is verified"),
        (Some(tls), false) => format!(
            "{tls}, and nobody verifies whose certificate it is; expected the authority that \
             signed it in `ledger.tls.ca_file`"
        ),
        (None, _) if is_here => "in the clear, on this machine".to_owned(),
        (None, _) => "passwords and orders cross the network in the clear; expected TLS: name the \
                      authority of the server's certificate in `ledger.tls.ca_file`"
            .to_owned(),
    };
    if server.is_verified || is_here {
        Finding::ok("ledger.encryption", text)
    } else {
        Finding::warn("ledger.encryption", text)
    }
}

async fn schema(config: &Config) -> Finding {
    let checked = match Ledger::open(config) {
        Ok(ledger) => {
            let checked = ledger.check_schema().await;
            ledger.close().await;
            checked
        }
        Err(error) => Err(error),
    };
    let check = "ledger.schema";
    match checked {
        Ok(()) => Finding::ok(check, "the schema is as this version needs it"),
        Err(newer @ SchemaError::Newer { .. }) => Finding::warn(check, chain(newer)),
        Err(error) => Finding::fail(check, chain(error)),
    }
}

fn rights(server: &Server) -> Finding {
    let check = "ledger.rights";
    let user = &server.user;
    if server.lacking.is_empty() {
        let text = format!("user `{user}` may do all that the roles do");
        return Finding::ok(check, text);
    }
    let grants = server.lacking.iter();
    let grants = grants.map(|it| format!("GRANT {} ON {} TO \"{user}\";", it.privilege, it.object));
    let text = format!(
        "user `{user}` may not do all that the roles do; expected the user that ran `grantline \
         migrate`, or these: {}",
        grants.collect::<Vec<_>>().join(" ")
    );
    Finding::fail(check, text)
}

/// What is acknowledged to RabbitMQ and Xsolla has to survive: by itself and in a failover.
fn durability(settings: &Durability) -> Vec<Finding> {
    let check = "ledger.durability";
    let mut found = Vec::new();
    if settings.fsync == "off" {
        let text = "`fsync` is off: a power cut loses or spoils what is booked; expected on: \
                    correct it in postgresql.conf and restart PostgreSQL";
        found.push(Finding::fail(check, text));
    }
    if settings.full_page_writes == "off" {
        let text = "`full_page_writes` is off: a power cut can spoil pages for good; expected on, \
                    unless the file system never tears a page";
        found.push(Finding::warn(check, text));
    }
    found.push(waits_for(settings));
    found
}

fn waits_for(settings: &Durability) -> Finding {
    let check = "ledger.durability";
    let names = settings.synchronous_standby_names.trim();
    match (
        settings.synchronous_commit.as_str(),
        names,
        settings.standbys,
    ) {
        ("off", ..) => Finding::fail(
            check,
            "`synchronous_commit` is off: a crash loses orders that were acknowledged; expected \
             on, for this user as well (ALTER ROLE … RESET synchronous_commit)",
        ),
        (_, "", _) => Finding::warn(
            check,
            "no standby has a commit before it is acknowledged: a failover loses the last orders; \
             expected `synchronous_standby_names`, if there is one to fail over to",
        ),
        ("local", ..) => Finding::warn(
            check,
            "`synchronous_commit` is local: commits do not wait for the standbys of \
             `synchronous_standby_names`, and a failover loses the last orders; expected on",
        ),
        (
            _,
            _,
            Some(Standbys {
                synchronous: 0,
                all,
            }),
        ) => Finding::fail(
            check,
            format!(
                "commits wait for standbys `{names}`, and of {all} connected one(s) none is \
                 among them: nothing can be booked; expected it to be connected under such an \
                 `application_name`"
            ),
        ),
        (_, _, seen) => {
            let seen =
                seen.map_or_else(String::new, |it| format!(", {} connected", it.synchronous));
            let text = format!("a commit is on a synchronous standby as well (`{names}`{seen})");
            Finding::ok(check, text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Grade;
    use super::*;

    fn settings(commit: &str, names: &str, synchronous: Option<i64>) -> Durability {
        Durability {
            fsync: "on".to_owned(),
            full_page_writes: "on".to_owned(),
            synchronous_commit: commit.to_owned(),
            synchronous_standby_names: names.to_owned(),
            standbys: synchronous.map(|synchronous| Standbys {
                all: 2,
                synchronous,
            }),
        }
    }

    #[test]
    fn only_a_synchronous_standby_makes_a_failover_safe() {
        for (commit, names, synchronous, grade) in [
            ("on", "s1", Some(1), Grade::Ok),
            ("remote_apply", "ANY 1 (s1, s2)", None, Grade::Ok),
            ("on", "", Some(0), Grade::Warn),
            ("local", "s1", Some(1), Grade::Warn),
            ("on", "s1", Some(0), Grade::Fail),
            ("off", "s1", Some(1), Grade::Fail),
            ("off", "", None, Grade::Fail),
        ] {
            let found = durability(&settings(commit, names, synchronous));
            let grades: Vec<_> = found.iter().map(|it| it.grade).collect();
            assert_eq!(grades, [grade], "{commit} {names:?} {synchronous:?}");
        }
    }

    #[test]
    fn a_server_that_does_not_wait_for_its_disk_is_a_failure() {
        let unsafe_one = Durability {
            fsync: "off".to_owned(),
            full_page_writes: "off".to_owned(),
            ..settings("on", "s1", Some(1))
        };
        let grades: Vec<_> = durability(&unsafe_one).iter().map(|it| it.grade).collect();
        assert_eq!(grades, [Grade::Fail, Grade::Warn, Grade::Ok]);
    }

    #[test]
    fn an_old_server_is_a_failure() {
        assert_eq!(version(120_020).grade, Grade::Fail);
        assert_eq!(version(150_018).text, "PostgreSQL 15.18");
    }
}
