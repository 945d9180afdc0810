//! Tests of the models: each checks one thing, and what it names exists and has the right type.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use springline_ir::{Expr, Literal, Type};

use crate::expr::{plain_literal, read_day, read_instant};
use crate::model_test::{Expected, ExpectedValue, Fixture, Given, ModelTest, TestCheck, literal_text};
use crate::syntax::{Entries, ExpectDecl, ExpectedRow, FieldOfDecl, Item, SizeDecl, Spanned, TestDecl, Value};
use crate::{Code, Diagnostic, EntityId, FieldId, Leaf, RowId, SegmentId, SourceId, Span, ValueExpr};

use super::catalogue::{Catalogue, FieldState, Member};
use super::names::{Taken, duplicate, with_suggestion};
use super::unify::adapt;

/// What a test can check, for a message.
const KINDS: &str = "write `given` and `expect`, or one of `subset`, `disjoint`, `size`, `not_null` and `unique`";

/// The tests that could be read; the rest is reported.
pub(super) fn tests(
    items: Vec<Item<TestDecl>>,
    catalogue: &Catalogue,
    zone: Option<&TimeZone>,
    out: &mut Vec<Diagnostic>,
) -> Vec<ModelTest> {
    let mut taken = Taken::default();
    let mut tests = Vec::new();
    let utc = TimeZone::UTC;
    for decl in items.into_iter().filter_map(|item| item.decl) {
        if let Some(first) = taken.take(&decl.name) {
            out.push(duplicate("test", &decl.name, first));
        }
        let (name, span) = (decl.name.value.clone(), decl.name.span);
        let check = Reader { catalogue, zone: zone.unwrap_or(&utc), out }.check(decl);
        tests.extend(check.map(|check| ModelTest { name, check, span }));
    }
    tests
}

struct Reader<'a> {
    catalogue: &'a Catalogue,
    zone: &'a TimeZone,
    out: &'a mut Vec<Diagnostic>,
}

/// A name that may be left out.
type OptionalName = Option<Spanned<String>>;

/// A column or field, and its type.
type Valued = (String, ValueExpr);

