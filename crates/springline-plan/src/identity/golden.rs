//! The golden record: one row per canonical id that has a record, each field from the record that survives, and which
//! record that was.
//!
//! The values of all records are gathered once, by their canonical id. A few parts at a time, the records are numbered
//! by the rules of each part, and the first one gives the values. A household is a group of golden records with equal keys.

use springline_ir::{
    Expr, FunctionId, Join, Literal, OrderBy, OutputColumn, RelExpr, Select, Statement, TableName, Type,
};
use springline_model::{
    Attribute, GoldenKind, GoldenPart, GoldenRecord, HOUSEHOLD_ID, Households, IdentitySource, Survivorship,
};

use super::components::window;
use super::{
    IdentityPlan, case, distinct_of, drop_table, inner, left, limit_of, more, number, rows, smallest, step, union,
    whole, with, word,
};
use crate::Step;
use crate::build::{column, output};
use crate::clock::before;
use crate::intervals::{both, equal, is_not_null, is_null, text};
use crate::members::{aggregate, count_where, from_cte, from_table};

/// The working table of what all records have.
const ATTRIBUTES: &str = "attributes";
/// The working tables of the records that survive, before their number.
const SURVIVORS: &str = "survivors";
/// So many parts are found by one statement.
const PARTS: usize = 8;

/// The golden record of one identity.
struct Plan<'p, 'a> {
    plan: &'p IdentityPlan<'a>,
    golden: &'a GoldenRecord,
}

impl<'a> IdentityPlan<'a> {
    /// One row per canonical id that has a record: the id under its name, and the golden fields.
    pub fn golden(&self) -> TableName {
        golden_table(self.context.state_schema, &self.identity.name)
    }

    /// One row per golden field that is not null and comes from one record: the id under its name, `field`, `source` and
    /// `record`.
    pub fn provenance(&self) -> TableName {
        TableName::in_schema(self.context.state_schema, &format!("provenance_{}", self.identity.name))
    }

    /// Makes the golden records of the canonical ids that there are; nothing where the identity declares none. Each of the
    /// tables that last is replaced by one statement.
    pub fn golden_record(&self) -> Vec<Step> {
        let Some(plan) = self.golden_plan() else { return Vec::new() };
        let mut steps = vec![plan.attributes()];
        steps.extend(plan.chunks().enumerate().map(|(place, parts)| plan.survivors(place, parts)));
        steps.extend([plan.provenance(), plan.records()]);
        steps
    }

    /// Removes the working tables of the golden record.
    pub(super) fn golden_cleanup(&self) -> Vec<Step> {
        let Some(plan) = self.golden_plan() else { return Vec::new() };
        let survivors = (0..plan.chunks().count()).map(chunk_name);
        std::iter::once(ATTRIBUTES.to_owned())
            .chain(survivors)
            .map(|what| drop_table(&self.name(&what), self.work(&what)))
            .collect()
    }

    fn golden_plan(&self) -> Option<Plan<'_, 'a>> {
        Some(Plan { plan: self, golden: self.identity.golden.as_ref()? })
    }
}

/// The table of golden records.
pub(crate) fn golden_table(schema: &str, identity: &str) -> TableName {
    TableName::in_schema(schema, &format!("golden_{identity}"))
}

fn chunk_name(place: usize) -> String {
    format!("{SURVIVORS}{place}")
}

fn value_name(attribute: usize) -> String {
    format!("f{attribute}")
}

