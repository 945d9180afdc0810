//! The circuit breaker: after many failures in a row no request goes but one probe at a time, and after some probes none.
//!
//! Must not know: what failed, or how fast requests go.

use std::time::Duration;

use tokio::time::Instant;

use super::Policy;

/// Whether requests may go to a destination that fails.
pub(super) struct Breaker {
    state: State,
    after: u32,
    first_pause: Duration,
    longest_pause: Duration,
    probes: u32,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    /// Requests go; so many failed since the last success.
    Closed { failures: u32 },
    /// None goes before `until`.
    Open { until: Instant, failed_probes: u32 },
    /// One request is on its way to see whether the destination is back.
    HalfOpen { failed_probes: u32 },
}

/// What a request has to wait for.
#[derive(Debug, PartialEq)]
pub(super) enum Wait {
    /// It may go, as the probe if the breaker was open.
    None,
    Until(Instant),
    /// The end of the probe.
    Probe,
}

impl Breaker {
    pub(super) fn new(policy: &Policy) -> Self {
        Self {
            state: State::Closed { failures: 0 },
            after: policy.breaker_after.max(1),
            first_pause: policy.breaker_pause,
            longest_pause: policy.max_delay,
            probes: policy.breaker_probes.max(1),
        }
    }

    pub(super) fn wait(&self, now: Instant) -> Wait {
        match self.state {
            State::Closed { .. } => Wait::None,
            State::Open { until, .. } if now < until => Wait::Until(until),
            State::Open { .. } => Wait::None,
            State::HalfOpen { .. } => Wait::Probe,
        }
    }

    /// A request goes. Whether it is the probe.
    pub(super) fn begin(&mut self) -> bool {
        if let State::Open { failed_probes, .. } = self.state {
            self.state = State::HalfOpen { failed_probes };
            return true;
        }
        false
    }

    /// The destination answered something that shows it at work.
    pub(super) fn succeeded(&mut self) {
        self.state = State::Closed { failures: 0 };
    }

    /// A request failed. Gives the number of probes that failed once they were enough.
    pub(super) fn failed(&mut self, probe: bool, now: Instant) -> Option<u32> {
        match self.state {
            State::Closed { failures } if failures + 1 < self.after => {
                self.state = State::Closed { failures: failures + 1 };
            }
            State::Closed { .. } => self.open(0, now),
            State::HalfOpen { failed_probes } if probe => {
                if failed_probes + 1 == self.probes {
                    return Some(self.probes);
                }
                self.open(failed_probes + 1, now);
            }
            // It was on its way before the breaker opened.
            State::Open { .. } | State::HalfOpen { .. } => {}
        }
        None
    }

    fn open(&mut self, failed_probes: u32, now: Instant) {
        let pause = self.first_pause.saturating_mul(1 << failed_probes.min(16)).min(self.longest_pause);
        tracing::warn!(seconds = pause.as_secs_f32(), "the destination keeps failing: requests pause");
        self.state = State::Open { until: now + pause, failed_probes };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breaker() -> Breaker {
        Breaker::new(&Policy {
            breaker_after: 3,
            breaker_pause: Duration::from_secs(10),
            breaker_probes: 2,
            ..Policy::default()
        })
    }

    #[tokio::test(start_paused = true)]
    async fn it_opens_after_failures_in_a_row_and_lets_one_probe_through() {
        let (mut breaker, start) = (breaker(), Instant::now());
        breaker.failed(false, start);
        breaker.failed(false, start);
        breaker.succeeded();
        breaker.failed(false, start);
        breaker.failed(false, start);
        assert_eq!(breaker.wait(start), Wait::None);
        breaker.failed(false, start);
        let later = start + Duration::from_secs(10);
        assert_eq!(breaker.wait(start), Wait::Until(later));
        assert_eq!(breaker.wait(later), Wait::None);
        assert!(breaker.begin());
        assert_eq!(breaker.wait(later), Wait::Probe);
        breaker.succeeded();
        assert_eq!(breaker.wait(later), Wait::None);
        assert!(!breaker.begin());
    }

    #[tokio::test(start_paused = true)]
    async fn failed_probes_lengthen_the_pause_and_then_end_it_all() {
        let (mut breaker, now) = (breaker(), Instant::now());
        for _ in 0..3 {
            assert_eq!(breaker.failed(false, now), None);
        }
        assert!(breaker.begin());
        // One that was under way when the breaker opened is no probe.
        assert_eq!(breaker.failed(false, now), None);
        assert_eq!(breaker.wait(now), Wait::Probe);
        assert_eq!(breaker.failed(true, now), None);
        assert_eq!(breaker.wait(now), Wait::Until(now + Duration::from_secs(20)));
        assert!(breaker.begin());
        assert_eq!(breaker.failed(true, now), Some(2));
    }
}
