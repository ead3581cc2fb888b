//! The dashboards, and what Prometheus answers to their queries.

use serde_json::Value;

use crate::files;
use crate::prometheus::Prometheus;

/// What Grafana puts for its variables.
const VARIABLES: [(&str, &str); 4] = [
    ("$__rate_interval", "10s"),
    ("$namespace", ".*"),
    ("$job", ".*"),
    ("$__range", "1m"),
];
const RUNBOOKS: &str = "${runbooks}/";

/// One dashboard.
pub(crate) struct Board(Value);

impl Board {
    pub(crate) fn all() -> Vec<Self> {
        let files = files::below("deploy/grafana", "json");
        let read = |file: &String| Self(serde_json::from_str(&files::read(file)).unwrap());
        files.iter().map(read).collect()
    }

    pub(crate) fn uid(&self) -> String {
        self.0["uid"].as_str().unwrap().to_owned()
    }

    pub(crate) fn slug(&self) -> String {
        self.uid().replace("grantline-", "")
    }

    fn panels(&self) -> impl Iterator<Item = &Value> {
        let panels = self.0["panels"].as_array().unwrap();
        panels.iter().filter(|panel| panel["type"] != "row")
    }

    fn queries_of(panel: &Value) -> impl Iterator<Item = String> {
        let targets = panel["targets"].as_array().unwrap();
        targets.iter().map(|target| {
            let expression = target["expr"].as_str().unwrap().to_owned();
            VARIABLES
                .iter()
                .fold(expression, |expression, (variable, value)| {
                    expression.replace(variable, value)
                })
        })
    }

    /// Every query with the place it stands in.
    pub(crate) fn queries(&self) -> impl Iterator<Item = (String, String)> {
        self.panels().flat_map(|panel| {
            let place = format!("{}: {}", self.slug(), panel["title"]);
            Self::queries_of(panel).map(move |query| (place.clone(), query))
        })
    }

    /// The pages that panels link to.
    pub(crate) fn runbooks(&self) -> Vec<String> {
        let links = self.panels().filter_map(|panel| panel["links"].as_array());
        let urls = links.flatten().map(|link| link["url"].as_str().unwrap());
        urls.map(|url| url.strip_prefix(RUNBOOKS).unwrap().to_owned())
            .collect()
    }

    /// What every dashboard and every panel of it has to have.
    pub(crate) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for (pointer, wanted) in [("/schemaVersion", "38"), ("/tags/0", "\"grantline\"")] {
            let found = self.0.pointer(pointer).map(Value::to_string);
            if found.as_deref() != Some(wanted) {
                faults.push(format!("{pointer} is {found:?}"));
            }
        }
        let variables = self.0["templating"]["list"].as_array().unwrap();
        for name in ["datasource", "namespace", "job", "runbooks"] {
            if !variables.iter().any(|it| it["name"] == name) {
                faults.push(format!("there is no variable {name}"));
            }
        }
        for panel in self.panels() {
            let said = |pointer| panel.pointer(pointer).and_then(Value::as_str);
            let is_there = said("/description").is_some_and(|text| !text.is_empty())
                && said("/fieldConfig/defaults/unit").is_some_and(|unit| !unit.is_empty())
                && said("/datasource/uid") == Some("${datasource}")
                && panel
                    .pointer("/fieldConfig/defaults/thresholds/steps/0/color")
                    .is_some();
            if !is_there {
                faults.push(format!("{} lacks something", panel["title"]));
            }
        }
        faults.extend(self.overlaps());
        faults
    }

    /// Panels that lie on others or outside of the grid.
    fn overlaps(&self) -> Vec<String> {
        let place = |panel: &Value| {
            ["x", "y", "w", "h"].map(|side| panel["gridPos"][side].as_u64().unwrap())
        };
        let panels: Vec<_> = self.0["panels"].as_array().unwrap().iter().collect();
        let mut faults = Vec::new();
        for (number, panel) in panels.iter().enumerate() {
            let [left, top, width, height] = place(panel);
            let lies_on = panels[..number].iter().any(|other| {
                let [x, y, w, h] = place(other);
                left < x + w && x < left + width && top < y + h && y < top + height
            });
            if lies_on || left + width > 24 {
                faults.push(format!("{} has no room", panel["title"]));
            }
        }
        faults
    }

    /// The queries that find nothing.
    pub(crate) async fn without_data(&self, prometheus: &Prometheus) -> Vec<String> {
        let mut empty = Vec::new();
        for (place, query) in self.queries() {
            match prometheus.range(&query).await {
                Ok(values) if values.iter().any(|value| value.is_finite()) => {}
                Ok(_) => empty.push(format!("{place}: no data from {query}")),
                Err(error) => empty.push(format!("{place}: {error} from {query}")),
            }
        }
        empty
    }

    /// The most that any line of a panel showed.
    pub(crate) async fn most(&self, title: &str, prometheus: &Prometheus) -> f64 {
        let titled = |panel: &&Value| panel["title"] == title && panel["type"] == "timeseries";
        let panel = self.panels().find(titled).expect("there is such a panel");
        let mut most = f64::MIN;
        for query in Self::queries_of(panel) {
            let values = prometheus.range(&query).await.unwrap();
            most = values.into_iter().fold(most, f64::max);
        }
        most
    }
}
