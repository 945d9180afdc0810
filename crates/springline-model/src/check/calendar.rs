//! Functions of the calendar. All of them count in the project's time zone: an instant is turned into what a clock
//! on the wall shows, and back where the result is an instant. Dialects map only these two turns.

use springline_ir::{Expr, ExprKind, FunctionId, Literal, Type};

use crate::{Leaf, ValueExpr};

use super::typing::Typer;
use super::unify::Typed;

/// The units that an instant or a day is cut to.
const TRUNC_UNITS: &[&str] = &["day", "week", "month", "quarter", "year"];
const PARTS: &[&str] =
    &["year", "quarter", "month", "week", "day", "day_of_week", "day_of_year", "hour", "minute", "second"];
/// The parts that a day does not have but an instant has.
const PARTS_OF_A_DAY: &[&str] = &["hour", "minute", "second"];
const UNITS: &[&str] = &["minute", "hour", "day", "week", "month", "quarter", "year"];
/// The units that are no calendar's: an hour is an hour.
const ELAPSED: &[&str] = &["minute", "hour"];
/// The most days ahead that a birthday is looked for.
const MAX_DAYS: i64 = 366;

impl Typer<'_> {
    /// A call of a function of the calendar, in terms of what dialects map. Its arguments are as many as it takes.
    pub(super) fn calendar(&mut self, function: FunctionId, args: &mut [Typed]) -> Option<ValueExpr> {
        match (function, args) {
            (FunctionId::DATE_TRUNC, [unit, at]) => {
                self.word(function, unit, TRUNC_UNITS)?;
                let at = self.time(function, at)?;
                Some(self.truncated(unit.expr.clone(), at))
            }
            (FunctionId::EXTRACT, [part, at]) => {
                let part = self.word(function, part, PARTS)?;
                let at = self.time(function, at)?;
                Some(self.part(part, at))
            }
            (FunctionId::DAYS_BETWEEN, [from, to]) => {
                let (from, to) = (self.time(function, from)?, self.time(function, to)?);
                Some(self.days(from, to))
            }
            (FunctionId::DATE_ADD, [unit, count, at]) => {
                let word = self.word(function, unit, UNITS)?;
                let at = self.time(function, at)?;
                self.not_for_days(function, word, unit, &at.ty)?;
                if count.expr.ty != Type::Integer {
                    let message = format!("{}: the count of `date_add` is a whole number", self.subject);
                    return self.refuse(function, count.span, message);
                }
                Some(self.later(word, count.expr.clone(), at))
            }
            (FunctionId::DATE_DIFF, [unit, from, to]) => {
                let word = self.word(function, unit, UNITS)?;
                let (from, to) = (self.time(function, from)?, self.time(function, to)?);
                self.not_for_days(function, word, unit, &from.ty)?;
                self.not_for_days(function, word, unit, &to.ty)?;
                Some(self.crossed(word, from, to))
            }
            (FunctionId::AGE, [born]) => {
                let born = self.time(function, born)?;
                Some(self.age(born))
            }
            (FunctionId::BIRTHDAY_WITHIN, [born, days]) => {
                let days_ahead = match days.constant() {
                    Some(Literal::Integer(days @ 0..=MAX_DAYS)) => *days,
                    _ => {
                        let message = format!("{}: the days of `birthday_within` are from 0 to 366", self.subject);
                        return self.refuse(function, days.span, message);
                    }
                };
                let born = self.time(function, born)?;
                Some(self.birthday_within(born, days_ahead))
            }
            (FunctionId::AS_OF, _) => Some(Expr::leaf(Leaf::AsOf, Type::Timestamp)),
            _ => None,
        }
    }

    /// What a clock in the project's time zone shows at the instant; a day is left alone.
    pub(super) fn local(&self, at: ValueExpr) -> ValueExpr {
        self.turned(FunctionId::LOCAL_TIME, at)
    }

    /// The instant at which a clock in the project's time zone shows this; a day is left alone.
    pub(super) fn instant(&self, at: ValueExpr) -> ValueExpr {
        self.turned(FunctionId::INSTANT_OF, at)
    }

    fn turned(&self, function: FunctionId, at: ValueExpr) -> ValueExpr {
        match &self.catalogue.zone {
            Some(zone) if at.ty == Type::Timestamp => Expr::call(function, vec![at, text(zone)], Type::Timestamp),
            _ => at,
        }
    }

    /// The day of an instant in the project's time zone.
    pub(super) fn day(&self, at: ValueExpr) -> ValueExpr {
        if matches!(at.kind, ExprKind::Leaf(Leaf::AsOf)) {
            return Expr::leaf(Leaf::AsOf, Type::Date);
        }
        self.local(at).cast(Type::Date)
    }

    /// An argument that is an instant or a day; a constant text is read as one.
    fn time(&mut self, function: FunctionId, arg: &mut Typed) -> Option<ValueExpr> {
        self.text_as_time(arg);
        if arg.is_null() {
            arg.expr = Expr::null(Type::Date);
        }
        if arg.expr.ty.is_temporal() {
            return Some(arg.expr.clone());
        }
        let (name, found) = (function.get().name, super::typing::word(&arg.expr.ty));
        let message = format!("{}: `{name}` takes a date or timestamp, not {found}", self.subject);
        self.refuse(function, arg.span, message)
    }

    fn not_for_days(&mut self, function: FunctionId, word: &str, unit: &Typed, ty: &Type) -> Option<()> {
        if *ty != Type::Date || !ELAPSED.contains(&word) {
            return Some(());
        }
        let message = format!("{}: a date has no {word}s", self.subject);
        self.refuse(function, unit.span, message)
    }

    fn truncated(&self, unit: ValueExpr, at: ValueExpr) -> ValueExpr {
        let ty = at.ty.clone();
        self.instant(Expr::call(FunctionId::DATE_TRUNC, vec![unit, self.local(at)], ty))
    }

    fn part(&self, part: &str, at: ValueExpr) -> ValueExpr {
        let from = match part {
            "day_of_week" => "week",
            "day_of_year" => "year",
            _ if PARTS_OF_A_DAY.contains(&part) && at.ty == Type::Date => {
                return number(FunctionId::EXTRACT, vec![text(part), at.cast(Type::Timestamp)]);
            }
            _ => return number(FunctionId::EXTRACT, vec![text(part), self.local(at)]),
        };
        let day = self.day(at);
        let start = Expr::call(FunctionId::DATE_TRUNC, vec![text(from), day.clone()], Type::Date);
        let before = number(FunctionId::DAYS_BETWEEN, vec![start, day]);
        number(FunctionId::ADD, vec![before, whole(1)])
    }

    fn days(&self, from: ValueExpr, to: ValueExpr) -> ValueExpr {
        number(FunctionId::DAYS_BETWEEN, vec![self.local(from), self.local(to)])
    }

    /// So many units later. Dialects add minutes and hours, and days and months of the calendar.
    fn later(&self, unit: &str, count: ValueExpr, at: ValueExpr) -> ValueExpr {
        let (unit, by) = match unit {
            "week" => ("day", 7),
            "quarter" => ("month", 3),
            "year" => ("month", 12),
            other => (other, 1),
        };
        let ty = at.ty.clone();
        let add = |at| Expr::call(FunctionId::DATE_ADD, vec![text(unit), times(count, by), at], ty);
        if ELAPSED.contains(&unit) { add(at) } else { self.instant(add(self.local(at))) }
    }

    /// How many bounds of the unit lie between the two.
    fn crossed(&self, unit: &str, from: ValueExpr, to: ValueExpr) -> ValueExpr {
        let difference = |count: &dyn Fn(ValueExpr) -> ValueExpr| {
            number(FunctionId::SUBTRACT, vec![count(to.clone()), count(from.clone())])
        };
        let part = |name: &str, at: &ValueExpr| number(FunctionId::EXTRACT, vec![text(name), self.local(at.clone())]);
        let seconds = |at: ValueExpr| {
            let cut = Expr::call(FunctionId::DATE_TRUNC, vec![text(unit), at], Type::Timestamp);
            number(FunctionId::EPOCH_SECONDS, vec![cut])
        };
        let within_year = |at: ValueExpr, per_year: i64| {
            let year = times(part("year", &at), per_year);
            number(FunctionId::ADD, vec![year, part(unit, &at)])
        };
        let divided = |n: ValueExpr, by: i64| number(FunctionId::DIV, vec![n, whole(by)]);
        match unit {
            "minute" => divided(difference(&seconds), 60),
            "hour" => divided(difference(&seconds), 3_600),
            "week" => {
                let monday = |at: &ValueExpr| {
                    let local = self.local(at.clone());
                    let ty = local.ty.clone();
                    Expr::call(FunctionId::DATE_TRUNC, vec![text("week"), local], ty)
                };
                divided(number(FunctionId::DAYS_BETWEEN, vec![monday(&from), monday(&to)]), 7)
            }
            "month" => difference(&|at| within_year(at, 12)),
            "quarter" => difference(&|at| within_year(at, 4)),
            "year" => difference(&|at| part("year", &at)),
            _ => self.days(from, to),
        }
    }

    /// The completed years on the day of `as_of`.
    fn age(&self, born: ValueExpr) -> ValueExpr {
        let day = self.day(born);
        let years = years_since(&day);
        let lived = Expr::compare(FunctionId::LE, day.clone(), today());
        let had_birthday = Expr::compare(FunctionId::LE, anniversary(&day, 0), today());
        let before = number(FunctionId::SUBTRACT, vec![years.clone(), whole(1)]);
        let both = Expr::call(FunctionId::AND, vec![had_birthday, lived.clone()], Type::Boolean);
        let branches = vec![(both, years), (lived, before)];
        Expr { kind: ExprKind::Case { branches, otherwise: None }, ty: Type::Integer }
    }

    /// The anniversary of this year is not over and near enough, or that of the next year is.
    fn birthday_within(&self, born: ValueExpr, days: i64) -> ValueExpr {
        let day = self.day(born);
        let until = |year| number(FunctionId::DAYS_BETWEEN, vec![today(), anniversary(&day, year)]);
        let near = |year| Expr::compare(FunctionId::LE, until(year), whole(days));
        let to_come = Expr::compare(FunctionId::GE, until(0), whole(0));
        let this_year = Expr::call(FunctionId::AND, vec![to_come, near(0)], Type::Boolean);
        Expr::call(FunctionId::OR, vec![this_year, near(1)], Type::Boolean)
    }
}

