//! A run that changes nothing: what a changed definition would make of the clusters, the ids and the segments.

use std::collections::BTreeMap;

use serde::Serialize;
use springline_model::{CanonicalId, EntityId, Identity};
use springline_plan::{Hashing, IdentityPlan};

use super::report::{Sizes, share};
use super::{Run, exclusively};
use crate::records::{numbers, texts};
use crate::{RunError, Session};

/// How many of the clusters that would be made of several are listed.
const LISTED: u64 = 10;

/// What a changed definition would change.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct IdentityTrial {
    /// The identity.
    pub identity: String,
    /// The records and clusters of the last run.
    pub before: Sizes,
    /// Those that there would be.
    pub after: Sizes,
    /// Clusters that would exceed a limit and be solved apart.
    pub limit_hits: u64,
    /// Ids that would go, because their records would be part of another cluster.
    pub merges: u64,
    /// Ids that some of their records would leave.
    pub splits: u64,
    /// Records that would have another id.
    pub changed: u64,
    /// Their share of the records that there were, from 0 to 1.
    pub churn: f64,
    /// The largest clusters that would be made of several; at most 10.
    pub largest_merged: Vec<MergedCluster>,
    /// The segments of entities whose primary key is that of one of the identity's sources.
    pub segments: Vec<SegmentTouched>,
}

/// A cluster that would be made of several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MergedCluster {
    /// The id that it would have.
    pub canonical_id: String,
    /// Its records.
    pub records: u64,
    /// How many clusters they are of now.
    pub clusters: u64,
}

/// A segment of which members would be in other clusters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SegmentTouched {
    /// The segment.
    pub segment: String,
    /// Its members at the last run of its entity.
    pub members: u64,
    /// Those in a cluster that would merge or split.
    pub touched: u64,
}

/// Finds out what a changed definition of an identity would change, in working tables of its own: nothing that lasts is
/// written, and runs of the identity are not held up. The session is of the changed project; `before` is the definition
/// of the last run. Where another trial of the identity goes on, `wait` waits for it to end.
///
/// # Errors
/// As [`super::run_identity`]; there was no run yet.
pub async fn try_identity(
    session: &Session,
    before: &Identity,
    changed: &Identity,
    wait: bool,
) -> Result<IdentityTrial, RunError> {
    // The tables of the last run have its name of the id.
    let id = CanonicalId { name: before.canonical_id.name.clone(), ..changed.canonical_id.clone() };
    let identity = Identity { name: before.name.clone(), canonical_id: id, ..changed.clone() };
    let plan = IdentityPlan::trial(session.context(), &identity, Hashing { salt: 0, space: None });
    if session.warehouse.describe(&plan.canonical().parts).await?.is_none() {
        return Err(RunError::NotResolved { identity: identity.name.clone(), target: session.target.clone() });
    }
    exclusively(session, &identity, plan, wait, async |run, plan| run.trial(plan).await).await
}

impl Run<'_> {
    async fn trial(&mut self, plan: &mut IdentityPlan<'_>) -> Result<IdentityTrial, RunError> {
        let linked = self.link(plan).await?;
        let next = self.next_run(plan).await?;
        self.all(&[plan.current(next), plan.moved()]).await?;
        let session = self.session;
        let before = Sizes::read(&session.small(plan.sizes_before()).await?)?;
        let after = Sizes::read(&session.small(plan.sizes()).await?)?;
        let mut figures = BTreeMap::new();
        for batch in session.small(plan.changes_ahead()).await? {
            figures.extend(texts(&batch, "figure")?.into_iter().flatten().zip(numbers(&batch, "value")?));
        }
        let figure = |name: &str| figures.get(name).copied().unwrap_or(0);
        let mut largest_merged = Vec::new();
        for batch in session.small(plan.largest_merged(LISTED)).await? {
            let ids = texts(&batch, "id")?.into_iter().flatten();
            let counts = numbers(&batch, "records")?.into_iter().zip(numbers(&batch, "clusters")?);
            largest_merged.extend(ids.zip(counts).map(|(canonical_id, (records, clusters))| MergedCluster {
                canonical_id,
                records,
                clusters,
            }));
        }
        Ok(IdentityTrial {
            identity: self.identity.name.clone(),
            before,
            after,
            limit_hits: linked.limit_hits,
            merges: figure("merges"),
            splits: figure("splits"),
            changed: figure("changed"),
            churn: share(figure("changed"), figure("known")),
            largest_merged,
            segments: self.segments(plan).await?,
        })
    }

    async fn segments(&self, plan: &IdentityPlan<'_>) -> Result<Vec<SegmentTouched>, RunError> {
        let mut segments = Vec::new();
        let project = &self.session.project;
        for (place, entity) in project.entities.iter().enumerate() {
            let is_its = |source: &&springline_model::IdentitySource| {
                source.source == entity.source && source.primary_key == entity.primary_key
            };
            let Some(source) = self.identity.sources.iter().find(is_its) else { continue };
            let membership = springline_plan::MembershipTables::of(&self.session.state_schema, &entity.name).membership;
            if self.session.warehouse.describe(&membership.parts).await?.is_none() {
                continue;
            }
            let query = plan.members_touched(EntityId(place), &project.source(source.source).name);
            for batch in self.session.small(query).await? {
                let names = texts(&batch, "segment")?.into_iter().flatten();
                let counts = numbers(&batch, "members")?.into_iter().zip(numbers(&batch, "touched")?);
                segments.extend(names.zip(counts).map(|(segment, (members, touched))| SegmentTouched {
                    segment,
                    members,
                    touched,
                }));
            }
        }
        Ok(segments)
    }
}
