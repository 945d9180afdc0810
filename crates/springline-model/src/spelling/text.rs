//! An expression as text, with as few parentheses as reading it back allows.
//!
//! How strongly an operator binds is the SQL parser's matter; the levels here are its own, and a test
//! over random expressions holds the two together.

use springline_ir::{FunctionId, Literal};

use crate::expr::{Ast, AstKind, Call, MEMBER, Over, Quantifier};
use crate::syntax::Spanned;

use super::same::{same, window};

/// How strongly the outermost operator of a text binds, the weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Or,
    And,
    Not,
    Comparison,
    Sum,
    Product,
    Sign,
    Single,
}

/// Words that are no names unless they are quoted, somewhere at least.
const RESERVED: &[&str] = &[
    "and", "as", "asc", "between", "by", "case", "cast", "collate", "desc", "distinct", "else", "end", "escape",
    "false", "from", "ilike", "in", "interval", "is", "like", "not", "null", "or", "rlike", "select", "then", "true",
    "try_cast", "unknown", "when", "where", "within",
];

/// The text of an expression. `None` where it has none, such as a call of a name that is no word.
pub(crate) fn text(ast: &Ast) -> Option<String> {
    let mut out = String::new();
    write(ast, Level::Or, &mut out)?;
    Some(out)
}

/// Writes an expression where one of at least that level stands without parentheses.
fn write(ast: &Ast, least: Level, out: &mut String) -> Option<()> {
    if level(ast) < least {
        out.push('(');
        bare(ast, out)?;
        out.push(')');
        return Some(());
    }
    bare(ast, out)
}

fn level(ast: &Ast) -> Level {
    match &ast.kind {
        AstKind::Operator(function, operands) => match (*function, operands.as_slice()) {
            (FunctionId::OR, _) => Level::Or,
            (FunctionId::AND, _) if between(ast).is_some() => Level::Comparison,
            (FunctionId::AND, _) => Level::And,
            (FunctionId::NOT, [operand]) if takes_not(operand) => Level::Comparison,
            (FunctionId::NOT, _) => Level::Not,
            (FunctionId::ADD | FunctionId::SUBTRACT, _) => Level::Sum,
            (FunctionId::MULTIPLY | FunctionId::DIVIDE | FunctionId::CONCAT, _) => Level::Product,
            (FunctionId::NEGATE, _) => Level::Sign,
            _ => Level::Comparison,
        },
        AstKind::Literal(literal) if is_negative(literal) => Level::Sign,
        _ => Level::Single,
    }
}

fn is_negative(literal: &Literal) -> bool {
    match literal {
        Literal::Integer(n) => *n < 0,
        Literal::Decimal { unscaled, .. } => *unscaled < 0,
        Literal::Float(n) => n.is_sign_negative(),
        _ => false,
    }
}

/// Whether its opposite is written with a `not` inside: `a not in (1, 2)`.
fn takes_not(ast: &Ast) -> bool {
    matches!(&ast.kind, AstKind::Operator(FunctionId::IN | FunctionId::LIKE, _)) || between(ast).is_some()
}

/// The parts of `a between low and high`, which is `a >= low and a <= high`.
pub(super) fn between(ast: &Ast) -> Option<(&Ast, &Ast, &Ast)> {
    let AstKind::Operator(FunctionId::AND, both) = &ast.kind else { return None };
    let [low, high] = both.as_slice() else { return None };
    match (&low.kind, &high.kind) {
        (AstKind::Operator(FunctionId::GE, low), AstKind::Operator(FunctionId::LE, high)) => {
            let ([a, low], [b, high]) = (low.as_slice(), high.as_slice()) else { return None };
            same(a, b).then_some((a, low, high))
        }
        _ => None,
    }
}

