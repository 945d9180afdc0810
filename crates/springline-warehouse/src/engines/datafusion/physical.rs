//! From a logical plan to one that runs. It must not know what the statement does with the rows.

use super::{catalog::Scope, errors};
use crate::WarehouseError;
use datafusion::{
    error::DataFusionError,
    execution::{SessionState, SessionStateBuilder},
    logical_expr::LogicalPlan,
    physical_optimizer::{PhysicalOptimizerRule, sanity_checker::SanityCheckPlan},
    physical_plan::{ExecutionPlan, SendableRecordBatchStream, execute_stream},
};
use std::sync::Arc;

/// The physical plan of a query.
pub(crate) async fn plan(scope: &Arc<Scope>, query: &LogicalPlan) -> Result<Arc<dyn ExecutionPlan>, WarehouseError> {
    let session = scope.session();
    let planned = match session.create_physical_plan(query).await {
        // The optimizer moves a sort below a join, where it leaves out columns that are constant there, and then does not
        // know above the join that they are, when it has turned the join's sides round. It notices and gives up.
        Err(error) if is_refused_by_the_last_check(&error) => {
            in_written_order(session).create_physical_plan(query).await
        }
        planned => planned,
    };
    planned.map_err(|error| errors::map(error, scope))
}

/// The rows of a query.
pub(crate) async fn stream(
    scope: &Arc<Scope>,
    query: &LogicalPlan,
) -> Result<SendableRecordBatchStream, WarehouseError> {
    let plan = plan(scope, query).await?;
    execute_stream(plan, scope.session().task_ctx()).map_err(|error| errors::map(error, scope))
}

fn is_refused_by_the_last_check(error: &DataFusionError) -> bool {
    matches!(error, DataFusionError::Context(rule, _) if rule == SanityCheckPlan::new().name())
}

/// A session that leaves the sides of joins as they are written.
fn in_written_order(session: SessionState) -> SessionState {
    let mut config = session.config().clone();
    config.options_mut().optimizer.join_reordering = false;
    SessionStateBuilder::new_from_existing(session).with_config(config).build()
}
