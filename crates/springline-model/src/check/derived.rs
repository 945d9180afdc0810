//! Functions that are written in terms of others, and those with constant arguments that are read while compiling:
//! patterns, paths, regions.

use springline_ir::{Expr, ExprKind, FunctionId, Literal, Type};

use crate::{Code, Diagnostic, ValueExpr};

use super::names::with_suggestion;
use super::pattern::{Asked, portable};
use super::phone::{dialling, regions};
use super::typing::Typer;
use super::unify::{Typed, coerce};

/// What stands in a number as people write it; U+00A0 and U+202F are spaces that do not break.
const PHONE: &str = "^[0-9+()./\\s\u{a0}\u{202f}-]*$";
const E164: &str = r"^\+[1-9][0-9]{6,14}$";
const EMAIL: &str = r"^[^@\s]+@[^@\s]+$";
/// The longest text that `lpad` makes, and the last part that `split_part` takes.
const MAX_COUNT: i64 = 10_000;
/// Below the largest integer, as a float and as a decimal.
const LARGEST: i64 = 9_200_000_000_000_000_000;

impl Typer<'_> {
    /// Reads constant arguments into the form that dialects take. Other arguments are checked by the function's
    /// type rule afterwards.
    pub(super) fn constants(&mut self, function: FunctionId, args: &mut Vec<Typed>) -> Option<()> {
        match function {
            FunctionId::REGEX_MATCH => self.pattern(function, args, Asked::Match),
            FunctionId::REGEX_EXTRACT => {
                let group = match args.get(2) {
                    Some(group) => self.constant_count(function, group, 0..=99)?,
                    None => 0,
                };
                args.truncate(2);
                self.pattern(function, args, Asked::Group(u32::try_from(group).unwrap_or(0)))
            }
            FunctionId::REGEX_REPLACE => {
                let by = args.get(2)?.clone();
                let text = self.constant_text(function, &by)?;
                if text.contains(['\\', '$']) {
                    let message = format!("{}: engines read `\\` and `$` in a replacement differently", self.subject);
                    return self.refuse(function, by.span, message);
                }
                self.pattern(function, args, Asked::Parts)
            }
            FunctionId::SPLIT_PART => {
                self.constant_full(function, args.get(1)?.clone())?;
                self.constant_count(function, args.get(2)?, 1..=MAX_COUNT).map(|_| ())
            }
            FunctionId::LPAD => {
                self.constant_count(function, args.get(1)?, 0..=MAX_COUNT)?;
                self.constant_full(function, args.get(2)?.clone())
            }
            FunctionId::JSON_TEXT => self.path_of_json(function, args),
            FunctionId::POWER | FunctionId::LN | FunctionId::EXP | FunctionId::SQRT => {
                for arg in args.iter_mut().filter(|arg| arg.is_null() || arg.expr.ty.is_number()) {
                    arg.expr = coerce(arg.expr.clone(), &Type::Float, None);
                }
                Some(())
            }
            _ => Some(()),
        }
    }

    /// A function that dialects do not map, in terms of those they do. Its arguments are as many as it takes.
    pub(super) fn derived(&mut self, function: FunctionId, args: &mut Vec<Typed>) -> Option<ValueExpr> {
        match function {
            FunctionId::IF => self.chosen(function, args),
            FunctionId::CONCAT => self.concatenated(function, args),
            FunctionId::NORMALIZE_EMAIL => {
                let email = self.text_argument(function, args.first()?)?;
                let email = string(FunctionId::LOWER, vec![string(FunctionId::TRIM, vec![email])]);
                Some(extracted(email, EMAIL))
            }
            FunctionId::NORMALIZE_PHONE => self.phone(function, args),
            _ => self.calendar(function, args),
        }
    }

    fn chosen(&mut self, function: FunctionId, args: &mut Vec<Typed>) -> Option<ValueExpr> {
        let mut values = args.split_off(1);
        let condition = args.first()?;
        let when = if condition.is_null() { Expr::null(Type::Boolean) } else { condition.expr.clone() };
        if when.ty != Type::Boolean {
            let message = format!("{}: the first argument of `if` is true or false", self.subject);
            return self.refuse(function, condition.span, message);
        }
        let ty = self.unify(&mut values, "mixes")?;
        let mut values = values.into_iter().map(|value| value.expr);
        let branches = vec![(when, values.next()?)];
        Some(Expr { kind: ExprKind::Case { branches, otherwise: values.next().map(Box::new) }, ty })
    }

    fn concatenated(&mut self, function: FunctionId, args: &[Typed]) -> Option<ValueExpr> {
        let mut all = Vec::new();
        for arg in args {
            all.push(self.text_argument(function, arg)?);
        }
        all.into_iter().reduce(|a, b| string(FunctionId::CONCAT, vec![a, b]))
    }

    fn phone(&mut self, function: FunctionId, args: &[Typed]) -> Option<ValueExpr> {
        let [number, region] = args else { return None };
        let name = self.constant_text(function, region)?;
        let Some(country) = dialling(&name) else {
            let message = format!("{}: `normalize_phone` does not know the region '{name}'", self.subject);
            let diagnostic = Diagnostic::error(Code::InvalidArguments, region.span, message);
            self.out.push(with_suggestion(diagnostic, &name, regions(), "region"));
            return None;
        };
        let number = self.text_argument(function, number)?;
        let replaced = |text: ValueExpr, pattern: &str, by: &str| {
            string(FunctionId::REGEX_REPLACE, vec![text, constant(pattern), constant(by)])
        };
        let home = format!("+{}", country.code);
        let digits = replaced(extracted(number, PHONE), "[^+0-9]", "");
        let dialled = string(FunctionId::CONCAT, vec![constant(&home), digits]);
        let abroad = format!(r"^\{home}(?:\+|{})", country.international);
        let mut number = replaced(dialled, &abroad, "+");
        if !country.trunk.is_empty() {
            number = replaced(number, &format!(r"^\{home}{}", country.trunk), &home);
        }
        Some(extracted(number, E164))
    }

    /// The text at a path: names and numbers, with points between them.
    fn path_of_json(&mut self, function: FunctionId, args: &mut [Typed]) -> Option<()> {
        let path = args.get_mut(1)?;
        let text = self.constant_text(function, path)?;
        let Some(steps) = steps(&text) else {
            let message = format!("{}: '{text}' is no path into JSON", self.subject);
            let hint = "write names with points between them and places in lists in brackets: 'orders[0].id'";
            self.out.push(Diagnostic::error(Code::InvalidArguments, path.span, message).hint(hint));
            return None;
        };
        path.expr = constant(&steps.join("."));
        Some(())
    }

    fn pattern(&mut self, function: FunctionId, args: &mut [Typed], asked: Asked) -> Option<()> {
        let pattern = args.get_mut(1)?;
        let text = self.constant_text(function, pattern)?;
        match portable(&text, asked) {
            Ok(form) => {
                pattern.expr = constant(&form);
                Some(())
            }
            Err((message, hint)) => {
                let message = format!("{}: '{text}' is no pattern for every engine: {message}", self.subject);
                self.out.push(Diagnostic::error(Code::InvalidArguments, pattern.span, message).hint(hint));
                None
            }
        }
    }

    fn text_argument(&mut self, function: FunctionId, arg: &Typed) -> Option<ValueExpr> {
        if arg.is_null() {
            return Some(Expr::null(Type::String));
        }
        if arg.expr.ty == Type::String {
            return Some(arg.expr.clone());
        }
        let (name, found) = (function.get().name, super::typing::word(&arg.expr.ty));
        let message = format!("{}: `{name}` takes text, not {found}", self.subject);
        let hint = "make text of other values with `cast(a as string)`";
        self.out.push(Diagnostic::error(Code::InvalidArguments, arg.span, message).hint(hint));
        None
    }

    fn constant_text(&mut self, function: FunctionId, arg: &Typed) -> Option<String> {
        if let Some(Literal::String(text)) = arg.constant() {
            return Some(text.clone());
        }
        let message = format!("{}: this argument of `{}` is a text in quotes", self.subject, function.get().name);
        self.refuse(function, arg.span, message)
    }

    /// A constant text that is not empty.
    fn constant_full(&mut self, function: FunctionId, arg: Typed) -> Option<()> {
        if self.constant_text(function, &arg)?.is_empty() {
            let message = format!("{}: this argument of `{}` is empty", self.subject, function.get().name);
            return self.refuse(function, arg.span, message);
        }
        Some(())
    }

    /// A constant whole number of a range.
    pub(super) fn constant_count(
        &mut self,
        function: FunctionId,
        arg: &Typed,
        range: std::ops::RangeInclusive<i64>,
    ) -> Option<i64> {
        match arg.constant() {
            Some(Literal::Integer(n)) if range.contains(n) => Some(*n),
            _ => {
                let (name, least, most) = (function.get().name, range.start(), range.end());
                let message = format!("{}: this argument of `{name}` is a number from {least} to {most}", self.subject);
                self.refuse(function, arg.span, message)
            }
        }
    }

    /// A conversion that gives null where it cannot be made: of null where the value cannot be converted.
    pub(super) fn lenient(&self, expr: ValueExpr, ty: &Type) -> ValueExpr {
        let condition = match (&expr.ty, ty) {
            (Type::String, Type::Boolean) => {
                let is = |text: &str| Expr::compare(FunctionId::EQ, expr.clone(), constant(text));
                let value = |value| Expr::literal(Literal::Boolean(value));
                let branches = vec![(is("true"), value(true)), (is("false"), value(false))];
                return Expr { kind: ExprKind::Case { branches, otherwise: None }, ty: Type::Boolean };
            }
            (Type::String, ty) => readable(ty).map(|pattern| {
                Expr::call(FunctionId::REGEX_MATCH, vec![expr.clone(), constant(&pattern)], Type::Boolean)
            }),
            (from, Type::Integer) => largest_integer(from).map(|most| within(&expr, most)),
            (from, Type::Decimal { precision, scale }) => {
                largest(from, *precision, *scale).map(|most| within(&expr, most))
            }
            _ => None,
        };
        let zone = self.catalogue.zone.as_deref();
        let Some(condition) = condition else { return coerce(expr, ty, zone) };
        // The test stands inside: engines evaluate constants early, and a cast outside never sees what it cannot take.
        let from = expr.ty.clone();
        let guarded = Expr { kind: ExprKind::Case { branches: vec![(condition, expr)], otherwise: None }, ty: from };
        coerce(guarded, ty, zone)
    }
}