impl<'a> Plan<'_, 'a> {
    /// The parts of each statement, with their places. There is one statement at least: the one that has the ids.
    fn chunks(&self) -> impl Iterator<Item = &'a [GoldenPart]> + use<'a> {
        let parts = self.golden.parts.as_slice();
        let none = parts.is_empty().then_some(parts);
        parts.chunks(PARTS).chain(none)
    }

    fn value(&self, alias: &str, attribute: usize) -> RelExpr {
        let ty = self.golden.attributes.get(attribute).map_or(Type::String, |a| a.ty.clone());
        column(alias, &value_name(attribute), ty)
    }

    /// One row per record that is there: `id`, `source`, `record`, the source's place, when it was written, since which
    /// run it is there, and the values; blank texts are null.
    fn attributes(&self) -> Step {
        let identity = self.plan.identity;
        let given = identity.sources.iter().enumerate().map(|(place, records)| self.given(place, records)).collect();
        let mut columns = vec![
            output("id", word("c", &identity.canonical_id.name)),
            output("source", word("g", "source")),
            output("record", word("g", "record")),
            output("place", number("g", "place")),
            output("written", column("g", "written", Type::Timestamp)),
            output("since", number("c", "since")),
        ];
        let values = 0..self.golden.attributes.len();
        columns.extend(values.map(|attribute| output(value_name(attribute), self.value("g", attribute))));
        let same = |name: &str| equal(word("g", name), word("c", name));
        let select = Select {
            joins: vec![inner(from_table(&self.plan.canonical(), "c"), both(same("source"), same("record")))],
            filter: Some(column("c", "present", Type::Boolean)),
            ..Select::new(from_cte("given", "g"), columns)
        };
        self.plan.replace(ATTRIBUTES, with(vec![union("given", given)], select))
    }

    /// The records of one source.
    fn given(&self, place: usize, records: &IdentitySource) -> Select {
        let context = self.plan.context;
        let source = context.project.source(records.source);
        let typed = |name: &str| column("s", name, source.column(name).map_or(Type::String, |c| c.ty.clone()));
        let written = records.updated_at.as_ref().map(|name| {
            let at = typed(name);
            let known = before(at.clone(), context.as_of, &context.project.timezone);
            let at = if at.ty == Type::Timestamp { at } else { at.cast(Type::Timestamp) };
            case(vec![(known, at)], None, Type::Timestamp)
        });
        let mut columns = vec![
            output("source", text(&source.name)),
            output("record", as_text(typed(&records.primary_key))),
            output("place", whole(i64::try_from(place).unwrap_or(i64::MAX))),
            output("written", written.unwrap_or_else(|| Expr::null(Type::Timestamp))),
        ];
        for (attribute, wanted) in self.golden.attributes.iter().enumerate() {
            columns.push(output(value_name(attribute), given_value(wanted, place)));
        }
        Select::new(from_table(&source.table, "s"), columns)
    }

    /// One row per canonical id, with what survives of these parts.
    fn survivors(&self, place: usize, parts: &[GoldenPart]) -> Step {
        let ids = Select { from: self.plan.table(ATTRIBUTES, "d"), ..distinct_of(ATTRIBUTES, &[("id", Type::String)]) };
        let mut ctes = vec![step("ids", ids)];
        let mut columns = vec![output("id", word("n", "id"))];
        let mut joins = Vec::new();
        for (number_of, part) in parts.iter().enumerate() {
            let alias = format!("p{number_of}");
            let same = equal(word("n", "id"), word(&alias, "id"));
            match &part.kind {
                GoldenKind::Survivor { attributes, rules } => {
                    let kept = format!("kept_{number_of}");
                    let (select, order) = self.kept(attributes, rules);
                    let mut cte = step(&kept, select);
                    cte.comment = Some(self.plan.context.sources.locate(part.span));
                    ctes.push(cte);
                    ctes.push(step(&alias, self.ranked(&kept, attributes, order)));
                    let first = equal(number(&alias, "place"), whole(1));
                    joins.push(left(from_cte(&alias, &alias), both(same, first)));
                    columns.extend(attributes.iter().map(|a| output(value_name(*a), self.value(&alias, *a))));
                    columns.push(output(format!("source_{number_of}"), word(&alias, "source")));
                    columns.push(output(format!("record_{number_of}"), word(&alias, "record")));
                }
                GoldenKind::Aggregate { attribute, function, ty } => {
                    ctes.push(step(&alias, self.aggregated(*attribute, *function, ty)));
                    joins.push(left(from_cte(&alias, &alias), same));
                    columns.push(output(value_name(*attribute), column(&alias, &value_name(*attribute), ty.clone())));
                }
            }
        }
        let select = Select { joins, ..Select::new(from_cte("ids", "n"), columns) };
        self.plan.replace(&chunk_name(place), with(ctes, select))
    }

    /// The records that have a value, with what the rules look at: `k0`, `k1` and so on, and how each is ordered.
    fn kept(&self, attributes: &[usize], rules: &[Survivorship]) -> (Select, Vec<(RelExpr, bool)>) {
        let values: Vec<RelExpr> = attributes.iter().map(|a| self.value("a", *a)).collect();
        let mut keys: Vec<(RelExpr, bool)> = Vec::new();
        if values.len() > 1 {
            // The record with the most of a group.
            let has = |value: &RelExpr| case(vec![(is_null(value.clone()), whole(0))], Some(whole(1)), Type::Integer);
            let add = |a, b| Expr::call(FunctionId::ADD, vec![a, b], Type::Integer);
            keys.extend(values.iter().map(has).reduce(add).map(|count| (count, true)));
        }
        keys.extend(rules.iter().map(|rule| key(rule, &values)));
        // What is left is decided by the source and the primary key; records that have even these in common by the value.
        keys.extend([(number("a", "place"), false), (word("a", "record"), false)]);
        keys.extend(values.iter().map(|value| (value.clone(), false)));
        let mut columns: Vec<OutputColumn> =
            ["id", "source", "record"].map(|name| output(name, word("a", name))).into();
        columns.extend(attributes.iter().zip(&values).map(|(a, value)| output(value_name(*a), value.clone())));
        let mut order = Vec::new();
        for (place, (expr, descending)) in keys.into_iter().enumerate() {
            let name = format!("k{place}");
            order.push((column("k", &name, expr.ty.clone()), descending));
            columns.push(output(name, expr));
        }
        let select = Select {
            filter: Expr::any(values.into_iter().map(is_not_null)),
            ..Select::new(self.plan.table(ATTRIBUTES, "a"), columns)
        };
        (select, order)
    }

    fn ranked(&self, kept: &str, attributes: &[usize], order: Vec<(RelExpr, bool)>) -> Select {
        let order = order.into_iter().map(|(expr, descending)| OrderBy { expr, descending }).collect();
        let mut columns: Vec<OutputColumn> =
            ["id", "source", "record"].map(|name| output(name, word("k", name))).into();
        columns.extend(attributes.iter().map(|a| output(value_name(*a), self.value("k", *a))));
        columns.push(output("place", window(FunctionId::ROW_NUMBER, Vec::new(), vec![word("k", "id")], order)));
        Select::new(from_cte(kept, "k"), columns)
    }

    fn aggregated(&self, attribute: usize, function: FunctionId, ty: &Type) -> Select {
        let value = self.value("a", attribute);
        let all = match function {
            FunctionId::COUNT => count_where(is_not_null(value)),
            _ => aggregate(function, vec![value], ty.clone()),
        };
        Select {
            group_by: vec![word("a", "id")],
            ..Select::new(
                self.plan.table(ATTRIBUTES, "a"),
                vec![output("id", word("a", "id")), output(value_name(attribute), all)],
            )
        }
    }

    fn provenance(&self) -> Step {
        let id = &self.plan.identity.canonical_id.name;
        let columns = |alias: &str, field: &str, source: RelExpr, record: RelExpr| {
            vec![
                output(id, word(alias, "id")),
                output("field", text(field)),
                output("source", source),
                output("record", record),
            ]
        };
        let mut all = Vec::new();
        for (place, parts) in self.chunks().enumerate() {
            for (number_of, part) in parts.iter().enumerate() {
                let GoldenKind::Survivor { attributes, .. } = &part.kind else { continue };
                let taken = |name: &str| word("s", &format!("{name}_{number_of}"));
                all.extend(attributes.iter().filter_map(|a| Some((a, self.golden.attributes.get(*a)?))).map(
                    |(a, attribute)| Select {
                        filter: Some(is_not_null(self.value("s", *a))),
                        ..Select::new(
                            self.plan.table(&chunk_name(place), "s"),
                            columns("s", &attribute.name, taken("source"), taken("record")),
                        )
                    },
                ));
            }
        }
        if all.is_empty() {
            let none = || Expr::null(Type::String);
            all.push(Select {
                filter: Some(Expr::literal(Literal::Boolean(false))),
                ..Select::new(self.plan.table(&chunk_name(0), "s"), columns("s", "", none(), none()))
            });
        }
        let names = [id.as_str(), "field", "source", "record"];
        let select = Select::new(from_cte("fields", "p"), names.map(|name| output(name, word("p", name))).into());
        let query = with(vec![union("fields", all)], select);
        Step::new(self.plan.name("provenance"), Statement::ReplaceTable { table: self.plan.provenance(), query })
    }

    /// The golden records, with their households.
    fn records(&self) -> Step {
        let id = &self.plan.identity.canonical_id.name;
        let mut columns = vec![output("id", word("s0", "id"))];
        let mut joins: Vec<Join> = Vec::new();
        for (place, parts) in self.chunks().enumerate() {
            let alias = format!("s{place}");
            if place > 0 {
                let table = self.plan.table(&chunk_name(place), &alias);
                joins.push(inner(table, equal(word("s0", "id"), word(&alias, "id"))));
            }
            for (attribute, ty) in parts.iter().flat_map(|part| self.typed(part)) {
                columns.push(output(value_name(attribute), column(&alias, &value_name(attribute), ty)));
            }
        }
        let people = Select { joins, ..Select::new(self.plan.table(&chunk_name(0), "s0"), columns) };
        let mut ctes = vec![step("people", people)];
        let mut columns = vec![output(id, word("p", "id"))];
        for (attribute, ty) in self.golden.parts.iter().flat_map(|part| self.typed(part)) {
            let Some(named) = self.golden.attributes.get(attribute) else { continue };
            columns.push(output(&named.name, column("p", &value_name(attribute), ty)));
        }
        let mut select = Select::new(from_cte("people", "p"), columns);
        if let Some(households) = &self.golden.households {
            ctes.push(step("homes", self.homes(households)));
            let same = households.keys.iter().map(|key| equal(self.value("p", *key), self.value("h", *key)));
            let home =
                left(from_cte("homes", "h"), Expr::all(same).unwrap_or_else(|| Expr::literal(Literal::Boolean(false))));
            select.joins.push(home);
            let crowded = households.limit.map(|limit| more(number("h", "customers"), limit_of(limit)));
            let none = crowded.map(|crowded| (crowded, Expr::null(Type::String))).into_iter().collect();
            select.columns.push(output(HOUSEHOLD_ID, case(none, Some(word("h", "home")), Type::String)));
        }
        let query = with(ctes, select);
        Step::new(self.plan.name("golden"), Statement::ReplaceTable { table: self.plan.golden(), query })
    }

    /// The customers with equal keys: the keys, the smallest id (`home`) and how many they are (`customers`).
    fn homes(&self, households: &Households) -> Select {
        let keys: Vec<RelExpr> = households.keys.iter().map(|key| self.value("o", *key)).collect();
        let mut columns: Vec<OutputColumn> =
            households.keys.iter().zip(&keys).map(|(key, value)| output(value_name(*key), value.clone())).collect();
        columns.extend([output("home", smallest(word("o", "id"))), output("customers", rows())]);
        Select {
            filter: Expr::all(keys.iter().cloned().map(is_not_null)),
            group_by: keys,
            ..Select::new(from_cte("people", "o"), columns)
        }
    }

    /// The attributes of a part with the types of its columns.
    fn typed(&self, part: &GoldenPart) -> Vec<(usize, Type)> {
        match &part.kind {
            GoldenKind::Survivor { attributes, .. } => {
                let of = |a: &usize| Some((*a, self.golden.attributes.get(*a)?.ty.clone()));
                attributes.iter().filter_map(of).collect()
            }
            GoldenKind::Aggregate { attribute, ty, .. } => vec![(*attribute, ty.clone())],
        }
    }
}

