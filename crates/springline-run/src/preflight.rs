//! Compares the tables a statement reads with what the model declares, before the statement runs: a
//! missing table, column or a wrong type is told by its name and not by an engine's parser.

use springline_ir::{Statement, TableName};
use springline_model::{Column, Source};
use springline_plan::tables_read;
use springline_warehouse::Column as Found;

use crate::arrow_types::{fits, type_name};
use crate::{RunError, Session};

impl Session {
    /// Checks every source that the statement reads.
    pub(crate) async fn preflight(&self, statement: &Statement) -> Result<(), RunError> {
        let mut problems = Vec::new();
        for (table, columns) in tables_read(statement) {
            let sources: Vec<&Source> = self.project.sources.iter().filter(|s| s.table == table).collect();
            let Some(first) = sources.first() else {
                problems.extend(self.missing_history(&table).await?);
                self.check_resolved(&table).await?;
                continue;
            };
            let Some(found) = self.warehouse.describe(&table.parts).await? else {
                problems.push(self.at(first, format!("there is no table `{table}` in target `{}`", self.target)));
                continue;
            };
            for source in sources {
                let read = columns.iter().filter_map(|name| source.column(name));
                problems.extend(read.filter_map(|column| self.problem(source, &table, column, &found)));
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(RunError::Source(problems.join("\n"))) }
    }

    /// That nothing is known yet of memberships that the statement asks about.
    async fn missing_history(&self, table: &TableName) -> Result<Option<String>, RunError> {
        let is_history = |entity: &springline_model::Entity| table.table() == format!("membership_{}", entity.name);
        let Some(entity) = self.project.entities.iter().find(|entity| is_history(entity)) else { return Ok(None) };
        Ok(self.warehouse.describe(&table.parts).await?.is_none().then(|| {
            format!(
                "target `{}` has kept no membership of entity `{}` yet; `springline run` does",
                self.target, entity.name
            )
        }))
    }

    /// That an identity whose table the statement reads was run.
    async fn check_resolved(&self, table: &TableName) -> Result<(), RunError> {
        let makes = |identity: &&springline_model::Identity| {
            let (golden, canonical) = (format!("golden_{}", identity.name), format!("canonical_{}", identity.name));
            [golden, canonical].iter().any(|made| table.parts == [self.state_schema.as_str(), made])
        };
        let Some(identity) = self.project.identities.iter().find(makes) else { return Ok(()) };
        if self.warehouse.describe(&table.parts).await?.is_some() {
            return Ok(());
        }
        Err(RunError::NotResolved { identity: identity.name.clone(), target: self.target.clone() })
    }

    /// What is wrong with one column of a table.
    fn problem(&self, source: &Source, table: &TableName, declared: &Column, found: &[Found]) -> Option<String> {
        let Some(column) = found.iter().find(|c| c.name == declared.name) else {
            return Some(self.at(source, missing_column(&self.target, table, &declared.name, found)));
        };
        if fits(&column.data_type, &declared.ty) {
            return None;
        }
        let problem = format!(
            "column `{}` of table `{table}` in target `{}` is {}, the model declares {}",
            declared.name,
            self.target,
            type_name(&column.data_type),
            declared.ty
        );
        Some(self.at(source, problem))
    }

    fn at(&self, source: &Source, problem: String) -> String {
        format!("source `{}` ({}): {problem}", source.name, self.sources.locate(source.span))
    }
}

fn missing_column(target: &str, table: &TableName, name: &str, found: &[Found]) -> String {
    let has: Vec<&str> = found.iter().map(|c| c.name.as_str()).collect();
    format!("table `{table}` in target `{target}` has no column `{name}`; it has {}", has.join(", "))
}
