//! A Prometheus of our own, with the rules as they are shipped but evaluated every second.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use hyper::Method;
use serde_json::Value;
use tests::Http;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use crate::files;
use crate::line::Target;

const FORM: &str = "application/x-www-form-urlencoded";

/// A running server. It ends with this handle.
pub(crate) struct Prometheus {
    _process: Child,
    url: String,
    http: Http,
    began: i64,
}

/// A rule that it has loaded.
pub(crate) struct Rule(Value);

impl Rule {
    fn name(&self) -> &str {
        self.0["name"].as_str().unwrap()
    }

    /// Its query, with its name.
    pub(crate) fn query(&self) -> (String, String) {
        let query = self.0["query"].as_str().unwrap().to_owned();
        (format!("rule {}", self.name()), query)
    }
}

impl Prometheus {
    pub(crate) async fn start(folder: &Path, targets: &[Target]) -> Self {
        let home = folder.join("prometheus");
        fs::create_dir_all(home.join("rules")).unwrap();
        for file in files::below("deploy/prometheus/rules", "yaml") {
            let text = files::read(&file);
            let often = text
                .replace("interval: 1m", "interval: 1s")
                .replace("interval: 5m", "interval: 1s");
            let name = Path::new(&file).file_name().unwrap();
            fs::write(home.join("rules").join(name), often).unwrap();
        }
        let mut configuration = "global: {scrape_interval: 1s, evaluation_interval: 1s}\n\
             rule_files: [rules/*.yaml]\nscrape_configs:\n"
            .to_owned();
        for Target { name, admin } in targets {
            writeln!(
                configuration,
                "  - job_name: {name}\n    static_configs: [{{targets: ['{admin}'], labels: {{namespace: sale}}}}]"
            )
            .unwrap();
        }
        fs::write(home.join("prometheus.yml"), configuration).unwrap();
        let ip = targets.first().unwrap().admin.ip();
        let at = SocketAddr::new(ip, 9_091);
        let process = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--", "prometheus"])
            .arg("--config.file=prometheus.yml")
            .arg("--storage.tsdb.path=data")
            .arg(format!("--web.listen-address={at}"))
            .current_dir(&home)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(home.join("log")).unwrap())
            .kill_on_drop(true)
            .spawn()
            .expect("prometheus is installed: run `make test`");
        let prometheus = Self {
            _process: process,
            url: format!("http://{at}"),
            http: Http::new(),
            began: task::now().unix_timestamp(),
        };
        prometheus
            .until("vector(1)", crate::PATIENCE, |_| true)
            .await;
        prometheus
    }

    /// Waits until a query has one value that is as wanted.
    pub(crate) async fn until(
        &self,
        query: &str,
        patience: Duration,
        wanted: impl Fn(f64) -> bool,
    ) {
        let deadline = Instant::now() + patience;
        loop {
            let answer = self.ask("query", &[("query", query)]).await;
            if let Ok(data) = &answer {
                let value = data.pointer("/result/0/value/1").and_then(Value::as_str);
                if value.is_some_and(|value| wanted(value.parse().unwrap())) {
                    return;
                }
            }
            assert!(Instant::now() < deadline, "{query} still is {answer:?}");
            sleep(Duration::from_millis(200)).await;
        }
    }

    /// Every value of every series that a query finds, second by second since the start.
    pub(crate) async fn range(&self, query: &str) -> Result<Vec<f64>, String> {
        let now = task::now().unix_timestamp().to_string();
        let began = self.began.to_string();
        let range = [
            ("query", query),
            ("start", &began),
            ("end", &now),
            ("step", "1"),
        ];
        let data = self.ask("query_range", &range).await?;
        let series = data["result"].as_array().unwrap();
        let pairs = series
            .iter()
            .flat_map(|it| it["values"].as_array().unwrap());
        Ok(pairs
            .map(|pair| pair[1].as_str().unwrap().parse().unwrap())
            .collect())
    }

    /// The labels of every series that was scraped or recorded since the start.
    pub(crate) async fn series(&self) -> Vec<Value> {
        let since = self.began.to_string();
        let fields = [("match[]", "{__name__=~\".+\"}"), ("start", &since)];
        let data = self.ask("series", &fields).await.unwrap();
        data.as_array().unwrap().clone()
    }

    /// Every rule that it has loaded.
    pub(crate) async fn rules(&self) -> Vec<Rule> {
        let data = self.ask("rules", &[]).await.unwrap();
        let groups = data["groups"].as_array().unwrap();
        let rules = groups.iter().flat_map(|it| it["rules"].as_array().unwrap());
        rules.cloned().map(Rule).collect()
    }

    /// Rules that could not be evaluated, alerts without a text they need, and texts that could
    /// not be filled in.
    pub(crate) async fn broken_rules(&self) -> Vec<String> {
        let mut broken = Vec::new();
        for rule in self.rules().await {
            if rule.0["health"] != "ok" {
                broken.push(format!("{}: {}", rule.name(), rule.0["lastError"]));
            }
            if rule.0["type"] != "alerting" {
                continue;
            }
            let severity = rule.0["labels"]["severity"].as_str();
            if !matches!(severity, Some("page" | "ticket")) {
                broken.push(format!("{} has severity {severity:?}", rule.name()));
            }
            for text in ["summary", "description", "runbook_url"] {
                if rule.0["annotations"][text]
                    .as_str()
                    .is_none_or(str::is_empty)
                {
                    broken.push(format!("{} has no {text}", rule.name()));
                }
            }
            let texts = rule.0["alerts"].to_string();
            if texts.contains("<error") || texts.contains("<no value>") {
                broken.push(format!("{}: {texts}", rule.name()));
            }
        }
        broken
    }

    /// `data` of an answer, or what was wrong.
    async fn ask(&self, what: &str, fields: &[(&str, &str)]) -> Result<Value, String> {
        let encode = |(name, value): &(&str, &str)| format!("{}={}", encoded(name), encoded(value));
        let body = fields.iter().map(encode).collect::<Vec<_>>().join("&");
        let url = format!("{}/api/v1/{what}", self.url);
        let (method, headers) = if fields.is_empty() {
            (Method::GET, &[][..])
        } else {
            (Method::POST, &[("content-type", FORM)][..])
        };
        let answer = self.http.ask(method, &url, headers, &body).await;
        let answer = answer.map_err(|error| error.to_string())?;
        match answer.body["status"].as_str() {
            Some("success") => Ok(answer.body["data"].clone()),
            _ => Err(answer.body["error"].to_string()),
        }
    }
}

/// As a form's field.
fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").unwrap();
        }
    }
    encoded
}
