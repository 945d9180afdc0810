//! The project's own tests: given rows on an engine that has nothing else, and what must hold on the target.
//! It knows neither YAML nor which engine is the embedded one.

use arrow::record_batch::RecordBatch;
use serde_json::Value;
use springline_ir::{Expr, ExprKind, FunctionId, Literal, Query, Type};
use springline_model::{
    EntityId, Expected, ExpectedValue, Leaf, ModelTest, Pii, Project, RowId, SegmentId, TestCheck, ValueExpr,
    expression_text, literal_text,
};

use crate::cells::{cell, mask};
use crate::given::{Bench, key_text};
use crate::records::texts;
use crate::{RunError, Session};

/// How many wrong rows are told.
const SHOWN: usize = 10;

/// What came of one test.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct TestReport {
    /// The test.
    pub test: String,
    /// Where it is declared: `file:line`.
    pub at: String,
    /// It holds.
    pub passed: bool,
    /// What is wrong, where it does not.
    pub problems: Vec<Problem>,
}

/// Something that is not as expected.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Problem {
    /// What, in one line.
    pub message: String,
    /// Why: the parts of the segment's condition for the row, where there is one.
    pub parts: Vec<Part>,
}

/// A part of a condition and its value for one row.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Part {
    /// The part as the language has it.
    pub condition: String,
    /// Its value; none for null.
    pub value: Option<bool>,
}

impl Problem {
    fn new(message: impl Into<String>) -> Self {
        Problem { message: message.into(), parts: Vec::new() }
    }
}

/// Runs a test: one with given rows on the bench, any other on the target.
///
/// # Errors
/// What keeps the test from being run; a test that does not hold is no error.
pub async fn run_test(bench: &Bench, target: Option<&Session>, test: &ModelTest) -> Result<TestReport, RunError> {
    let problems = match (&test.check, target) {
        (TestCheck::Fixture(fixture), _) => {
            let (session, _folder) = bench.session(fixture).await?;
            expected(&session, &fixture.expected).await?
        }
        (check, Some(session)) => invariant(session, check).await?,
        (_, None) => vec![Problem::new("it looks at the target, and there is no connection to one")],
    };
    let at = bench.locate(test.span);
    Ok(TestReport { test: test.name.clone(), at, passed: problems.is_empty(), problems })
}

async fn expected(session: &Session, expected: &Expected) -> Result<Vec<Problem>, RunError> {
    match expected {
        Expected::Members { segment, keys } => members(session, *segment, keys).await,
        Expected::Values { entity, fields, values } => field_values(session, *entity, fields, values).await,
    }
}

/// The members that are missing and those that should not be there, and why.
async fn members(session: &Session, segment: SegmentId, expected: &[String]) -> Result<Vec<Problem>, RunError> {
    let query = springline_plan::members_query(session.context(), segment)?;
    let mut found = Vec::new();
    for batch in session.checked(query).await? {
        for row in 0..batch.num_rows() {
            found.push(key_text(&cell(batch.column(0), row)?));
        }
    }
    let missing = expected.iter().filter(|key| !found.contains(key)).map(|key| (key, true));
    let extra = found.iter().filter(|key| !expected.contains(key)).map(|key| (key, false));
    let wrong: Vec<(&String, bool)> = missing.chain(extra).collect();
    if wrong.is_empty() {
        return Ok(Vec::new());
    }
    let declared = session.project.segment(segment);
    let entity = declared.entity;
    let parts = operands(&declared.condition);
    let values: Vec<(String, ValueExpr)> =
        parts.iter().enumerate().map(|(i, part)| (format!("part_{i}"), (*part).clone())).collect();
    let rows = rows(session, entity, &values).await?;
    let labels: Vec<String> =
        parts.iter().map(|part| expression_text(&session.project, RowId::Entity(entity), part)).collect();
    let hidden = key_pii(&session.project, entity).is_some();
    let mut problems = Vec::new();
    for (key, is_missing) in wrong.iter().take(SHOWN) {
        let shown = if hidden { mask(key) } else { (*key).clone() };
        let row = rows.iter().find(|(known, _)| known == *key);
        problems.push(match (is_missing, row) {
            (true, None) => Problem::new(format!("`{shown}` is missing: entity `{}` has no such row", {
                &session.project.entity(entity).name
            })),
            (is_missing, row) => {
                let what = if *is_missing { "is missing" } else { "is a member and should not be" };
                let values = row.map(|(_, values)| values.as_slice()).unwrap_or_default();
                let part =
                    |(label, value): (&String, &Value)| Part { condition: label.clone(), value: value.as_bool() };
                Problem { message: format!("`{shown}` {what}"), parts: labels.iter().zip(values).map(part).collect() }
            }
        });
    }
    if wrong.len() > SHOWN {
        problems.push(Problem::new(format!("and {} more", wrong.len() - SHOWN)));
    }
    Ok(problems)
}

