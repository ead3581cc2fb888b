//! Durations as they stand in the configuration: a number with its unit.

use std::time::Duration;

use humantime_serde::re::humantime;

pub(super) const EXPECTED: &str =
    "a duration with its unit (ms, s, m, h or d), such as \"500ms\", \"25s\" or \"1h 30m\"";

pub(super) fn parse(text: &str) -> Option<Duration> {
    humantime::parse_duration(text).ok()
}
