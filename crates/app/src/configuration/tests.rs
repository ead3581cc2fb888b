use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroU32;
use std::path::Path;
use std::time::{Duration, Instant};

use secret::Secret;
use serde::Deserialize;

use super::sections::ProjectKey;
use super::*;

/// A planted secret: whatever is printed must not hold it.
const CANARY: &str = "canary-5e1f";

/// What each test of the machinery loads: one key of every kind.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Sample {
    broker: Broker,
    #[serde(default)]
    worker: Worker,
    #[serde(default)]
    projects: BTreeMap<ProjectKey, Game>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Broker {
    /// Where the broker is.
    url: Secret,
    #[serde(default)]
    management_url: Option<Secret>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Worker {
    /// Grace between SIGTERM and abort.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    drain_timeout: Duration,
    in_flight: NonZeroU32,
    share: f64,
    kinds: Vec<String>,
    order: Order,
    quiet: bool,
    #[serde(deserialize_with = "even")]
    pairs: u8,
    label: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, serde::Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Order {
    First,
    Last,
}

impl Default for Worker {
    fn default() -> Self {
        Self {
            drain_timeout: Duration::from_secs(25),
            in_flight: NonZeroU32::MIN,
            share: 0.5,
            kinds: vec!["grant".to_owned()],
            order: Order::First,
            quiet: false,
            pairs: 2,
            label: None,
        }
    }
}

fn even<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
    match u8::deserialize(deserializer)? {
        number if number % 2 == 0 => Ok(number),
        _ => Err(serde::de::Error::custom("must be even")),
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Game {
    #[schemars(length(min = 1))]
    webhook_secrets: Vec<Secret>,
    #[serde(default)]
    publisher: Option<Tokens>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Tokens {
    /// Who signed the token.
    issuer: String,
    #[serde(default, with = "humantime_serde")]
    #[schemars(with = "String")]
    leeway: Duration,
}

impl Composed for Sample {
    fn contradictions(&self) -> Vec<Contradiction> {
        let path = || vec!["worker".to_owned(), "label".to_owned()];
        let labelled = self
            .worker
            .label
            .as_ref()
            .is_some_and(|label| !label.is_empty());
        let quiet = self.worker.quiet && labelled;
        let rule = || "a quiet worker has no label".to_owned();
        quiet
            .then(|| Contradiction {
                path: path(),
                rule: rule(),
            })
            .into_iter()
            .collect()
    }
}

fn sources(text: &str, environment: &[(&str, &str)]) -> Sources {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Sources {
        file: Some(File {
            path: "grantline.toml".into(),
            text: text.to_owned(),
        }),
        environment: environment.iter().map(owned).collect(),
    }
}

fn good(text: &str, environment: &[(&str, &str)]) -> Loaded<Sample> {
    load(&sources(text, environment)).unwrap_or_else(|faults| panic!("{faults}"))
}

/// The faults a line each, as a person sees them.
fn faults(text: &str, environment: &[(&str, &str)]) -> Vec<String> {
    let faults = load::<Sample>(&sources(text, environment)).err().unwrap();
    let shown = format!("{faults} {faults:?}");
    assert!(!shown.contains(CANARY), "{shown}");
    faults.iter().map(ToString::to_string).collect()
}

const MINIMAL: &str = "[broker]\nurl = 'canary-5e1f'\n";

fn with(text: &str) -> String {
    format!("{MINIMAL}{text}")
}

#[test]
fn defaults_give_way_to_the_file_and_the_file_to_the_environment() {
    let text = with("[worker]\ndrain_timeout = '10s'\nin_flight = 7\n");
    let loaded = good(&text, &[("GRANTLINE__WORKER__IN_FLIGHT", "9")]);
    let worker = loaded.value.worker;
    assert_eq!(worker.drain_timeout, Duration::from_secs(10));
    assert_eq!(worker.in_flight.get(), 9);
    assert_eq!(worker.order, Order::First);
}

#[test]
fn the_environment_alone_is_enough() {
    let name = "GRANTLINE__BROKER__URL".to_owned();
    let sources = Sources {
        file: None,
        environment: vec![(name, "amqp://h".to_owned())],
    };
    assert!(
        load::<Sample>(&sources)
            .unwrap()
            .value
            .broker
            .url
            .matches(b"amqp://h")
    );
}

#[test]
fn every_kind_of_value_has_an_environment_twin() {
    let loaded = good(
        "",
        &[
            ("GRANTLINE__BROKER__URL", "12345"),
            (
                "grantline__worker__quiet",
                "not ours: the prefix is in capitals",
            ),
            ("GRANTLINE__worker__Quiet", "true"),
            ("GRANTLINE__WORKER__SHARE", "1"),
            ("GRANTLINE__WORKER__KINDS", r#"["grant", "revoke"]"#),
            ("GRANTLINE__WORKER__ORDER", "last"),
            ("GRANTLINE__WORKER__DRAIN_TIMEOUT", "1m 30s"),
            ("GRANTLINE__WORKER__LABEL", ""),
            (
                "GRANTLINE__PROJECTS__44056__WEBHOOK_SECRETS",
                r#"["a", "b"]"#,
            ),
            ("GRANTLINE__PROJECTS__44056__PUBLISHER__ISSUER", "me"),
        ],
    );
    let sample = loaded.value;
    assert!(sample.broker.url.matches(b"12345"));
    assert!(sample.worker.quiet);
    assert!((sample.worker.share - 1.0).abs() < f64::EPSILON);
    assert_eq!(sample.worker.kinds, ["grant", "revoke"]);
    assert_eq!(sample.worker.order, Order::Last);
    assert_eq!(sample.worker.drain_timeout, Duration::from_secs(90));
    assert_eq!(sample.worker.label.as_deref(), Some(""));
    let (id, game) = sample.projects.first_key_value().unwrap();
    assert_eq!(id.0.get(), 44056);
    assert!(game.webhook_secrets[1].matches(b"b"));
    let tokens = game.publisher.as_ref().unwrap();
    assert_eq!(
        (tokens.issuer.as_str(), tokens.leeway),
        ("me", Duration::ZERO)
    );
}

#[test]
fn what_kubernetes_injects_for_a_service_of_this_name_is_ignored() {
    good(
        MINIMAL,
        &[
            ("GRANTLINE_PORT", "tcp://10.0.0.1:80"),
            ("GRANTLINE_SERVICE_HOST", "10.0.0.1"),
            ("GRANTLINE_WORKER_IN_FLIGHT", "x"),
            ("GRANTLINE_CONFIG", "/etc/grantline.toml"),
        ],
    );
}

#[test]
fn an_unknown_key_is_a_fault_that_names_the_nearest_known_one() {
    let text = with("[worker]\ndrain_time_out = '5s'\nissuer = 1\n[colour]\n");
    assert_eq!(
        faults(&text, &[("GRANTLINE__WORKER__IN_FLIHGT", "canary-5e1f")]),
        [
            "GRANTLINE__WORKER__IN_FLIHGT: unknown key; did you mean `GRANTLINE__WORKER__IN_FLIGHT`?",
            "colour (grantline.toml:6): unknown key",
            "worker.drain_time_out (grantline.toml:4): unknown key; did you mean `worker.drain_timeout`?",
            "worker.issuer (grantline.toml:5): unknown key; did you mean `projects.<id>.publisher.issuer`?",
        ]
    );
}

#[test]
fn all_faults_are_reported_at_once_with_key_place_finding_and_expectation() {
    let text = "[worker]
drain_timeout = '25'
in_flight = 0
share = 'half'
kinds = ['grant', 5]
order = 'middle'
quiet = 'canary'
pairs = 3
[projects.44056]
webhook_secrets = []
[projects.44056.publisher]
leeway = '30'
[projects.zero]
webhook_secrets = ['canary-5e1f', 7]
";
    let found = faults(
        text,
        &[
            ("GRANTLINE__WORKER__LABELS", "x"),
            ("GRANTLINE__WORKER__QUIET", "yes"),
        ],
    );
    let duration =
        "a duration with its unit (ms, s, m, h or d), such as \"500ms\", \"25s\" or \"1h 30m\"";
    assert_eq!(found, [
        "GRANTLINE__WORKER__LABELS: unknown key; did you mean `GRANTLINE__WORKER__LABEL`?".to_owned(),
        "broker.url: missing, here and in GRANTLINE__BROKER__URL; expected a secret that is not empty, as text in quotes or by the twin key `…_file`. Where the broker is.".to_owned(),
        "projects.44056.publisher.issuer: missing, here and in GRANTLINE__PROJECTS__44056__PUBLISHER__ISSUER; expected a text. Who signed the token.".to_owned(),
        format!("projects.44056.publisher.leeway (grantline.toml:12): found \"30\"; expected {duration}"),
        "projects.44056.webhook_secrets (grantline.toml:10): found an empty list; expected a list such as [\"…\", …] (at least 1), each a secret that is not empty, as text in quotes or by the twin key `…_file`".to_owned(),
        "projects.zero (grantline.toml:13): expected a whole number from 1 to 9223372036854775807, found `zero`".to_owned(),
        "projects.zero.webhook_secrets.1 (grantline.toml:14): found a whole number; expected a secret that is not empty, as text in quotes or by the twin key `…_file`".to_owned(),
        format!("worker.drain_timeout (grantline.toml:2): found \"25\"; expected {duration}"),
        "worker.in_flight (grantline.toml:3): found 0; expected a whole number from 1".to_owned(),
        "worker.kinds.1 (grantline.toml:5): found 5; expected a text".to_owned(),
        "worker.order (grantline.toml:6): found \"middle\"; expected one of \"first\", \"last\"".to_owned(),
        "worker.pairs (grantline.toml:8): must be even".to_owned(),
        "worker.quiet (GRANTLINE__WORKER__QUIET): found \"yes\"; expected true or false".to_owned(),
        "worker.quiet (grantline.toml:7): found \"canary\"; expected true or false".to_owned(),
        "worker.share (grantline.toml:4): found \"half\"; expected a number".to_owned(),
    ]);
}

#[test]
fn a_rule_over_several_keys_is_a_fault_at_the_key_that_breaks_it() {
    let text = with("[worker]\nquiet = true\nlabel = 'x'\n");
    assert_eq!(
        faults(&text, &[]),
        ["worker.label (grantline.toml:5): a quiet worker has no label"]
    );
}

#[test]
fn syntax_errors_show_line_and_column_and_not_the_line_itself() {
    let found = faults(
        "[broker]\nurl = canary-5e1f\n[worker]\nquiet = = true\n",
        &[],
    );
    assert!(
        found[0].starts_with("grantline.toml: line 2, column 7: "),
        "{found:?}"
    );
    assert!(
        found
            .iter()
            .any(|fault| fault.starts_with("grantline.toml: line 4, column ")),
        "{found:?}"
    );
    let found = faults("[broker]\nurl = 'canary-5e1f'\nurl = 'canary-5e1f'\n", &[]);
    assert!(
        found[0].starts_with("grantline.toml: line 3, column 1: "),
        "{found:?}"
    );
}

#[test]
fn a_faulty_secret_is_never_quoted() {
    for url in [
        "['canary-5e1f']",
        "{ canary-5e1f = 'canary-5e1f' }",
        "{ file = 'a', canary-5e1f = 1 }",
        "5",
        "''",
    ] {
        let found = faults(&format!("[broker]\nurl = {url}\n"), &[]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].starts_with("broker.url (grantline.toml:2): found "),
            "{found:?}"
        );
    }
    let found = faults(
        MINIMAL,
        &[("GRANTLINE__PROJECTS__1__WEBHOOK_SECRETS", "canary-5e1f")],
    );
    assert!(
        found[0].contains("found a text; expected a list such as"),
        "{found:?}"
    );
    faults(MINIMAL, &[("GRANTLINE__BROKER", "canary-5e1f")]);
}

#[test]
fn one_key_set_by_two_variables_is_a_fault() {
    let found = faults(
        MINIMAL,
        &[
            ("GRANTLINE__WORKER__IN_FLIGHT", "1"),
            ("GRANTLINE__worker__in_flight", "2"),
        ],
    );
    assert_eq!(
        found,
        [
            "worker.in_flight (GRANTLINE__worker__in_flight): given twice, also by \
         `GRANTLINE__WORKER__IN_FLIGHT`; keep one of them"
        ]
    );
}

/// A file of one test, removed at its end.
struct SecretFile(PathBuf);

impl SecretFile {
    fn new(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("grantline-{}-{name}", std::process::id()));
        fs::write(&path, text).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for SecretFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[test]
fn every_secret_has_a_twin_that_names_its_file() {
    let file = SecretFile::new("twin", "canary-5e1f\n");
    let path = file.path();
    let text = format!(
        "[broker]\nurl_file = {path:?}\n[projects.1]\nwebhook_secrets_file = [{path:?}, {path:?}]\n\
         [projects.2]\nwebhook_secrets_file = {path:?}\n"
    );
    let sample = good(&text, &[("GRANTLINE__BROKER__MANAGEMENT_URL_FILE", path)]).value;
    assert!(sample.broker.url.matches(CANARY.as_bytes()));
    assert_eq!(
        sample.broker.management_url.unwrap().file(),
        Some(Path::new(path))
    );
    let counts: Vec<_> = sample
        .projects
        .values()
        .map(|game| game.webhook_secrets.len())
        .collect();
    assert_eq!(counts, [2, 1]);
}

#[test]
fn a_file_in_the_environment_replaces_a_value_in_the_file_and_the_reverse() {
    let file = SecretFile::new("replace", "from-file");
    let sample = good(MINIMAL, &[("GRANTLINE__BROKER__URL_FILE", file.path())]).value;
    assert!(sample.broker.url.matches(b"from-file"));
    let text = format!("[broker]\nurl_file = {:?}\n", file.path());
    let sample = good(&text, &[("GRANTLINE__BROKER__URL", "inline")]).value;
    assert!(sample.broker.url.matches(b"inline"));
}

#[test]
fn a_secret_file_is_read_again_when_it_changes() {
    let file = SecretFile::new("reread", "old");
    let sample = good("", &[("GRANTLINE__BROKER__URL_FILE", file.path())]).value;
    assert_eq!(&*sample.broker.url.reveal(), "old");
    fs::write(&file.0, "new").unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while &*sample.broker.url.reveal() != "new" {
        assert!(Instant::now() < deadline, "the new value never came");
        std::thread::yield_now();
    }
}

#[test]
fn a_secret_file_that_cannot_be_used_is_a_fault() {
    let empty = SecretFile::new("empty", "\n");
    let text = format!(
        "[broker]\nurl_file = '/nowhere/url'\nmanagement_url_file = {:?}\n",
        empty.path()
    );
    let found = faults(&text, &[]);
    assert!(
        found[0].starts_with("broker.management_url (grantline.toml:3): the secret file "),
        "{found:?}"
    );
    assert!(found[0].ends_with(" is empty"), "{found:?}");
    assert!(
        found[1].starts_with(
            "broker.url (grantline.toml:2): the secret file /nowhere/url cannot be read: "
        ),
        "{found:?}"
    );
    let found = faults(
        "[broker]\nurl = 'canary-5e1f'\nurl_file = '/nowhere/url'\n",
        &[],
    );
    assert_eq!(
        found,
        ["broker.url_file (grantline.toml:3): given twice, also by `broker.url`; keep one of them"]
    );
    let found = faults(
        "[broker]\nurl_file = 5\n[projects.1]\nwebhook_secrets_file = ['/a', 5]\n",
        &[],
    );
    assert_eq!(
        found,
        [
            "broker.url_file (grantline.toml:2): found a whole number; expected the path of a file",
            "projects.1.webhook_secrets_file (grantline.toml:4): found a list; expected the path of a file, or a list of paths",
        ]
    );
}

#[test]
fn each_value_in_effect_is_printed_with_its_origin_and_secrets_are_masked() {
    let file = SecretFile::new("print", "canary-5e1f");
    let text =
        with("[projects.1]\nwebhook_secrets = ['canary-5e1f']\n[worker]\nkinds = ['revoke']\n");
    let loaded = good(
        &text,
        &[
            ("GRANTLINE__BROKER__MANAGEMENT_URL_FILE", file.path()),
            ("GRANTLINE__WORKER__IN_FLIGHT", "3"),
        ],
    );
    let shown = loaded.print();
    assert!(!shown.contains(CANARY), "{shown}");
    let lines: Vec<_> = shown
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(
        lines,
        [
            format!(
                "broker.management_url_file = {:?} # GRANTLINE__BROKER__MANAGEMENT_URL_FILE",
                file.path()
            ),
            "broker.url = \"***\" # grantline.toml:2".to_owned(),
            "# projects.1.publisher # not set".to_owned(),
            "projects.1.webhook_secrets = [\"***\"] # grantline.toml:4".to_owned(),
            "worker.drain_timeout = \"25s\" # default".to_owned(),
            "worker.in_flight = 3 # GRANTLINE__WORKER__IN_FLIGHT".to_owned(),
            "worker.kinds = [\"revoke\"] # grantline.toml:6".to_owned(),
            "# worker.label # not set".to_owned(),
            "worker.order = \"first\" # default".to_owned(),
            "worker.pairs = 2 # default".to_owned(),
            "worker.quiet = false # default".to_owned(),
            "worker.share = 0.5 # default".to_owned(),
        ]
    );
}