/// What a rule looks at, and whether more of it is better.
fn key(rule: &Survivorship, values: &[RelExpr]) -> (RelExpr, bool) {
    match rule {
        Survivorship::MostRecent => (column("a", "written", Type::Timestamp), true),
        Survivorship::FirstSeen => (number("a", "since"), false),
        Survivorship::MostFrequent => {
            let same = std::iter::once(word("a", "id")).chain(values.iter().cloned()).collect();
            (window(FunctionId::COUNT, Vec::new(), same, Vec::new()), true)
        }
        Survivorship::Longest => {
            let length = |value: &RelExpr| Expr::call(FunctionId::LENGTH, vec![value.clone()], Type::Integer);
            (values.first().map_or_else(|| whole(0), length), true)
        }
        Survivorship::SourcePriority(places) => {
            let at = |place: &usize| whole(i64::try_from(*place).unwrap_or(i64::MAX));
            let known =
                places.iter().zip(0..).map(|(place, rank)| (equal(number("a", "place"), at(place)), whole(rank)));
            (case(known.collect(), Some(whole(i64::MAX >> 1)), Type::Integer), false)
        }
    }
}

/// The value of an attribute in the source of that place.
fn given_value(wanted: &Attribute, place: usize) -> RelExpr {
    let Some((name, ty)) = wanted.columns.get(place).and_then(Option::as_ref) else {
        return Expr::null(wanted.ty.clone());
    };
    let value = column("s", name, ty.clone());
    if *ty == Type::String {
        let trimmed = Expr::call(FunctionId::TRIM, vec![value.clone()], Type::String);
        return case(vec![(Expr::compare(FunctionId::NE, trimmed, text("")), value)], None, Type::String);
    }
    if *ty == wanted.ty { value } else { value.cast(wanted.ty.clone()) }
}

fn as_text(value: RelExpr) -> RelExpr {
    if value.ty == Type::String { value } else { Expr::call(FunctionId::TEXT, vec![value], Type::String) }
}