/// The form of text that can be converted, on every engine alike.
fn readable(ty: &Type) -> Option<String> {
    // Days that there are, of the years that have four digits on every engine.
    const DAY: &str = "(?:[1-9][0-9]{3}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])\
        |(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))\
        |(?:[1-9][0-9](?:0[48]|[2468][048]|[13579][26])|(?:[2468][048]|[13579][26])00)-02-29)";
    const TIME: &str = "(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{1,6})?";
    const OFFSET: &str = "(?:Z|[+\\-](?:0[0-9]|1[0-3]):[0-5][0-9])?";
    Some(match ty {
        Type::Integer => "^-?[0-9]{1,18}$".to_owned(),
        Type::Float => "^-?[0-9]{1,200}(?:\\.[0-9]{1,200})?(?:[Ee]-?[0-9]{1,2})?$".to_owned(),
        Type::Decimal { precision, scale } => {
            let whole = match precision - scale {
                0 => "0".to_owned(),
                digits => format!("[0-9]{{1,{digits}}}"),
            };
            match scale {
                0 => format!("^-?{whole}$"),
                scale => format!("^-?{whole}(?:\\.[0-9]{{1,{scale}}})?$"),
            }
        }
        Type::Date => format!("^{DAY}$"),
        Type::Timestamp => format!("^{DAY}[ T]{TIME}{OFFSET}$"),
        _ => return None,
    })
}