/// What a condition needs all of.
fn operands(condition: &ValueExpr) -> Vec<&ValueExpr> {
    match &condition.kind {
        ExprKind::Call { function: FunctionId::AND, args } => args.iter().flat_map(operands).collect(),
        _ => vec![condition],
    }
}

async fn field_values(
    session: &Session,
    entity: EntityId,
    fields: &[(String, ValueExpr)],
    expected: &[ExpectedValue],
) -> Result<Vec<Problem>, RunError> {
    let rows = rows(session, entity, fields).await?;
    let project = &session.project;
    let hide_key = key_pii(project, entity).is_some();
    let mut problems = Vec::new();
    for wanted in expected {
        let key = if hide_key { mask(&wanted.key) } else { wanted.key.clone() };
        let Some((name, value)) = fields.get(wanted.field) else { continue };
        let Some((_, values)) = rows.iter().find(|(key, _)| *key == wanted.key) else {
            problems.push(Problem::new(format!("`{key}`: entity `{}` has no such row", project.entity(entity).name)));
            continue;
        };
        let found = values.get(wanted.field).unwrap_or(&Value::Null);
        if !is_same(found, &wanted.value) {
            let hidden = pii(project, entity, value).is_some();
            let is_number = value.ty.is_number();
            let show = |text: String| match (hidden, is_number) {
                (true, _) if text != "null" => mask(&text),
                (_, true) => plain_number(&text).to_owned(),
                _ => text,
            };
            let (found, wanted) = (show(key_text(found)), show(literal_text(&wanted.value)));
            let message = format!("`{key}`: {name} is {found}, expected {wanted}");
            problems.push(Problem::new(message));
        }
    }
    problems.dedup();
    Ok(problems)
}

/// Each row's key and values.
async fn rows(
    session: &Session,
    entity: EntityId,
    values: &[(String, ValueExpr)],
) -> Result<Vec<(String, Vec<Value>)>, RunError> {
    let query = springline_plan::entity_rows(session.context(), entity, values, None, None)?;
    let mut all = Vec::new();
    for batch in session.checked(query).await? {
        for row in 0..batch.num_rows() {
            // Names may have been made unique: the places are the key, the values, the count.
            let cells = batch.columns().iter().take(values.len() + 1).map(|array| cell(array, row));
            let mut cells = cells.collect::<Result<Vec<_>, _>>()?.into_iter();
            let key = cells.next().map(|key| key_text(&key)).unwrap_or_default();
            all.push((key, cells.collect()));
        }
    }
    Ok(all)
}

/// Whether a value that came back is the expected one. Digits that say nothing do not count; floats are compared to
/// nine digits.
fn is_same(found: &Value, expected: &Literal) -> bool {
    let text = key_text(found);
    match expected {
        Literal::Null => found.is_null(),
        _ if found.is_null() => false,
        Literal::Boolean(value) => found.as_bool() == Some(*value),
        Literal::Decimal { .. } => plain_number(&text) == plain_number(&literal_text(expected)),
        Literal::Float(value) => {
            text.parse::<f64>().is_ok_and(|found| (found - value).abs() <= 1e-9 * value.abs().max(1.0))
        }
        Literal::Timestamp(instant) => text.parse::<jiff::Timestamp>().is_ok_and(|found| found == *instant),
        _ => text == literal_text(expected),
    }
}

