//! Typed expressions, generic over what a leaf refers to.
//!
//! The model crate's leaves are model names (a column, a computed field, an aggregate over an event);
//! the plan crate's are columns of relations. Lowering replaces the leaves and keeps the rest.

use crate::{FunctionId, Literal, Type};

/// An expression and its type.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Expr<L> {
    /// What is computed.
    pub kind: ExprKind<L>,
    /// The type of the result.
    pub ty: Type,
}

/// The forms an expression takes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ExprKind<L> {
    /// A reference to something outside the expression.
    Leaf(L),
    /// A constant.
    Literal(Literal),
    /// A scalar function or operator.
    Call {
        /// Which one; its kind is `Scalar`.
        function: FunctionId,
        /// Its arguments, of types the function accepts.
        args: Vec<Expr<L>>,
    },
    /// The first branch whose condition is true, else `otherwise`, else null.
    Case {
        /// Condition and value.
        branches: Vec<(Expr<L>, Expr<L>)>,
        /// The value where no condition is true.
        otherwise: Option<Box<Expr<L>>>,
    },
    /// The operand as a value of the expression's type.
    Cast {
        /// What is converted.
        operand: Box<Expr<L>>,
        /// True: a value that cannot be converted becomes null. False: it is an error.
        lenient: bool,
    },
    /// An aggregate over the rows of a group.
    Aggregate(Box<Aggregate<L>>),
    /// A function over the rows of a relation, one result a row.
    Window(Box<WindowCall<L>>),
    /// A value in the SQL of some dialects, which the language does not understand.
    Native(Box<Native<L>>),
}

/// A value in the SQL of some dialects.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Native<L> {
    /// One per dialect that has it.
    pub forms: Vec<NativeForm>,
    /// What the forms refer to.
    pub args: Vec<Expr<L>>,
}

/// The SQL of one dialect, checked to be one expression.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NativeForm {
    /// The dialect's name.
    pub dialect: String,
    /// The text with its arguments.
    pub pieces: Vec<NativePiece>,
}

/// A piece of a dialect's SQL.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum NativePiece {
    /// Text as it is.
    Text(String),
    /// An argument by its place.
    Arg(usize),
}

/// An aggregate function over the rows of a group.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Aggregate<L> {
    /// Which one; its kind is `Aggregate`.
    pub function: FunctionId,
    /// Its arguments; none for a count of rows.
    pub args: Vec<Expr<L>>,
    /// Only rows for which this is true are taken.
    pub filter: Option<Expr<L>>,
    /// The order of the rows, for functions that depend on it: `first` takes the first row of this
    /// order and `last` the last; among equals both take the smallest value.
    pub order_by: Vec<OrderBy<L>>,
}

/// A window function.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WindowCall<L> {
    /// Which one; its kind is `Window` or `Aggregate`.
    pub function: FunctionId,
    /// Its arguments.
    pub args: Vec<Expr<L>>,
    /// Rows are numbered or ranked among those equal in these.
    pub partition_by: Vec<Expr<L>>,
    /// The order within a partition; total, because the plan adds the key.
    pub order_by: Vec<OrderBy<L>>,
    /// Of an aggregate: over the rows from the first of the partition to this one, and not over those that
    /// are equal to it in the order.
    pub running: bool,
}

/// One term of an order. Nulls are last, whichever the direction.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OrderBy<L> {
    /// What is ordered by.
    pub expr: Expr<L>,
    /// From large to small.
    pub descending: bool,
}

impl<L> Expr<L> {
    /// A reference.
    pub fn leaf(leaf: L, ty: Type) -> Self {
        Expr { kind: ExprKind::Leaf(leaf), ty }
    }

    /// A constant; a null is a string unless a type is given with [`Expr::null`].
    pub fn literal(literal: Literal) -> Self {
        let ty = literal.ty().unwrap_or(Type::String);
        Expr { kind: ExprKind::Literal(literal), ty }
    }

    /// The null of a type.
    pub fn null(ty: Type) -> Self {
        Expr { kind: ExprKind::Literal(Literal::Null), ty }
    }

    /// A call whose result type is known to the caller.
    pub fn call(function: FunctionId, args: Vec<Expr<L>>, ty: Type) -> Self {
        Expr { kind: ExprKind::Call { function, args }, ty }
    }

    /// A conversion that fails on a value it cannot convert.
    pub fn cast(self, ty: Type) -> Self {
        if self.ty == ty {
            return self;
        }
        Expr { kind: ExprKind::Cast { operand: Box::new(self), lenient: false }, ty }
    }

    /// Both are true. Absent conditions are dropped; none at all gives `None`.
    pub fn all(conditions: impl IntoIterator<Item = Expr<L>>) -> Option<Self> {
        conditions.into_iter().reduce(|a, b| Expr::call(FunctionId::AND, vec![a, b], Type::Boolean))
    }

    /// One of them is true; none at all gives `None`.
    pub fn any(conditions: impl IntoIterator<Item = Expr<L>>) -> Option<Self> {
        conditions.into_iter().reduce(|a, b| Expr::call(FunctionId::OR, vec![a, b], Type::Boolean))
    }

