//! A run of an identity: carries out the steps of its plan, as often as the counts say, and reports.
//!
//! Only counts are read; the records stay in the warehouse. The canonical ids of before stay as they are until the last
//! statement.

mod components;
mod em;
mod explain;
mod golden;
mod graph;
mod matching;
mod report;
mod trial;

use std::collections::BTreeMap;
use std::time::Instant;

use jiff::Timestamp;
use springline_ir::Query;
use springline_model::{Identity, OnViolation};
use springline_plan::{Hashing, IdentityPlan, Rejecting, Step, resolution_columns};

use crate::lease::Lease;
use crate::records::{instants_of, numbers, numbers_of, texts};
use crate::{RunError, Session, journal};

pub use components::{ComponentsRun, connected_components};
pub use explain::{
    ChainLink, ClusterAudit, Evidence, Explanation, Holding, IdentifierCount, RecordName, UnlinkedValue, audit_cluster,
    explain_records,
};
pub use report::{DroppedRecords, IdentifierFigures, IdentityReport, RejectedLinks, RuleFigures, Sizes};
pub use trial::{IdentityTrial, MergedCluster, SegmentTouched, try_identity};

use components::{Solved, solve};
use report::Figures;

/// How many examples an error names.
const EXAMPLES: u64 = 3;
/// How often other hashes are tried where two values have the same.
const SALTS: u32 = 8;
/// How often values are left out one by one, before all of an identifier in a cluster are.
const REJECTIONS: u32 = 10;

/// Finds out which records are the same thing and gives each its canonical id. Where another run of the identity goes on,
/// `wait` waits for it to end.
///
/// # Errors
/// A source that is not as the model says, records without a primary key, overrides that say neither `include` nor
/// `exclude`, a limit that is hit where the identity says `on_violation: fail`, clusters that no number of rounds settles,
/// another run that goes on and is not waited for, or what the warehouse reports.
pub async fn run_identity(
    session: &Session,
    identity: &Identity,
    hashing: Hashing,
    wait: bool,
) -> Result<IdentityReport, RunError> {
    let plan = IdentityPlan::new(session.context(), identity, hashing);
    let figures = exclusively(session, identity, plan, wait, async |run, plan| {
        run.all(&plan.prepare()).await?;
        run.resolve(plan).await
    })
    .await?;
    Ok(IdentityReport::new(identity, figures))
}

/// Does something with the working tables of a plan that nobody else may do at the same time, on this machine or
/// another, and removes those tables.
async fn exclusively<T>(
    session: &Session,
    identity: &Identity,
    mut plan: IdentityPlan<'_>,
    wait: bool,
    work: impl AsyncFnOnce(&mut Run<'_>, &mut IdentityPlan<'_>) -> Result<T, RunError>,
) -> Result<T, RunError> {
    let owner = format!("identity `{}`", identity.name);
    let table = plan.lease();
    // Kept locked to the end.
    let lock = journal::lock(&session.project_dir, &session.target, table.table(), wait).await?;
    let Some((_locked, last)) = lock else { return Err(RunError::Locked(owner)) };
    session.warehouse.check().await?;
    session.execute_all(&plan.create_lease()).await?;
    let lease = Lease::take(session, owner, table, last, wait).await?;
    let (value, lease) = lease
        .hold(async {
            let (started, pairs) = (Instant::now(), BTreeMap::new());
            let mut run = Run { session, identity, started, statements: 0, rounds: 0, tables: 0, pairs };
            let done = work(&mut run, &mut plan).await;
            // What is there for the run alone goes, however the run ends; why it ended matters more.
            let cleaned = clean(session, &plan, run.tables).await;
            let value = done?;
            cleaned.map(|()| value)
        })
        .await?;
    lease.release().await?;
    Ok(value)
}

/// Removes the working tables, those of a run that has died before this one too.
async fn clean(session: &Session, plan: &IdentityPlan<'_>, mut rounds: u32) -> Result<(), RunError> {
    let components = plan.components();
    while session.warehouse.describe(&components.round(rounds + 1).parts).await?.is_some() {
        rounds += 1;
    }
    let mut steps = plan.cleanup();
    steps.extend(components.cleanup(rounds));
    steps.push(components.drop_labels());
    session.execute_all(&steps).await
}

/// What the last run of an identity found.
///
/// # Errors
/// There was no run yet, or what the warehouse reports.
pub async fn identity_report(session: &Session, identity: &Identity) -> Result<IdentityReport, RunError> {
    let plan = IdentityPlan::new(session.context(), identity, Hashing { salt: 0, space: None });
    let none = || RunError::NotResolved { identity: identity.name.clone(), target: session.target.clone() };
    if session.warehouse.describe(&plan.resolutions().parts).await?.is_none() {
        return Err(none());
    }
    let figures = Figures::read(&session.small(plan.recorded()).await?)?;
    Ok(IdentityReport::new(identity, figures.ok_or_else(none)?))
}

/// A run on its way, and what it has taken so far.
struct Run<'a> {
    session: &'a Session,
    identity: &'a Identity,
    started: Instant,
    statements: u64,
    rounds: u64,
    /// The most tables that rounds have made.
    tables: u32,
    /// How many pairs each probabilistic rule compared.
    pairs: BTreeMap<String, u64>,
}

