//! The stack every destination shares: cut into requests, pace, retry, split around a row that is refused, stop.
//!
//! Must not know: any particular destination, or where outcomes are kept.

mod pace;
mod rebatch;
mod request;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::Duration;

use futures::stream::FuturesUnordered;
use futures::{Stream, StreamExt};

use self::pace::Pace;
use self::rebatch::Rebatcher;
use self::request::{End, Ended, Sender};
use crate::{Batch, Destination, DestinationError, Outcome, SyncContext, normalise};

/// How patient a delivery is.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// Most tries of one request; at least 1.
    pub attempts: u32,
    /// The longest first pause between two tries; doubles with each try. The pause is drawn evenly from zero up to it.
    pub first_delay: Duration,
    /// The longest a pause grows to.
    pub max_delay: Duration,
    /// The longest one request may take with all its tries and pauses. A `Retry-After` beyond it ends the run at once.
    pub budget: Duration,
    /// Time for one try, unless the destination sets its own.
    pub request_timeout: Duration,
    /// The run stops when this many rows were refused by splitting and not one was taken: then the destination refuses
    /// the shape of the rows, and going on would cost two requests for every row.
    pub hopeless_after: usize,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            attempts: 8,
            first_delay: Duration::from_secs(1),
            max_delay: Duration::from_secs(60),
            budget: Duration::from_secs(300),
            request_timeout: Duration::from_secs(60),
            hopeless_after: 100,
        }
    }
}

/// What a delivery did. Row counts add up to the rows of the stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeliveryReport {
    /// Requests sent, every try counted.
    pub requests: u64,
    /// Those of them that were a second or later try.
    pub retries: u64,
    /// Rows acknowledged.
    pub delivered: u64,
    /// Rows taken, with an end not known yet.
    pub accepted: u64,
    /// Rows refused.
    pub rejected: u64,
    /// Rows of which the destination says nothing.
    pub unknown: u64,
    /// Rows that were not sent, or got no answer, because the run stopped.
    pub unsent: u64,
    /// Why the run stopped before its end.
    pub stopped: Option<String>,
}

impl DeliveryReport {
    fn count(&mut self, outcomes: &[Outcome]) {
        for outcome in outcomes {
            match outcome {
                Outcome::Delivered => self.delivered += 1,
                Outcome::Accepted { .. } => self.accepted += 1,
                Outcome::Rejected { .. } => self.rejected += 1,
                Outcome::Unknown => self.unknown += 1,
            }
        }
    }
}

/// Sends `rows` to `destination` and hands every outcome to `on_outcomes` as soon as it is known.
///
/// - Batches of any size come in; requests within [`Destination::limits`] go out. At most `concurrency` requests are in
///   flight, and beside them one batch of the stream and one unfilled request per operation are in memory.
/// - Values of the fields that the destination declares leave normalised and hashed as it says.
/// - `on_outcomes` is awaited before any further request starts, so that the caller can write the outcomes down first.
///   It gets each row once. A key must occur once in `rows`: requests may overtake each other.
/// - A request that is refused as a whole is halved until the refused rows are alone; those are rejected, their
///   neighbours delivered.
/// - When a request cannot be settled within the policy, or the destination says that no request can succeed, the run
///   stops: requests in flight are heard out, all other rows stay unsent, and the report says why. The stream is still
///   read to its end, so that the report counts every row.
///
/// `prepare` and `finish` are the caller's to call.
///
/// The compiler cannot yet prove a future that awaits an `AsyncFnMut` to be `Send`, so await it on the task that drives
/// the run, or inside `spawn_blocking` with `Handle::block_on`; `tokio::spawn` does not take it.
///
/// # Errors
/// The first error of `rows` or `on_outcomes`, or a [`DestinationError::Batch`] when batches of the stream differ in
/// their columns. Outcomes handed over until then stand.
pub async fn deliver<E: From<DestinationError>>(
    destination: &dyn Destination,
    context: &SyncContext,
    rows: impl Stream<Item = Result<Batch, E>>,
    policy: &Policy,
    mut on_outcomes: impl AsyncFnMut(&Batch, &[Outcome]) -> Result<(), E>,
) -> Result<DeliveryReport, E> {
    let limits = destination.limits();
    let pace = Pace::new(limits.rate);
    let timeout = limits.timeout.unwrap_or(policy.request_timeout);
    let sender = Sender { destination, context, policy, pace: &pace, timeout };
    let mut run = Run::new(policy, Rebatcher::new(limits), &pace);
    let mut in_flight = FuturesUnordered::new();
    let fields = destination.fields();
    let rows = rows.map(|batch| Ok::<_, E>(normalise::apply(&fields, batch?)?));
    let mut rows = std::pin::pin!(rows.fuse());
    let mut more = true;
    loop {
        while in_flight.len() < limits.concurrency.max(1) {
            let Some((batch, request)) = run.next_request() else { break };
            in_flight.push(sender.send(batch, request));
        }
        let hungry = more && run.waiting.is_empty();
        tokio::select! {
            biased;
            Some(ended) = in_flight.next(), if !in_flight.is_empty() => {
                if let Some((batch, outcomes)) = run.end(ended) {
                    on_outcomes(&batch, &outcomes).await?;
                }
            }
            batch = rows.next(), if hungry => match batch {
                Some(batch) => run.take_in(batch?)?,
                None => {
                    more = false;
                    run.take_in_rest()?;
                }
            },
            else => return Ok(run.report),
        }
    }
}