fn bare(ast: &Ast, out: &mut String) -> Option<()> {
    match &ast.kind {
        AstKind::Path(names) => {
            let names = names.iter().map(|n| name(&n.text)).collect::<Option<Vec<_>>>()?;
            out.push_str(&names.join("."));
        }
        AstKind::Literal(value) => out.push_str(&literal(value)?),
        AstKind::Operator(function, operands) => operator(*function, operands, ast, out)?,
        AstKind::Call(call) => write_call(call, out)?,
        AstKind::Case { branches, otherwise } => {
            out.push_str("case");
            for (when, then) in branches {
                out.push_str(" when ");
                bare(when, out)?;
                out.push_str(" then ");
                bare(then, out)?;
            }
            if let Some(otherwise) = otherwise {
                out.push_str(" else ");
                bare(otherwise, out)?;
            }
            out.push_str(" end");
        }
        AstKind::Cast { operand, ty, lenient } => {
            out.push_str(if *lenient { "try_cast(" } else { "cast(" });
            bare(operand, out)?;
            out.push_str(&format!(" as {ty})"));
        }
        AstKind::Segment(segment) => out.push_str(&format!("{MEMBER}({})", name(&segment.value)?)),
        AstKind::Related(related) => {
            let path = related.path.iter().map(|n| name(&n.text)).collect::<Option<Vec<_>>>()?;
            out.push_str(&format!("{}({}", related.quantifier.word(), path.join(".")));
            clauses(related.filter.as_ref(), related.within.as_ref(), out)?;
            out.push(')');
        }
    }
    Some(())
}

fn operator(function: FunctionId, operands: &[Ast], ast: &Ast, out: &mut String) -> Option<()> {
    let sign = match function {
        FunctionId::AND | FunctionId::OR if operands.len() < 2 => return None,
        FunctionId::AND => match between(ast) {
            Some(parts) => return write_between(parts, "", out),
            None => return list(operands, " and ", Level::Not, out),
        },
        FunctionId::OR => return list(operands, " or ", Level::And, out),
        FunctionId::NOT => return write_not(operands, out),
        FunctionId::IN => return write_in(operands, "", out),
        FunctionId::IS_NULL | FunctionId::IS_NOT_NULL => {
            let [operand] = operands else { return None };
            write(operand, Level::Sum, out)?;
            out.push_str(if function == FunctionId::IS_NULL { " is null" } else { " is not null" });
            return Some(());
        }
        FunctionId::NEGATE => {
            let [operand] = operands else { return None };
            out.push('-');
            return write(operand, Level::Single, out);
        }
        FunctionId::LIKE => return write_like(operands, "", out),
        FunctionId::EQ => "=",
        FunctionId::NE => "<>",
        FunctionId::LT => "<",
        FunctionId::LE => "<=",
        FunctionId::GT => ">",
        FunctionId::GE => ">=",
        FunctionId::ADD => "+",
        FunctionId::SUBTRACT => "-",
        FunctionId::MULTIPLY => "*",
        FunctionId::DIVIDE => "/",
        FunctionId::CONCAT => "||",
        _ => return None,
    };
    let [left, right] = operands else { return None };
    let (before, after) = match function {
        FunctionId::ADD | FunctionId::SUBTRACT => (Level::Sum, Level::Product),
        // The three bind alike; text that is joined is kept apart from numbers that are multiplied.
        FunctionId::MULTIPLY | FunctionId::DIVIDE | FunctionId::CONCAT => {
            let joins = |f: FunctionId| f == FunctionId::CONCAT;
            let alike = matches!(&left.kind, AstKind::Operator(f, _) if joins(*f) == joins(function));
            (if alike { Level::Product } else { Level::Sign }, Level::Sign)
        }
        _ => (Level::Sum, Level::Sum),
    };
    write(left, before, out)?;
    out.push_str(&format!(" {sign} "));
    write(right, after, out)
}

fn list(parts: &[Ast], separator: &str, least: Level, out: &mut String) -> Option<()> {
    for (i, part) in parts.iter().enumerate() {
        out.push_str(if i > 0 { separator } else { "" });
        write(part, least, out)?;
    }
    Some(())
}

fn write_not(operands: &[Ast], out: &mut String) -> Option<()> {
    let [operand] = operands else { return None };
    if let Some(parts) = between(operand) {
        return write_between(parts, "not ", out);
    }
    match &operand.kind {
        AstKind::Operator(FunctionId::IN, operands) => write_in(operands, "not ", out),
        AstKind::Operator(FunctionId::LIKE, operands) => write_like(operands, "not ", out),
        _ => {
            out.push_str("not ");
            write(operand, Level::Not, out)
        }
    }
}