/// The largest value of a number's type that an integer surely holds; `None` if it holds all.
fn largest_integer(from: &Type) -> Option<Literal> {
    match from {
        #[allow(clippy::cast_precision_loss, reason = "a bound")]
        Type::Float => Some(Literal::Float(LARGEST as f64)),
        Type::Decimal { precision, scale } if precision - scale > 18 => {
            Some(Literal::Decimal { unscaled: i128::from(LARGEST), scale: 0 })
        }
        _ => None,
    }
}

/// The same for a decimal.
fn largest(from: &Type, precision: u8, scale: u8) -> Option<Literal> {
    let whole = u32::from(precision - scale);
    match from {
        Type::Integer => (whole < 19).then(|| Literal::Integer(10_i64.pow(whole) - 1)),
        Type::Float => format!("1e{whole}").parse().ok().map(|limit: f64| {
            let step: f64 = format!("1e-{scale}").parse().unwrap_or(0.0);
            // Where the step is lost in the float's own, one step of the float is more than it.
            Literal::Float((limit - step).min(limit.next_down()))
        }),
        Type::Decimal { precision: p, scale: s } => {
            let fits = u32::from(p - s) < whole || (s <= &scale && u32::from(p - s) <= whole);
            let most = 10_i128.checked_pow(u32::from(precision))?;
            (!fits).then_some(Literal::Decimal { unscaled: most - 1, scale })
        }
        _ => None,
    }
}

