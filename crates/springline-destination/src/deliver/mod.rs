//! The stack every destination shares: cut into requests, pace, retry, split around a row that is refused, stop.
//!
//! Must not know: any particular destination, or where outcomes are kept.

mod breaker;
mod order;
mod pace;
mod rate;
mod rebatch;
mod request;
#[cfg(test)]
mod tests;

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use futures::future::Fuse;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, Stream, StreamExt};
use tokio_util::sync::CancellationToken;

use self::order::Order;
use self::pace::Pace;
use self::rebatch::{Rebatcher, Request};
use self::request::{End, Ended, Sender};
use crate::{Batch, Destination, DestinationError, Mode, Outcome, SyncContext, normalise};

/// How patient a delivery is.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Most tries of one request; at least 1.
    pub attempts: u32,
    /// The longest first pause between two tries; doubles with each try. The pause is drawn evenly from zero up to it.
    pub first_delay: Duration,
    /// The longest a pause grows to.
    pub max_delay: Duration,
    /// The longest one request may take with all its tries and pauses. A `Retry-After` beyond it ends the run at once,
    /// and so does an allowance that is used up for longer.
    pub budget: Duration,
    /// Retries that a run may spend whatever its size.
    pub retry_reserve: u32,
    /// Retries that a run may spend beside the reserve, per request that ended. Beyond both the run stops.
    pub retry_share: f64,
    /// Failures in a row, of whatever requests, after which requests pause and one probe at a time is let through. An
    /// answer with `Retry-After` is none: the destination is at work.
    pub breaker_after: u32,
    /// The pause before the first probe; doubles with each that fails, up to `max_delay`.
    pub breaker_pause: Duration,
    /// The run stops when so many probes in a row failed; at least 1.
    pub breaker_probes: u32,
    /// Time for one try, unless the destination sets its own.
    pub request_timeout: Duration,
    /// The run stops when this many rows were refused by splitting and not one was taken: then the destination refuses
    /// the shape of the rows, and going on would cost two requests for every row.
    pub hopeless_after: usize,
    /// No key comes twice in the stream: the caller has seen to it, and nothing is spent on the order of keys.
    pub distinct_keys: bool,
    /// Once it is cancelled no further request starts: those in flight are heard out, and the run stops.
    pub stop: CancellationToken,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            attempts: 8,
            first_delay: Duration::from_secs(1),
            max_delay: Duration::from_secs(60),
            budget: Duration::from_secs(300),
            retry_reserve: 100,
            retry_share: 0.5,
            breaker_after: 10,
            breaker_pause: Duration::from_secs(10),
            breaker_probes: 4,
            request_timeout: Duration::from_secs(60),
            hopeless_after: 100,
            distinct_keys: false,
            stop: CancellationToken::new(),
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

/// What happens during a delivery, told before anything else depends on it.
#[derive(Debug, Clone, Copy)]
pub enum Progress<'a> {
    /// These requests leave as soon as the caller returns: until each is [`Progress::Settled`], nobody knows whether the
    /// destination has its rows. One that is cut in halves is not settled itself; its halves are told anew.
    Sending(&'a [(u64, &'a Batch)]),
    /// A request has ended.
    Settled {
        /// Its ordinal in the run, from 1.
        request: u64,
        /// Its rows, with what the destination gave for them.
        batch: &'a Batch,
        /// The outcome of each row.
        outcomes: &'a [Outcome],
    },
}

