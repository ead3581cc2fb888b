//! The standard `OTEL_*` variables, where the configuration says nothing.
//!
//! Headers, batch sizes and the resource are read by the SDK itself. Values that mean nothing
//! here are reported and passed over, as the specification asks.

use std::time::Duration;

use opentelemetry_sdk::trace::Sampler;

use crate::Config;
use crate::teller::Sampling;

/// Share of traces that are sampled where nobody says otherwise.
const RATIO: f64 = 0.05;

/// How long an export may take where nobody says otherwise.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What is pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    Traces,
    Metrics,
    Logs,
}

impl Signal {
    pub(crate) const ALL: [Self; 3] = [Self::Traces, Self::Metrics, Self::Logs];

    const fn word(self) -> &'static str {
        match self {
            Self::Traces => "TRACES",
            Self::Metrics => "METRICS",
            Self::Logs => "LOGS",
        }
    }

    const fn path(self) -> &'static str {
        match self {
            Self::Traces => "v1/traces",
            Self::Metrics => "v1/metrics",
            Self::Logs => "v1/logs",
        }
    }
}

/// The environment of a process, or what a test takes for one.
pub(crate) struct Variables<'a> {
    get: &'a dyn Fn(&str) -> Option<String>,
}

impl<'a> Variables<'a> {
    pub(crate) fn new(get: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { get }
    }

    /// Empty counts as unset.
    fn get(&self, name: &str) -> Option<String> {
        let value = (self.get)(name)?;
        let value = value.trim();
        (!value.is_empty()).then(|| value.to_owned())
    }

    /// Where a signal is pushed to: the whole address. `None` if it is not.
    pub(crate) fn endpoint(&self, config: &Config, signal: Signal) -> Option<String> {
        let is = |value: Option<String>, word: &str| {
            value.is_some_and(|value| value.eq_ignore_ascii_case(word))
        };
        let word = signal.word();
        if is(self.get("OTEL_SDK_DISABLED"), "true")
            || is(self.get(&format!("OTEL_{word}_EXPORTER")), "none")
        {
            return None;
        }
        let below = |base: &str| format!("{}/{}", base.trim_end_matches('/'), signal.path());
        if let Some(base) = &config.otlp_endpoint {
            return Some(below(base));
        }
        self.get(&format!("OTEL_EXPORTER_OTLP_{word}_ENDPOINT"))
            .or_else(|| Some(below(&self.get("OTEL_EXPORTER_OTLP_ENDPOINT")?)))
    }

    pub(crate) fn timeout(&self, signal: Signal) -> Duration {
        let millis = |name: &str| self.get(name)?.parse().ok().map(Duration::from_millis);
        millis(&format!("OTEL_EXPORTER_OTLP_{}_TIMEOUT", signal.word()))
            .or_else(|| millis("OTEL_EXPORTER_OTLP_TIMEOUT"))
            .unwrap_or(TIMEOUT)
    }

    pub(crate) fn sampling(&self, config: &Config) -> Sampling {
        let by_ratio = |parent_based, ratio| Sampling {
            parent_based,
            root: Sampler::TraceIdRatioBased(ratio),
        };
        if let Some(ratio) = config.trace_ratio {
            return by_ratio(true, ratio);
        }
        let always = |parent_based, root| Sampling { parent_based, root };
        match self.get("OTEL_TRACES_SAMPLER").as_deref() {
            Some("always_on") => always(false, Sampler::AlwaysOn),
            Some("always_off") => always(false, Sampler::AlwaysOff),
            Some("parentbased_always_on") => always(true, Sampler::AlwaysOn),
            Some("parentbased_always_off") => always(true, Sampler::AlwaysOff),
            Some("traceidratio") => by_ratio(false, self.ratio().unwrap_or(1.0)),
            Some("parentbased_traceidratio") => by_ratio(true, self.ratio().unwrap_or(1.0)),
            Some(_) | None => by_ratio(true, RATIO),
        }
    }

    fn ratio(&self) -> Option<f64> {
        let ratio: f64 = self.get("OTEL_TRACES_SAMPLER_ARG")?.parse().ok()?;
        (0.0..=1.0).contains(&ratio).then_some(ratio)
    }

