//! The tree of an expression as written. Text expressions and condition trees both become this, so
//! that there is one check for both.

use springline_ir::{FunctionId, Literal, Type};

use crate::Span;
use crate::syntax::Spanned;

/// An expression and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Ast {
    pub kind: AstKind,
    pub span: Span,
}

/// A name as written.
#[derive(Debug, Clone)]
pub(crate) struct Name {
    pub text: String,
    /// In double quotes, where people also put text by mistake.
    pub quoted: bool,
    pub span: Span,
}

/// The forms of an expression.
#[derive(Debug, Clone)]
pub(crate) enum AstKind {
    /// `city`, `household.size`, `purchase.amount`.
    Path(Vec<Name>),
    Literal(Literal),
    /// An operator. `AND` and `OR` have any number of operands.
    Operator(FunctionId, Vec<Ast>),
    Call(Box<Call>),
    Case {
        branches: Vec<(Ast, Ast)>,
        otherwise: Option<Box<Ast>>,
    },
    Cast {
        operand: Box<Ast>,
        ty: Type,
        lenient: bool,
    },
    /// Membership of a segment.
    Segment(Spanned<String>),
    /// A condition on what a relationship or an event leads to.
    Related(Box<Related>),
}

/// A call of a named function.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub name: Name,
    pub args: Vec<Ast>,
    pub filter: Option<Ast>,
    pub within: Option<Spanned<String>>,
    /// Of a window `each of …`: which of them; none: of all of them.
    pub slice: Option<usize>,
    pub over: Option<Over>,
}

/// The `over (…)` of a window function.
#[derive(Debug, Clone)]
pub(crate) struct Over {
    pub partition_by: Vec<Ast>,
    /// Each with whether it is descending.
    pub order_by: Vec<(Ast, bool)>,
}

/// A condition on the rows at the end of a path: `any(household.members where size > 2)`.
#[derive(Debug, Clone)]
pub(crate) struct Related {
    pub quantifier: Quantifier,
    /// Relationships, the last of which may be an event.
    pub path: Vec<Name>,
    pub filter: Option<Ast>,
    pub within: Option<Spanned<String>>,
}

/// How many rows must meet a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quantifier {
    /// At least one.
    Any,
    /// Every one; true where there is no row.
    All,
    /// Not one.
    None,
}

impl Quantifier {
    /// The function of that name in text, which is also the word in a tree.
    pub const WORDS: &'static [(&'static str, Quantifier)] =
        &[("any", Quantifier::Any), ("all", Quantifier::All), ("none", Quantifier::None)];

    /// Its word.
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, own)| *own == self).map_or("any", |(word, _)| word)
    }
}

impl Ast {
    /// An operator of two operands.
    pub fn binary(function: FunctionId, left: Ast, right: Ast, span: Span) -> Ast {
        Ast { kind: AstKind::Operator(function, vec![left, right]), span }
    }

    /// A call of a function with nothing but arguments.
    pub fn call(function: &str, args: Vec<Ast>, span: Span) -> Ast {
        let name = Name { text: function.to_owned(), quoted: false, span };
        Ast {
            kind: AstKind::Call(Box::new(Call { name, args, filter: None, within: None, slice: None, over: None })),
            span,
        }
    }

    /// A path of one name.
    pub fn name(name: Name) -> Ast {
        Ast { span: name.span, kind: AstKind::Path(vec![name]) }
    }

    /// The opposite.
    pub fn not(operand: Ast, span: Span) -> Ast {
        Ast { kind: AstKind::Operator(FunctionId::NOT, vec![operand]), span }
    }

    /// `low <= operand <= high`.
    pub fn between(operand: Ast, low: Ast, high: Ast, span: Span) -> Ast {
        let ge = Ast::binary(FunctionId::GE, operand.clone(), low, span);
        let le = Ast::binary(FunctionId::LE, operand, high, span);
        Ast::binary(FunctionId::AND, ge, le, span)
    }
}

/// The place from the start of the one to the end of the other.
pub(crate) fn joined(a: Span, b: Span) -> Span {
    Span { file: a.file, start: a.start.min(b.start), end: a.end.max(b.end) }
}