fn write_between((operand, low, high): (&Ast, &Ast, &Ast), not: &str, out: &mut String) -> Option<()> {
    write(operand, Level::Sum, out)?;
    out.push_str(&format!(" {not}between "));
    write(low, Level::Sum, out)?;
    out.push_str(" and ");
    write(high, Level::Sum, out)
}

fn write_like(operands: &[Ast], not: &str, out: &mut String) -> Option<()> {
    let [operand, pattern] = operands else { return None };
    write(operand, Level::Sum, out)?;
    out.push_str(&format!(" {not}like "));
    write(pattern, Level::Sum, out)
}

fn write_in(operands: &[Ast], not: &str, out: &mut String) -> Option<()> {
    let [operand, values @ ..] = operands else { return None };
    write(operand, Level::Sum, out)?;
    out.push_str(&format!(" {not}in ("));
    list(values, ", ", Level::Or, out)?;
    out.push(')');
    (!values.is_empty()).then_some(())
}

fn write_call(call: &Call, out: &mut String) -> Option<()> {
    let Call { name, args, filter, within, over, slice: _ } = call;
    let lower = name.text.to_lowercase();
    let is_form = lower == MEMBER || Quantifier::WORDS.iter().any(|(word, _)| *word == lower);
    if !is_word(&lower) || RESERVED.contains(&lower.as_str()) || is_form {
        return None;
    }
    out.push_str(&format!("{lower}("));
    list(args, ", ", Level::Or, out)?;
    clauses(filter.as_ref(), within.as_ref(), out)?;
    out.push(')');
    let Some(Over { partition_by, order_by }) = over else { return Some(()) };
    out.push_str(" over (");
    if !partition_by.is_empty() {
        out.push_str("partition by ");
        list(partition_by, ", ", Level::Or, out)?;
    }
    for (i, (term, descending)) in order_by.iter().enumerate() {
        let blank = if partition_by.is_empty() { "" } else { " " };
        out.push_str(if i > 0 { ", " } else { blank });
        out.push_str(if i == 0 { "order by " } else { "" });
        write(term, Level::Or, out)?;
        out.push_str(if *descending { " desc" } else { "" });
    }
    out.push(')');
    Some(())
}

fn clauses(filter: Option<&Ast>, within: Option<&Spanned<String>>, out: &mut String) -> Option<()> {
    if let Some(filter) = filter {
        out.push_str(" where ");
        write(filter, Level::Or, out)?;
    }
    if let Some(within) = within {
        out.push_str(&format!(" within {}", window(&within.value)));
    }
    Some(())
}

/// A name, in quotes where it would not be read as one without.
fn name(text: &str) -> Option<String> {
    if text.is_empty() {
        return None;
    }
    if is_word(text) && !RESERVED.contains(&text.to_lowercase().as_str()) {
        return Some(text.to_owned());
    }
    Some(format!("\"{}\"", text.replace('"', "\"\"")))
}

fn is_word(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_alphabetic() || c == '_') && chars.all(|c| c.is_alphanumeric() || c == '_')
}

/// A constant with all its digits.
fn literal(value: &Literal) -> Option<String> {
    Some(match value {
        Literal::Null => "null".to_owned(),
        Literal::Boolean(value) => value.to_string(),
        Literal::String(value) => format!("'{}'", value.replace('\'', "''")),
        Literal::Date(day) => format!("date '{day}'"),
        Literal::Timestamp(instant) => format!("timestamp '{instant}'"),
        number => digits(number)?,
    })
}

/// A number with all its digits; `None` for what is no number.
pub(super) fn digits(value: &Literal) -> Option<String> {
    match value {
        Literal::Integer(n) => Some(n.to_string()),
        Literal::Float(n) => Some(format!("{n:e}")),
        Literal::Decimal { unscaled, scale } => {
            let scale = usize::from(*scale);
            let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = scale + 1);
            let (whole, fraction) = digits.split_at(digits.len() - scale);
            Some(format!("{}{whole}.{fraction}", if *unscaled < 0 { "-" } else { "" }))
        }
        _ => None,
    }
}
