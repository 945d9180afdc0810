//! The rows of a source as a relation, also of those that an identity makes: the golden records, and the rows of a source
//! with the canonical id of the record that each is of.

use std::collections::HashMap;

use springline_ir::{Expr, From, FunctionId, Join, JoinKind, RelExpr, Relation, Type};
use springline_model::{Identity, Leaf, Made, Records, SourceId};

use crate::build::{Build, Scope, column};
use crate::identity::{canonical_table, golden_table};
use crate::intervals::{both, equal, text};
use crate::members::from_table;

impl Build<'_> {
    /// The rows of a source under an alias.
    pub(crate) fn rows_of(&mut self, id: SourceId, alias: &str) -> Scope {
        let project = self.context.project;
        let source = project.source(id);
        let made = project.made(id).and_then(|made| Some((made, project.identities.get(made.identity)?)));
        let table = match made {
            Some((Made { records: None, .. }, identity)) => golden_table(self.context.state_schema, &identity.name),
            _ => source.table.clone(),
        };
        let from = From { relation: Relation::Table(table), alias: alias.to_owned() };
        let mut scope = Scope { from, joins: Vec::new(), values: HashMap::new(), clock: self.clock() };
        if let Some((Made { records: Some(records), .. }, identity)) = made {
            let ty = source.column(&records.column).map_or(Type::String, |c| c.ty.clone());
            self.join_canonical(identity, records, column(alias, &records.column, ty), &mut scope);
        }
        scope
    }

    /// Joins the one canonical row of the record that each row is of.
    fn join_canonical(&mut self, identity: &Identity, records: &Records, record: RelExpr, scope: &mut Scope) {
        let alias = self.unique(&format!("{}_of_record", identity.canonical_id.name));
        let key = match record.ty {
            Type::String => record,
            _ => Expr::call(FunctionId::TEXT, vec![record], Type::String),
        };
        let word = |name: &str| column(&alias, name, Type::String);
        let same = both(equal(word("source"), text(&records.source)), equal(key, word("record")));
        let on = both(same, column(&alias, "present", Type::Boolean));
        let from = from_table(&canonical_table(self.context.state_schema, &identity.name), &alias);
        scope.joins.push(Join { kind: JoinKind::Inner, from, on });
        scope.values.insert(Leaf::Column(records.id.clone()), word(&identity.canonical_id.name));
    }
}
