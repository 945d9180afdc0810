//! A run of a sync as a command or the scheduler makes it: the run itself, and then its metrics and alerts, which never
//! change how it ended.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use springline_model::{AlertReason, Sync};
use springline_run::{Session, SyncReport, SyncRequest};

use crate::alerts;
use crate::failure::Failure;
use crate::metrics::Metrics;
use crate::sessions::Workplace;

/// A run that is to be made.
pub(crate) struct Run<'a> {
    pub(crate) workplace: &'a Workplace,
    pub(crate) sync: &'a Sync,
    pub(crate) request: &'a SyncRequest,
    pub(crate) metrics: Option<&'a Metrics>,
}

/// A run that has ended.
pub(crate) struct Ended<'a> {
    pub(crate) sync: &'a Sync,
    pub(crate) result: Result<&'a SyncReport, &'a Failure>,
    pub(crate) at: Timestamp,
    pub(crate) took: Duration,
    /// How many rows the sync had in its last runs before this one.
    pub(crate) sizes: Vec<u64>,
}

impl Ended<'_> {
    /// The end in one word: that of the report, or `error`.
    pub(crate) fn outcome(&self) -> &'static str {
        self.result.map_or("error", SyncReport::outcome)
    }
}

impl Run<'_> {
    /// Makes the run on a session of its own.
    pub(crate) async fn alone(&self) -> Result<SyncReport, Failure> {
        let clock = Instant::now();
        match self.workplace.session().await {
            Ok(session) => self.on(&session).await,
            Err(failure) => {
                self.without_session(&failure, clock).await;
                Err(failure)
            }
        }
    }

    /// Makes the run on a session that there is.
    pub(crate) async fn on(&self, session: &Session) -> Result<SyncReport, Failure> {
        let clock = Instant::now();
        let sizes = self.sizes(session).await;
        let result = self.apply(session).await;
        self.tell(Some(session), result.as_ref(), clock, sizes).await;
        result
    }

    /// Tells of a run that got no session.
    pub(crate) async fn without_session(&self, failure: &Failure, clock: Instant) {
        self.tell(None, Err(failure), clock, Vec::new()).await;
    }

    async fn apply(&self, session: &Session) -> Result<SyncReport, Failure> {
        let destination = self.workplace.destination(self.sync).await?;
        Ok(springline_run::apply_sync(session, self.sync, destination, self.request).await?)
    }

    /// The sizes that this run's is compared with; asked for before it is recorded itself.
    async fn sizes(&self, session: &Session) -> Vec<u64> {
        let wanted = self.workplace.project().alerts.iter().any(|alert| alert.on.contains(&AlertReason::Size));
        if !wanted {
            return Vec::new();
        }
        springline_run::recent_sizes(session, self.sync, alerts::RUNS).await.unwrap_or_else(|error| {
            // The run itself will say what is wrong.
            tracing::warn!(
                error = springline_run::redact(&error.to_string()),
                "the sizes of earlier runs are not known"
            );
            Vec::new()
        })
    }

    async fn tell(
        &self,
        session: Option<&Session>,
        result: Result<&SyncReport, &Failure>,
        clock: Instant,
        sizes: Vec<u64>,
    ) {
        let ended = Ended { sync: self.sync, result, at: Timestamp::now(), took: clock.elapsed(), sizes };
        if let Some(metrics) = self.metrics {
            metrics.ended(self.workplace, session, &ended).await;
        }
        // Who asked a run to stop need not be told that it did.
        if !self.workplace.stop.is_cancelled() {
            alerts::tell(self.workplace, &ended).await;
        }
    }
}
