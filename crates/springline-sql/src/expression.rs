//! Expressions as text: a template for every call, parentheses where binding strength asks for them.

use springline_ir::{
    ColumnRef, Expr, ExprKind, FunctionId, Literal, Native, NativePiece, OrderBy, RelExpr, Type, WindowCall,
};

use crate::dialect::Dialect;
use crate::error::PrintError;
use crate::mapping::{Mapping, Shape, Written};
use crate::template::{Level, Piece, Template, Variable};

/// Nesting beyond this is refused, so that no statement can exhaust the stack. Chains of AND or OR count once.
const MAX_DEPTH: usize = 256;

/// Text in the making.
pub(crate) struct Printer<'d> {
    pub(crate) dialect: &'d Dialect,
    pub(crate) out: String,
    /// Of the current line, in steps.
    pub(crate) indent: usize,
    depth: usize,
}

/// What a template's variables stand for at one place.
struct Frame<'e> {
    /// The function, for messages.
    name: &'static str,
    args: &'e [RelExpr],
    ty: &'e Type,
    order_by: &'e [OrderBy<ColumnRef>],
    /// A filter that the template itself answers for.
    filter: Option<&'e RelExpr>,
    suffix: Suffix<'e>,
}

/// What follows the call of an aggregate or a window function.
enum Suffix<'e> {
    Nothing,
    Filter(&'e RelExpr),
    Over(&'e WindowCall<ColumnRef>),
}

impl<'e> Frame<'e> {
    /// Hands the filter to a template that answers for it.
    fn for_template(mut self, template: &Template) -> Self {
        if let Suffix::Filter(condition) = self.suffix
            && template.takes_filter()
        {
            self.filter = Some(condition);
            self.suffix = Suffix::Nothing;
        }
        self
    }

    fn new(name: &'static str, args: &'e [RelExpr], ty: &'e Type) -> Self {
        Frame { name, args, ty, order_by: &[], filter: None, suffix: Suffix::Nothing }
    }
}

impl<'d> Printer<'d> {
    pub(crate) fn new(dialect: &'d Dialect) -> Self {
        Printer { dialect, out: String::new(), indent: 0, depth: 0 }
    }

    pub(crate) fn identifier(&mut self, name: &str) -> Result<(), PrintError> {
        self.dialect.write_identifier(name, &mut self.out)
    }

    /// An expression, in parentheses if it binds weaker than `need`.
    pub(crate) fn expr(&mut self, expr: &RelExpr, need: Level) -> Result<(), PrintError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(PrintError::TooDeep { limit: MAX_DEPTH });
        }
        let weak = need > Level::Or && self.level(expr)? < need;
        if weak {
            self.out.push('(');
        }
        self.bare(expr)?;
        if weak {
            self.out.push(')');
        }
        self.depth -= 1;
        Ok(())
    }

    /// The operands of a condition's outermost AND, one a line from the current place on.
    pub(crate) fn conditions(&mut self, condition: &RelExpr) -> Result<(), PrintError> {
        self.indent += 1;
        match self.chain(condition) {
            Some((operands, infix, binds)) if binds == Level::And => {
                for (i, operand) in operands.into_iter().enumerate() {
                    if i > 0 {
                        self.newline();
                        self.out.push_str(infix.trim_start());
                    }
                    self.expr(operand, binds)?;
                }
            }
            _ => self.expr(condition, Level::Or)?,
        }
        self.indent -= 1;
        Ok(())
    }

    /// A key of GROUP BY. A bare literal there would be taken as the number of a column.
    pub(crate) fn group_key(&mut self, expr: &RelExpr) -> Result<(), PrintError> {
        if !matches!(expr.kind, ExprKind::Literal(_)) {
            return self.expr(expr, Level::Or);
        }
        let written = select_cast(&self.dialect.cast, std::slice::from_ref(expr), &expr.ty);
        let frame = Frame::new("cast", std::slice::from_ref(expr), &expr.ty);
        let template = self.supported(written, &frame)?;
        self.fill(template, &frame)
    }

    /// Terms of an order, with commas.
    pub(crate) fn order(&mut self, terms: &[OrderBy<ColumnRef>]) -> Result<(), PrintError> {
        self.separated(terms, |printer, term| printer.order_term(&term.expr, term.descending))
    }

    pub(crate) fn separated<T>(
        &mut self,
        items: &[T],
        mut print: impl FnMut(&mut Self, &T) -> Result<(), PrintError>,
    ) -> Result<(), PrintError> {
        for (i, item) in items.iter().enumerate() {
            if i > 0 {
                self.out.push_str(", ");
            }
            print(self, item)?;
        }
        Ok(())
    }

    pub(crate) fn newline(&mut self) {
        self.out.push('\n');
        (0..self.indent).for_each(|_| self.out.push_str("  "));
    }

    fn order_term(&mut self, expr: &RelExpr, descending: bool) -> Result<(), PrintError> {
        self.ordered(expr, if descending { &self.dialect.descending } else { &self.dialect.ascending })
    }

    fn order_key(&mut self, expr: &RelExpr, descending: bool) -> Result<(), PrintError> {
        self.ordered(expr, if descending { &self.dialect.descending_key } else { &self.dialect.ascending_key })
    }

    fn ordered(&mut self, expr: &RelExpr, mapping: &Mapping) -> Result<(), PrintError> {
        self.mapped("order by", std::slice::from_ref(expr), &expr.ty, mapping)
    }

    /// What a mapping writes for these arguments.
    pub(crate) fn mapped(
        &mut self,
        name: &'static str,
        args: &[RelExpr],
        ty: &Type,
        mapping: &Mapping,
    ) -> Result<(), PrintError> {
        let frame = Frame::new(name, args, ty);
        let template = self.supported(select(mapping, args, ty), &frame)?;
        self.fill(template, &frame)
    }

    fn bare(&mut self, expr: &RelExpr) -> Result<(), PrintError> {
        match &expr.kind {
            ExprKind::Leaf(column) => {
                if !column.relation.is_empty() {
                    self.identifier(&column.relation)?;
                    self.out.push('.');
                }
                self.identifier(&column.column)
            }
            ExprKind::Literal(literal) => self.dialect.write_literal(literal, &expr.ty, &mut self.out),
            ExprKind::Case { branches, otherwise } => self.case(branches, otherwise.as_deref()),
            ExprKind::Native(native) => self.native(native, &expr.ty),
            ExprKind::Call { .. } | ExprKind::Cast { .. } | ExprKind::Aggregate(_) | ExprKind::Window(_) => {
                if let Some((operands, infix, binds)) = self.chain(expr) {
                    return self.joined(&operands, infix, binds);
                }
                match self.resolve(expr)? {
                    Some((template, frame)) => self.fill(template, &frame),
                    None => Ok(()),
                }
            }
        }
    }

    /// The dialect's own SQL, as a value of the type that the model gives it.
    fn native(&mut self, native: &Native<ColumnRef>, ty: &Type) -> Result<(), PrintError> {
        let form = native.forms.iter().find(|form| form.dialect == self.dialect.name());
        let Some(form) = form else {
            let given: Vec<&str> = native.forms.iter().map(|form| form.dialect.as_str()).collect();
            return Err(PrintError::NoNativeForm { dialect: self.dialect.name().to_owned(), given: given.join(", ") });
        };
        self.out.push_str("CAST((");
        for piece in &form.pieces {
            match piece {
                NativePiece::Text(text) => self.out.push_str(text),
                NativePiece::Arg(index) => {
                    if let Some(arg) = native.args.get(*index) {
                        self.expr(arg, Level::Primary)?;
                    }
                }
            }
        }
        self.out.push_str(") AS ");
        self.dialect.write_type(ty, &mut self.out);
        self.out.push(')');
        Ok(())
    }

    fn case(&mut self, branches: &[(RelExpr, RelExpr)], otherwise: Option<&RelExpr>) -> Result<(), PrintError> {
        if branches.is_empty() {
            return Err(PrintError::Empty("a CASE"));
        }
        self.out.push_str("CASE");
        for (when, then) in branches {
            self.out.push_str(" WHEN ");
            self.expr(when, Level::Or)?;
            self.out.push_str(" THEN ");
            self.expr(then, Level::Or)?;
        }
        if let Some(otherwise) = otherwise {
            self.out.push_str(" ELSE ");
            self.expr(otherwise, Level::Or)?;
        }
        self.out.push_str(" END");
        Ok(())
    }

    /// How strongly an expression holds together once printed.
    fn level(&self, expr: &RelExpr) -> Result<Level, PrintError> {
        let mut expr = expr;
        loop {
            match &expr.kind {
                ExprKind::Leaf(_) | ExprKind::Case { .. } | ExprKind::Native(_) => return Ok(Level::Primary),
                ExprKind::Literal(literal) => return Ok(self.dialect.literal_level(literal)),
                _ => match self.resolve(expr)? {
                    // The template is the argument itself, so the argument decides.
                    Some((template, Frame { args: [first, ..], .. })) if template.is_identity() => expr = first,
                    Some((template, _)) => return Ok(template.binds),
                    None => return Ok(Level::Primary),
                },
            }
        }
    }

    /// The template of a call and what its variables stand for; `None` for what has no template.
    fn resolve<'e>(&self, expr: &'e RelExpr) -> Result<Option<(&'d Template, Frame<'e>)>, PrintError> {
        let dialect = self.dialect;
        let (written, frame) = match &expr.kind {
            ExprKind::Leaf(_) | ExprKind::Literal(_) | ExprKind::Case { .. } | ExprKind::Native(_) => return Ok(None),
            ExprKind::Call { function, args } => {
                (select(dialect.function(*function), args, &expr.ty), Frame::new(function.get().name, args, &expr.ty))
            }
            // Every value has one form as text, cast or not.
            ExprKind::Cast { operand, .. } if expr.ty == Type::String && operand.ty != Type::String => {
                let args = std::slice::from_ref(operand.as_ref());
                (select(dialect.function(FunctionId::TEXT), args, &expr.ty), Frame::new("text", args, &expr.ty))
            }
            ExprKind::Cast { operand, lenient } => {
                let (mapping, name) = if *lenient { (&dialect.try_cast, "try_cast") } else { (&dialect.cast, "cast") };
                let args = std::slice::from_ref(operand.as_ref());
                (select_cast(mapping, args, &expr.ty), Frame::new(name, args, &expr.ty))
            }
            ExprKind::Aggregate(call) => {
                let mut frame = Frame::new(call.function.get().name, &call.args, &expr.ty);
                frame.order_by = &call.order_by;
                frame.suffix = call.filter.as_ref().map_or(Suffix::Nothing, Suffix::Filter);
                (select(dialect.function(call.function), &call.args, &expr.ty), frame)
            }
            ExprKind::Window(call) => {
                let mapping = dialect.function(call.function);
                let mut frame = Frame::new(call.function.get().name, &call.args, &expr.ty);
                if let Some(reason) = &mapping.no_over {
                    return Err(self.unsupported(reason, &frame));
                }
                frame.order_by = &call.order_by;
                frame.suffix = Suffix::Over(call);
                (select(mapping, &call.args, &expr.ty), frame)
            }
        };
        let template = self.supported(written, &frame)?;
        Ok(Some((template, frame.for_template(template))))
    }

    fn supported<'w>(&self, written: &'w Written, frame: &Frame<'_>) -> Result<&'w Template, PrintError> {
        written.as_ref().map_err(|reason| self.unsupported(reason, frame))
    }

    fn unsupported(&self, reason: &str, frame: &Frame<'_>) -> PrintError {
        let types: Vec<String> = frame.args.iter().map(|arg| arg.ty.to_string()).collect();
        PrintError::Unsupported {
            dialect: self.dialect.name().to_owned(),
            function: frame.name.to_owned(),
            types: types.join(", "),
            reason: reason.to_owned(),
        }
    }

    /// The operands of a chain of one associative operator (AND, OR), left to right, without recursion: a set of
    /// thousands of conditions is as deep as it is long.
    fn chain<'e>(&self, expr: &'e RelExpr) -> Option<(Vec<&'e RelExpr>, &'d str, Level)> {
        let ExprKind::Call { function, args } = &expr.kind else { return None };
        let template = self.dialect.function(*function).general().as_ref().ok()?;
        if !matches!(template.binds, Level::Or | Level::And) {
            return None;
        }
        let infix = template.infix()?;
        let (mut operands, mut waiting) = (Vec::with_capacity(args.len()), vec![expr]);
        while let Some(next) = waiting.pop() {
            match &next.kind {
                ExprKind::Call { function: other, args } if other == function && args.len() >= 2 => {
                    waiting.extend(args.iter().rev());
                }
                _ => operands.push(next),
            }
        }
        // A call of fewer arguments is its own only operand; the template says what is missing.
        (operands.len() > 1).then_some((operands, infix, template.binds))
    }

    fn joined(&mut self, operands: &[&RelExpr], infix: &str, binds: Level) -> Result<(), PrintError> {
        for (i, operand) in operands.iter().enumerate() {
            if i > 0 {
                self.out.push_str(infix);
            }
            self.expr(operand, binds)?;
        }
        Ok(())
    }

    fn fill(&mut self, template: &Template, frame: &Frame<'_>) -> Result<(), PrintError> {
        for piece in &template.pieces {
            match piece {
                Piece::Text(text) => self.out.push_str(text),
                Piece::Place { variable, need } => self.variable(*variable, *need, frame)?,
            }
        }
        Ok(())
    }

    fn variable(&mut self, variable: Variable, need: Level, frame: &Frame<'_>) -> Result<(), PrintError> {
        match variable {
            Variable::Arg(n) => self.expr(self.argument(frame, n, variable)?, need),
            Variable::ArgType(n) => {
                let ty = &self.argument(frame, n, variable)?.ty;
                self.dialect.write_type(ty, &mut self.out);
                Ok(())
            }
            Variable::JsonPath => {
                let path = json_path(self.constant(frame, variable)?);
                self.dialect.write_string(&path, &mut self.out)
            }
            Variable::JsonValue => self.json_value(frame),
            Variable::PerlPattern => {
                let pattern = perl_pattern(self.constant(frame, variable)?);
                self.dialect.write_string(&pattern, &mut self.out)
            }
            Variable::Args => self.arguments(frame, 0, variable),
            Variable::Rest => self.arguments(frame, 1, variable),
            Variable::AnyNull => self.any_null(frame.args, need),
            Variable::Type => {
                self.dialect.write_type(frame.ty, &mut self.out);
                Ok(())
            }
            Variable::ArgScale => {
                let Type::Decimal { scale, .. } = self.argument(frame, 0, variable)?.ty else {
                    return Err(self.unsupported("its template is for decimals only", frame));
                };
                self.out.push_str(&scale.to_string());
                Ok(())
            }
            Variable::Scale | Variable::Precision => {
                let Type::Decimal { precision, scale } = frame.ty else {
                    return Err(self.unsupported("its template is for a decimal result only", frame));
                };
                let digits = if variable == Variable::Scale { scale } else { precision };
                self.out.push_str(&digits.to_string());
                Ok(())
            }
            Variable::Suffix => self.suffix(&frame.suffix),
            Variable::Filter => match frame.filter {
                Some(condition) => self.expr(condition, need),
                None => self.expr(&Expr::literal(Literal::Boolean(true)), need),
            },
            Variable::Filtered => self.filtered(frame, need),
            Variable::OrderBy => self.aggregate_order(frame, false, Self::order_term),
            Variable::ReverseOrderBy => self.aggregate_order(frame, true, Self::order_term),
            Variable::OrderKeys => self.aggregate_order(frame, false, Self::order_key),
            Variable::ReverseOrderKeys => self.aggregate_order(frame, true, Self::order_key),
            // Templates of functions cannot name these: the folder would have been refused.
            Variable::Value | Variable::Item => Ok(()),
        }
    }

    fn argument<'e>(&self, frame: &Frame<'e>, n: usize, variable: Variable) -> Result<&'e RelExpr, PrintError> {
        frame.args.get(n).ok_or_else(|| PrintError::Argument {
            dialect: self.dialect.name().to_owned(),
            function: frame.name.to_owned(),
            variable: variable.name(),
            given: frame.args.len(),
        })
    }

    fn arguments(&mut self, frame: &Frame<'_>, from: usize, variable: Variable) -> Result<(), PrintError> {
        self.argument(frame, from, variable)?;
        self.separated(frame.args.get(from..).unwrap_or_default(), |printer, arg| printer.expr(arg, Level::Or))
    }

    /// That one of the arguments is null; constants that are not are left out.
    fn any_null(&mut self, args: &[RelExpr], need: Level) -> Result<(), PrintError> {
        let known = |arg: &&RelExpr| matches!(&arg.kind, ExprKind::Literal(literal) if *literal != Literal::Null);
        let tests = args.iter().filter(|arg| !known(arg));
        let tests = tests.map(|arg| Expr::call(FunctionId::IS_NULL, vec![arg.clone()], Type::Boolean));
        let test = Expr::any(tests).unwrap_or_else(|| Expr::literal(Literal::Boolean(false)));
        self.expr(&test, need)
    }

    /// The second argument, a constant text.
    fn constant<'e>(&self, frame: &Frame<'e>, variable: Variable) -> Result<&'e str, PrintError> {
        match &self.argument(frame, 1, variable)?.kind {
            ExprKind::Literal(Literal::String(text)) => Ok(text),
            _ => Err(self.unsupported("its second argument is not constant", frame)),
        }
    }

    /// What stands at a path in JSON, one call around the other.
    fn json_value(&mut self, frame: &Frame<'_>) -> Result<(), PrintError> {
        let path = self.constant(frame, Variable::JsonValue)?;
        let dialect = self.dialect;
        let [start, name, place] = dialect.json_steps.as_slice() else {
            return Err(self.unsupported("the dialect has no `json_step`", frame));
        };
        let before = std::mem::take(&mut self.out);
        self.fill(start, frame)?;
        for step in path.split('.') {
            let inner = std::mem::take(&mut self.out);
            let is_place = step.bytes().all(|byte| byte.is_ascii_digit());
            for piece in &(if is_place { place } else { name }).pieces {
                match piece {
                    Piece::Text(text) => self.out.push_str(text),
                    Piece::Place { variable: Variable::Arg(0), .. } => self.out.push_str(&inner),
                    Piece::Place { .. } if is_place => self.out.push_str(step),
                    Piece::Place { .. } => dialect.write_string(step, &mut self.out)?,
                }
            }
        }
        self.out.insert_str(0, &before);
        Ok(())
    }

    /// What an aggregate without a FILTER clause is given: it leaves out nulls, and counts what is not null.
    fn filtered(&mut self, frame: &Frame<'_>, need: Level) -> Result<(), PrintError> {
        let Some(condition) = frame.filter else {
            return match frame.args.first() {
                Some(value) => self.expr(value, need),
                None => {
                    self.out.push('*');
                    Ok(())
                }
            };
        };
        self.out.push_str("CASE WHEN ");
        self.expr(condition, Level::Or)?;
        self.out.push_str(" THEN ");
        match frame.args.first() {
            Some(value) => self.expr(value, Level::Or)?,
            None => self.out.push('1'),
        }
        self.out.push_str(" END");
        Ok(())
    }

    fn suffix(&mut self, suffix: &Suffix<'_>) -> Result<(), PrintError> {
        match suffix {
            Suffix::Nothing => {}
            Suffix::Filter(condition) => {
                self.out.push_str(" FILTER (WHERE ");
                self.expr(condition, Level::Or)?;
                self.out.push(')');
            }
            Suffix::Over(call) => {
                self.out.push_str(" OVER (");
                if !call.partition_by.is_empty() {
                    self.out.push_str("PARTITION BY ");
                    self.separated(&call.partition_by, |printer, key| match &printer.dialect.partition_by {
                        Some(mapping) => printer.mapped("partition by", std::slice::from_ref(key), &key.ty, mapping),
                        None => printer.expr(key, Level::Or),
                    })?;
                }
                if !call.partition_by.is_empty() && !call.order_by.is_empty() {
                    self.out.push(' ');
                }
                if !call.order_by.is_empty() {
                    self.out.push_str("ORDER BY ");
                    self.order(&call.order_by)?;
                }
                if call.running {
                    self.out.push_str(" ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW");
                }
                self.out.push(')');
            }
        }
        Ok(())
    }

    /// The order of an aggregate's rows, or its reverse; of rows at one place the smallest argument is first.
    fn aggregate_order(
        &mut self,
        frame: &Frame<'_>,
        reverse: bool,
        term: fn(&mut Self, &RelExpr, bool) -> Result<(), PrintError>,
    ) -> Result<(), PrintError> {
        let value = frame.args.first();
        let is_value = |term: &OrderBy<ColumnRef>| Some(&term.expr) == value;
        // A later term that is the value itself only breaks ties, and ties have their own rule.
        let own = frame.order_by.iter().enumerate().filter(|(i, term)| *i == 0 || !is_value(term));
        let own: Vec<&OrderBy<ColumnRef>> = own.map(|(_, own)| own).collect();
        let tie = value.filter(|value| !matches!(value.ty, Type::Json | Type::Array(_)));
        let tie = tie.filter(|_| !own.first().is_some_and(|term| is_value(term)));
        if own.is_empty() && tie.is_none() {
            return Err(PrintError::Empty("the order of an aggregate"));
        }
        for (i, own) in own.iter().enumerate() {
            if i > 0 {
                self.out.push_str(", ");
            }
            term(self, &own.expr, own.descending != reverse)?;
        }
        let Some(tie) = tie else { return Ok(()) };
        if !own.is_empty() {
            self.out.push_str(", ");
        }
        term(self, tie, false)
    }
}