/// Sends `rows` to `destination` and tells `on_progress` of every request before it leaves and as soon as it has ended.
///
/// - Batches of any size come in; requests within [`Destination::limits`] go out. At most `concurrency` requests are in
///   flight, and beside them one batch of the stream and one unfilled request per operation are in memory.
/// - Values of the fields that the destination declares leave normalised and hashed as it says.
/// - The pace starts as the destination declares it. Refusals for a time halve the rate and the requests at once,
///   successes bring them back, and [`Destination::usage`] lowers the rate before it comes to a refusal.
/// - `on_progress` returns before a request that it is told of leaves, so that the caller can write it down first. It gets
///   the outcome of each row once.
/// - Rows that an earlier request held before ([`Batch::repeat_of`]) travel with no others, so that its repeat can be
///   told.
/// - Rows of one key keep their order, unless [`Policy::distinct_keys`] says that there is none: a request starts after
///   those before it that hold one of its keys have ended. One request holds a key once, unless the mode is
///   [`Mode::Append`].
/// - A request that is refused as a whole is halved until the refused rows are alone; those are rejected, their
///   neighbours delivered.
/// - When a request cannot be settled within the policy, the destination keeps failing, or says that no request can
///   succeed, the run stops: requests in flight are heard out, all other rows stay unsent, and the report says why. The
///   stream is still read to its end, so that the report counts every row.
///
/// `prepare` and `finish` are the caller's to call.
///
/// # Errors
/// The first error of `rows` or `on_progress`, or a [`DestinationError::Batch`] when batches of the stream differ in
/// their columns. Outcomes handed over until then stand.
pub async fn deliver<E: From<DestinationError>>(
    destination: &dyn Destination,
    context: &SyncContext,
    rows: impl Stream<Item = Result<Batch, E>>,
    policy: &Policy,
    on_progress: impl FnMut(Progress<'_>) -> Result<(), E>,
) -> Result<DeliveryReport, E> {
    deliver_once_noted(destination, context, rows, policy, on_progress, || std::future::ready(Ok(()))).await
}

/// [`deliver`] for a caller that writes to a disk: requests leave once the future has ended that `noted` gave after
/// `on_progress` was told of them. While it runs, requests in flight go on and end, and whatever is to leave then waits
/// for the next one: many requests share one wait for the disk.
///
/// # Errors
/// Those of [`deliver`], and those of `noted`.
pub async fn deliver_once_noted<E: From<DestinationError>, F: Future<Output = Result<(), E>>>(
    destination: &dyn Destination,
    context: &SyncContext,
    rows: impl Stream<Item = Result<Batch, E>>,
    policy: &Policy,
    mut on_progress: impl FnMut(Progress<'_>) -> Result<(), E>,
    mut noted: impl FnMut() -> F,
) -> Result<DeliveryReport, E> {
    let limits = destination.limits();
    let pace = Pace::new(&limits, policy);
    let timeout = limits.timeout.unwrap_or(policy.request_timeout);
    let sender = Sender { destination, context, policy, pace: &pace, timeout };
    let weigh = |batch: &Batch, row: usize| destination.weight(batch, row);
    let mut run =
        Run::new(policy, Rebatcher::new(limits, context.mode == Mode::Append, policy.distinct_keys, &weigh), &pace);
    let mut in_flight = FuturesUnordered::new();
    let mut leaving = Vec::new();
    let mut noting = std::pin::pin!(Fuse::terminated());
    let fields = destination.fields();
    let rows = rows.map(|batch| Ok::<_, E>(normalise::apply(&fields, batch?)?));
    let mut rows = std::pin::pin!(rows.fuse());
    let mut more = true;
    loop {
        if leaving.is_empty() {
            let free = limits.concurrency.max(1).saturating_sub(in_flight.len());
            leaving.extend(std::iter::from_fn(|| run.next_request()).take(free));
            if !leaving.is_empty() {
                let told: Vec<_> =
                    leaving.iter().map(|(request, number): &(Request, u64)| (*number, &request.batch)).collect();
                on_progress(Progress::Sending(&told))?;
                noting.set(noted().fuse());
            }
        }
        let hungry = more && run.waiting.is_empty();
        let at_work = hungry || !in_flight.is_empty() || !leaving.is_empty();
        tokio::select! {
            biased;
            () = policy.stop.cancelled(), if at_work && !pace.is_stopped() => pace.stop("asked to stop".to_owned()),
            done = &mut noting, if !leaving.is_empty() => {
                done?;
                in_flight.extend(leaving.drain(..).map(|(request, number)| sender.send(request, number)));
            }
            Some(ended) = in_flight.next(), if !in_flight.is_empty() => {
                // All that have ended by now: the caller has what follows them to write down but once.
                let mut ended = Some(ended);
                while let Some(one) = ended {
                    let request = one.number;
                    if let Some((batch, outcomes)) = run.end(one) {
                        on_progress(Progress::Settled { request, batch: &batch, outcomes: &outcomes })?;
                    }
                    ended = in_flight.next().now_or_never().flatten();
                }
            }
            batch = rows.next(), if hungry => match batch {
                Some(batch) => run.take_in(batch?)?,
                None => {
                    more = false;
                    run.take_in_rest()?;
                }
            },
            else => return Ok(run.report()),
        }
    }
}

/// The books of one delivery.
struct Run<'a> {
    rebatcher: Rebatcher<'a>,
    order: Order,
    pace: &'a Pace,
    hopeless_after: u64,
    waiting: VecDeque<Request>,
    started: u64,
    report: DeliveryReport,
}

impl<'a> Run<'a> {
    fn new(policy: &Policy, rebatcher: Rebatcher<'a>, pace: &'a Pace) -> Self {
        let hopeless_after = policy.hopeless_after.max(1) as u64;
        Self {
            rebatcher,
            order: Order::new(),
            pace,
            hopeless_after,
            waiting: VecDeque::new(),
            started: 0,
            report: DeliveryReport::default(),
        }
    }

    fn report(self) -> DeliveryReport {
        DeliveryReport { stopped: self.pace.stopped(), ..self.report }
    }

    fn take_in(&mut self, batch: Batch) -> Result<(), DestinationError> {
        if self.pace.is_stopped() {
            self.leave(&batch);
            return Ok(());
        }
        self.waiting.extend(self.rebatcher.push(batch, &mut self.order)?);
        Ok(())
    }

    fn take_in_rest(&mut self) -> Result<(), DestinationError> {
        self.waiting.extend(self.rebatcher.finish(&mut self.order)?);
        Ok(())
    }

    /// The next request that comes after none that is open, with its ordinal; none once the run has stopped.
    fn next_request(&mut self) -> Option<(Request, u64)> {
        if self.pace.is_stopped() {
            for request in std::mem::take(&mut self.waiting) {
                self.leave(&request.batch);
            }
        }
        let free = |request: &Request| !request.after.iter().any(|before| self.order.is_open(*before));
        let place = self.waiting.iter().position(free)?;
        let request = self.waiting.remove(place)?;
        self.started += 1;
        Some((request, self.started))
    }

    /// Books the end of a request and gives what the caller must be told.
    fn end(&mut self, ended: Ended) -> Option<(Batch, Vec<Outcome>)> {
        let Ended { request, end, tries, .. } = ended;
        self.report.requests += tries;
        self.report.retries += tries.saturating_sub(1);
        match end {
            End::Outcomes(outcomes) => {
                self.pace.earn_retry();
                Some(self.settle(request, outcomes))
            }
            End::Split { code, reason } if request.batch.len() <= 1 => {
                let outcomes = vec![Outcome::Rejected { code, message: reason.clone(), retryable: false }];
                let told = self.settle(request, outcomes);
                self.stop_if_hopeless(&reason);
                Some(told)
            }
            End::Split { .. } => {
                self.halve(&request);
                None
            }
            End::Stopped => {
                self.leave(&request.batch);
                None
            }
        }
    }

    fn settle(&mut self, request: Request, outcomes: Vec<Outcome>) -> (Batch, Vec<Outcome>) {
        self.order.settle(request.serial, request.batch.len());
        self.report.count(&outcomes);
        (request.batch, outcomes)
    }

    /// Puts the halves of a request first in the queue, so that it is settled before new ones start.
    fn halve(&mut self, request: &Request) {
        let Request { batch, serial, .. } = request;
        let half = batch.len() / 2;
        let mut first = Request { batch: batch.slice(0, half), serial: *serial, after: Default::default() };
        let mut second =
            Request { batch: batch.slice(half, batch.len() - half), serial: *serial, after: Default::default() };
        let keys: HashSet<&str> = batch.keys.iter().map(String::as_str).collect();
        if keys.len() < batch.len() {
            first.serial = self.order.part(*serial, half);
            second.after.insert(first.serial);
        }
        self.waiting.push_front(second);
        self.waiting.push_front(first);
    }

    fn stop_if_hopeless(&mut self, reason: &str) {
        let taken = self.report.delivered + self.report.accepted + self.report.unknown;
        if taken == 0 && self.report.rejected >= self.hopeless_after {
            let refused = self.report.rejected;
            self.pace.stop(format!("the destination refused the first {refused} rows one by one: {reason}"));
        }
    }

    fn leave(&mut self, batch: &Batch) {
        self.report.unsent += batch.len() as u64;
    }
}
