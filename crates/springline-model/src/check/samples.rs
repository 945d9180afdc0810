//! Samples: which rows a share of all is. A row's bucket is a number from 0 to 9999 that depends on the seed and the
//! row's primary key alone, so that a sample is the same on every engine and in every run.

use springline_ir::{Expr, FunctionId, Literal, Type};

use crate::expr::{Ast, AstKind, Call};
use crate::syntax::{SampleCondition, Share, Spanned, WHOLE};
use crate::{Code, Diagnostic, EntityId, Leaf, RowId, Span, ValueExpr};

use super::scope::Scope;
use super::typing::{Typer, chain, typed};
use super::unify::Typed;

/// The name under which an expression draws a sample.
pub(super) const SAMPLE: &str = "sample";
const FORM: &str =
    "it is `sample('seed', 10)`: ten percent of the rows, or `sample('seed', 10, 50)`: those from 10% to 50%";

/// The call that a `sample:` condition stands for.
pub(super) fn call(sample: &SampleCondition, span: Span) -> Ast {
    let constant = |literal| Ast { kind: AstKind::Literal(literal), span };
    let percent = |share: Share| constant(Literal::Decimal { unscaled: i128::from(share.0), scale: 2 });
    let seed = Ast { kind: AstKind::Literal(Literal::String(sample.seed.value.clone())), span: sample.seed.span };
    let args = vec![seed, percent(sample.sample.from), percent(sample.sample.to)];
    Ast::call(SAMPLE, args, span)
}

impl Typer<'_> {
    /// `sample('seed', to)` or `sample('seed', from, to)`: the row is in that share of all rows.
    pub fn sample(&mut self, call: &Call, span: Span, scope: &Scope) -> Option<Typed> {
        let Some((seed, from, to)) = sample_args(call) else {
            let message = format!("{}: `sample` takes a seed and one or two percentages from 0 to 100", self.subject);
            self.out.push(Diagnostic::error(Code::InvalidArguments, span, message).hint(FORM));
            return None;
        };
        if from >= to {
            let message = format!("{}: a sample of no rows: it ends where it begins, or before", self.subject);
            self.out.push(Diagnostic::error(Code::InvalidArguments, span, message).hint(FORM));
            return None;
        }
        let RowId::Entity(entity) = scope.row else {
            let message = format!("{}: a sample is drawn of the rows of an entity, not of events", self.subject);
            let hint = "put the sample beside the condition of the event, under `all:`";
            self.out.push(Diagnostic::error(Code::WrongEntity, span, message).hint(hint));
            return None;
        };
        let bucket = self.bucket(&seed.value, entity)?;
        let bound = |function, share: Share| {
            Expr::compare(function, bucket.clone(), Expr::literal(Literal::Integer(i64::from(share.0))))
        };
        let lower = (from.0 > 0).then(|| bound(FunctionId::GE, from));
        // The end of all rows is written too where nothing else is: a null key is in no sample.
        let upper = (to.0 < WHOLE || lower.is_none()).then(|| bound(FunctionId::LT, to));
        let condition = chain(FunctionId::AND, lower.into_iter().chain(upper).collect())?;
        Some(typed(condition, span, &[]))
    }

    /// `mod(stable_hash(seed || ':' || key), 10000)`.
    fn bucket(&self, seed: &str, entity: EntityId) -> Option<ValueExpr> {
        let column = self.catalogue.column(RowId::Entity(entity), &self.catalogue.entities[entity.0].primary_key)?;
        let key: ValueExpr = Expr::leaf(Leaf::Column(column.name.clone()), column.ty.clone());
        let key = match key.ty {
            Type::String => key,
            _ => Expr::call(FunctionId::TEXT, vec![key], Type::String),
        };
        let seed = Expr::literal(Literal::String(format!("{seed}:")));
        let seeded = Expr::call(FunctionId::CONCAT, vec![seed, key], Type::String);
        let hash = Expr::call(FunctionId::STABLE_HASH, vec![seeded], Type::Integer);
        let whole = Expr::literal(Literal::Integer(i64::from(WHOLE)));
        Some(Expr::call(FunctionId::MOD, vec![hash, whole], Type::Integer))
    }
}

/// The seed and the bounds of a call; `None` if it is not written that way.
fn sample_args(call: &Call) -> Option<(Spanned<String>, Share, Share)> {
    if call.filter.is_some() || call.within.is_some() || call.over.is_some() {
        return None;
    }
    let (seed, from, to) = match call.args.as_slice() {
        [seed, to] => (seed, Share(0), share(to)?),
        [seed, from, to] => (seed, share(from)?, share(to)?),
        _ => return None,
    };
    match &seed.kind {
        AstKind::Literal(Literal::String(text)) => Some((Spanned { value: text.clone(), span: seed.span }, from, to)),
        _ => None,
    }
}

/// A constant number of percents as a share.
fn share(ast: &Ast) -> Option<Share> {
    match &ast.kind {
        AstKind::Literal(Literal::Integer(percent)) => Share::percent(&percent.to_string()),
        AstKind::Literal(Literal::Decimal { unscaled, scale: scale @ 1..=2 }) => {
            let hundredths = if *scale == 1 { unscaled.checked_mul(10)? } else { *unscaled };
            u32::try_from(hundredths).ok().filter(|share| *share <= WHOLE).map(Share)
        }
        _ => None,
    }
}
