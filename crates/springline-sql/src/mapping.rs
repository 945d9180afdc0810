//! A function's mapping, ready to print: which form is taken for which types.

use springline_ir::{Literal, Type};

use crate::definition::{Entry, Form, Overload, TypePattern};
use crate::template::{Place, Reader, Template};

/// How a function is written for each type of argument.
#[derive(Debug)]
pub(crate) struct Mapping {
    overloads: Vec<Choice>,
    otherwise: Written,
    /// Why it cannot stand before OVER.
    pub(crate) no_over: Option<String>,
}

/// One of several forms, and when it is taken.
#[derive(Debug)]
struct Choice {
    types: Vec<TypePattern>,
    scale_over: Option<u8>,
    written: Written,
}

/// A template, or the reason why there is none.
pub(crate) type Written = Result<Template, String>;

/// What a mapping looks at in an argument.
#[derive(Clone, Copy)]
pub(crate) struct Shape<'a> {
    pub(crate) ty: &'a Type,
    /// The constant that it is.
    pub(crate) literal: Option<&'a Literal>,
}

impl Mapping {
    /// Reads an entry; every problem is appended to `problems` with `at` before it.
    pub(crate) fn read(reader: &Reader, entry: &Entry, place: Place, at: &str, problems: &mut Vec<String>) -> Mapping {
        let mut read = |form: &Form, at: &str| {
            written(reader, form, place).unwrap_or_else(|problem| {
                problems.push(format!("{at}: {problem}"));
                Err(problem)
            })
        };
        let otherwise = read(&entry.form, at);
        let overloads = entry
            .overloads
            .iter()
            .enumerate()
            .map(|(i, Overload { types, scale_over, form })| Choice {
                types: types.clone(),
                scale_over: *scale_over,
                written: read(form, &format!("{at}.overloads[{i}]")),
            })
            .collect();
        Mapping { overloads, otherwise, no_over: entry.no_over.clone() }
    }

    /// A mapping of nothing, for what is never printed.
    pub(crate) fn none(reason: &str) -> Mapping {
        Mapping { overloads: Vec::new(), otherwise: Err(reason.to_owned()), no_over: None }
    }

    /// The form for arguments of these shapes and a result of this type.
    pub(crate) fn select<'a>(&self, count: usize, result: &Type, shape: impl Fn(usize) -> Shape<'a>) -> &Written {
        let scale = if let Type::Decimal { precision: 38, scale } = result { *scale } else { 0 };
        let fits = |choice: &&Choice| {
            fits(&choice.types, count, &shape) && choice.scale_over.is_none_or(|limit| scale > limit)
        };
        self.overloads.iter().find(fits).map_or(&self.otherwise, |choice| &choice.written)
    }

    /// The reason why no argument is supported, if that is so.
    pub(crate) fn unsupported(&self) -> Option<&str> {
        let nothing = self.overloads.iter().all(|choice| choice.written.is_err());
        self.otherwise.as_ref().err().filter(|_| nothing).map(String::as_str)
    }

    /// Why it is missing for some types, or before OVER.
    pub(crate) fn gaps(&self) -> Vec<&str> {
        let overloads = self.overloads.iter().filter_map(|choice| choice.written.as_ref().err());
        let mut gaps: Vec<&str> = overloads.chain(&self.no_over).map(String::as_str).collect();
        gaps.dedup();
        gaps
    }

    /// Whether every form answers for a filter of its rows.
    pub(crate) fn takes_filters(&self) -> bool {
        let mut forms = self.overloads.iter().map(|choice| &choice.written).chain([&self.otherwise]);
        forms.all(|written| written.as_ref().map_or(true, Template::takes_filter))
    }

    /// The general form.
    pub(crate) fn general(&self) -> &Written {
        &self.otherwise
    }
}

fn written(reader: &Reader, form: &Form, place: Place) -> Result<Written, String> {
    match (&form.sql, &form.unsupported) {
        (Some(sql), None) => Template::parse(reader, sql, form.binds, place).map(Ok),
        (None, Some(reason)) if !reason.trim().is_empty() => Ok(Err(reason.clone())),
        (None, Some(_)) => Err("`unsupported` needs a reason".to_owned()),
        _ => Err("needs exactly one of `sql` and `unsupported`".to_owned()),
    }
}

fn fits<'a>(types: &[TypePattern], count: usize, shape: &impl Fn(usize) -> Shape<'a>) -> bool {
    let (types, open) = match types.split_last() {
        Some((TypePattern::More, fixed)) => (fixed, true),
        _ => (types, false),
    };
    let arity = if open { count >= types.len() } else { count == types.len() };
    arity && types.iter().enumerate().all(|(i, pattern)| pattern.fits(shape(i)))
}

impl TypePattern {
    fn fits(&self, shape: Shape<'_>) -> bool {
        match self {
            TypePattern::Any | TypePattern::More => true,
            TypePattern::Literal => shape.literal.is_some(),
            TypePattern::Text(text) => matches!(shape.literal, Some(Literal::String(given)) if given == text),
            TypePattern::Boolean => *shape.ty == Type::Boolean,
            TypePattern::Integer => *shape.ty == Type::Integer,
            TypePattern::Decimal => matches!(shape.ty, Type::Decimal { .. }),
            TypePattern::Float => *shape.ty == Type::Float,
            TypePattern::String => *shape.ty == Type::String,
            TypePattern::Date => *shape.ty == Type::Date,
            TypePattern::Timestamp => *shape.ty == Type::Timestamp,
            TypePattern::Json => *shape.ty == Type::Json,
            TypePattern::Array => matches!(shape.ty, Type::Array(_)),
        }
    }
}