    /// What is set and does not count, for the log.
    pub(crate) fn passed_over(&self, config: &Config) -> Vec<String> {
        let mut said = Vec::new();
        let known = [
            "always_on",
            "always_off",
            "parentbased_always_on",
            "parentbased_always_off",
            "traceidratio",
            "parentbased_traceidratio",
        ];
        let sampler = self.get("OTEL_TRACES_SAMPLER");
        if let (None, Some(sampler)) = (config.trace_ratio, sampler) {
            if !known.contains(&sampler.as_str()) {
                said.push(format!(
                    "OTEL_TRACES_SAMPLER is `{sampler}`, which is unknown"
                ));
            } else if sampler.contains("ratio")
                && self.ratio().is_none()
                && self.get("OTEL_TRACES_SAMPLER_ARG").is_some()
            {
                said.push("OTEL_TRACES_SAMPLER_ARG is no number from 0 to 1".to_owned());
            }
        }
        let protocols = Signal::ALL.map(|signal| {
            let word = signal.word();
            format!("OTEL_EXPORTER_OTLP_{word}_PROTOCOL")
        });
        let all = ["OTEL_EXPORTER_OTLP_PROTOCOL".to_owned()];
        for name in all.into_iter().chain(protocols) {
            if let Some(protocol) = self.get(&name).filter(|it| it != "http/protobuf") {
                said.push(format!(
                    "{name} is `{protocol}`; only http/protobuf is spoken"
                ));
            }
        }
        if self.get("OTEL_EXPORTER_OTLP_CERTIFICATE").is_some() {
            let said_of_it = "OTEL_EXPORTER_OTLP_CERTIFICATE is set; name it in SSL_CERT_FILE";
            said.push(said_of_it.to_owned());
        }
        said
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn within<T>(set: &[(&str, &str)], ask: impl FnOnce(&Variables) -> T) -> T {
        let get = |name: &str| {
            let found = set.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        ask(&Variables::new(&get))
    }

    fn endpoints(set: &[(&str, &str)], config: &Config) -> [Option<String>; 3] {
        within(set, |variables| {
            Signal::ALL.map(|signal| variables.endpoint(config, signal))
        })
    }

    fn some(all: [&str; 3]) -> [Option<String>; 3] {
        all.map(|it| Some(it.to_owned()))
    }

    #[test]
    fn the_configuration_comes_before_a_variable_and_one_signal_before_all() {
        let all = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318/");
        let one = ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "https://l:1/x");
        let nothing = Config::default();
        assert_eq!(endpoints(&[], &nothing), [None, None, None]);
        assert_eq!(
            endpoints(&[all, one], &nothing),
            some([
                "http://c:4318/v1/traces",
                "http://c:4318/v1/metrics",
                "https://l:1/x"
            ])
        );
        let configured = Config {
            otlp_endpoint: Some("http://a:1".to_owned()),
            ..Config::default()
        };
        assert_eq!(
            endpoints(&[all, one], &configured),
            some([
                "http://a:1/v1/traces",
                "http://a:1/v1/metrics",
                "http://a:1/v1/logs"
            ])
        );
    }

    #[test]
    fn whatever_is_switched_off_is_not_pushed() {
        let configured = Config {
            otlp_endpoint: Some("http://a:1".to_owned()),
            ..Config::default()
        };
        let disabled = ("OTEL_SDK_DISABLED", "TRUE");
        assert_eq!(endpoints(&[disabled], &configured), [None, None, None]);
        let none = ("OTEL_LOGS_EXPORTER", "none");
        let [traces, metrics, logs] = endpoints(&[none], &configured);
        assert!(traces.is_some() && metrics.is_some() && logs.is_none());
        let empty = ("OTEL_SDK_DISABLED", "");
        assert_eq!(endpoints(&[empty], &configured)[0], traces);
    }

    #[test]
    fn the_sampler_is_the_configured_one_else_the_variables_else_one_in_twenty() {
        let sampling = |set: &[(&str, &str)], trace_ratio| {
            let config = Config {
                trace_ratio,
                ..Config::default()
            };
            let sampling = within(set, |variables| variables.sampling(&config));
            format!("{} {:?}", sampling.parent_based, sampling.root)
        };
        let ratio = ("OTEL_TRACES_SAMPLER_ARG", "0.5");
        let by = |name| [("OTEL_TRACES_SAMPLER", name), ratio];
        assert_eq!(sampling(&[], None), "true TraceIdRatioBased(0.05)");
        assert_eq!(
            sampling(&by("always_on"), Some(0.2)),
            "true TraceIdRatioBased(0.2)"
        );
        assert_eq!(sampling(&by("always_on"), None), "false AlwaysOn");
        assert_eq!(
            sampling(&by("parentbased_always_off"), None),
            "true AlwaysOff"
        );
        assert_eq!(
            sampling(&by("traceidratio"), None),
            "false TraceIdRatioBased(0.5)"
        );
        assert_eq!(
            sampling(&by("parentbased_traceidratio"), None),
            "true TraceIdRatioBased(0.5)"
        );
        assert_eq!(
            sampling(&by("jaeger_remote"), None),
            "true TraceIdRatioBased(0.05)"
        );
    }

    #[test]
    fn what_does_not_count_is_said() {
        let said = |set: &[(&str, &str)]| {
            within(set, |variables| variables.passed_over(&Config::default()))
        };
        assert!(said(&[("OTEL_TRACES_SAMPLER", "traceidratio")]).is_empty());
        assert_eq!(said(&[("OTEL_TRACES_SAMPLER", "jaeger_remote")]).len(), 1);
        assert_eq!(said(&[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]).len(), 1);
        let certificate = [("OTEL_EXPORTER_OTLP_CERTIFICATE", "/ca.pem")];
        assert_eq!(said(&certificate).len(), 1);
        let ratio = [
            ("OTEL_TRACES_SAMPLER", "traceidratio"),
            ("OTEL_TRACES_SAMPLER_ARG", "2"),
        ];
        assert_eq!(said(&ratio).len(), 1);
    }
}
