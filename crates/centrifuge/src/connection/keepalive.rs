//! Pings, and what proves that a client is still there.
//!
//! Any frame counts as an answer, not only the pong `{}`: a client that talks is
//! alive, and the hand-written ones send their `{}` on a timer of their own.

use std::time::Instant;

use super::Settings;

#[derive(Debug)]
pub(super) struct Keepalive {
    next_ping: Instant,
    /// Set while a ping is unanswered. No second ping is sent before that is settled.
    pong_until: Option<Instant>,
}

/// What the passing of time asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Beat {
    Rest,
    Ping,
    NoPong,
}

impl Keepalive {
    /// The first ping comes after half to a whole interval, as `jitter` has it, so
    /// that clients who came together are not pinged together.
    pub(super) fn new(settings: &Settings, jitter: f64, now: Instant) -> Self {
        let first = settings.ping_interval.mul_f64(f64::midpoint(1.0, jitter));
        Self {
            next_ping: now + first,
            pong_until: None,
        }
    }

    pub(super) fn heard(&mut self) {
        self.pong_until = None;
    }

    pub(super) fn deadline(&self) -> Instant {
        self.pong_until.unwrap_or(self.next_ping)
    }

    pub(super) fn tick(&mut self, settings: &Settings, now: Instant) -> Beat {
        if let Some(until) = self.pong_until {
            return if until <= now {
                Beat::NoPong
            } else {
                Beat::Rest
            };
        }
        if now < self.next_ping {
            return Beat::Rest;
        }
        self.next_ping = now + settings.ping_interval;
        self.pong_until = Some(now + settings.pong_timeout);
        Beat::Ping
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_first_ping_falls_into_the_second_half_of_the_interval() {
        let (settings, start) = (Settings::default(), Instant::now());
        for (jitter, millis) in [(0.0, 12_500), (0.5, 18_750), (1.0, 25_000)] {
            let keepalive = Keepalive::new(&settings, jitter, start);
            assert_eq!(keepalive.deadline(), start + Duration::from_millis(millis));
        }
    }

    #[test]
    fn an_unanswered_ping_is_waited_for_and_not_repeated() {
        let (mut settings, start) = (Settings::default(), Instant::now());
        settings.pong_timeout = Duration::from_mins(1);
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut keepalive = Keepalive::new(&settings, 1.0, start);
        assert_eq!(keepalive.tick(&settings, at(25)), Beat::Ping);
        assert_eq!(keepalive.tick(&settings, at(50)), Beat::Rest);
        assert_eq!(keepalive.tick(&settings, at(85)), Beat::NoPong);
    }

    #[test]
    fn a_heard_client_is_pinged_again_one_interval_after_the_last_ping() {
        let (settings, start) = (Settings::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut keepalive = Keepalive::new(&settings, 1.0, start);
        assert_eq!(keepalive.tick(&settings, at(25)), Beat::Ping);
        keepalive.heard();
        assert_eq!(keepalive.deadline(), at(50));
        assert_eq!(keepalive.tick(&settings, at(33)), Beat::Rest);
        assert_eq!(keepalive.tick(&settings, at(50)), Beat::Ping);
    }
}
