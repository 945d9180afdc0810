//! When the next request may go: the rate, the pauses a destination asks for, and the stop of the whole run.
//!
//! Must not know: rows, batches, or what an answer said.

use std::time::Duration;

use governor::clock::{Clock, Reference};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::sync::watch;
use tokio::time::Instant;

/// The runtime's clock, so that the rate follows paused time in tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Moment(Instant);

impl std::ops::Add<Nanos> for Moment {
    type Output = Self;
    fn add(self, span: Nanos) -> Self {
        Self(self.0 + Duration::from(span))
    }
}

impl Reference for Moment {
    fn duration_since(&self, earlier: Self) -> Nanos {
        self.0.saturating_duration_since(earlier.0).into()
    }

    fn saturating_sub(&self, duration: Nanos) -> Self {
        Self(self.0.checked_sub(duration.into()).unwrap_or(self.0))
    }
}

#[derive(Debug, Clone, Copy)]
struct RuntimeClock;

impl Clock for RuntimeClock {
    type Instant = Moment;
    fn now(&self) -> Moment {
        Moment(Instant::now())
    }
}

type Limiter = RateLimiter<NotKeyed, InMemoryState, RuntimeClock, NoOpMiddleware<Moment>>;

/// The run was stopped while a request waited.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stopped;

/// The gate all requests of a run pass.
pub(super) struct Pace {
    limiter: Option<Limiter>,
    not_before: watch::Sender<Instant>,
    stopped: watch::Sender<bool>,
}

impl Pace {
    /// A gate that lets `rate` requests per second through, evenly spread; `None` and senseless rates mean no limit.
    pub(super) fn new(rate: Option<f64>) -> Self {
        let period = rate.and_then(|rate| Duration::try_from_secs_f64(rate.recip()).ok());
        let limiter =
            period.and_then(Quota::with_period).map(|quota| RateLimiter::direct_with_clock(quota, RuntimeClock));
        Self { limiter, not_before: watch::Sender::new(Instant::now()), stopped: watch::Sender::new(false) }
    }

    /// Waits until a request may go.
    pub(super) async fn pass(&self) -> Result<(), Stopped> {
        loop {
            if *self.stopped.borrow() {
                return Err(Stopped);
            }
            let not_before = *self.not_before.borrow();
            if not_before > Instant::now() {
                self.sleep_until(not_before).await?;
                continue;
            }
            let Some(limiter) = &self.limiter else { return Ok(()) };
            match limiter.check() {
                Ok(()) => return Ok(()),
                Err(not_until) => self.sleep(not_until.wait_time_from(RuntimeClock.now())).await?,
            }
        }
    }

    /// Holds every request back for `span`: the destination asked one of them to wait.
    pub(super) fn hold(&self, span: Duration) {
        let until = instant_after(span);
        self.not_before.send_if_modified(|not_before| {
            let later = until > *not_before;
            if later {
                *not_before = until;
            }
            later
        });
    }

    /// Lets no further request pass and wakes those that wait.
    pub(super) fn stop(&self) {
        self.stopped.send_replace(true);
    }

    /// Waits for `span`, or until the run is stopped.
    pub(super) async fn sleep(&self, span: Duration) -> Result<(), Stopped> {
        self.sleep_until(instant_after(span)).await
    }

    async fn sleep_until(&self, until: Instant) -> Result<(), Stopped> {
        let mut stopped = self.stopped.subscribe();
        tokio::select! {
            () = tokio::time::sleep_until(until) => Ok(()),
            _ = stopped.wait_for(|stopped| *stopped) => Err(Stopped),
        }
    }
}

/// The instant after `span`, at most a day away: a foreign number must not overflow the clock.
fn instant_after(span: Duration) -> Instant {
    Instant::now() + span.min(Duration::from_secs(86_400))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn requests_are_spread_over_the_second() {
        let pace = Pace::new(Some(4.0));
        let start = Instant::now();
        for _ in 0..9 {
            pace.pass().await.unwrap();
        }
        let spent = start.elapsed();
        assert!((Duration::from_millis(1_990)..Duration::from_millis(2_100)).contains(&spent), "{spent:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_hold_delays_all_and_never_shortens() {
        let pace = Pace::new(None);
        let start = Instant::now();
        pace.hold(Duration::from_secs(30));
        pace.hold(Duration::from_secs(3));
        pace.pass().await.unwrap();
        assert!(start.elapsed() >= Duration::from_secs(30));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_wakes_those_that_wait() {
        let pace = Pace::new(None);
        pace.hold(Duration::from_secs(3_600));
        let start = Instant::now();
        let (passed, ()) = tokio::join!(pace.pass(), async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            pace.stop();
        });
        assert_eq!(passed, Err(Stopped));
        assert!(start.elapsed() < Duration::from_secs(2));
        assert_eq!(pace.pass().await, Err(Stopped));
    }

    #[tokio::test]
    async fn senseless_rates_mean_no_limit() {
        for rate in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            Pace::new(Some(rate)).pass().await.unwrap();
        }
    }
}
