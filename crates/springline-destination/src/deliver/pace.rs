//! When the next request may go: rate, requests at once, the breaker, the pauses a destination asks for, the retries a
//! run may spend, and the stop of the whole run.
//!
//! Must not know: rows, batches, or what an answer said beyond whether the destination is at work.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::Policy;
use super::breaker::{Breaker, Wait};
use super::rate::Rate;
use crate::{Limits, Usage};

/// The run was stopped while a request waited.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stopped;

/// A request may go, or is on its way.
#[derive(Debug)]
pub(super) struct Permit {
    started: Instant,
    probe: bool,
}

/// What an answer tells of the destination as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Health {
    /// It is at work.
    Well,
    /// It is at work and asks for a pause.
    Busy,
    /// It failed, or there was no answer.
    Down,
}

/// The gate all requests of a run pass.
pub(super) struct Pace {
    state: watch::Sender<State>,
}

struct State {
    rate: Rate,
    breaker: Breaker,
    not_before: Instant,
    in_flight: usize,
    /// Requests at once that the destination stands at the moment; a fraction on its way up.
    at_once: f64,
    most_at_once: f64,
    /// A refusal of what started before says nothing new.
    slowed: Option<Instant>,
    retries_left: f64,
    retry_share: f64,
    /// The longest pause that is waited for.
    patience: Duration,
    stopped: Option<String>,
}

enum Gate {
    Open(Permit),
    At(Instant),
    /// Something has to change first.
    Shut,
    Stopped,
}

impl Pace {
    pub(super) fn new(limits: &Limits, policy: &Policy) -> Self {
        let now = Instant::now();
        let most_at_once = limits.concurrency.max(1) as f64;
        let state = State {
            rate: Rate::new(limits.rate, now),
            breaker: Breaker::new(policy),
            not_before: now,
            in_flight: 0,
            at_once: most_at_once,
            most_at_once,
            slowed: None,
            retries_left: f64::from(policy.retry_reserve),
            retry_share: policy.retry_share.max(0.0),
            patience: policy.budget,
            stopped: None,
        };
        Self { state: watch::Sender::new(state) }
    }

    /// Waits until a request may go.
    pub(super) async fn enter(&self) -> Result<Permit, Stopped> {
        let mut changes = self.state.subscribe();
        loop {
            let mut gate = Gate::Stopped;
            self.state.send_if_modified(|state| {
                let stopped = state.stopped.is_some();
                gate = state.gate(Instant::now());
                // A gate that opens or shuts lets nobody else through; a stop wakes all.
                stopped != state.stopped.is_some()
            });
            changes.mark_unchanged();
            match gate {
                Gate::Open(permit) => return Ok(permit),
                Gate::Stopped => return Err(Stopped),
                // The sender is ours: a change that never comes is a pause that ends.
                Gate::At(instant) => {
                    tokio::select! {
                        () = tokio::time::sleep_until(instant) => {}
                        _ = changes.changed() => {}
                    }
                }
                Gate::Shut => changes.changed().await.map_err(|_| Stopped)?,
            }
        }
    }

    /// Takes back the permit of a request that got its answer, and learns from it.
    pub(super) fn leave(&self, permit: &Permit, health: Health, reason: &str, usage: Option<Usage>) {
        self.state.send_modify(|state| state.learn(permit, health, reason, usage, Instant::now()));
    }

    /// Takes one retry out of what the run may spend; the run stops when nothing is left.
    pub(super) fn spend_retry(&self, reason: &str) -> Result<(), Stopped> {
        let mut spent = Ok(());
        self.state.send_if_modified(|state| {
            state.retries_left -= 1.0;
            if state.retries_left < 0.0 {
                state.stop(format!("given up: too many of the run's requests had to be tried again: {reason}"));
                spent = Err(Stopped);
            }
            spent.is_err()
        });
        spent
    }

    /// A request has ended well: it earns the run a share of a retry.
    pub(super) fn earn_retry(&self) {
        self.state.send_if_modified(|state| {
            state.retries_left += state.retry_share;
            false
        });
    }

    /// Holds every request back for `span`: the destination asked one of them to wait.
    pub(super) fn hold(&self, span: Duration) {
        self.state.send_modify(|state| state.hold(span, Instant::now()));
    }

