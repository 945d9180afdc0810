//! Checked expressions as a person reads them, for messages about their values. It is no way back to a model: that is
//! the text of the model itself.

use springline_ir::{ExprKind, FunctionId, Literal};

use crate::{EntityId, Gather, Leaf, Over, Period, Project, RowId, Unit, ValueExpr, literal_text};

/// An expression over a row in the words of the language; what is long is cut short.
pub fn expression_text(project: &Project, row: RowId, expr: &ValueExpr) -> String {
    match &expr.kind {
        ExprKind::Leaf(leaf) => leaf_text(project, row, leaf),
        ExprKind::Literal(Literal::String(text)) => format!("'{text}'"),
        ExprKind::Literal(literal) => literal_text(literal),
        ExprKind::Call { function, args } => call_text(project, row, *function, args),
        ExprKind::Cast { operand, .. } => expression_text(project, row, operand),
        ExprKind::Case { .. } => "case … end".to_owned(),
        ExprKind::Aggregate(call) => format!("{}(…)", call.function.get().name),
        _ => "…".to_owned(),
    }
}

fn call_text(project: &Project, row: RowId, function: FunctionId, args: &[ValueExpr]) -> String {
    let texts: Vec<String> = args.iter().map(|arg| nested(project, row, function, arg)).collect();
    let infix = |operator: &str| texts.join(&format!(" {operator} "));
    match (function, texts.as_slice()) {
        (FunctionId::EQ, _) => infix("="),
        (FunctionId::NE, _) => infix("<>"),
        (FunctionId::LT, _) => infix("<"),
        (FunctionId::LE, _) => infix("<="),
        (FunctionId::GT, _) => infix(">"),
        (FunctionId::GE, _) => infix(">="),
        (FunctionId::AND, _) => infix("and"),
        (FunctionId::OR, _) => infix("or"),
        (FunctionId::ADD, _) => infix("+"),
        (FunctionId::SUBTRACT, _) => infix("-"),
        (FunctionId::MULTIPLY, _) => infix("*"),
        (FunctionId::DIVIDE, _) => infix("/"),
        (FunctionId::LIKE, _) => infix("like"),
        (FunctionId::NOT, [of]) => format!("not {of}"),
        (FunctionId::IS_NULL, [of]) => format!("{of} is null"),
        (FunctionId::IS_NOT_NULL, [of]) => format!("{of} is not null"),
        (FunctionId::IN, [of, list @ ..]) => format!("{of} in ({})", list.join(", ")),
        // A default that only makes null false is no part of what somebody wrote.
        (FunctionId::COALESCE, [of, default]) if default == "false" => of.clone(),
        _ => format!("{}({})", function.get().name, texts.join(", ")),
    }
}

/// An argument, in parentheses where it would be read otherwise.
fn nested(project: &Project, row: RowId, around: FunctionId, arg: &ValueExpr) -> String {
    let text = expression_text(project, row, arg);
    let is_logical = |f: &FunctionId| [FunctionId::AND, FunctionId::OR].contains(f);
    let needs = match &arg.kind {
        ExprKind::Call { function, .. } => {
            is_logical(function) && *function != around && (is_logical(&around) || around == FunctionId::NOT)
        }
        _ => false,
    };
    if needs { format!("({text})") } else { text }
}

fn leaf_text(project: &Project, row: RowId, leaf: &Leaf) -> String {
    match (leaf, row) {
        (Leaf::Column(name), _) => name.clone(),
        (Leaf::Field(field), RowId::Entity(entity)) => project.entity(entity).fields[field.0].name.clone(),
        (Leaf::Segment(segment), _) => format!("segment {}", project.segment(*segment).name),
        (Leaf::Related { relationship, leaf }, _) => {
            let relationship = &project.row_relationships(row)[relationship.0];
            format!("{}.{}", relationship.name, leaf_text(project, RowId::Entity(relationship.to), leaf))
        }
        (Leaf::Aggregate(gather), RowId::Entity(entity)) => gather_text(project, entity, gather),
        (Leaf::AsOf, _) => "as_of()".to_owned(),
        (Leaf::Sequence(sequence), RowId::Entity(entity)) => {
            let steps = sequence.earlier.iter().chain([&sequence.last]);
            let names: Vec<&str> =
                steps.map(|step| project.entity(entity).events[step.event.0].name.as_str()).collect();
            format!("sequence({})", names.join(", "))
        }
        (Leaf::History(history), _) => format!("history of segment {}", project.segment(history.segment).name),
        _ => "…".to_owned(),
    }
}

fn gather_text(project: &Project, entity: EntityId, gather: &Gather) -> String {
    let gathered = project.gathered_row(entity, gather.over);
    let over = match gather.over {
        Over::Event(event) => &project.entity(entity).events[event.0].name,
        Over::Relationship(relationship) => &project.entity(entity).relationships[relationship.0].name,
    };
    let mut inside = match gather.args.first() {
        Some(arg) => format!("{over}.{}", expression_text(project, gathered, arg)),
        None => over.clone(),
    };
    if let Some(filter) = &gather.filter {
        inside.push_str(&format!(" where {}", expression_text(project, gathered, filter)));
    }
    if let Some(period) = &gather.within {
        inside.push_str(&format!(" within {}", period_text(period)));
    }
    format!("{}({inside})", gather.function.get().name)
}

fn period_text(period: &Period) -> String {
    let plural = |amount: u32| if amount == 1 { "" } else { "s" };
    match period {
        Period::Rolling { within, ago: 0 } => {
            format!("{} {}{}", within.amount, unit_text(within.unit), plural(within.amount))
        }
        Period::Calendar { unit, first: 0, last: 0 } => format!("this {}", unit_text(*unit)),
        Period::Calendar { unit, first: -1, last: -1 } => format!("last {}", unit_text(*unit)),
        _ => "…".to_owned(),
    }
}

fn unit_text(unit: Unit) -> String {
    format!("{unit:?}").to_lowercase()
}
