//! One request until its end: timeout, retry with full jitter, the pause the destination asks for.
//!
//! Must not know: other requests, beyond the gate that all of them pass.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use tokio::time::Instant;

use super::Policy;
use super::pace::{Health, Pace, Stopped};
use super::rebatch::Request;
use crate::{Answer, Attempt, Batch, Destination, Outcome, SyncContext};

/// How a request ended.
pub(super) struct Ended {
    pub(super) request: Request,
    /// Its ordinal in the run.
    pub(super) number: u64,
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
    /// No answer that settles it, and no further request may go: the pace knows why.
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
    /// Sends `request` as number `number` of the run until its end is known.
    pub(super) async fn send(&self, mut request: Request, number: u64) -> Ended {
        let mut spent = Spent { started: Instant::now(), backoff: self.backoff(), reauthenticated: false };
        let mut tries = 0;
        let end = loop {
            let Ok(permit) = self.pace.enter().await else { break End::Stopped };
            tries += 1;
            let mut answer = self.try_once(&request, Attempt { number: tries, request: number }).await;
            keep_receipts(&mut request.batch, &mut answer);
            let (health, reason) = health(&answer);
            self.pace.leave(&permit, health, reason, self.destination.usage());
            match self.settle(answer, request.batch.len(), &mut spent).await {
                Ok(Some(end)) => break end,
                Ok(None) => {}
                Err(Stopped) => break End::Stopped,
            }
        };
        Ended { request, number, end, tries: u64::from(tries) }
    }

    async fn try_once(&self, request: &Request, attempt: Attempt) -> Answer {
        let sending = self.destination.send(self.context, &request.batch, &attempt);
        tokio::time::timeout(self.timeout, sending).await.unwrap_or_else(|_| Answer::Retry {
            after: None,
            reason: format!("no answer within {} s", self.timeout.as_secs_f32()),
        })
    }

    /// The end that `answer` means, or `None` once the wait before the next try is over.
    async fn settle(&self, answer: Answer, rows: usize, spent: &mut Spent) -> Result<Option<End>, Stopped> {
        match answer {
            Answer::Ok => Ok(Some(End::Outcomes(vec![Outcome::Delivered; rows]))),
            Answer::Partial(outcomes) => Ok(Some(End::Outcomes(complete(outcomes, rows)))),
            Answer::WithReceipts(told) => {
                let outcomes = told.into_iter().map(|(outcome, _)| outcome).collect();
                Ok(Some(End::Outcomes(complete(outcomes, rows))))
            }
            Answer::Split { code, reason } => Ok(Some(End::Split { code, reason })),
            Answer::Fatal { code, message } => self.stop(format!("{code}: {message}")),
            Answer::Reauthenticate if spent.reauthenticated => {
                self.stop("the destination refuses the credentials even after they were renewed".into())
            }
            Answer::Reauthenticate => {
                spent.reauthenticated = true;
                Ok(None)
            }
            Answer::Retry { after, reason } => self.wait(after, &reason, spent).await.map(|()| None),
        }
    }

    fn stop<T>(&self, reason: String) -> Result<T, Stopped> {
        self.pace.stop(reason);
        Err(Stopped)
    }

    async fn wait(&self, after: Option<Duration>, reason: &str, spent: &mut Spent) -> Result<(), Stopped> {
        let Some(backoff) = spent.backoff.next() else {
            return self.stop(format!("given up after {} tries: {reason}", self.policy.attempts.max(1)));
        };
        // Full jitter: anything from nothing to the whole delay, so that clients that failed together part ways.
        let wait = after.unwrap_or_else(|| backoff.mul_f64(fastrand::f64()));
        let left = self.policy.budget.saturating_sub(spent.started.elapsed());
        if wait > left {
            return self.stop(format!(
                "given up: the next try would be in {} s, beyond the {} s a request may take: {reason}",
                wait.as_secs(),
                self.policy.budget.as_secs()
            ));
        }
        self.pace.spend_retry(reason)?;
        tracing::debug!(seconds = wait.as_secs_f32(), "request will be tried again");
        if after.is_some() {
            self.pace.hold(wait);
        }
        self.pace.sleep(wait).await
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

/// What an answer tells of the destination, with the reason it gave. One that names a time to come back is at work.
fn health(answer: &Answer) -> (Health, &str) {
    match answer {
        Answer::Retry { after: Some(_), reason } => (Health::Busy, reason),
        Answer::Retry { after: None, reason } => (Health::Down, reason),
        _ => (Health::Well, ""),
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