    /// A comparison by one of `eq ne lt le gt ge`.
    pub fn compare(function: FunctionId, left: Self, right: Self) -> Self {
        Expr::call(function, vec![left, right], Type::Boolean)
    }

    /// The expression, or `default` where it is null.
    pub fn or_else(self, default: Expr<L>) -> Self {
        let ty = self.ty.clone();
        Expr::call(FunctionId::COALESCE, vec![self, default], ty)
    }

    /// The same expression with every leaf replaced. The first error ends it.
    pub fn try_map<M, E>(self, replace: &mut impl FnMut(L, &Type) -> Result<Expr<M>, E>) -> Result<Expr<M>, E> {
        let ty = self.ty;
        let kind = match self.kind {
            ExprKind::Leaf(leaf) => return replace(leaf, &ty),
            ExprKind::Literal(literal) => ExprKind::Literal(literal),
            ExprKind::Call { function, args } => ExprKind::Call { function, args: map_all(args, replace)? },
            ExprKind::Case { branches, otherwise } => ExprKind::Case {
                branches: branches
                    .into_iter()
                    .map(|(when, then)| Ok((when.try_map(replace)?, then.try_map(replace)?)))
                    .collect::<Result<_, E>>()?,
                otherwise: otherwise.map(|e| e.try_map(replace).map(Box::new)).transpose()?,
            },
            ExprKind::Cast { operand, lenient } => {
                ExprKind::Cast { operand: Box::new(operand.try_map(replace)?), lenient }
            }
            ExprKind::Aggregate(call) => ExprKind::Aggregate(Box::new(Aggregate {
                function: call.function,
                args: map_all(call.args, replace)?,
                filter: call.filter.map(|e| e.try_map(replace)).transpose()?,
                order_by: map_order(call.order_by, replace)?,
            })),
            ExprKind::Window(call) => ExprKind::Window(Box::new(WindowCall {
                function: call.function,
                args: map_all(call.args, replace)?,
                partition_by: map_all(call.partition_by, replace)?,
                order_by: map_order(call.order_by, replace)?,
                running: call.running,
            })),
            ExprKind::Native(native) => {
                ExprKind::Native(Box::new(Native { forms: native.forms, args: map_all(native.args, replace)? }))
            }
        };
        Ok(Expr { kind, ty })
    }

    /// Calls `visit` on every leaf, left to right.
    pub fn each_leaf<'a>(&'a self, visit: &mut impl FnMut(&'a L)) {
        if let ExprKind::Leaf(leaf) = &self.kind {
            visit(leaf);
        }
        self.each_child(&mut |child| child.each_leaf(visit));
    }

    /// Calls `visit` on every leaf and its type, left to right.
    pub fn each_typed_leaf<'a>(&'a self, visit: &mut impl FnMut(&'a L, &'a Type)) {
        if let ExprKind::Leaf(leaf) = &self.kind {
            visit(leaf, &self.ty);
        }
        self.each_child(&mut |child| child.each_typed_leaf(visit));
    }

    /// Calls `visit` on every direct sub-expression, left to right.
    pub fn each_child<'a>(&'a self, visit: &mut impl FnMut(&'a Expr<L>)) {
        match &self.kind {
            ExprKind::Leaf(_) | ExprKind::Literal(_) => {}
            ExprKind::Call { args, .. } => args.iter().for_each(visit),
            ExprKind::Case { branches, otherwise } => {
                for (when, then) in branches {
                    visit(when);
                    visit(then);
                }
                otherwise.iter().for_each(|e| visit(e));
            }
            ExprKind::Cast { operand, .. } => visit(operand),
            ExprKind::Aggregate(call) => {
                call.args.iter().for_each(&mut *visit);
                call.filter.iter().for_each(&mut *visit);
                call.order_by.iter().for_each(|o| visit(&o.expr));
            }
            ExprKind::Window(call) => {
                call.args.iter().for_each(&mut *visit);
                call.partition_by.iter().for_each(&mut *visit);
                call.order_by.iter().for_each(|o| visit(&o.expr));
            }
            ExprKind::Native(native) => native.args.iter().for_each(visit),
        }
    }

    /// Whether a window function stands anywhere in the expression.
    pub fn has_window(&self) -> bool {
        let mut found = matches!(self.kind, ExprKind::Window(_));
        self.each_child(&mut |child| found = found || child.has_window());
        found
    }
}

fn map_all<L, M, E>(
    exprs: Vec<Expr<L>>,
    replace: &mut impl FnMut(L, &Type) -> Result<Expr<M>, E>,
) -> Result<Vec<Expr<M>>, E> {
    exprs.into_iter().map(|e| e.try_map(replace)).collect()
}

fn map_order<L, M, E>(
    order: Vec<OrderBy<L>>,
    replace: &mut impl FnMut(L, &Type) -> Result<Expr<M>, E>,
) -> Result<Vec<OrderBy<M>>, E> {
    order.into_iter().map(|o| Ok(OrderBy { expr: o.expr.try_map(replace)?, descending: o.descending })).collect()
}