/// The number is at most so far from zero.
fn within(expr: &ValueExpr, most: Literal) -> ValueExpr {
    let least = match &most {
        Literal::Float(n) => Literal::Float(-n),
        Literal::Integer(n) => Literal::Integer(-n),
        Literal::Decimal { unscaled, scale } => Literal::Decimal { unscaled: -unscaled, scale: *scale },
        other => other.clone(),
    };
    let ge = Expr::compare(FunctionId::GE, expr.clone(), Expr::literal(least));
    let le = Expr::compare(FunctionId::LE, expr.clone(), Expr::literal(most));
    Expr::call(FunctionId::AND, vec![ge, le], Type::Boolean)
}

/// The names and places of a path into JSON.
fn steps(path: &str) -> Option<Vec<&str>> {
    /// The most steps.
    const DEEPEST: usize = 20;
    let mut steps = Vec::new();
    for part in path.split('.') {
        let (name, places) = part.split_at(part.find('[').unwrap_or(part.len()));
        let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | ' ' | '@' | ':');
        if !name.is_empty() {
            steps.push(name);
        } else if places.is_empty() || !steps.is_empty() {
            return None;
        }
        if !name.chars().all(is_name) {
            return None;
        }
        if !places.is_empty() {
            for place in places.strip_prefix('[')?.strip_suffix(']')?.split("][") {
                let is_place = !place.is_empty() && place.len() <= 6 && place.bytes().all(|b| b.is_ascii_digit());
                steps.push(is_place.then_some(place)?);
            }
        }
    }
    (steps.len() <= DEEPEST).then_some(steps)
}

/// What of the text matches a pattern; nothing else is in it than the pattern says.
fn extracted(text: ValueExpr, pattern: &str) -> ValueExpr {
    // These patterns are our own: the tests check that they are taken.
    let form = portable(pattern, Asked::Group(0)).unwrap_or_else(|_| "^$".to_owned());
    string(FunctionId::REGEX_EXTRACT, vec![text, constant(&form)])
}

fn string(function: FunctionId, args: Vec<ValueExpr>) -> ValueExpr {
    Expr::call(function, args, Type::String)
}

fn constant(text: &str) -> ValueExpr {
    Expr::literal(Literal::String(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_patterns_are_portable() {
        for pattern in [PHONE, E164, EMAIL] {
            assert!(portable(pattern, Asked::Group(0)).is_ok(), "{pattern}");
        }
        for country in regions().filter_map(dialling) {
            for pattern in [
                format!(r"^\+{}(?:\+|{})", country.code, country.international),
                format!(r"^\+{}{}", country.code, country.trunk),
            ] {
                assert!(portable(&pattern, Asked::Parts).is_ok(), "{pattern}");
            }
        }
        for ty in [Type::Integer, Type::Float, Type::decimal(12, 2), Type::decimal(3, 3), Type::Date, Type::Timestamp] {
            let pattern = readable(&ty).unwrap();
            assert!(portable(&pattern, Asked::Match).is_ok(), "{pattern}");
        }
    }

    #[test]
    fn paths_into_json_have_names_and_places() {
        assert_eq!(steps("a.b[0][12].c d"), Some(vec!["a", "b", "0", "12", "c d"]));
        assert_eq!(steps("[3]"), Some(vec!["3"]));
        for bad in ["", "a.", ".a", "a[", "a[]", "a[-1]", "a[x]", "a]", "a.[0]", "a\"b", "$"] {
            assert_eq!(steps(bad), None, "{bad}");
        }
    }
}
