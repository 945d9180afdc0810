//! Computes in a step before what some engines cannot take where it stands, under names of its own: what is aggregated,
//! where two aggregates differ in casts alone (those engines name an aggregate by its text without casts, and refuse
//! two of one name), and what a window is ordered and cut by (of a `case` in there they do not see that their own order
//! is the one asked for). It must not know what the expressions are of.

use std::collections::HashSet;

use springline_ir::{Expr, ExprKind, FunctionId, Literal, OutputColumn, RelExpr, Select, Type};

use crate::build::{Build, column, output};

/// The SELECT as it is, or over a step that computes what it groups by and aggregates, where two of its aggregates
/// differ in casts alone. `name` is that step's.
pub(crate) fn apart(build: &mut Build<'_>, name: &str, select: Select) -> Select {
    let mut aggregates = HashSet::new();
    select.columns.iter().for_each(|c| collect(&c.expr, &mut aggregates));
    let bare: HashSet<RelExpr> = aggregates.iter().map(|e| without_casts(e)).collect();
    if bare.len() == aggregates.len() {
        return select;
    }
    let alias = build.unique(name);
    let mut before = Before { alias, columns: Vec::new() };
    let group_by = select.group_by.iter().map(|e| before.named(e)).collect();
    let over = |before: &mut Before, c: &OutputColumn| output(c.name.clone(), before.over(&c.expr, &select.group_by));
    let columns = select.columns.iter().map(|c| over(&mut before, c)).collect();
    let Before { alias, columns: computed } = before;
    let from = build.step(alias, None, Select { columns: computed, group_by: Vec::new(), ..select });
    Select { group_by, ..Select::new(from, columns) }
}

/// The SELECT as it is, or over a step that computes the terms of its windows, where some are no columns.
pub(crate) fn windows_over_columns(build: &mut Build<'_>, name: &str, select: Select) -> Select {
    if !select.group_by.is_empty() || !select.columns.iter().any(|c| has_computed_terms(&c.expr)) {
        return select;
    }
    let mut before = Before { alias: build.unique(&format!("{name}_terms")), columns: Vec::new() };
    let columns = select.columns.iter().map(|c| output(c.name.clone(), before.beside(&c.expr))).collect();
    let Before { alias, columns: computed } = before;
    let from = build.step(alias, None, Select { columns: computed, ..select });
    Select::new(from, columns)
}

fn has_computed_terms(expr: &RelExpr) -> bool {
    let is_computed = |expr: &RelExpr| !matches!(expr.kind, ExprKind::Leaf(_) | ExprKind::Literal(_));
    if let ExprKind::Window(call) = &expr.kind {
        return call.partition_by.iter().any(is_computed) || call.order_by.iter().any(|o| is_computed(&o.expr));
    }
    let mut found = false;
    expr.each_child(&mut |child| found = found || has_computed_terms(child));
    found
}

fn collect<'e>(expr: &'e RelExpr, into: &mut HashSet<&'e RelExpr>) {
    match &expr.kind {
        ExprKind::Aggregate(_) => drop(into.insert(expr)),
        _ => expr.each_child(&mut |child| collect(child, into)),
    }
}

/// The expression with every cast replaced by its operand, also those that a dialect writes as one, and constants by
/// what they look like without their type. Its types mean nothing.
fn without_casts(expr: &RelExpr) -> RelExpr {
    match &expr.kind {
        ExprKind::Cast { operand, .. } => without_casts(operand),
        ExprKind::Call { function: FunctionId::TEXT | FunctionId::FLOOR | FunctionId::CEIL, args }
            if args.len() == 1 =>
        {
            without_casts(&args[0])
        }
        ExprKind::Literal(literal) => Expr::literal(Literal::String(bare(literal))),
        _ => {
            let mut expr = expr.clone();
            expr.ty = Type::String;
            each_part(&mut expr, &mut |part| *part = without_casts(part));
            expr
        }
    }
}

fn bare(literal: &Literal) -> String {
    match literal {
        Literal::Decimal { unscaled, scale } => number(*unscaled as f64 / 10f64.powi(i32::from(*scale))),
        Literal::Integer(n) => number(*n as f64),
        Literal::Float(f) => number(*f),
        Literal::String(s) => s.parse().map_or_else(|_| s.clone(), number),
        other => format!("{other:?}"),
    }
}

fn number(f: f64) -> String {
    format!("number {f}")
}

/// Every direct part of an expression, to be changed.
pub(crate) fn each_part(expr: &mut RelExpr, change: &mut impl FnMut(&mut RelExpr)) {
    match &mut expr.kind {
        ExprKind::Leaf(_) | ExprKind::Literal(_) => {}
        ExprKind::Call { args, .. } => args.iter_mut().for_each(change),
        ExprKind::Case { branches, otherwise } => {
            for (when, then) in branches {
                change(when);
                change(then);
            }
            otherwise.iter_mut().for_each(|e| change(e));
        }
        ExprKind::Cast { operand, .. } => change(operand),
        ExprKind::Aggregate(call) => {
            call.args.iter_mut().for_each(&mut *change);
            call.filter.iter_mut().for_each(&mut *change);
            call.order_by.iter_mut().for_each(|o| change(&mut o.expr));
        }
        ExprKind::Window(call) => {
            call.args.iter_mut().for_each(&mut *change);
            call.partition_by.iter_mut().for_each(&mut *change);
            call.order_by.iter_mut().for_each(|o| change(&mut o.expr));
        }
        ExprKind::Native(native) => native.args.iter_mut().for_each(change),
    }
}

/// The step before: its name and what it computes.
pub(crate) struct Before {
    pub(crate) alias: String,
    pub(crate) columns: Vec<OutputColumn>,
}

impl Before {
    /// The column of the step that holds the expression; a constant stays what it is.
    pub(crate) fn named(&mut self, expr: &RelExpr) -> RelExpr {
        if matches!(expr.kind, ExprKind::Literal(_)) {
            return expr.clone();
        }
        let known = self.columns.iter().position(|c| c.expr == *expr);
        let place = known.unwrap_or_else(|| {
            self.columns.push(output(format!("value_{}", self.columns.len() + 1), expr.clone()));
            self.columns.len() - 1
        });
        column(&self.alias, &self.columns[place].name, expr.ty.clone())
    }

    /// A column of rows, seen from behind the step: all but windows and what they aggregate is computed there.
    fn beside(&mut self, expr: &RelExpr) -> RelExpr {
        if !expr.has_window() {
            return self.named(expr);
        }
        let mut expr = expr.clone();
        if let ExprKind::Window(_) = expr.kind {
            each_part(&mut expr, &mut |part| *part = self.named(part));
        } else {
            each_part(&mut expr, &mut |part| *part = self.beside(part));
        }
        expr
    }

    /// A column of the groups, seen from behind the step.
    fn over(&mut self, expr: &RelExpr, groups: &[RelExpr]) -> RelExpr {
        if groups.contains(expr) {
            return self.named(expr);
        }
        let mut expr = expr.clone();
        if let ExprKind::Aggregate(_) = expr.kind {
            each_part(&mut expr, &mut |part| *part = self.named(part));
        } else {
            each_part(&mut expr, &mut |part| *part = self.over(part, groups));
        }
        expr
    }
}