impl Reader<'_> {
    fn check(&mut self, decl: TestDecl) -> Option<TestCheck> {
        let name = decl.name.clone();
        let TestDecl { segment, entity, field, as_of, given, expect, subset, disjoint, size, not_null, unique, .. } =
            decl;
        let is_fixture = given.is_some() || expect.is_some();
        let invariants = [subset.is_some(), disjoint.is_some(), size.is_some(), not_null.is_some(), unique.is_some()];
        match invariants.iter().filter(|is| **is).count() + usize::from(is_fixture) {
            1 => {}
            0 => return self.invalid(name.span, format!("test `{}` checks nothing", name.value), KINDS),
            _ => return self.invalid(name.span, format!("test `{}` checks several things", name.value), KINDS),
        }
        if is_fixture {
            let fixture = FixtureDecl { name, segment, entity, field, as_of, given, expect };
            return self.fixture(fixture).map(TestCheck::Fixture);
        }
        let stray = [("segment", segment), ("entity", entity), ("field", field), ("as_of", as_of)];
        if let Some((key, value)) = stray.into_iter().find_map(|(key, value)| Some((key, value?))) {
            let message = format!("`{key}` goes with `given` and `expect` only");
            return self.invalid(value.span, message, "take it away; invariants look at the target as of `--as-of`");
        }
        match (subset, disjoint, size, not_null, unique) {
            (Some(names), ..) => self.subset(&name, &names),
            (_, Some(names), ..) => self.disjoint(&name, &names),
            (_, _, Some(size), ..) => self.size(&size),
            (.., Some(of), _) => {
                let (entity, (name, value)) = self.value_of(&of)?;
                Some(TestCheck::NotNull { entity, name, value })
            }
            (.., of) => {
                let (entity, (name, value)) = self.value_of(&of?)?;
                Some(TestCheck::Unique { entity, name, value })
            }
        }
    }

    fn invalid<T>(&mut self, span: Span, message: String, hint: &str) -> Option<T> {
        self.out.push(Diagnostic::error(Code::InvalidTest, span, message).hint(hint));
        None
    }

    fn segment(&mut self, name: &Spanned<String>) -> Option<(SegmentId, EntityId)> {
        let id = self.catalogue.segment_names.find(name, self.catalogue.incomplete, self.out)?;
        Some((SegmentId(id), self.catalogue.segments.get(id)?.entity?))
    }

    fn entity(&mut self, name: &Spanned<String>) -> Option<EntityId> {
        self.catalogue.entity_names.find(name, self.catalogue.incomplete, self.out).map(EntityId)
    }

    /// Segments of one entity.
    fn segments(&mut self, names: &[Spanned<String>]) -> Option<Vec<SegmentId>> {
        let found: Vec<_> = names.iter().map(|name| self.segment(name)).collect::<Option<_>>()?;
        let (_, first) = *found.first()?;
        if let Some(place) = found.iter().position(|(_, entity)| *entity != first) {
            let name = names.get(place)?;
            let described = self.catalogue.describe(RowId::Entity(first));
            let message = format!("segment `{}` is not of {described}", name.value);
            let hint = "compare segments of one entity";
            self.out.push(Diagnostic::error(Code::WrongEntity, name.span, message).hint(hint));
            return None;
        }
        Some(found.into_iter().map(|(segment, _)| segment).collect())
    }

    fn subset(&mut self, name: &Spanned<String>, names: &[Spanned<String>]) -> Option<TestCheck> {
        if names.len() != 2 {
            let message = format!("`subset` of test `{}` has {} segments", name.value, names.len());
            return self.invalid(name.span, message, "write two: `subset: [the_smaller, the_larger]`");
        }
        match self.segments(names)?.as_slice() {
            [a, b] => Some(TestCheck::Subset(*a, *b)),
            _ => None,
        }
    }

    fn disjoint(&mut self, name: &Spanned<String>, names: &[Spanned<String>]) -> Option<TestCheck> {
        if names.len() < 2 {
            let message = format!("`disjoint` of test `{}` has fewer than two segments", name.value);
            return self.invalid(name.span, message, "name all segments that have no member in common");
        }
        self.segments(names).map(TestCheck::Disjoint)
    }

    fn size(&mut self, size: &SizeDecl) -> Option<TestCheck> {
        let (segment, _) = self.segment(&size.segment)?;
        match size.between.as_slice() {
            [min, max] if min.value <= max.value => Some(TestCheck::Size { segment, min: min.value, max: max.value }),
            _ => {
                let message = format!("`between` for segment `{}` is no range", size.segment.value);
                self.invalid(size.segment.span, message, "write the fewest and the most members: `between: [10, 500]`")
            }
        }
    }

    fn value_of(&mut self, of: &FieldOfDecl) -> Option<(EntityId, Valued)> {
        let entity = self.entity(&of.entity)?;
        Some((entity, self.value(entity, &of.field)?))
    }

    /// The value that a name stands for in an entity's row.
    fn value(&mut self, entity: EntityId, name: &Spanned<String>) -> Option<Valued> {
        let row = RowId::Entity(entity);
        let (leaf, ty) = match self.catalogue.member(row, &name.value) {
            Some(Member::Broken) => return None,
            Some(Member::Column(_)) => {
                let column = self.catalogue.column(row, &name.value)?;
                (Leaf::Column(column.name.clone()), column.ty.clone())
            }
            Some(Member::Field(index)) => match &self.catalogue.entities[entity.0].fields[index].state {
                FieldState::Done { expr, .. } => (Leaf::Field(FieldId(index)), expr.ty.clone()),
                _ => return None,
            },
            _ => {
                let message = format!("{} has no field or column `{}`", self.catalogue.describe(row), name.value);
                let diagnostic = Diagnostic::error(Code::UnknownName, name.span, message);
                let known = self.catalogue.member_names(row);
                self.out.push(with_suggestion(diagnostic, &name.value, known.into_iter(), "field"));
                return None;
            }
        };
        Some((name.value.clone(), Expr::leaf(leaf, ty)))
    }

    /// A value as one of that type.
    fn literal(&mut self, value: &Value, ty: &Type, what: &str) -> Option<Literal> {
        let Value(scalar) = value;
        let plain = plain_literal(&scalar.value);
        let read = match (&plain, ty) {
            // Text stays as it is written, whatever it looks like.
            (Some(Literal::Null), _) => Some(Literal::Null),
            (_, Type::String | Type::Json) => Some(Literal::String(scalar.value.text.clone())),
            (Some(literal), ty) => adapt(literal, ty, self.catalogue.zone.as_deref()),
            (None, _) => None,
        };
        if read.is_none() {
            let message = format!("`{}` is no value of {what}, which is {ty}", scalar.value.text);
            let hint = match ty {
                Type::Timestamp => "write an instant, such as `2024-06-30T12:00:00Z`, or a day",
                Type::Date => "write a day, such as `2024-06-30`",
                Type::Array(_) => "leave the column out: lists cannot be given",
                _ => "write a value of that type, or `null`",
            };
            self.out.push(Diagnostic::error(Code::TypeMismatch, scalar.span, message).hint(hint));
        }
        read
    }

    /// The primary key of an entity, and its type.
    fn key(&self, entity: EntityId) -> Option<(String, Type)> {
        let name = &self.catalogue.entities[entity.0].primary_key;
        let column = self.catalogue.column(RowId::Entity(entity), name)?;
        Some((format!("primary key `{name}`"), column.ty.clone()))
    }
}

