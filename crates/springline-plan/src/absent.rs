//! Which events a row must have for a condition to hold. A row without them need not be looked at: the
//! gathered relation is then joined strictly, which lets an engine skip most of an entity.
//!
//! Evaluates a condition with one event or relationship taken to have no rows, as far as that decides
//! it. Whatever it does not know is unknown: then nothing is left out.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

use springline_ir::{ExprKind, FunctionId, Literal, NullRule, Type};
use springline_model::{EntityId, Leaf, Over, Project, ValueExpr};

/// What is known of a value.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Known {
    Null,
    Boolean(bool),
    Number {
        unscaled: i128,
        scale: u8,
    },
    /// False or null.
    NotTrue,
    Unknown,
}

/// The events and relationships that a row of the entity must have a row of for the condition to be
/// true, among those the condition looks at.
pub(crate) fn required(project: &Project, entity: EntityId, condition: &ValueExpr, overs: &[Over]) -> HashSet<Over> {
    let is_required = |over: &&Over| {
        let mut without = Without { project, entity, over: **over, seen: HashMap::new() };
        matches!(without.value(condition), Known::Null | Known::Boolean(false) | Known::NotTrue)
    };
    overs.iter().filter(is_required).copied().collect()
}

struct Without<'a> {
    project: &'a Project,
    entity: EntityId,
    over: Over,
    /// Fields and segments are evaluated once, however often they are referred to.
    seen: HashMap<&'a Leaf, Known>,
}

impl<'a> Without<'a> {
    fn value(&mut self, expr: &'a ValueExpr) -> Known {
        match &expr.kind {
            ExprKind::Leaf(leaf) => self.leaf(leaf),
            ExprKind::Literal(literal) => self::literal(literal),
            ExprKind::Call { function, args } => self.call(*function, args),
            ExprKind::Cast { operand, .. } => cast(self.value(operand), &expr.ty),
            ExprKind::Case { .. } | ExprKind::Aggregate(_) | ExprKind::Window(_) | ExprKind::Native(_) => {
                Known::Unknown
            }
        }
    }

    fn leaf(&mut self, leaf: &'a Leaf) -> Known {
        if let Some(known) = self.seen.get(leaf) {
            return *known;
        }
        let known = match leaf {
            // A sequence looks at other rows of its event than the gathered relation may hold.
            Leaf::Column(_)
            | Leaf::Related { .. }
            | Leaf::AsOf
            | Leaf::PeriodEdge(..)
            | Leaf::Sequence(_)
            | Leaf::History(_) => Known::Unknown,
            Leaf::Field(field) => self.value(&self.project.entity(self.entity).fields[field.0].expr),
            Leaf::Segment(segment) => match self.value(&self.project.segment(*segment).condition) {
                Known::Null | Known::NotTrue => Known::Boolean(false),
                other => other,
            },
            Leaf::Aggregate(gather) if gather.over != self.over => Known::Unknown,
            Leaf::Aggregate(gather) => match gather.function {
                FunctionId::COUNT | FunctionId::COUNT_DISTINCT => Known::Number { unscaled: 0, scale: 0 },
                FunctionId::EXISTS => Known::Boolean(false),
                _ => Known::Null,
            },
        };
        self.seen.insert(leaf, known);
        known
    }

    fn call(&mut self, function: FunctionId, args: &'a [ValueExpr]) -> Known {
        let args: Vec<Known> = args.iter().map(|arg| self.value(arg)).collect();
        match function {
            FunctionId::AND => both(&args),
            FunctionId::OR => either(&args),
            FunctionId::NOT => match args.first() {
                Some(Known::Boolean(value)) => Known::Boolean(!value),
                Some(Known::Null) => Known::Null,
                _ => Known::Unknown,
            },
            FunctionId::IS_NULL => is_null(&args).map_or(Known::Unknown, Known::Boolean),
            FunctionId::IS_NOT_NULL => is_null(&args).map_or(Known::Unknown, |null| Known::Boolean(!null)),
            FunctionId::COALESCE => first_known(&args),
            _ if function.get().nulls == NullRule::Propagates && args.contains(&Known::Null) => {
                propagated(function, &args)
            }
            _ => compare(function, &args),
        }
    }
}

fn literal(literal: &Literal) -> Known {
    match literal {
        Literal::Null => Known::Null,
        Literal::Boolean(value) => Known::Boolean(*value),
        Literal::Integer(value) => Known::Number { unscaled: i128::from(*value), scale: 0 },
        Literal::Decimal { unscaled, scale } => Known::Number { unscaled: *unscaled, scale: *scale },
        Literal::Float(_) | Literal::String(_) | Literal::Date(_) | Literal::Timestamp(_) => Known::Unknown,
    }
}

