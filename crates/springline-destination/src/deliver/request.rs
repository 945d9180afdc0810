//! One request until its end: timeout, retry with full jitter, the pause the destination asks for.
//!
//! Must not know: other requests, beyond the gate that all of them pass.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use governor::Jitter;
use tokio::time::Instant;

use super::Policy;
use super::pace::{Pace, Stopped};
use crate::{Answer, Attempt, Batch, Destination, Outcome, SyncContext};

/// How a request ended.
pub(super) struct Ended {
    pub(super) batch: Batch,
    pub(super) end: End,
    /// Tries, the first one included; 0 when the run was stopped before.
    pub(super) tries: u64,
}

/// What is known at the end of a request.
#[derive(Debug, PartialEq)]
pub(super) enum End {
    /// One outcome per row.
    Outcomes(Vec<Outcome>),
    /// The request was refused as a whole.
    Split { code: String, reason: String },
    /// No answer that settles it; no further request may go, for this reason.
    Stop(String),
    /// The run was stopped by another request.
    Stopped,
}

/// Everything a request needs beside its rows.
pub(super) struct Sender<'a> {
    pub(super) destination: &'a dyn Destination,
    pub(super) context: &'a SyncContext,
    pub(super) policy: &'a Policy,
    pub(super) pace: &'a Pace,
    pub(super) timeout: Duration,
}

/// What one request has spent so far.
struct Spent {
    started: Instant,
    backoff: ExponentialBackoff,
    reauthenticated: bool,
}

impl Sender<'_> {
    /// Sends `batch` as request number `request` until its end is known.
    pub(super) async fn send(&self, mut batch: Batch, request: u64) -> Ended {
        let mut spent = Spent { started: Instant::now(), backoff: self.backoff(), reauthenticated: false };
        let mut tries = 0;
        let end = loop {
            if self.pace.pass().await == Err(Stopped) {
                break End::Stopped;
            }
            tries += 1;
            let mut answer = self.try_once(&batch, Attempt { number: tries, request }).await;
            keep_receipts(&mut batch, &mut answer);
            if let Some(end) = self.settle(answer, batch.len(), &mut spent).await {
                break end;
            }
        };
        Ended { batch, end, tries: u64::from(tries) }
    }

    async fn try_once(&self, batch: &Batch, attempt: Attempt) -> Answer {
        let sending = self.destination.send(self.context, batch, &attempt);
        tokio::time::timeout(self.timeout, sending).await.unwrap_or_else(|_| Answer::Retry {
            after: None,
            reason: format!("no answer within {} s", self.timeout.as_secs_f32()),
        })
    }

    /// The end that `answer` means, or `None` once the wait before the next try is over.
    async fn settle(&self, answer: Answer, rows: usize, spent: &mut Spent) -> Option<End> {
        match answer {
            Answer::Ok => Some(End::Outcomes(vec![Outcome::Delivered; rows])),
            Answer::Partial(outcomes) => Some(End::Outcomes(complete(outcomes, rows))),
            Answer::WithReceipts(told) => {
                let outcomes = told.into_iter().map(|(outcome, _)| outcome).collect();
                Some(End::Outcomes(complete(outcomes, rows)))
            }
            Answer::Split { code, reason } => Some(End::Split { code, reason }),
            Answer::Fatal { code, message } => Some(End::Stop(format!("{code}: {message}"))),
            Answer::Reauthenticate if spent.reauthenticated => {
                Some(End::Stop("the destination refuses the credentials even after they were renewed".into()))
            }
            Answer::Reauthenticate => {
                spent.reauthenticated = true;
                None
            }
            Answer::Retry { after, reason } => self.wait(after, reason, spent).await,
        }
    }

    async fn wait(&self, after: Option<Duration>, reason: String, spent: &mut Spent) -> Option<End> {
        let Some(backoff) = spent.backoff.next() else {
            return Some(End::Stop(format!("given up after {} tries: {reason}", self.policy.attempts.max(1))));
        };
        // Full jitter: anything from nothing to the whole delay, so that clients that failed together part ways.
        let wait = after.unwrap_or_else(|| Jitter::up_to(backoff) + Duration::ZERO);
        let left = self.policy.budget.saturating_sub(spent.started.elapsed());
        if wait > left {
            return Some(End::Stop(format!(
                "given up: the next try would be in {} s, beyond the {} s a request may take: {reason}",
                wait.as_secs(),
                self.policy.budget.as_secs()
            )));
        }
        tracing::debug!(seconds = wait.as_secs_f32(), "request will be tried again");
        if after.is_some() {
            self.pace.hold(wait);
        }
        match self.pace.sleep(wait).await {
            Ok(()) => None,
            Err(Stopped) => Some(End::Stopped),
        }
    }

    fn backoff(&self) -> ExponentialBackoff {
        ExponentialBuilder::new()
            .with_min_delay(self.policy.first_delay)
            .with_max_delay(self.policy.max_delay)
            .with_max_times(self.policy.attempts.max(1) as usize - 1)
            .build()
    }
}

/// Moves what the destination gave for the rows to the batch, from where the caller takes it with the outcomes.
fn keep_receipts(batch: &mut Batch, answer: &mut Answer) {
    let Answer::WithReceipts(rows) = answer else { return };
    for (place, (_, receipt)) in batch.receipts.iter_mut().zip(rows) {
        if let Some(receipt) = receipt.take() {
            *place = Some(receipt);
        }
    }
}

/// As many outcomes as rows: a row the destination says nothing of is neither lost nor taken for delivered.
fn complete(mut outcomes: Vec<Outcome>, rows: usize) -> Vec<Outcome> {
    outcomes.resize_with(rows, || Outcome::Rejected {
        code: "no_result".into(),
        message: "the destination's answer holds no result for this row".into(),
        retryable: true,
    });
    outcomes
}