/// What came of linking.
struct Linked {
    /// Clusters that would have exceeded a limit.
    limit_hits: u64,
    /// Whether values were left out.
    solved_apart: bool,
}

impl Run<'_> {
    async fn step(&mut self, step: &Step) -> Result<(), RunError> {
        self.statements += 1;
        self.session.execute(step).await.map(|_| ())
    }

    async fn all(&mut self, steps: &[Step]) -> Result<(), RunError> {
        for step in steps {
            self.step(step).await?;
        }
        Ok(())
    }

    /// The sum of the column `rows`.
    async fn count(&mut self, query: Query) -> Result<u64, RunError> {
        self.statements += 1;
        count(self.session, query).await
    }

    fn refuse<T>(&self, problem: String) -> Result<T, RunError> {
        Err(RunError::Identity { identity: self.identity.name.clone(), problem })
    }

    /// Whether there were edges to solve.
    async fn solve(&mut self, plan: &IdentityPlan<'_>) -> Result<bool, RunError> {
        let mut solved = Solved::default();
        let done = solve(self.session, &plan.components(), &mut solved).await;
        self.tables = self.tables.max(solved.tables);
        self.statements += solved.statements;
        self.rounds = self.rounds.max(u64::from(solved.rounds));
        done
    }

    async fn resolve(&mut self, plan: &mut IdentityPlan<'_>) -> Result<Figures, RunError> {
        self.check_golden(plan).await?;
        let Linked { limit_hits, solved_apart } = self.link(plan).await?;
        let run = self.next_run(plan).await?;
        self.all(&[plan.current(run), plan.moved(), plan.next(run)]).await?;
        let mut figures = Figures::new(run, self.session.as_of);
        figures.sizes(&self.session.small(plan.sizes()).await?)?;
        figures.counted(self.identity, &self.session.small(plan.figures(solved_apart)).await?)?;
        self.statements += 2;
        self.all(&plan.switch(run, solved_apart)).await?;
        self.golden(plan).await?;
        // That which records it counts too.
        figures.whole("limit_hits", limit_hits);
        for (rule, pairs) in &self.pairs {
            figures.whole(&report::of_rule(rule, "pairs"), *pairs);
        }
        figures.whole("rounds", self.rounds);
        figures.whole("statements", self.statements + 1);
        figures.whole("milliseconds", u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX));
        self.record(plan, &figures).await?;
        Ok(figures)
    }

    /// Every record with its cluster, in the plan's table of members.
    async fn link(&mut self, plan: &mut IdentityPlan<'_>) -> Result<Linked, RunError> {
        self.inputs(plan).await?;
        self.step(&plan.links()).await?;
        self.matchings(plan).await?;
        self.step(&plan.all_edges()).await?;
        let mut limit_hits = 0;
        let mut settled = None;
        let clustered = self.solve(plan).await?;
        if clustered {
            self.step(&plan.clusters()).await?;
            if let Some(over) = plan.over() {
                self.step(&over).await?;
                limit_hits = self.count(plan.over_count()).await?;
            }
        }
        if limit_hits > 0 {
            self.refuse_violations(plan).await?;
            settled = Some(self.solve_apart(plan).await?);
        }
        self.step(&plan.members(clustered, settled)).await?;
        Ok(Linked { limit_hits, solved_apart: settled.is_some() })
    }

    /// Where the identity says so, a limit that is hit ends the run.
    async fn refuse_violations(&mut self, plan: &IdentityPlan<'_>) -> Result<(), RunError> {
        let fails = self.identity.on_violation == OnViolation::Fail;
        let Some(query) = plan.violations(EXAMPLES).filter(|_| fails) else { return Ok(()) };
        let (mut clusters, mut examples) = (0, Vec::new());
        for batch in self.session.small(query).await? {
            let names = explain::names(&batch, "source", "record")?;
            for (name, records) in names.iter().zip(numbers(&batch, "records")?) {
                let name = explain::shown(self.session, self.identity, name, false);
                examples.push(format!("`{name}` with {records} records"));
            }
            clusters = numbers(&batch, "clusters")?.into_iter().fold(clusters, u64::max);
        }
        if clusters == 0 {
            return Ok(());
        }
        let exceed = if clusters == 1 { "cluster exceeds" } else { "clusters exceed" };
        self.refuse(format!(
            "{clusters} {exceed} a limit, such as that of {}; nothing was changed. Raise the limit, block or \
             quarantine the values that link too much, or write `on_violation: quarantine` to leave them out",
            examples.join(", ")
        ))
    }

    /// The values of all records, with hashes of which no two are the same.
    async fn inputs(&mut self, plan: &mut IdentityPlan<'_>) -> Result<(), RunError> {
        let first = plan.hashing();
        for salt in first.salt..first.salt.saturating_add(SALTS) {
            *plan = plan.with(Hashing { salt, ..first });
            let inputs = plan.inputs();
            if salt == first.salt {
                self.session.preflight(&inputs.statement).await?;
                let what = format!("run of identity `{}`", self.identity.name);
                self.session.keep_within(&what, &[self.session.project.budget], &[&inputs]).await?;
            }
            self.step(&inputs).await?;
            if !self.has_clashes(plan).await? {
                return self.overrides(plan).await;
            }
        }
        self.refuse(format!("two values have the same hash, with each of {SALTS} salts"))
    }

    /// Whether two records or two values have the same hash.
    async fn has_clashes(&mut self, plan: &IdentityPlan<'_>) -> Result<bool, RunError> {
        self.statements += 1;
        let mut clashes = 0;
        for batch in self.session.small(plan.faults()).await? {
            for (fault, rows) in texts(&batch, "fault")?.into_iter().flatten().zip(numbers(&batch, "rows")?) {
                match fault.as_str() {
                    "keyless" if rows > 0 => {
                        return self.refuse(format!(
                            "{rows} values are of records without a primary key; name a `primary_key` that is never null"
                        ));
                    }
                    _ => clashes += rows,
                }
            }
        }
        Ok(clashes > 0)
    }

    async fn overrides(&mut self, plan: &IdentityPlan<'_>) -> Result<(), RunError> {
        let Some((pairs, unknown)) = plan.pairs().zip(plan.unknown_overrides()) else { return Ok(()) };
        self.session.preflight(&pairs.statement).await?;
        let unknown = self.count(unknown).await?;
        if unknown > 0 {
            return self.refuse(format!(
                "{unknown} overrides have another `action` than `include` and `exclude`; write one of the two"
            ));
        }
        self.step(&pairs).await
    }

    /// Solves the clusters over a limit identifier by identifier. The number of the table with the clusters that are left.
    async fn solve_apart(&mut self, plan: &IdentityPlan<'_>) -> Result<u32, RunError> {
        self.all(&plan.set_apart()).await?;
        let mut before = 0;
        if let Some(edges) = plan.included_edges(before) {
            self.step(&edges).await?;
            if self.solve(plan).await? {
                self.step(&plan.advance(before, before + 1)).await?;
                before += 1;
            }
        }
        // One without links costs no statement.
        self.statements += 1;
        let mut linking = Vec::new();
        for batch in self.session.small(plan.links_apart()).await? {
            linking.extend(numbers(&batch, "identifier")?);
        }
        for tier in plan.tiers() {
            if linking.contains(&(tier as u64 + 1)) {
                before = self.tier(plan, tier, before).await?;
            }
        }
        Ok(before)
    }

    /// Links by one identifier, without the values that would make a cluster exceed a limit.
    async fn tier(&mut self, plan: &IdentityPlan<'_>, identifier: usize, before: u32) -> Result<u32, RunError> {
        let after = before + 1;
        for attempt in 0..=REJECTIONS + 2 {
            self.step(&plan.tier_edges(identifier, before)).await?;
            if !self.solve(plan).await? {
                return Ok(before);
            }
            self.step(&plan.advance(before, after)).await?;
            let Some((count, over)) = plan.settled_over(before, after) else { return Ok(after) };
            // Mostly none is over: which they are is then not asked.
            if self.count(count).await? == 0 {
                return Ok(after);
            }
            self.step(&over).await?;
            let which = match attempt {
                0 => Rejecting::Conflicting,
                1..=REJECTIONS => Rejecting::Widest,
                _ => Rejecting::All,
            };
            self.step(&plan.reject(which, identifier, before, after)).await?;
        }
        let identifiers = self.identity.identifiers.iter().map(|identifier| &identifier.name);
        let name = identifiers.chain(self.identity.rules.iter().map(|rule| &rule.name)).nth(identifier);
        let name = name.map_or("", String::as_str);
        self.refuse(format!("clusters exceed a limit though all links of `{name}` are left out"))
    }

    /// The number of this run: one more than that of the last.
    async fn next_run(&mut self, plan: &IdentityPlan<'_>) -> Result<u64, RunError> {
        self.statements += 1;
        let mut last = 0;
        for batch in self.session.small(plan.last_run()).await? {
            last = numbers(&batch, "run")?.into_iter().fold(last, u64::max);
        }
        Ok(last + 1)
    }

    async fn record(&mut self, plan: &IdentityPlan<'_>, figures: &Figures) -> Result<(), RunError> {
        let rows = figures.rows();
        let at: Vec<Timestamp> = rows.iter().map(|_| figures.as_of).collect();
        let values = vec![
            numbers_of(rows.iter().map(|_| figures.run)),
            instants_of(at),
            report::texts_or_null(rows.iter().map(|(identifier, ..)| *identifier)),
            report::texts_or_null(rows.iter().map(|(_, figure, _)| Some(*figure))),
            numbers_of(rows.iter().map(|(.., value)| *value)),
        ];
        self.session.append(&plan.resolutions(), &resolution_columns(), values).await
    }
}

/// The sum of the column `rows` of a small result.
async fn count(session: &Session, query: Query) -> Result<u64, RunError> {
    let mut rows = 0;
    for batch in session.small(query).await? {
        rows += numbers(&batch, "rows")?.into_iter().sum::<u64>();
    }
    Ok(rows)
}