    /// Lets no further request pass, for the first reason given, and wakes those that wait.
    pub(super) fn stop(&self, reason: String) {
        self.state.send_modify(|state| state.stop(reason));
    }

    /// Why the run was stopped, if it was.
    pub(super) fn stopped(&self) -> Option<String> {
        self.state.borrow().stopped.clone()
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.state.borrow().stopped.is_some()
    }

    /// Waits for `span`, or until the run is stopped.
    pub(super) async fn sleep(&self, span: Duration) -> Result<(), Stopped> {
        let mut stopped = self.state.subscribe();
        tokio::select! {
            () = tokio::time::sleep_until(after(Instant::now(), span)) => Ok(()),
            _ = stopped.wait_for(|state| state.stopped.is_some()) => Err(Stopped),
        }
    }
}

impl State {
    fn gate(&mut self, now: Instant) -> Gate {
        if self.stopped.is_some() {
            return Gate::Stopped;
        }
        if now < self.not_before {
            let wait = self.not_before - now;
            if wait > self.patience {
                let (wait, patience) = (wait.as_secs(), self.patience.as_secs());
                self.stop(format!(
                    "the destination's allowance is used up for another {wait} s, more than the {patience} s that are \
                     waited for"
                ));
                return Gate::Stopped;
            }
            return Gate::At(self.not_before);
        }
        match self.breaker.wait(now) {
            Wait::None => {}
            Wait::Until(instant) => return Gate::At(instant),
            Wait::Probe => return Gate::Shut,
        }
        if self.in_flight as f64 + 1.0 > self.at_once {
            return Gate::Shut;
        }
        if now < self.rate.ready_at() {
            return Gate::At(self.rate.ready_at());
        }
        self.rate.take(now);
        self.in_flight += 1;
        Gate::Open(Permit { started: now, probe: self.breaker.begin() })
    }

    fn learn(&mut self, permit: &Permit, health: Health, reason: &str, usage: Option<Usage>, now: Instant) {
        self.in_flight = self.in_flight.saturating_sub(1);
        if health == Health::Down {
            if let Some(probes) = self.breaker.failed(permit.probe, now) {
                self.stop(format!("the destination keeps failing, {probes} probes after pauses included: {reason}"));
            }
        } else {
            self.breaker.succeeded();
        }
        if health == Health::Well {
            self.rate.speed_up();
            self.at_once = (self.at_once + self.at_once.recip()).min(self.most_at_once);
        } else if self.slowed.is_none_or(|slowed| permit.started > slowed) {
            self.slowed = Some(now);
            self.rate.slow_down(health == Health::Busy, now);
            self.at_once = (self.at_once / 2.0).max(1.0);
        }
        if let Some(usage) = usage {
            self.rate.follow(&usage, now);
            let is_used_up = usage.used >= 1.0 || usage.left == Some(0);
            if let Some(span) = usage.resets_in.filter(|_| is_used_up) {
                self.hold(span, now);
            }
        }
    }

    fn hold(&mut self, span: Duration, now: Instant) {
        self.not_before = self.not_before.max(after(now, span));
    }

    fn stop(&mut self, reason: String) {
        if self.stopped.is_none() {
            // The reason may quote a row, so it goes to the report and not to the log.
            tracing::warn!("delivery stopped");
            self.stopped = Some(reason);
        }
    }
}

