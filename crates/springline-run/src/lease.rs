//! The lease of a sync or an identity in the warehouse: while one run holds it, no other one begins, on whatever machine. A hold
//! ends by itself some time after its holder was last heard of.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use springline_ir::TableName;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use crate::journal::LastHolder;
use crate::records::{instants, instants_of, texts, texts_of};
use crate::{RunError, Session};

/// For how long a hold counts after it was last renewed.
const LENGTH: Duration = Duration::from_secs(120);
/// How often a hold is renewed.
const RENEWAL: Duration = Duration::from_secs(30);
/// How long to wait before trying again what failed, or before looking again whether a lease is free.
const PAUSE: Duration = Duration::from_secs(2);

/// The right to run one sync or identity, until it is released.
pub(crate) struct Lease<'a> {
    session: &'a Session,
    /// What is run, for messages: a kind and a name.
    owner: String,
    table: TableName,
    /// What this machine knows of the holder.
    last: LastHolder,
    holder: String,
    /// What the warehouse's clock is ahead of ours: holders on several machines go by that one.
    ahead: SignedDuration,
    /// Until when the last renewal is good.
    valid_until: Instant,
    /// Whether a run has died on another machine, where its journal is.
    pub(crate) abandoned: bool,
}

impl<'a> Lease<'a> {
    /// Takes the lease. Whoever runs it on this machine has its lock, so that the last holder is no longer alive.
    pub(crate) async fn take(
        session: &'a Session,
        owner: String,
        table: TableName,
        last: LastHolder,
        wait: bool,
    ) -> Result<Lease<'a>, RunError> {
        let now = Timestamp::now();
        let theirs = session.warehouse.about().await?.now.map(Timestamp::from_microsecond).transpose();
        let theirs = theirs.map_err(|e| RunError::Result(e.to_string()))?;
        let ahead = theirs.map_or(SignedDuration::ZERO, |theirs| theirs.duration_since(now));
        let holder = uuid::Uuid::now_v7().simple().to_string();
        let valid_until = Instant::now();
        let mut lease = Lease { session, owner, table, last, holder, ahead, valid_until, abandoned: false };
        if let Some(dead) = lease.last.get()? {
            lease.end(&dead).await?;
        }
        let now = lease.now();
        lease.abandoned = lease.others().await?.into_iter().any(|until| until <= now);
        lease.last.set(Some(&lease.holder))?;
        let taken = lease.contend(wait).await;
        if taken.is_err() {
            lease.last.set(None)?;
        }
        taken.map(|()| lease)
    }

    async fn contend(&mut self, wait: bool) -> Result<(), RunError> {
        loop {
            self.renew().await?;
            if self.other().await?.is_none() {
                return Ok(());
            }
            // Whoever came at the same moment sees our hold as we see theirs: both give way and look again.
            self.end(&self.holder.clone()).await?;
            sleep(short_while()).await;
            if let Some(until) = self.other().await?.filter(|_| !wait) {
                return Err(RunError::Leased { owner: self.owner.clone(), until: until.to_string() });
            }
            tracing::info!(owner = self.owner, "waits for another run to end");
            while self.other().await?.is_some() {
                sleep(PAUSE).await;
            }
        }
    }

    /// Does the work while the lease is renewed, and then releases it. The work is dropped where the lease is lost:
    /// its journal is then taken in by a later run.
    pub(crate) async fn hold<T>(
        mut self,
        work: impl Future<Output = Result<T, RunError>>,
    ) -> Result<(T, Lease<'a>), RunError> {
        let done = tokio::select! {
            done = work => done,
            error = self.keep() => Err(error),
        };
        match done {
            Ok(value) => Ok((value, self)),
            Err(error) => {
                // What ended the work is what there is to tell.
                if let Err(second) = self.release().await {
                    tracing::warn!(error = %second, "the lease was not released; it ends by itself");
                }
                Err(error)
            }
        }
    }

    /// Gives the lease back.
    pub(crate) async fn release(&self) -> Result<(), RunError> {
        self.end(&self.holder).await?;
        self.last.set(None)
    }

    /// Renews the lease for ever; gives why that was not possible in time.
    async fn keep(&mut self) -> RunError {
        loop {
            sleep_until(self.valid_until - LENGTH + RENEWAL).await;
            let deadline = self.valid_until;
            let renewed = timeout_at(deadline, async {
                while let Err(error) = self.renew().await {
                    tracing::warn!(%error, "the lease could not be renewed; trying again");
                    sleep(PAUSE).await;
                }
            });
            if renewed.await.is_err() {
                return RunError::LeaseLost(self.owner.clone());
            }
        }
    }

    /// Adds a hold of ours that counts from now on.
    async fn renew(&mut self) -> Result<(), RunError> {
        let from = Instant::now();
        let expires = self.now() + LENGTH;
        let values = vec![texts_of([self.holder.as_str()]), instants_of([expires])];
        self.session.append(&self.table, &springline_plan::lease_columns(), values).await?;
        self.valid_until = from + LENGTH;
        Ok(())
    }

    /// Until when somebody else holds the lease.
    async fn other(&self) -> Result<Option<Timestamp>, RunError> {
        let now = self.now();
        Ok(self.others().await?.into_iter().filter(|until| *until > now).max())
    }

    /// Until when each hold of somebody else counts.
    async fn others(&self) -> Result<Vec<Timestamp>, RunError> {
        let mut all = Vec::new();
        for batch in self.session.small(springline_plan::holds(&self.table)).await? {
            for (holder, until) in texts(&batch, "holder")?.into_iter().zip(instants(&batch, "expires_at")?) {
                if holder.as_ref() != Some(&self.holder) {
                    all.extend(until);
                }
            }
        }
        Ok(all)
    }

    /// Removes the holds of a holder, and whatever has expired.
    async fn end(&self, holder: &str) -> Result<(), RunError> {
        let step = springline_plan::end_holds(self.session.context(), &self.table, holder, self.now());
        self.session.execute(&step).await?;
        Ok(())
    }

    /// What the warehouse's clock shows.
    fn now(&self) -> Timestamp {
        let now = Timestamp::now().checked_add(self.ahead).unwrap_or(Timestamp::MAX);
        Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
    }
}

/// A while that is another one for each run that waits.
fn short_while() -> Duration {
    let [.., high, low] = uuid::Uuid::now_v7().into_bytes();
    Duration::from_millis(100 + u64::from(u16::from_be_bytes([high, low])) % 900)
}