fn plain_number(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

/// What must hold of the rows of the target.
async fn invariant(session: &Session, check: &TestCheck) -> Result<Vec<Problem>, RunError> {
    let project = &session.project;
    let name = |segment: &SegmentId| project.segment(*segment).name.as_str();
    match check {
        TestCheck::Fixture(_) => Ok(Vec::new()),
        TestCheck::Subset(inner, outer) => {
            let outside = Expr::call(FunctionId::NOT, vec![is_member(*outer)], Type::Boolean);
            let filter = Expr::call(FunctionId::AND, vec![is_member(*inner), outside], Type::Boolean);
            let what = format!("of `{}` not in `{}`", name(inner), name(outer));
            offenders(session, project.segment(*inner).entity, &filter, &what).await
        }
        TestCheck::Disjoint(segments) => {
            let Some(first) = segments.first() else { return Ok(Vec::new()) };
            let names: Vec<&str> = segments.iter().map(name).collect();
            let what = format!("in more than one of {}", names.join(", "));
            offenders(session, project.segment(*first).entity, &in_several(segments), &what).await
        }
        TestCheck::Size { segment, min, max } => {
            let (count, _) = counted(session, project.segment(*segment).entity, &is_member(*segment)).await?;
            let message = format!("`{}` has {count} members, expected {min} to {max}", name(segment));
            Ok(if (*min..=*max).contains(&count) { Vec::new() } else { vec![Problem::new(message)] })
        }
        TestCheck::NotNull { entity, name, value } => {
            let filter = Expr::call(FunctionId::IS_NULL, vec![value.clone()], Type::Boolean);
            offenders(session, *entity, &filter, &format!("with `{name}` null")).await
        }
        TestCheck::Unique { entity, name, value } => repeated(session, *entity, name, value).await,
    }
}

fn is_member(segment: SegmentId) -> ValueExpr {
    Expr::leaf(Leaf::Segment(segment), Type::Boolean)
}

/// True for rows that belong to more than one of the segments: the ones before it, and it.
fn in_several(segments: &[SegmentId]) -> ValueExpr {
    let pairs = segments.iter().enumerate().skip(1).filter_map(|(i, segment)| {
        let before = Expr::any(segments.iter().take(i).map(|other| is_member(*other)))?;
        Some(Expr::call(FunctionId::AND, vec![is_member(*segment), before], Type::Boolean))
    });
    Expr::any(pairs).unwrap_or_else(|| Expr::literal(Literal::Boolean(false)))
}

/// The rows for which a filter is true, as a problem.
async fn offenders(
    session: &Session,
    entity: EntityId,
    filter: &ValueExpr,
    what: &str,
) -> Result<Vec<Problem>, RunError> {
    let (count, keys) = counted(session, entity, filter).await?;
    if count == 0 {
        return Ok(Vec::new());
    }
    let hidden = key_pii(&session.project, entity).is_some();
    let shown: Vec<String> =
        keys.into_iter().map(|key| format!("`{}`", if hidden { mask(&key) } else { key })).collect();
    let rows = if count == 1 { "1 row is".to_owned() } else { format!("{count} rows are") };
    Ok(vec![Problem::new(format!("{rows} {what}: {}", shown.join(", ")))])
}

/// How many rows a filter is true for, and the keys of the first.
async fn counted(session: &Session, entity: EntityId, filter: &ValueExpr) -> Result<(u64, Vec<String>), RunError> {
    const EXAMPLES: u64 = 5;
    let query = springline_plan::entity_rows(session.context(), entity, &[], Some(filter), Some(EXAMPLES))?;
    let (mut count, mut keys) = (0, Vec::new());
    for batch in session.checked(query).await? {
        for row in 0..batch.num_rows() {
            keys.push(key_text(&cell(batch.column(0), row)?));
            count = batch
                .column_by_name(springline_plan::COUNT_COLUMN)
                .map_or(Ok(Value::Null), |c| cell(c, row))?
                .as_u64()
                .unwrap_or(0);
        }
    }
    Ok((count, keys))
}

async fn repeated(
    session: &Session,
    entity: EntityId,
    name: &str,
    value: &ValueExpr,
) -> Result<Vec<Problem>, RunError> {
    let query = springline_plan::repeated_values(session.context(), entity, value, SHOWN as u64)?;
    let hidden = pii(&session.project, entity, value).is_some();
    let mut problems = Vec::new();
    for batch in session.checked(query).await? {
        let counts = crate::records::numbers(&batch, "rows")?;
        for (value, rows) in texts(&batch, "value")?.into_iter().zip(counts) {
            let value = value.unwrap_or_default();
            let shown = if hidden { mask(&value) } else { value };
            problems.push(Problem::new(format!("{name} is `{shown}` in {rows} rows")));
        }
    }
    problems.sort_by(|a, b| a.message.cmp(&b.message));
    Ok(problems)
}

fn key_pii(project: &Project, entity: EntityId) -> Option<Pii> {
    let declared = project.entity(entity);
    project.source(declared.source).column(&declared.primary_key).and_then(|c| c.pii)
}

fn pii(project: &Project, entity: EntityId, value: &ValueExpr) -> Option<Pii> {
    let mut found = None;
    value.each_leaf(&mut |leaf| {
        found = found.or_else(|| springline_plan::leaf_pii(project, RowId::Entity(entity), leaf));
    });
    found
}

impl Session {
    /// Runs a small query after comparing its tables with the model's.
    async fn checked(&self, query: Query) -> Result<Vec<RecordBatch>, RunError> {
        let statement = springline_ir::Statement::Query(query);
        self.preflight(&statement).await?;
        let sql = springline_sql::print(&self.dialect, &statement)?;
        let rows = self.warehouse.query(&sql).await?;
        Ok(futures::TryStreamExt::try_collect(rows.stream).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_compared_as_what_they_are() {
        let decimal = Literal::Decimal { unscaled: 60_000, scale: 2 };
        assert!(is_same(&json!(600.0), &decimal) && is_same(&json!("600.00"), &decimal));
        assert!(!is_same(&json!(600.5), &decimal) && !is_same(&Value::Null, &decimal));
        assert!(is_same(&json!("2024-01-02T00:00:00Z"), &Literal::Timestamp("2024-01-02T00:00:00Z".parse().unwrap())));
        assert!(is_same(&Value::Null, &Literal::Null) && !is_same(&json!("null"), &Literal::Null));
        assert!(is_same(&json!(0.1 + 0.2), &Literal::Float(0.3)));
    }
}
