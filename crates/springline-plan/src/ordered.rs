//! Aggregates that look at the order of their rows, for engines that have none: the rows of each group are numbered in
//! steps before, and the aggregate takes the one with the right number. It must not know what the expressions are of.

use springline_ir::{
    Aggregate, ColumnRef, Expr, ExprKind, From, FunctionId, Literal, OrderBy, OutputColumn, RelExpr, Select, Type,
    WindowCall,
};

use crate::apart::{Before, each_part};
use crate::build::{Build, column, output};

type F = FunctionId;

/// The aggregates that look at the order of their rows. A plan asks for them only where the engine has them.
pub const ORDERED: [FunctionId; 5] = [F::FIRST, F::LAST, F::NTH, F::MOST_FREQUENT, F::ARRAY_AGG];

/// The most values of a list that are looked for, each by an aggregate of its own.
const LONGEST_LIST: i64 = 50;

/// The SELECT as it is, or, where the engine's aggregates have no order and some want one, over steps that number its
/// rows. `name` is that of the last of them.
pub(crate) fn numbered(build: &mut Build<'_>, name: &str, select: Select) -> Select {
    let mut calls = Vec::new();
    if !build.context.capabilities.ordered {
        select.columns.iter().for_each(|column| collect(&column.expr, &mut calls));
    }
    if calls.is_empty() {
        return select;
    }
    let alias = build.unique(&format!("{name}_numbered"));
    let mut before = Before { alias: alias.clone(), columns: Vec::new() };
    let group_by: Vec<RelExpr> = select.group_by.iter().map(|key| before.named(key)).collect();
    let rows: Vec<Rows> = calls.into_iter().map(|call| Rows::of(call, &mut before)).collect();
    let mut numbers = Numbers { alias: alias.clone(), keys: group_by.clone(), counts: Vec::new(), numbers: Vec::new() };
    let columns = select.columns.iter();
    let columns: Vec<OutputColumn> = columns
        .map(|column| {
            let expr = outside(&column.expr, &select.group_by, &rows, &mut before, &mut numbers);
            output(column.name.clone(), expr)
        })
        .collect();
    let Before { columns: values, .. } = before;
    let first = build.unique(&format!("{name}_values"));
    let mut passed: Vec<(String, Type)> = values.iter().map(|c| (c.name.clone(), c.expr.ty.clone())).collect();
    let mut from = build.step(first, None, Select { columns: values, group_by: Vec::new(), ..select });
    if !numbers.counts.is_empty() {
        let counted = build.unique(&format!("{name}_counted"));
        from = windows(build, counted, &from, &mut passed, &numbers.counts);
    }
    let from = windows(build, alias, &from, &mut passed, &numbers.numbers);
    Select { group_by, ..Select::new(from, columns) }
}

/// A step with the columns of the one before and windows over them, which become columns like the others.
fn windows(
    build: &mut Build<'_>,
    name: String,
    from: &From,
    passed: &mut Vec<(String, Type)>,
    windows: &[OutputColumn],
) -> From {
    let as_it_is = passed.iter().map(|(name, ty)| output(name.clone(), column(&from.alias, name, ty.clone())));
    let here = |window: &OutputColumn| output(window.name.clone(), seen_from(&window.expr, &from.alias));
    let columns = as_it_is.chain(windows.iter().map(here)).collect();
    passed.extend(windows.iter().map(|window| (window.name.clone(), window.expr.ty.clone())));
    build.step(name, None, Select::new(from.clone(), columns))
}

/// The same columns under another relation.
fn seen_from(expr: &RelExpr, alias: &str) -> RelExpr {
    let mut expr = expr.clone();
    match &mut expr.kind {
        ExprKind::Leaf(column) => column.relation = alias.to_owned(),
        _ => each_part(&mut expr, &mut |part| *part = seen_from(part, alias)),
    }
    expr
}

/// The aggregates that want an order, each once.
fn collect(expr: &RelExpr, into: &mut Vec<RelExpr>) {
    match &expr.kind {
        ExprKind::Aggregate(call) if wants_order(call) => {
            if !into.contains(expr) {
                into.push(expr.clone());
            }
        }
        ExprKind::Aggregate(_) => {}
        _ => expr.each_child(&mut |child| collect(child, into)),
    }
}

/// What has no order itself cannot be told apart by a number; it stays, and the dialect says why it has no such aggregate.
fn wants_order(call: &Aggregate<ColumnRef>) -> bool {
    let is_value = call.args.first().is_some_and(|value| !matches!(value.ty, Type::Json | Type::Array(_)));
    let is_short = || matches!(number_of(call), Some(1..=LONGEST_LIST));
    match call.function {
        F::FIRST | F::LAST | F::MOST_FREQUENT => is_value,
        F::NTH => is_value && number_of(call).is_some(),
        F::ARRAY_AGG => is_value && is_short(),
        // Where there is no order, there is at most one for all aggregates of a SELECT that sort.
        F::MEDIAN | F::PERCENTILE => share_of(call).is_some(),
        _ => false,
    }
}

