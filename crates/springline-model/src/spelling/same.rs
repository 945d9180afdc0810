//! When two conditions are one: the same tree, wherever its parts stand and however names are quoted.

use crate::expr::{Ast, AstKind, Call, Over, Related};

/// Whether two expressions are the same but for their places.
pub(crate) fn same(a: &Ast, b: &Ast) -> bool {
    key(a) == key(b)
}

/// A text that two expressions share if and only if they are the same but for their places.
pub(crate) fn key(ast: &Ast) -> String {
    let mut out = String::new();
    write(ast, &mut out);
    out
}

/// A window's text with single spaces.
pub(super) fn window(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn write(ast: &Ast, out: &mut String) {
    match &ast.kind {
        AstKind::Path(names) => {
            out.push_str("path");
            names.iter().for_each(|name| quoted(&name.text, out));
        }
        AstKind::Literal(literal) => out.push_str(&format!("{literal:?}")),
        AstKind::Operator(function, operands) => group(&format!("{function:?}"), operands, out),
        AstKind::Call(call) => write_call(call, out),
        AstKind::Case { branches, otherwise } => {
            out.push_str("case(");
            for (when, then) in branches {
                group("when", [when, then], out);
            }
            otherwise.iter().for_each(|ast| write(ast, out));
            out.push(')');
        }
        AstKind::Cast { operand, ty, lenient } => group(&format!("cast {lenient} {ty}"), [operand.as_ref()], out),
        AstKind::Segment(name) => {
            out.push_str("segment");
            quoted(&name.value, out);
        }
        AstKind::Related(related) => write_related(related, out),
    }
}

fn group<'a>(head: &str, parts: impl IntoIterator<Item = &'a Ast>, out: &mut String) {
    out.push_str(head);
    out.push('(');
    for part in parts {
        write(part, out);
        out.push(' ');
    }
    out.push(')');
}

fn write_call(call: &Call, out: &mut String) {
    let Call { name, args, filter, within, over, slice: _ } = call;
    group(&format!("call {}", name.text.to_lowercase()), args, out);
    clauses(filter.as_ref(), within.as_ref().map(|w| w.value.as_str()), out);
    if let Some(Over { partition_by, order_by }) = over {
        group("over", partition_by, out);
        for (term, descending) in order_by {
            group(if *descending { "desc" } else { "asc" }, [term], out);
        }
    }
}

fn clauses(filter: Option<&Ast>, within: Option<&str>, out: &mut String) {
    filter.iter().for_each(|filter| group("where", [*filter], out));
    if let Some(within) = within {
        out.push_str("within");
        quoted(&window(within), out);
    }
}

fn write_related(related: &Related, out: &mut String) {
    out.push_str(related.quantifier.word());
    related.path.iter().for_each(|name| quoted(&name.text, out));
    clauses(related.filter.as_ref(), related.within.as_ref().map(|w| w.value.as_str()), out);
}

fn quoted(text: &str, out: &mut String) {
    out.push_str(&format!("{text:?}"));
}
