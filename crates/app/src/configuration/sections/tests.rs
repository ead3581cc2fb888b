use std::time::Duration;

use super::super::File;
use super::*;

fn sources(text: &str) -> Sources {
    let file = File {
        path: "grantline.toml".into(),
        text: text.to_owned(),
    };
    Sources {
        file: Some(file),
        environment: Vec::new(),
    }
}

fn faults(text: &str) -> Vec<String> {
    let faults = Configuration::load(&sources(text)).err().expect(text);
    faults.iter().map(ToString::to_string).collect()
}

const MINIMAL: &str = "
ledger.url = 'postgres://h/d'
broker.url = 'amqp://h'
";

/// One project with everything set.
const GAME: &str = "
[ingress]
sources = ['185.30.20.0/24']
[projects.44056]
webhook_secrets = ['new', 'old']
order_webhook_secrets = ['order']
[projects.44056.players]
source = 'studio'
deadline = '700ms'
[projects.44056.studio]
url = 'https://studio.example/xsolla'
authorization = 'Bearer x'
[projects.44056.web_shop]
enabled = true
sources = ['34.102.38.178']
[projects.44056.quarantine]
enabled = true
key = '00112233445566778899aabbccddeeff0123456789abcdeffedcba9876543210'
[projects.44056.grant]
grant_sandbox = true
[projects.44056.publisher]
algorithm = 'HS256'
secret = 'shared'
login_project_id = '0a1b'
";

#[test]
fn two_addresses_are_enough() {
    let configuration = Configuration::load(&sources(MINIMAL)).unwrap().value;
    assert!(configuration.projects.is_empty());
    assert!(configuration.claim.url.is_none());
    assert_eq!(configuration.worker.drain_timeout, Duration::from_secs(25));
}

#[test]
fn nothing_at_all_names_the_two_addresses() {
    let faults = Configuration::load(&Sources::default()).err().unwrap();
    let keys: Vec<_> = faults.iter().map(|fault| fault.key.as_str()).collect();
    assert_eq!(keys, ["broker.url", "ledger.url"]);
}

#[test]
fn one_file_is_enough() {
    let text = "embedded.file = 'here/grantline.db'";
    let configuration = Configuration::load(&sources(text)).unwrap().value;
    let Stack::Embedded(embedded) = configuration.stack() else {
        panic!("{:?}", configuration.stack());
    };
    assert_eq!(embedded.file, std::path::Path::new("here/grantline.db"));
    assert_eq!(embedded.history_rows, 1_000);
}

#[test]
fn a_file_and_servers_contradict_each_other() {
    let text = format!("{MINIMAL}claim.url = 'redis://h'\nembedded.file = 'grantline.db'");
    let found = faults(&text);
    assert_eq!(found.len(), 3, "{found:?}");
    for (found, key) in found.iter().zip(["broker.url", "claim.url", "ledger.url"]) {
        let expected = format!("{key} (grantline.toml:");
        assert!(found.starts_with(&expected), "{found}");
        assert!(found.contains("contradicts `embedded.file`"), "{found}");
    }
}

/// The one says what the other lacks, and what would do without both.
#[test]
fn half_a_cluster_names_the_other_half() {
    let found = faults("ledger.url = 'postgres://h/d'");
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].starts_with("broker.url: missing; expected the address of RabbitMQ"),
        "{found:?}"
    );
    assert!(found[0].contains("GRANTLINE__BROKER__URL"), "{found:?}");
    assert!(found[0].contains("embedded.file"), "{found:?}");
}

#[test]
fn a_project_reaches_the_roles_whole() {
    let configuration = Configuration::load(&sources(&format!("{MINIMAL}{GAME}")))
        .unwrap()
        .value;
    let (id, project) = configuration.projects.first_key_value().unwrap();
    assert_eq!(id.0.get(), 44056);
    assert!(project.grant.grant_sandbox);
    let publisher = project.publisher.as_ref().unwrap();
    assert_eq!(publisher.player_claim, "sub");
    assert_eq!(publisher.issuer, "https://login.xsolla.com");
    let ingress = project.ingress();
    assert_eq!(ingress.webhook_secrets.len(), 2);
    assert!(ingress.order_webhook_secrets[0].matches(b"order"));
    assert_eq!(ingress.players.deadline, Duration::from_millis(700));
    assert_eq!(ingress.studio.unwrap().url, "https://studio.example/xsolla");
    assert!(ingress.web_shop.enabled);
    assert!(ingress.quarantine.enabled);
    assert_eq!(ingress.quarantine.keep_for, Duration::from_hours(72));
}

#[test]
fn a_project_without_a_secret_or_with_a_name_for_an_id_is_a_fault() {
    let text = format!(
        "{MINIMAL}[projects.1]\nwebhook_secrets = []\n[projects.game]\nwebhook_secrets = ['a']\n"
    );
    let found = faults(&text);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(
        found[0].starts_with("projects.1.webhook_secrets (grantline.toml:5): found an empty list"),
        "{found:?}"
    );
    assert!(
        found[1].starts_with("projects.game (grantline.toml:6): expected a whole number"),
        "{found:?}"
    );
}

