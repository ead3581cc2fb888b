//! Medians, percentiles, and the processor time of processes.

use std::time::Duration;

/// The kernel counts a process's time in hundredths of a second, whatever the machine.
const TICKS_PER_SECOND: f64 = 100.0;

/// The value in the middle.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// The smallest value that at least this share of the values does not exceed.
pub(crate) fn percentile(sorted: &[Duration], share: f64) -> Duration {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a place in a list that fits memory"
    )]
    let place = (sorted.len() as f64 * share).ceil() as usize;
    sorted[place.clamp(1, sorted.len()) - 1]
}

/// Milliseconds, for people.
pub(crate) fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

/// Seconds of processor time a process has had, its ended threads included. Zero where the
/// process cannot be seen: a broker on another machine.
pub(crate) fn processor_seconds(process: u32) -> f64 {
    Stat::of(process).map_or(0.0, |stat| stat.own)
}

/// The same of a process and all those it has started, whether they have ended or not. Of the
/// children's children nobody asks.
pub(crate) fn processor_seconds_with_children(process: u32) -> f64 {
    let children = std::fs::read_dir("/proc").into_iter().flatten();
    let children = children.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let children = children.filter_map(Stat::of);
    let children = children.filter(|stat| stat.parent == process);
    let own = Stat::of(process).map_or(0.0, |stat| stat.own + stat.ended_children);
    own + children.map(|stat| stat.own).sum::<f64>()
}

/// What the kernel tells of a process; times in seconds.
struct Stat {
    parent: u32,
    own: f64,
    ended_children: f64,
}

impl Stat {
    fn of(process: u32) -> Option<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        // The program's name before it may hold any character.
        let (_, fields) = stat.rsplit_once(") ")?;
        let fields: Vec<&str> = fields.split(' ').collect();
        let seconds = |place: usize| {
            let user_and_system = fields.get(place..place + 2)?.iter();
            let ticks = user_and_system.filter_map(|ticks| ticks.parse::<f64>().ok());
            Some(ticks.sum::<f64>() / TICKS_PER_SECOND)
        };
        Some(Self {
            parent: fields.get(1)?.parse().ok()?,
            own: seconds(11)?,
            ended_children: seconds(13)?,
        })
    }
}
