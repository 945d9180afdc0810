//! What a command would read and cost, as the warehouse tells it beforehand, and the budgets that it must keep within.
//! Nothing is run here.

use std::collections::BTreeSet;

use springline_ir::{Statement, TableName};
use springline_model::{Budget, EntityId, SegmentId, Sync};
use springline_plan::{Position, Step, tables_read};
use springline_warehouse::Estimate;

use crate::{RunError, Session};

/// Bytes in a TiB.
const TIB: f64 = (1_u64 << 40) as f64;

/// What a command would read.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize)]
pub struct Forecast {
    /// Bytes, where the warehouse tells.
    pub bytes: Option<u64>,
    /// Rows that its scans are expected to give, where the warehouse tells.
    pub rows: Option<u64>,
    /// Partitions, files or shards, where the warehouse tells.
    pub partitions: Option<u64>,
    /// What the bytes cost, where the target has a price.
    pub cost: Option<f64>,
    /// Statements of which nothing is known yet, because they read what the others will have written.
    pub unknown_statements: u64,
}

/// What a preview of a segment would read.
///
/// # Errors
/// What planning finds.
pub async fn forecast_preview(session: &Session, segment: SegmentId, limit: u64) -> Result<Forecast, RunError> {
    let (step, _) = springline_plan::preview(session.context(), segment, limit.max(1))?;
    session.preflight(&step.statement).await?;
    session.forecast(&[&step]).await
}

/// What computing the rows of a sync would read.
///
/// # Errors
/// What planning finds.
pub async fn forecast_sync(session: &Session, sync: &Sync) -> Result<Forecast, RunError> {
    let plan = session.sync_plan(sync, false)?;
    session.preflight(&plan.desired.statement).await?;
    session.forecast(&[&plan.desired]).await
}

/// What a run of an entity would read of the tables that there are; the history is kept from what the run writes.
///
/// # Errors
/// What planning finds.
pub async fn forecast_run(session: &Session, entity: EntityId) -> Result<Forecast, RunError> {
    let plan = springline_plan::run(session.context(), entity, Position::First)?;
    for step in &plan.rows {
        session.preflight(&step.statement).await?;
    }
    session.forecast(&plan.rows.iter().collect::<Vec<_>>()).await
}

impl Session {
    /// The sum of what these steps would read.
    pub(crate) async fn forecast(&self, steps: &[&Step]) -> Result<Forecast, RunError> {
        let mut sum = Estimate::default();
        let mut unknown_statements = 0;
        let mut written: BTreeSet<TableName> = BTreeSet::new();
        for step in steps {
            let query = match &step.statement {
                Statement::Query(query) => query,
                Statement::ReplaceTable { query, table } | Statement::Append { query, table, .. } => {
                    written.insert(table.clone());
                    query
                }
                _ => continue,
            };
            if tables_read(&step.statement).keys().any(|table| written.contains(table)) {
                unknown_statements += 1;
                continue;
            }
            let sql = springline_sql::print(&self.dialect, &Statement::Query(query.clone()))?;
            sum = sum.plus(self.warehouse.estimate(&sql).await?);
        }
        let Estimate { bytes, rows, partitions } = sum;
        let cost = bytes.zip(self.price_per_tib).map(|(bytes, price)| bytes as f64 / TIB * price);
        Ok(Forecast { bytes, rows, partitions, cost, unknown_statements })
    }

    /// Refuses steps that would go beyond a budget. Without a budget the warehouse is not asked.
    pub(crate) async fn keep_within(&self, what: &str, budgets: &[Budget], steps: &[&Step]) -> Result<(), RunError> {
        if budgets.iter().all(|budget| *budget == Budget::default()) {
            return Ok(());
        }
        let forecast = self.forecast(steps).await?;
        for budget in budgets {
            if let Some(problem) = exceeded(budget, &forecast) {
                return Err(RunError::Budget { what: what.to_owned(), problem });
            }
        }
        Ok(())
    }
}

/// In what a forecast is beyond a budget.
fn exceeded(budget: &Budget, forecast: &Forecast) -> Option<String> {
    if let (Some(most), Some(bytes)) = (budget.max_bytes, forecast.bytes)
        && bytes > most
    {
        return Some(format!("it would read {}, its budget is {}", amount(bytes), amount(most)));
    }
    let (most, cost) = (budget.max_cost?, forecast.cost?);
    (cost > most).then(|| format!("it would cost {cost:.2}, its budget is {most:.2}"))
}

/// An amount of data in the unit that suits it.
pub fn amount(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["B", "kB", "MB", "GB", "TB", "PB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_kept_to_the_byte() {
        let budget = Budget { max_bytes: Some(1000), max_cost: Some(1.0) };
        let forecast = |bytes, cost| Forecast { bytes, cost, ..Forecast::default() };
        assert_eq!(exceeded(&budget, &forecast(Some(1000), Some(1.0))), None);
        assert_eq!(exceeded(&budget, &forecast(None, None)), None);
        let problem = exceeded(&budget, &forecast(Some(1001), None));
        assert_eq!(problem.as_deref(), Some("it would read 1.0 kB, its budget is 1.0 kB"));
        let problem = exceeded(&budget, &forecast(Some(10), Some(6.25)));
        assert_eq!(problem.as_deref(), Some("it would cost 6.25, its budget is 1.00"));
    }

    #[test]
    fn amounts_are_readable() {
        assert_eq!([999, 1000, 52_428_800].map(amount), ["999 B", "1.0 kB", "52.4 MB"]);
    }
}
