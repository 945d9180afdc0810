//! The golden record of a run: that its columns are there before anything runs, and its steps once the ids are known.

use springline_plan::IdentityPlan;

use super::Run;
use crate::RunError;

impl Run<'_> {
    /// Compares the columns that the golden record takes with the tables.
    pub(super) async fn check_golden(&self, plan: &IdentityPlan<'_>) -> Result<(), RunError> {
        match plan.golden_record().first() {
            Some(attributes) => self.session.preflight(&attributes.statement).await,
            None => Ok(()),
        }
    }

    /// Makes the golden records of the ids that have just been given.
    pub(super) async fn golden(&mut self, plan: &IdentityPlan<'_>) -> Result<(), RunError> {
        self.all(&plan.golden_record()).await
    }
}