/// The instant after `span`, at most a day away: a foreign number must not overflow the clock.
fn after(now: Instant, span: Duration) -> Instant {
    now + span.min(Duration::from_secs(86_400))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BatchLimits;

    fn pace(rate: Option<f64>, concurrency: usize) -> Pace {
        let batch = BatchLimits::rows(1);
        Pace::new(&Limits { batch, homogeneous: true, rate, concurrency, timeout: None }, &Policy::default())
    }

    /// One request that ends at once.
    async fn pass(pace: &Pace, health: Health) -> Result<(), Stopped> {
        let permit = pace.enter().await?;
        pace.leave(&permit, health, "503", None);
        Ok(())
    }

    #[tokio::test(start_paused = true)]
    async fn requests_are_spread_over_the_second() {
        let pace = pace(Some(4.0), 1);
        let start = Instant::now();
        for _ in 0..9 {
            pass(&pace, Health::Well).await.unwrap();
        }
        let spent = start.elapsed();
        assert!((Duration::from_millis(1_990)..Duration::from_millis(2_100)).contains(&spent), "{spent:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_hold_delays_all_and_never_shortens() {
        let pace = pace(None, 1);
        let start = Instant::now();
        pace.hold(Duration::from_secs(30));
        pace.hold(Duration::from_secs(3));
        pass(&pace, Health::Well).await.unwrap();
        assert!(start.elapsed() >= Duration::from_secs(30));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_wakes_those_that_wait() {
        let pace = pace(None, 1);
        pace.hold(Duration::from_secs(200));
        let start = Instant::now();
        let (passed, ()) = tokio::join!(pace.enter(), async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            pace.stop("first".into());
            pace.stop("second".into());
        });
        assert_eq!(passed.err(), Some(Stopped));
        assert!(start.elapsed() < Duration::from_secs(2));
        assert_eq!(pace.enter().await.err(), Some(Stopped));
        assert_eq!(pace.stopped().as_deref(), Some("first"));
    }

    #[tokio::test(start_paused = true)]
    async fn an_overload_lets_fewer_through_at_once_and_successes_more_again() {
        let pace = pace(None, 8);
        let at_once = |pace: &Pace| pace.state.borrow().at_once;
        let mut permits = Vec::new();
        for _ in 0..8 {
            permits.push(pace.enter().await.unwrap());
        }
        // Eight refusals of one moment are one overload.
        for permit in &permits {
            pace.leave(permit, Health::Busy, "429", None);
        }
        assert!((at_once(&pace) - 4.0).abs() < 1e-9, "{}", at_once(&pace));
        tokio::time::advance(Duration::from_secs(60)).await;
        pass(&pace, Health::Busy).await.unwrap();
        assert!((at_once(&pace) - 2.0).abs() < 1e-9, "{}", at_once(&pace));
        let mut open = vec![pace.enter().await.unwrap()];
        tokio::time::advance(Duration::from_secs(60)).await;
        open.push(pace.enter().await.unwrap());
        let third = tokio::time::timeout(Duration::from_secs(3_600), pace.enter()).await;
        assert!(third.is_err(), "a third request went");
        for permit in &open {
            pace.leave(permit, Health::Well, "", None);
        }
        for _ in 0..40 {
            pass(&pace, Health::Well).await.unwrap();
        }
        assert!((at_once(&pace) - 8.0).abs() < 1e-9, "{}", at_once(&pace));
    }

    #[tokio::test(start_paused = true)]
    async fn a_used_up_allowance_is_waited_for_within_reason() {
        let used_up = |secs| Some(Usage { used: 1.0, left: None, resets_in: Some(Duration::from_secs(secs)) });
        let pace = pace(None, 1);
        let start = Instant::now();
        let permit = pace.enter().await.unwrap();
        pace.leave(&permit, Health::Well, "", used_up(50));
        let permit = pace.enter().await.unwrap();
        assert_eq!(start.elapsed().as_secs(), 50);
        pace.leave(&permit, Health::Well, "", used_up(4_000));
        // Nobody wants to go: no reason to stop.
        assert_eq!(pace.stopped(), None);
        assert_eq!(pace.enter().await.err(), Some(Stopped));
        assert!(pace.stopped().unwrap().contains("allowance is used up for another 4000 s"));
    }

    #[tokio::test(start_paused = true)]
    async fn retries_are_earned_by_requests() {
        let policy = Policy { retry_reserve: 2, retry_share: 0.5, ..Policy::default() };
        let limits =
            Limits { batch: BatchLimits::rows(1), homogeneous: true, rate: None, concurrency: 1, timeout: None };
        let pace = Pace::new(&limits, &policy);
        pace.earn_retry();
        pace.earn_retry();
        for _ in 0..3 {
            pace.spend_retry("503").unwrap();
        }
        assert_eq!(pace.spend_retry("503"), Err(Stopped));
        assert!(pace.stopped().unwrap().contains("tried again: 503"));
    }
}
