//! How fast requests may go: a bucket of one token, refilled at a rate that follows the destination's answers.
//!
//! Must not know: rows, requests in flight, or why an answer was what it was.

use std::time::Duration;

use tokio::time::Instant;

use crate::Usage;

/// A rate never falls below one request in ten seconds, unless the destination declares less.
const SLOWEST: f64 = 0.1;

/// What one success gives back, as a share of `top`: 25 successes make up for one halving.
const STEP: f64 = 0.02;

/// The share of an allowance from which on a usage slows requests down.
const COMFORTABLE: f64 = 0.75;

/// A token bucket that holds one token, so that requests are spread evenly: no window of time sees a burst.
pub(super) struct Rate {
    /// Requests per second that the destination declares.
    ceiling: Option<f64>,
    /// Requests per second since the last refusal; `None` is no limit.
    current: Option<f64>,
    /// Requests per second that the last usage leaves room for.
    cap: Option<f64>,
    /// The declared rate, or else that of the last refusal.
    top: f64,
    /// When the next token is there.
    next: Instant,
    /// Requests let through since `since`: the rate where none is set.
    passed: u32,
    since: Instant,
}

impl Rate {
    /// `ceiling` in requests per second; `None` and senseless rates mean no limit.
    pub(super) fn new(ceiling: Option<f64>, now: Instant) -> Self {
        let ceiling = ceiling.filter(|rate| rate.is_finite() && *rate > 0.0);
        let top = ceiling.unwrap_or_default();
        Self { ceiling, current: ceiling, cap: None, top, next: now, passed: 0, since: now }
    }

    /// When the next request may go.
    pub(super) fn ready_at(&self) -> Instant {
        self.next
    }

    /// Takes the token.
    pub(super) fn take(&mut self, now: Instant) {
        self.passed = self.passed.saturating_add(1);
        let period = self.now().and_then(|rate| Duration::try_from_secs_f64(rate.recip()).ok());
        self.next = self.next.max(now) + period.unwrap_or_default().min(Duration::from_secs(86_400));
    }

    /// Halves the rate. A destination that asks for a pause (`asked`) has told that what went through was too much: half
    /// of that becomes the rate, whatever was allowed. Without that, and without a declared rate, nothing is known of how
    /// fast requests may go, and nothing changes.
    pub(super) fn slow_down(&mut self, asked: bool, now: Instant) {
        let seen = if asked { self.seen(now) } else { f64::INFINITY };
        let from = self.current.unwrap_or(f64::INFINITY).min(seen);
        (self.passed, self.since) = (0, now);
        if from.is_finite() {
            self.top = self.ceiling.unwrap_or(from);
            self.current = Some((from / 2.0).max(self.slowest()));
        }
    }

    /// Gives back a little of what refusals took. Without a declared rate the limit is lifted once it is well above
    /// the rate that was refused last.
    pub(super) fn speed_up(&mut self) {
        let Some(current) = self.current else { return };
        let faster = current + self.top * STEP;
        self.current = match self.ceiling {
            Some(ceiling) => Some(faster.min(ceiling)),
            None => Some(faster).filter(|rate| *rate < self.top * 2.0),
        };
    }

    /// Follows what the destination says of its allowance: what is left is spread over the time until it is whole
    /// again, once three quarters are used.
    pub(super) fn follow(&mut self, usage: &Usage, now: Instant) {
        if usage.used.is_nan() || usage.used <= COMFORTABLE {
            self.cap = None;
            return;
        }
        let spread = usage.left.zip(usage.resets_in).filter(|(left, span)| *left > 0 && !span.is_zero());
        let cap = spread.map_or_else(
            || self.ceiling.unwrap_or(self.seen(now)) * ((1.0 - usage.used) / (1.0 - COMFORTABLE)).max(0.0),
            |(left, span)| left as f64 / span.as_secs_f64(),
        );
        self.cap = Some(cap.max(self.slowest()));
    }

    /// Requests per second at this moment.
    fn now(&self) -> Option<f64> {
        match (self.current, self.cap) {
            (Some(current), Some(cap)) => Some(current.min(cap)),
            (current, cap) => current.or(cap),
        }
    }

    /// Requests per second that went through since the last refusal.
    fn seen(&self, now: Instant) -> f64 {
        f64::from(self.passed) / now.duration_since(self.since).as_secs_f64().max(0.001)
    }

    fn slowest(&self) -> f64 {
        self.ceiling.map_or(SLOWEST, |ceiling| ceiling.min(SLOWEST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(got: Option<f64>, expected: f64) -> bool {
        got.is_some_and(|got| (got - expected).abs() < 1e-6)
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_halves_the_rate_and_successes_bring_it_back() {
        let now = Instant::now();
        let mut rate = Rate::new(Some(8.0), now);
        rate.slow_down(false, now);
        rate.slow_down(false, now);
        assert!(near(rate.now(), 2.0), "{:?}", rate.now());
        for _ in 0..10 {
            rate.speed_up();
        }
        assert!(near(rate.now(), 3.6), "{:?}", rate.now());
        for _ in 0..100 {
            rate.speed_up();
        }
        assert!(near(rate.now(), 8.0), "{:?}", rate.now());
        for _ in 0..100 {
            rate.slow_down(false, now);
        }
        assert!(near(rate.now(), SLOWEST), "{:?}", rate.now());
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_declared_rate_half_of_what_was_refused_is_tried_until_it_goes_well() {
        let start = Instant::now();
        let mut rate = Rate::new(None, start);
        for _ in 0..100 {
            rate.take(start);
        }
        assert_eq!((rate.now(), rate.ready_at()), (None, start));
        // A failure tells nothing of the rate.
        rate.slow_down(false, start);
        assert_eq!(rate.now(), None);
        for _ in 0..100 {
            rate.take(start);
        }
        rate.slow_down(true, start + Duration::from_secs(10));
        assert!(near(rate.now(), 5.0), "{:?}", rate.now());
        for _ in 0..80 {
            rate.speed_up();
        }
        assert_eq!(rate.now(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_usage_near_its_end_spreads_what_is_left() {
        let now = Instant::now();
        let mut rate = Rate::new(Some(10.0), now);
        let told = |used, left, secs: Option<u64>| Usage { used, left, resets_in: secs.map(Duration::from_secs) };
        rate.follow(&told(0.5, Some(50), Some(100)), now);
        assert!(near(rate.now(), 10.0));
        rate.follow(&told(0.9, Some(10), Some(100)), now);
        assert!(near(rate.now(), 0.1));
        rate.follow(&told(0.8, None, None), now);
        assert!(near(rate.now(), 8.0), "{:?}", rate.now());
        rate.follow(&told(f64::NAN, None, None), now);
        assert!(near(rate.now(), 10.0));
    }

    #[tokio::test]
    async fn senseless_rates_mean_no_limit() {
        let now = Instant::now();
        for ceiling in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let mut rate = Rate::new(Some(ceiling), now);
            rate.take(now);
            assert_eq!(rate.ready_at(), now, "{ceiling}");
        }
    }
}