/// A pattern of the language with `\z` for its `$`: to Perl that is also before a line feed at the end. The pattern is
/// in the form that the checker gives it, whose classes do not nest.
fn perl_pattern(pattern: &str) -> String {
    let (mut out, mut in_class, mut characters) = (String::with_capacity(pattern.len()), false, pattern.chars());
    while let Some(character) = characters.next() {
        match character {
            '\\' => {
                out.push(character);
                out.extend(characters.next());
                continue;
            }
            '$' if !in_class => {
                out.push_str("\\z");
                continue;
            }
            '[' => in_class = true,
            ']' => in_class = false,
            _ => {}
        }
        out.push(character);
    }
    out
}

/// Steps with points between them as JSONPath: a number is a place in a list.
fn json_path(steps: &str) -> String {
    let is_place = |step: &str| step.bytes().all(|byte| byte.is_ascii_digit());
    let is_word = |step: &str| step.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    let step = |step: &str| match step {
        _ if is_place(step) => format!("[{step}]"),
        _ if is_word(step) => format!(".{step}"),
        _ => format!(".\"{step}\""),
    };
    std::iter::once("$".to_owned()).chain(steps.split('.').map(step)).collect()
}

/// The form of a call, for its arguments and what it gives.
fn select<'m>(mapping: &'m Mapping, args: &[RelExpr], result: &Type) -> &'m Written {
    choose(mapping, args, None, result)
}

/// The form of a cast, whose last argument is the type it gives.
fn select_cast<'m>(mapping: &'m Mapping, args: &[RelExpr], to: &Type) -> &'m Written {
    choose(mapping, args, Some(to), to)
}

fn choose<'m>(mapping: &'m Mapping, args: &[RelExpr], to: Option<&Type>, result: &Type) -> &'m Written {
    let count = args.len() + usize::from(to.is_some());
    mapping.select(count, result, |i| match args.get(i) {
        Some(arg) => {
            let literal = if let ExprKind::Literal(literal) = &arg.kind { Some(literal) } else { None };
            Shape { ty: &arg.ty, literal }
        }
        None => Shape { ty: to.unwrap_or(&Type::Json), literal: None },
    })
}
