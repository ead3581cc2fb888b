//! What the chart says of scaling, read where it stands, so that chart and test cannot differ.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The chart's values with those of a cluster laid over, each by its path: `keda.enabled`.
#[derive(Debug)]
pub(super) struct Chart(BTreeMap<String, String>);

/// How fast copies come and go: percent in so many seconds, and for how many seconds the
/// highest number counts before one is taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Behavior {
    pub(super) up: (u64, u64),
    pub(super) down: (u64, u64),
    pub(super) down_window: u64,
}

impl Chart {
    /// That of a sale's night.
    pub(super) fn of_sale_night() -> Self {
        let helm = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/helm");
        let files = ["grantline/values.yaml", "sale-night.yaml"];
        let mut values = BTreeMap::new();
        for file in files {
            values.extend(flat(&fs::read_to_string(helm.join(file)).unwrap()));
        }
        Self(values)
    }

    pub(super) fn number(&self, path: &str) -> u64 {
        let said = self.0.get(path);
        let said = said.unwrap_or_else(|| panic!("the chart says nothing of {path}"));
        said.parse().unwrap()
    }

    /// A setting of a component: what is said of it, or of all like it.
    pub(super) fn setting(&self, component: &[&str], path: &str) -> u64 {
        let paths = component.iter().map(|part| format!("{part}.{path}"));
        let said = paths.into_iter().find(|path| self.0.contains_key(path));
        self.number(&said.unwrap_or_else(|| panic!("{component:?} say nothing of {path}")))
    }

    pub(super) fn behavior(&self, component: &[&str]) -> Behavior {
        let number = |path: &str| {
            let path = format!("autoscaling.behavior.{path}");
            self.setting(component, &path)
        };
        let policy = |way: &str| {
            let kind = format!("autoscaling.behavior.{way}.policies.type");
            let kinds = component
                .iter()
                .filter_map(|part| self.0.get(&format!("{part}.{kind}")));
            assert_eq!(
                kinds.collect::<Vec<_>>(),
                ["Percent"],
                "the one policy known here"
            );
            let of = |what: &str| number(&format!("{way}.policies.{what}"));
            (of("value"), of("periodSeconds"))
        };
        assert_eq!(number("scaleUp.stabilizationWindowSeconds"), 0);
        Behavior {
            up: policy("scaleUp"),
            down: policy("scaleDown"),
            down_window: number("scaleDown.stabilizationWindowSeconds"),
        }
    }

    /// Messages a worker, waiting and held, where a lane of so many holds so many: the chart's
    /// helper `grantline.backlogPerPod`.
    pub(super) fn backlog_per_pod(&self, lanes: u64, prefetch: u64) -> u64 {
        match self.number("keda.backlogPerPod") {
            0 => self.number("keda.timesHeld") * lanes * prefetch,
            said => said,
        }
    }
}

/// Of YAML what the chart's values are written in: mappings by indentation, mappings of one
/// line, and lists of one such mapping.
fn flat(yaml: &str) -> Vec<(String, String)> {
    let mut values = Vec::new();
    let mut above: Vec<(usize, &str)> = Vec::new();
    for line in yaml.lines() {
        let indent = line.len() - line.trim_start().len();
        let line = line.split(" #").next().unwrap_or_default().trim();
        let Some((key, said)) = line
            .split_once(':')
            .filter(|_| !line.starts_with(['#', '-']))
        else {
            continue;
        };
        above.retain(|(of, _)| *of < indent);
        above.push((indent, key));
        let path: Vec<_> = above.iter().map(|(_, key)| *key).collect();
        put(&mut values, &path.join("."), said.trim());
    }
    values
}

fn put(values: &mut Vec<(String, String)>, path: &str, said: &str) {
    let inner = said
        .trim_start_matches(['[', ' '])
        .trim_end_matches([']', ' ']);
    match inner.strip_prefix('{').and_then(|it| it.strip_suffix('}')) {
        Some(pairs) => {
            for (key, said) in pairs.split(',').filter_map(|pair| pair.split_once(':')) {
                put(values, &format!("{path}.{}", key.trim()), said.trim());
            }
        }
        None => values.push((path.to_owned(), said.trim_matches('"').to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_their_path() {
        let yaml = "\
# a: comment
a: 1   # of it
b:
  c: { d: 2, e: \"3\" }
  f:
    # deeper: still
    g: [{ type: Percent, value: 100 }]
h: []
";
        let found = flat(yaml);
        let expected = [
            ("a", "1"),
            ("b", ""),
            ("b.c.d", "2"),
            ("b.c.e", "3"),
            ("b.f", ""),
            ("b.f.g.type", "Percent"),
            ("b.f.g.value", "100"),
            ("h", "[]"),
        ];
        let expected = expected.map(|(path, said)| (path.to_owned(), said.to_owned()));
        assert_eq!(found, expected);
    }
}
