//! Compares the tables a statement reads with what the model declares, before the statement runs: a
//! missing table, column or a wrong type is told by its name and not by an engine's parser.

use springline_ir::{Statement, TableName};
use springline_model::Source;
use springline_plan::tables_read;

use crate::arrow_types::{fits, type_name};
use crate::{RunError, Session};

impl Session {
    /// Checks every source that the statement reads.
    pub(crate) async fn preflight(&self, statement: &Statement) -> Result<(), RunError> {
        let mut problems = Vec::new();
        for (table, columns) in tables_read(statement) {
            let Some(source) = self.project.sources.iter().find(|s| s.table == table) else { continue };
            let Some(found) = self.warehouse.describe(&table.parts).await? else {
                problems.push(self.at(source, format!("there is no table `{table}` in target `{}`", self.target)));
                continue;
            };
            for name in columns {
                let Some(declared) = source.column(&name) else { continue };
                let Some(column) = found.iter().find(|c| c.name == name) else {
                    problems.push(self.at(source, missing_column(&self.target, &table, &name, &found)));
                    continue;
                };
                if !fits(&column.data_type, &declared.ty) {
                    problems.push(self.at(
                        source,
                        format!(
                            "column `{name}` of table `{table}` in target `{}` is {}, the model declares {}",
                            self.target,
                            type_name(&column.data_type),
                            declared.ty
                        ),
                    ));
                }
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(RunError::Source(problems.join("\n"))) }
    }

    fn at(&self, source: &Source, problem: String) -> String {
        format!("source `{}` ({}): {problem}", source.name, self.sources.locate(source.span))
    }
}

fn missing_column(target: &str, table: &TableName, name: &str, found: &[springline_warehouse::Column]) -> String {
    let has: Vec<&str> = found.iter().map(|c| c.name.as_str()).collect();
    format!("table `{table}` in target `{target}` has no column `{name}`; it has {}", has.join(", "))
}