/// The keys of a test with given rows.
struct FixtureDecl {
    name: Spanned<String>,
    segment: Option<Spanned<String>>,
    entity: Option<Spanned<String>>,
    field: Option<Spanned<String>>,
    as_of: Option<Spanned<String>>,
    given: Option<Entries<Vec<Entries<Value>>>>,
    expect: Option<ExpectDecl>,
}

impl Reader<'_> {
    fn fixture(&mut self, decl: FixtureDecl) -> Option<Fixture> {
        let FixtureDecl { name, segment, entity, field, as_of, given, expect } = decl;
        // All parts are read before the first problem ends it.
        let given = given.map(|given| self.given(&given));
        let as_of = as_of.map(|text| self.as_of(&text));
        let expected = expect.map(|expect| self.expected(&name, (segment, entity, field), expect));
        match (given, as_of, expected) {
            (Some(given), Some(as_of), Some(expected)) => {
                Some(Fixture { as_of: as_of?, given: given?, expected: expected? })
            }
            (None, ..) => self.missing(&name, "given", "`given: { <source>: [ { <column>: <value> } ] }`"),
            (_, None, _) => self.missing(&name, "as_of", "`as_of: 2024-06-30`: without a clock it would not repeat"),
            (_, _, None) => self.missing(&name, "expect", "`expect: { members: [ <key> ] }`, or `values:`"),
        }
    }

    fn missing<T>(&mut self, test: &Spanned<String>, key: &str, hint: &str) -> Option<T> {
        let message = format!("test `{}` has no `{key}`", test.value);
        self.out.push(Diagnostic::error(Code::MissingKey, test.span, message).hint(format!("add {hint}")));
        None
    }

    fn as_of(&mut self, text: &Spanned<String>) -> Option<Timestamp> {
        let instant = match read_day(&text.value) {
            Some(day) => day.to_zoned(self.zone.clone()).ok().map(|zoned| zoned.timestamp()),
            None => read_instant(&text.value),
        };
        if instant.is_none() {
            let message = format!("`{}` is neither an instant nor a day", text.value);
            let hint = "write `2024-06-30T00:00:00Z`, or `2024-06-30` for the first instant of that day";
            self.out.push(Diagnostic::error(Code::InvalidValue, text.span, message).hint(hint));
        }
        instant
    }

    fn given(&mut self, given: &Entries<Vec<Entries<Value>>>) -> Option<Vec<Given>> {
        let mut all = Vec::new();
        let mut complete = true;
        for (name, rows) in &given.0 {
            let source = self.catalogue.source_of(name, self.out);
            let (Some(source), Some(rows)) = (source, rows) else {
                complete = false;
                continue;
            };
            let read: Vec<_> = rows.iter().map(|row| self.row(source, row)).collect();
            complete &= read.iter().all(Option::is_some);
            all.push(Given { source, rows: read.into_iter().flatten().collect() });
        }
        complete.then_some(all)
    }

    fn row(&mut self, source: SourceId, row: &Entries<Value>) -> Option<Vec<(usize, Literal)>> {
        let info = &self.catalogue.sources[source.0];
        let mut values = Vec::new();
        let mut complete = true;
        for (name, value) in &row.0 {
            let column = match info.columns.get(&name.value) {
                Some(index) => *index,
                None => {
                    let message = format!("source `{}` has no column `{}`", info.source.name, name.value);
                    let diagnostic = Diagnostic::error(Code::UnknownName, name.span, message);
                    let known = info.columns.keys().map(String::as_str);
                    self.out.push(with_suggestion(diagnostic, &name.value, known, "column"));
                    None
                }
            };
            let read = column.zip(value.as_ref()).and_then(|(index, value)| {
                let column = &info.source.columns[index];
                let literal = self.literal(value, &column.ty, &format!("column `{}`", column.name))?;
                Some((index, literal))
            });
            complete &= read.is_some();
            values.extend(read);
        }
        complete.then_some(values)
    }

    fn expected(
        &mut self,
        name: &Spanned<String>,
        of: (OptionalName, OptionalName, OptionalName),
        expect: ExpectDecl,
    ) -> Option<Expected> {
        match (of, expect.members, expect.values) {
            ((Some(segment), None, None), Some(members), None) => self.members(name, &segment, &members),
            ((None, Some(entity), field), None, Some(values)) => self.values(name, &entity, field.as_ref(), &values),
            _ => self.invalid(
                name.span,
                format!("`expect` of test `{}` does not go with what is tested", name.value),
                "write `segment:` and `expect: { members: [ … ] }`, or `entity:` (and `field:`) and `expect: { values: { … } }`",
            ),
        }
    }

    fn members(&mut self, name: &Spanned<String>, segment: &Spanned<String>, members: &[Value]) -> Option<Expected> {
        let (segment, entity) = self.segment(segment)?;
        self.check_given_rows(entity, name)?;
        let (what, ty) = self.key(entity)?;
        let keys: Vec<_> = members.iter().map(|key| self.literal(key, &ty, &what)).collect();
        let keys: Vec<_> = keys.into_iter().collect::<Option<_>>()?;
        Some(Expected::Members { segment, keys: keys.iter().map(literal_text).collect() })
    }

    /// Rows of sources make no canonical rows until an identity is run.
    fn check_given_rows(&mut self, entity: EntityId, test: &Spanned<String>) -> Option<()> {
        let entity = &self.catalogue.entities[entity.0];
        if !entity.stitched {
            return Some(());
        }
        let message =
            format!("test `{}`: `{}` is made of an identity, which is not run on given rows", test.value, entity.name);
        self.invalid(
            test.span,
            message,
            "write an invariant instead: `subset`, `disjoint`, `size`, `not_null` or `unique`",
        )
    }

    fn values(
        &mut self,
        name: &Spanned<String>,
        entity: &Spanned<String>,
        field: Option<&Spanned<String>>,
        rows: &Entries<ExpectedRow>,
    ) -> Option<Expected> {
        let entity = self.entity(entity)?;
        self.check_given_rows(entity, name)?;
        let (what, ty) = self.key(entity)?;
        let mut fields = Vec::new();
        let mut values = Vec::new();
        let mut complete = true;
        for (key, row) in &rows.0 {
            let plain = !matches!(ty, Type::String);
            let scalar = crate::syntax::Scalar { text: key.value.clone(), plain };
            let key_value = self.literal(&Value(Spanned { value: scalar, span: key.span }), &ty, &what);
            let listed: Vec<(&Spanned<String>, &Value)> = match (row, field) {
                (Some(ExpectedRow::One(value)), Some(field)) => vec![(field, value)],
                (Some(ExpectedRow::Fields(entries)), None) => {
                    entries.0.iter().filter_map(|(name, value)| Some((name, value.as_ref()?))).collect()
                }
                (None, _) => return None,
                _ => {
                    let hint = "with `field:` write `<key>: <value>`, without it `<key>: { <field>: <value> }`";
                    return self.invalid(key.span, format!("no value of `{}` can be read", key.value), hint);
                }
            };
            for (name, value) in listed {
                let read = self.expected_value(entity, name, value, &mut fields);
                complete &= read.is_some() && key_value.is_some();
                if let (Some((field, value)), Some(key)) = (read, &key_value) {
                    values.push(ExpectedValue { key: literal_text(key), field, value });
                }
            }
        }
        complete.then_some(Expected::Values { entity, fields, values })
    }

    fn expected_value(
        &mut self,
        entity: EntityId,
        name: &Spanned<String>,
        value: &Value,
        fields: &mut Vec<Valued>,
    ) -> Option<(usize, Literal)> {
        let place = match fields.iter().position(|(known, _)| *known == name.value) {
            Some(place) => place,
            None => {
                fields.push(self.value(entity, name)?);
                fields.len() - 1
            }
        };
        let ty = fields[place].1.ty.clone();
        // A decimal may be written with fewer digits than the field has, or more than are kept.
        let literal = self.literal(value, &ty, &format!("field `{}`", name.value))?;
        Some((place, literal))
    }
}