#[test]
fn rules_over_several_keys_hold_or_are_named() {
    for (from, to, expected) in [
        (
            "url = 'https://studio.example/xsolla'\nauthorization = 'Bearer x'",
            "url = 'studio.example'",
            "projects.44056.studio.url",
        ),
        (
            "[projects.44056.studio]\nurl = 'https://studio.example/xsolla'\nauthorization = 'Bearer x'\n",
            "",
            "projects.44056.players.source",
        ),
        ("'700ms'", "'1h'", "projects.44056.players.deadline"),
        (
            "sources = ['34.102.38.178']",
            "",
            "projects.44056.web_shop.sources",
        ),
        (
            "'34.102.38.178'",
            "'34.102.38.178/33'",
            "projects.44056.web_shop.sources.0",
        ),
        (
            "sources = ['185.30.20.0/24']",
            "",
            "projects.44056.quarantine.enabled",
        ),
        ("key = '0011", "key = '00", "projects.44056.quarantine.key"),
        (
            "key = '0011",
            "key = '00xx",
            "projects.44056.quarantine.key",
        ),
        ("key = '0011", "#", "projects.44056.quarantine.key: missing"),
        ("secret = 'shared'", "", "projects.44056.publisher.secret"),
        ("'HS256'", "'RS256'", "projects.44056.publisher.keys"),
        ("'HS256'", "'none'", "projects.44056.publisher.algorithm"),
        (
            "'HS256'",
            "'RS256'\nkeys = ['pem']",
            "projects.44056.publisher.secret",
        ),
        (
            "secret = 'shared'",
            "secret = 'shared'\nkeys = ['pem']",
            "projects.44056.publisher.keys",
        ),
        (
            "[projects.44056]\n",
            "[publisher]\npong_timeout = '1h'\n[projects.44056]\n",
            "publisher.pong_timeout",
        ),
        (
            "[projects.44056]\n",
            "[telemetry]\nlevel = 'info,broker=loud'\n[projects.44056]\n",
            "telemetry.level",
        ),
        (
            "[projects.44056]\n",
            "[telemetry]\notlp_endpoint = 'h:4318'\n[projects.44056]\n",
            "telemetry.otlp_endpoint",
        ),
    ] {
        let text = format!("{MINIMAL}{GAME}").replacen(from, to, 1);
        let found = faults(&text);
        assert!(
            found.iter().any(|fault| fault.starts_with(expected)),
            "{from}: {found:?}"
        );
    }
}

/// A key that no default, no bound and no rule can be read for is a mistake in its section.
#[test]
fn every_default_that_is_printed_would_be_read_again() {
    let loaded = Configuration::load(&sources(MINIMAL)).unwrap();
    let printed = loaded.print();
    // Masked as they are, the two addresses are texts all the same.
    let again = Configuration::load(&sources(&printed)).unwrap_or_else(|faults| panic!("{faults}"));
    let assignments = |text: &str| -> Vec<String> {
        let lines = text.lines().filter_map(|line| line.split("  #").next());
        lines.map(|line| line.trim_end().to_owned()).collect()
    };
    assert_eq!(assignments(&again.print()), assignments(&printed));
}

#[test]
fn certificates_that_cannot_be_used_or_count_for_nothing_are_faults() {
    let found = faults(
        "ledger.url = 'postgres://h/d'\nbroker.url = 'amqp://h'\nclaim.url = 'redis://h'\n\
         ledger.tls.ca = 'canary'\nbroker.tls.key = 'canary'\nclaim.tls.ca = 'canary'\n",
    );
    let expected = [
        ("ledger.tls", "`ca` is not a certificate in PEM form"),
        ("broker.tls", "`certificate` and `key` belong together"),
        (
            "broker.url",
            "`broker.tls` would count for nothing; expected amqps://…",
        ),
        ("claim.tls", "`ca` is not a certificate in PEM form"),
        (
            "claim.url",
            "`claim.tls` would count for nothing; expected rediss://…",
        ),
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (key, rule) in expected {
        let is_it = |fault: &&String| fault.starts_with(key) && fault.contains(rule);
        assert!(found.iter().any(|fault| is_it(&fault)), "{key}: {found:#?}");
    }
    assert!(!found.concat().contains("canary"), "{found:#?}");
}

#[test]
fn only_who_takes_webhooks_needs_their_secrets() {
    let text = format!("{MINIMAL}[projects.1]\n[projects.2]\nwebhook_secrets = ['a']\n");
    let configuration = Configuration::load(&sources(&text)).unwrap().value;
    assert_eq!(configuration.projects.len(), 2);
    let refused = configuration.check_taking_webhooks().unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the configuration has 1 fault\n  projects.1.webhook_secrets: missing; whoever takes \
         webhooks needs at least one secret that signs them"
    );
}

#[test]
fn the_secret_before_is_of_the_algorithm_that_has_one() {
    let to = "'RS256'\nprevious_secret = 'before'\nkeys = ['pem']";
    let found = faults(&format!("{MINIMAL}{GAME}").replacen("'HS256'", to, 1));
    let expected = "projects.44056.publisher.previous_secret";
    assert!(
        found.iter().any(|fault| fault.starts_with(expected)),
        "{found:?}"
    );
}