/// The constant second argument.
fn number_of(call: &Aggregate<ColumnRef>) -> Option<i64> {
    match call.args.get(1)?.kind {
        ExprKind::Literal(Literal::Integer(number)) => Some(number),
        _ => None,
    }
}

/// The share of the rows that lie below what a percentile gives.
fn share_of(call: &Aggregate<ColumnRef>) -> Option<f64> {
    match call.args.get(1).map(|share| &share.kind) {
        None => Some(0.5),
        Some(ExprKind::Literal(Literal::Float(share))) => Some(*share),
        Some(_) => None,
    }
}

/// The rows that an aggregate looks at, as columns of the step that numbers them.
struct Rows {
    /// The aggregate.
    call: RelExpr,
    value: RelExpr,
    /// Whether a row counts; where nothing is said, all do.
    applies: Option<RelExpr>,
    /// 0 for rows that count, 1 for others.
    beside: Option<RelExpr>,
    /// Not null for rows that count.
    counted: RelExpr,
    order: Vec<OrderBy<ColumnRef>>,
}

impl Rows {
    fn of(expr: RelExpr, before: &mut Before) -> Rows {
        let ExprKind::Aggregate(call) = &expr.kind else {
            return Rows {
                value: expr.clone(),
                counted: expr.clone(),
                call: expr,
                applies: None,
                beside: None,
                order: Vec::new(),
            };
        };
        let value = call.args.first().cloned().unwrap_or_else(|| Expr::null(Type::String));
        let is_share = matches!(call.function, F::MEDIAN | F::PERCENTILE);
        let value = if is_share { value.cast(Type::Float) } else { value };
        let skips_nulls = is_share || matches!(call.function, F::MOST_FREQUENT | F::ARRAY_AGG);
        let is_there = skips_nulls.then(|| Expr::call(F::IS_NOT_NULL, vec![value.clone()], Type::Boolean));
        let applies = Expr::all(call.filter.iter().cloned().chain(is_there));
        let choice = |then: i64, otherwise: Option<i64>| {
            applies.clone().map(|applies| Expr {
                kind: ExprKind::Case {
                    branches: vec![(applies, integer(then))],
                    otherwise: otherwise.map(|n| Box::new(integer(n))),
                },
                ty: Type::Integer,
            })
        };
        let beside = choice(0, Some(1)).map(|expr| before.named(&expr));
        let counted = if skips_nulls { choice(1, None) } else { None };
        let counted = before.named(&counted.unwrap_or_else(|| value.clone()));
        let is_last = call.function == F::LAST;
        let is_value = |term: &OrderBy<ColumnRef>| term.expr == value;
        // A later term that is the value itself only breaks ties; of rows at one place the smallest value is first.
        let own = call.order_by.iter().enumerate().filter(|(place, term)| *place == 0 || !is_value(term));
        let mut order: Vec<OrderBy<ColumnRef>> = own
            .map(|(_, term)| OrderBy { expr: before.named(&term.expr), descending: term.descending != is_last })
            .collect();
        if !call.order_by.first().is_some_and(is_value) {
            order.push(OrderBy { expr: before.named(&value), descending: false });
        }
        let (value, applies) = (before.named(&value), applies.map(|applies| before.named(&applies)));
        Rows { call: expr, value, applies, beside, counted, order }
    }
}

/// The windows, under the alias of the step that numbers.
struct Numbers {
    alias: String,
    keys: Vec<RelExpr>,
    counts: Vec<OutputColumn>,
    numbers: Vec<OutputColumn>,
}

impl Numbers {
    /// The column that holds how often the value of a row comes among the rows that count.
    fn count(&mut self, rows: &Rows) -> RelExpr {
        let partition_by = self.keys.iter().cloned().chain([rows.value.clone()]).collect();
        let args = vec![rows.counted.clone()];
        let call = WindowCall { function: F::COUNT, args, partition_by, order_by: Vec::new(), running: false };
        named(&mut self.counts, &self.alias, "count", call)
    }

    /// The column that holds how many rows of the group count.
    fn total(&mut self, rows: &Rows) -> RelExpr {
        let (partition_by, args) = (self.keys.clone(), vec![rows.counted.clone()]);
        let call = WindowCall { function: F::COUNT, args, partition_by, order_by: Vec::new(), running: false };
        named(&mut self.numbers, &self.alias, "rows", call)
    }

    /// The column that numbers the rows that count, from 1; the others follow.
    fn number(&mut self, rows: &Rows, first: Option<OrderBy<ColumnRef>>) -> RelExpr {
        let beside = rows.beside.iter().map(|expr| OrderBy { expr: expr.clone(), descending: false });
        let order_by = beside.chain(first).chain(rows.order.iter().cloned()).collect();
        let partition_by = self.keys.clone();
        let call = WindowCall { function: F::ROW_NUMBER, args: Vec::new(), partition_by, order_by, running: false };
        named(&mut self.numbers, &self.alias, "number", call)
    }
}