/// The books of one delivery.
struct Run<'a> {
    rebatcher: Rebatcher,
    pace: &'a Pace,
    hopeless_after: u64,
    waiting: VecDeque<Batch>,
    started: u64,
    report: DeliveryReport,
}

impl<'a> Run<'a> {
    fn new(policy: &Policy, rebatcher: Rebatcher, pace: &'a Pace) -> Self {
        let hopeless_after = policy.hopeless_after.max(1) as u64;
        Self {
            rebatcher,
            pace,
            hopeless_after,
            waiting: VecDeque::new(),
            started: 0,
            report: DeliveryReport::default(),
        }
    }

    fn take_in(&mut self, batch: Batch) -> Result<(), DestinationError> {
        if self.report.stopped.is_some() {
            self.leave(&batch);
            return Ok(());
        }
        self.waiting.extend(self.rebatcher.push(batch)?);
        Ok(())
    }

    fn take_in_rest(&mut self) -> Result<(), DestinationError> {
        self.waiting.extend(self.rebatcher.finish()?);
        Ok(())
    }

    /// The next batch to send with its ordinal; none once the run has stopped.
    fn next_request(&mut self) -> Option<(Batch, u64)> {
        if self.report.stopped.is_some() {
            for batch in std::mem::take(&mut self.waiting) {
                self.leave(&batch);
            }
        }
        let batch = self.waiting.pop_front()?;
        self.started += 1;
        Some((batch, self.started))
    }

    /// Books the end of a request and gives what the caller must be told.
    fn end(&mut self, ended: Ended) -> Option<(Batch, Vec<Outcome>)> {
        let Ended { batch, end, tries } = ended;
        self.report.requests += tries;
        self.report.retries += tries.saturating_sub(1);
        match end {
            End::Outcomes(outcomes) => {
                self.report.count(&outcomes);
                Some((batch, outcomes))
            }
            End::Split { code, reason } if batch.len() <= 1 => {
                let outcomes = [Outcome::Rejected { code, message: reason.clone(), retryable: false }];
                self.report.count(&outcomes);
                self.stop_if_hopeless(&reason);
                Some((batch, outcomes.into()))
            }
            End::Split { .. } => {
                // First in the queue, so that a refused request is settled before new ones start.
                let half = batch.len() / 2;
                self.waiting.push_front(batch.slice(half, batch.len() - half));
                self.waiting.push_front(batch.slice(0, half));
                None
            }
            End::Stop(reason) => {
                self.leave(&batch);
                self.stop(reason);
                None
            }
            End::Stopped => {
                self.leave(&batch);
                None
            }
        }
    }

    fn stop_if_hopeless(&mut self, reason: &str) {
        let taken = self.report.delivered + self.report.accepted + self.report.unknown;
        if taken == 0 && self.report.rejected >= self.hopeless_after {
            self.stop(format!("the destination refused the first {} rows one by one: {reason}", self.report.rejected));
        }
    }

    fn stop(&mut self, reason: String) {
        // The reason may quote a row, so it goes to the report and not to the log.
        tracing::warn!("delivery stopped");
        self.pace.stop();
        self.report.stopped.get_or_insert(reason);
    }

    fn leave(&mut self, batch: &Batch) {
        self.report.unsent += batch.len() as u64;
    }
}