/// The day of `as_of`.
fn today() -> ValueExpr {
    Expr::leaf(Leaf::AsOf, Type::Date)
}

/// The calendar years from the day's year to that of `as_of`.
fn years_since(day: &ValueExpr) -> ValueExpr {
    let year = |at: ValueExpr| number(FunctionId::EXTRACT, vec![text("year"), at]);
    number(FunctionId::SUBTRACT, vec![year(today()), year(day.clone())])
}

/// The day's anniversary in the year of `as_of`, or so many years later.
fn anniversary(day: &ValueExpr, later: i64) -> ValueExpr {
    let years = years_since(day);
    let years = if later == 0 { years } else { number(FunctionId::ADD, vec![years, whole(later)]) };
    Expr::call(FunctionId::DATE_ADD, vec![text("month"), times(years, 12), day.clone()], Type::Date)
}

fn times(count: ValueExpr, by: i64) -> ValueExpr {
    match &count.kind {
        _ if by == 1 => count,
        ExprKind::Literal(Literal::Integer(n)) if n.checked_mul(by).is_some() => whole(n.saturating_mul(by)),
        _ => number(FunctionId::MULTIPLY, vec![count, whole(by)]),
    }
}

fn number(function: FunctionId, args: Vec<ValueExpr>) -> ValueExpr {
    Expr::call(function, args, Type::Integer)
}

fn whole(n: i64) -> ValueExpr {
    Expr::literal(Literal::Integer(n))
}

fn text(text: &str) -> ValueExpr {
    Expr::literal(Literal::String(text.to_owned()))
}