/// A conversion that cannot change the value keeps it.
fn cast(value: Known, ty: &Type) -> Known {
    match (value, ty) {
        (Known::Null, _) => Known::Null,
        (Known::Number { scale: 0, .. }, Type::Integer | Type::Decimal { .. }) => value,
        (Known::Number { scale, .. }, Type::Decimal { scale: kept, .. }) if *kept >= scale => value,
        (Known::Number { unscaled: 0, .. }, Type::Float) => value,
        _ => Known::Unknown,
    }
}

fn both(args: &[Known]) -> Known {
    let not_true = |arg: &Known| matches!(arg, Known::Null | Known::NotTrue);
    match args {
        _ if args.contains(&Known::Boolean(false)) => Known::Boolean(false),
        _ if args.iter().any(not_true) => Known::NotTrue,
        _ if args.iter().all(|arg| *arg == Known::Boolean(true)) => Known::Boolean(true),
        _ => Known::Unknown,
    }
}

fn either(args: &[Known]) -> Known {
    let not_true = |arg: &Known| matches!(arg, Known::Boolean(false) | Known::Null | Known::NotTrue);
    match args {
        _ if args.contains(&Known::Boolean(true)) => Known::Boolean(true),
        _ if args.iter().all(|arg| *arg == Known::Boolean(false)) => Known::Boolean(false),
        _ if args.iter().all(not_true) => Known::NotTrue,
        _ => Known::Unknown,
    }
}

fn is_null(args: &[Known]) -> Option<bool> {
    match args.first() {
        Some(Known::Null) => Some(true),
        Some(Known::Boolean(_) | Known::Number { .. }) => Some(false),
        _ => None,
    }
}

fn first_known(args: &[Known]) -> Known {
    let mut rest = args.iter().skip_while(|arg| **arg == Known::Null);
    match (rest.next(), rest.next()) {
        (None, _) => Known::Null,
        // Null becomes false and false stays.
        (Some(Known::NotTrue), Some(Known::Boolean(false))) => Known::Boolean(false),
        (Some(Known::NotTrue), _) => Known::Unknown,
        (Some(known), _) => *known,
    }
}

/// A null among the alternatives of an `in` does not decide it.
fn propagated(function: FunctionId, args: &[Known]) -> Known {
    if function == FunctionId::IN && args.first() != Some(&Known::Null) { Known::Unknown } else { Known::Null }
}

fn compare(function: FunctionId, args: &[Known]) -> Known {
    let [Known::Number { unscaled: a, scale: s }, Known::Number { unscaled: b, scale: t }] = args else {
        return Known::Unknown;
    };
    let scaled = |unscaled: i128, by: u8| 10i128.checked_pow(u32::from(by)).and_then(|p| unscaled.checked_mul(p));
    let (Some(a), Some(b)) = (scaled(*a, t.saturating_sub(*s)), scaled(*b, s.saturating_sub(*t))) else {
        return Known::Unknown;
    };
    let order = a.cmp(&b);
    let holds = match function {
        FunctionId::EQ => order == Ordering::Equal,
        FunctionId::NE => order != Ordering::Equal,
        FunctionId::LT => order == Ordering::Less,
        FunctionId::LE => order != Ordering::Greater,
        FunctionId::GT => order == Ordering::Greater,
        FunctionId::GE => order != Ordering::Less,
        _ => return Known::Unknown,
    };
    Known::Boolean(holds)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO: Known = Known::Boolean(false);
    const YES: Known = Known::Boolean(true);

    fn number(unscaled: i128, scale: u8) -> Known {
        Known::Number { unscaled, scale }
    }

    #[test]
    fn null_and_unknown_keep_their_distance() {
        assert_eq!(both(&[Known::Null, Known::Unknown]), Known::NotTrue);
        assert_eq!(both(&[Known::Unknown, NO]), NO);
        assert_eq!(either(&[Known::Unknown, YES]), YES);
        assert_eq!(either(&[Known::Null, NO]), Known::NotTrue);
        assert_eq!(either(&[Known::NotTrue, Known::Unknown]), Known::Unknown);
        assert_eq!(first_known(&[Known::Null, Known::NotTrue, NO]), NO);
        assert_eq!(first_known(&[Known::NotTrue, YES]), Known::Unknown);
        assert_eq!(first_known(&[Known::Null]), Known::Null);
    }

    #[test]
    fn numbers_compare_across_scales() {
        assert_eq!(compare(FunctionId::GE, &[number(0, 0), number(50, 2)]), NO);
        assert_eq!(compare(FunctionId::EQ, &[number(5, 1), number(500, 3)]), YES);
        assert_eq!(compare(FunctionId::EQ, &[number(i128::MAX, 0), number(1, 38)]), Known::Unknown);
        assert_eq!(compare(FunctionId::ADD, &[number(1, 0), number(1, 0)]), Known::Unknown);
    }

    #[test]
    fn a_cast_that_rounds_is_not_followed() {
        assert_eq!(cast(number(25, 1), &Type::Integer), Known::Unknown);
        assert_eq!(cast(number(25, 1), &Type::decimal(10, 2)), number(25, 1));
        assert_eq!(cast(Known::Null, &Type::Float), Known::Null);
    }
}
