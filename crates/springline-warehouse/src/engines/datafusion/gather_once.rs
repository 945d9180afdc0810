//! A rule for plans: many aggregates over many groups are computed once, on rows that are split by group beforehand.
//!
//! DataFusion aggregates twice: each reader keeps the state of every group it meets, then the states of one group are
//! brought together. That saves work where groups are few. A run of many segments has as many groups as there are
//! customers and tens of aggregates: there the states weigh more than the rows, and it is the rows that are sent to
//! where their group is.

use std::sync::Arc;

use datafusion::{
    common::tree_node::{Transformed, TransformedResult, TreeNode},
    config::ConfigOptions,
    error::Result,
    physical_optimizer::PhysicalOptimizerRule,
    physical_plan::{
        ExecutionPlan,
        aggregates::{AggregateExec, AggregateMode},
    },
};

/// Below this number of aggregates the states are no heavier than the rows. Measured with the bench `one_scan`.
const MANY: usize = 4;

/// See the module. It must run before what adds the exchange of rows between partitions.
#[derive(Debug, Default)]
pub(super) struct GatherOnce;

impl PhysicalOptimizerRule for GatherOnce {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_down(|plan| match combined(&plan)? {
            Some(combined) => Ok(Transformed::yes(combined)),
            None => Ok(Transformed::no(plan)),
        })
        .data()
    }

    fn name(&self) -> &str {
        "GatherOnce"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// The two halves of a grouped aggregation as one, where that pays.
fn combined(plan: &Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let Some(last) = plan.downcast_ref::<AggregateExec>() else { return Ok(None) };
    let Some(first) = last.input().downcast_ref::<AggregateExec>() else { return Ok(None) };
    let halves = *last.mode() == AggregateMode::FinalPartitioned && *first.mode() == AggregateMode::Partial;
    if !halves || first.aggr_expr().len() < MANY || first.group_expr().has_grouping_set() {
        return Ok(None);
    }
    let whole = AggregateExec::try_new(
        AggregateMode::SinglePartitioned,
        first.group_expr().clone(),
        first.aggr_expr().to_vec(),
        first.filter_expr().to_vec(),
        Arc::clone(first.input()),
        first.input_schema(),
    )?;
    Ok(Some(Arc::new(whole.with_limit_options(last.limit_options()))))
}