fn named(columns: &mut Vec<OutputColumn>, alias: &str, word: &str, call: WindowCall<ColumnRef>) -> RelExpr {
    let expr = Expr { kind: ExprKind::Window(Box::new(call)), ty: Type::Integer };
    let place = columns.iter().position(|column| column.expr == expr).unwrap_or_else(|| {
        columns.push(output(format!("{word}_{}", columns.len() + 1), expr));
        columns.len() - 1
    });
    column(alias, &columns[place].name, Type::Integer)
}

/// A column of the groups, seen from behind the step that numbers.
fn outside(expr: &RelExpr, groups: &[RelExpr], rows: &[Rows], before: &mut Before, numbers: &mut Numbers) -> RelExpr {
    if groups.contains(expr) {
        return before.named(expr);
    }
    if let Some(rows) = rows.iter().find(|rows| rows.call == *expr) {
        return taken(rows, numbers);
    }
    let mut expr = expr.clone();
    if let ExprKind::Aggregate(_) = expr.kind {
        each_part(&mut expr, &mut |part| *part = before.named(part));
    } else {
        each_part(&mut expr, &mut |part| *part = outside(part, groups, rows, before, numbers));
    }
    expr
}

/// What the aggregate takes of its numbered rows.
fn taken(rows: &Rows, numbers: &mut Numbers) -> RelExpr {
    let ExprKind::Aggregate(call) = &rows.call.kind else { return rows.call.clone() };
    match call.function {
        F::MOST_FREQUENT => {
            let count = numbers.count(rows);
            let number = numbers.number(rows, Some(OrderBy { expr: count, descending: true }));
            value_at(rows, &number, integer(1))
        }
        F::MEDIAN | F::PERCENTILE => between(rows, share_of(call).unwrap_or(0.5), numbers),
        F::ARRAY_AGG => {
            let number = numbers.number(rows, None);
            let value = |place| json_of(value_at(rows, &number, integer(place)));
            let further =
                (2..=number_of(call).unwrap_or(1)).map(|place| joined(text(","), value(place)).or_else(text("")));
            let list = further.fold(joined(text("["), value(1)), joined);
            joined(list, text("]")).cast(rows.call.ty.clone())
        }
        _ => {
            let number = numbers.number(rows, None);
            value_at(rows, &number, integer(number_of(call).unwrap_or(1)))
        }
    }
}

/// What lies at a share of the values in their order: between two of them as far as its place is between theirs.
fn between(rows: &Rows, share: f64, numbers: &mut Numbers) -> RelExpr {
    let (total, number) = (numbers.total(rows), numbers.number(rows, None));
    let of = |function, a, b, ty| Expr::call(function, vec![a, b], ty);
    let last = of(F::SUBTRACT, total, integer(1), Type::Integer).cast(Type::Float);
    let place = of(F::MULTIPLY, Expr::literal(Literal::Float(share)), last, Type::Float);
    let whole = |function| Expr::call(function, vec![place.clone()], Type::Integer);
    let row = |function| of(F::ADD, whole(function), integer(1), Type::Integer);
    let (below, above) = (value_at(rows, &number, row(F::FLOOR)), value_at(rows, &number, row(F::CEIL)));
    let beyond = of(F::SUBTRACT, place.clone(), whole(F::FLOOR).cast(Type::Float), Type::Float);
    let beyond = Aggregate { function: F::MAX, args: vec![beyond], filter: None, order_by: Vec::new() };
    let beyond = Expr { kind: ExprKind::Aggregate(Box::new(beyond)), ty: Type::Float };
    let step = of(F::MULTIPLY, beyond, of(F::SUBTRACT, above, below.clone(), Type::Float), Type::Float);
    of(F::ADD, below, step, Type::Float)
}

fn integer(number: i64) -> RelExpr {
    Expr::literal(Literal::Integer(number))
}

/// The value of the row with this number; null where there is none.
fn value_at(rows: &Rows, number: &RelExpr, place: RelExpr) -> RelExpr {
    let is_it = Expr::compare(F::EQ, number.clone(), place);
    let filter = Expr::all(rows.applies.iter().cloned().chain([is_it]));
    let call = Aggregate { function: F::MAX, args: vec![rows.value.clone()], filter, order_by: Vec::new() };
    Expr { kind: ExprKind::Aggregate(Box::new(call)), ty: rows.value.ty.clone() }
}

fn text(text: &str) -> RelExpr {
    Expr::literal(Literal::String(text.to_owned()))
}

fn joined(a: RelExpr, b: RelExpr) -> RelExpr {
    Expr::call(F::CONCAT, vec![a, b], Type::String)
}

/// A value as JSON.
fn json_of(value: RelExpr) -> RelExpr {
    match value.ty {
        Type::Boolean | Type::Integer | Type::Decimal { .. } | Type::Float => value.cast(Type::String),
        Type::Date | Type::Timestamp => joined(joined(text("\""), value.cast(Type::String)), text("\"")),
        _ => {
            let escapes = [("\\", "\\\\"), ("\"", "\\\""), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t")];
            let escaped = escapes.into_iter().fold(value, |value, (from, to)| {
                Expr::call(F::REPLACE, vec![value, text(from), text(to)], Type::String)
            });
            joined(joined(text("\""), escaped), text("\""))
        }
    }
}
