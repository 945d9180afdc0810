//! Syncs: what goes where, under which fields.

use std::time::Duration;

use crate::expr;
use crate::syntax::{Places, Spanned, SyncDecl, nearest};
use crate::{
    Audit, Code, DestinationId, DestinationKind, Diagnostic, EntityId, Guards, Mapping, Mode, Schedule, SegmentId,
    SourceMap, Sync, Unit, Within,
};

use super::catalogue::Catalogue;
use super::names::Table;
use super::scope::Scope;
use super::settings;
use super::typing::Typer;
use super::unify::Typed;

/// What a sync is checked against.
pub(super) struct Context<'a> {
    pub catalogue: &'a Catalogue,
    pub sources: &'a SourceMap,
    pub destination_names: &'a Table,
    /// The type of each destination, if there is such a type.
    pub kinds: &'a [Option<&'a DestinationKind>],
}

/// A sync. `None` if something in it is wrong, which is reported.
pub(super) fn sync(decl: SyncDecl, context: &Context, out: &mut Vec<Diagnostic>) -> Option<Sync> {
    let destination = context.destination_names.find(&decl.destination, context.catalogue.incomplete, out);
    let mode = decl.mode.as_ref().map_or(Mode::Upsert, |mode| mode.value);
    let kind = destination.and_then(|id| context.kinds.get(id).copied().flatten());
    if let Some(kind) = kind {
        check_kind(&decl, mode, kind, out);
    }
    if decl.map.0.is_empty() {
        let message = format!("sync `{}` maps no fields", decl.name.value);
        let hint = "list the destination's fields under `map:`, as in `email: email`";
        out.push(Diagnostic::error(Code::InvalidValue, decl.name.span, message).hint(hint));
    }
    let (entity, segment) = rows(&decl, context.catalogue, out)?;
    let subject = format!("sync `{}`", decl.name.value);
    let key = value(&decl.key, entity, &subject, context, out);
    let mut map = Vec::new();
    let mut complete = true;
    for (field, entry) in decl.map.0 {
        let nulls = entry.as_ref().and_then(|entry| entry.nulls.as_ref()).map(|nulls| nulls.value);
        let typed = entry.and_then(|entry| value(&entry.value, entity, &subject, context, out));
        if let Some(refusal) = refuse_field(&field, &decl.key, typed.as_ref(), key.as_ref()) {
            out.push(refusal);
            complete = false;
            continue;
        }
        match typed {
            Some(Typed { expr, pii, .. }) => {
                map.push(Mapping { field: field.value, expr, pii, nulls, span: field.span })
            }
            None => complete = false,
        }
    }
    let guards = decl.guards.map_or_else(Guards::default, |g| Guards {
        max_removed: g.max_removed,
        max_added: g.max_added,
        max_changed: g.max_changed,
        min_rows: g.min_rows,
        freshness: g.freshness.and_then(|text| settings::length(&text, out)),
    });
    let schedule = decl.schedule.and_then(|text| schedule(&text, context.sources, out));
    let refresh_after = refresh_after(decl.refresh_after.as_ref(), mode, kind, out);
    let checkpoint_every = checkpoint_every(decl.checkpoint_every.as_ref(), out);
    let (key, destination) = (key?, destination?);
    complete.then(|| Sync {
        name: decl.name.value,
        entity,
        segment,
        destination: DestinationId(destination),
        mode,
        key_name: decl.key.value.trim().to_owned(),
        key: key.expr,
        map,
        guards,
        removal: decl.removal.map(|removal| removal.value),
        audit: decl.audit.map_or_else(Audit::default, |audit| audit.value),
        tags: decl.tags.into_iter().map(|tag| tag.value).collect(),
        schedule,
        refresh_after,
        checkpoint_every,
        span: decl.name.span,
    })
}

/// When a sync is due, or a problem with it.
fn schedule(text: &Spanned<String>, sources: &SourceMap, out: &mut Vec<Diagnostic>) -> Option<Schedule> {
    const HINT: &str = "write minute, hour, day of the month, month and day of the week, as in `30 6 * * mon-fri`, or \
                        with quotes in `\"*/15 * * * *\"`";
    Schedule::read(&text.value)
        .map_err(|bad| {
            let places = Places::new(sources, text.span, &text.value);
            let span = bad.place.map_or(text.span, |(start, end)| places.span(start, end));
            out.push(Diagnostic::error(Code::InvalidSchedule, span, bad.message).hint(HINT));
        })
        .ok()
}

/// How often a run writes into the ledger what has been acknowledged, where a sync does not say it.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(30);

/// How often a run writes into the ledger what has been acknowledged so far.
fn checkpoint_every(text: Option<&Spanned<String>>, out: &mut Vec<Diagnostic>) -> Duration {
    let Some(text) = text else { return CHECKPOINT_EVERY };
    let read = text.value.trim().parse::<jiff::SignedDuration>().ok().and_then(|length| length.try_into().ok());
    read.filter(|length: &Duration| !length.is_zero()).unwrap_or_else(|| {
        let message = format!("`{}` is no length of time", text.value);
        let hint = "write an amount and a unit, such as `30s` or `5 minutes`";
        out.push(Diagnostic::error(Code::InvalidValue, text.span, message).hint(hint));
        CHECKPOINT_EVERY
    })
}

/// After how long a row is sent again though it is the same: what the sync says, or half of the time that the destination
/// keeps a member.
fn refresh_after(
    text: Option<&Spanned<String>>,
    mode: Mode,
    kind: Option<&DestinationKind>,
    out: &mut Vec<Diagnostic>,
) -> Option<Within> {
    let repeats = !matches!(mode, Mode::Append | Mode::Insert);
    let kept = kind.and_then(|kind| kind.members_expire_days);
    let Some(text) = text else {
        return kept.filter(|_| repeats).map(|days| Within { amount: (days / 2).max(1), unit: Unit::Day });
    };
    if !repeats {
        let message = format!("a sync of mode `{}` sends no row twice", mode.name());
        let hint = "leave `refresh_after` out, or choose another mode";
        out.push(Diagnostic::error(Code::UnsupportedMode, text.span, message).hint(hint));
        return None;
    }
    let length = settings::length(text, out)?;
    if let Some(days) = kept.filter(|days| longest_days(length) >= u64::from(*days)) {
        let message = format!("the destination forgets a member after {days} days, which is before it is sent again");
        let hint = format!("write fewer days, such as `{} days`", (days / 2).max(1));
        out.push(Diagnostic::error(Code::InvalidValue, text.span, message).hint(hint));
    }
    Some(length)
}

/// The days of the longest time that a length can be.
fn longest_days(length: Within) -> u64 {
    let amount = u64::from(length.amount);
    match length.unit {
        Unit::Minute => amount.div_ceil(24 * 60),
        Unit::Hour => amount.div_ceil(24),
        Unit::Day => amount,
        Unit::Week => amount * 7,
        Unit::Month => amount * 31,
        Unit::Quarter => amount * 92,
        Unit::Year => amount * 366,
    }
}

/// A field whose name stands for something else in what is delivered.
fn refuse_field(
    field: &Spanned<String>,
    key_text: &Spanned<String>,
    value: Option<&Typed>,
    key: Option<&Typed>,
) -> Option<Diagnostic> {
    let name = &field.value;
    if name.starts_with('_') {
        let message = format!("`{name}` cannot be the name of a mapped field");
        let hint = "names that begin with `_` are the product's own, such as `_key` and `_op`: take another name";
        return Some(Diagnostic::error(Code::InvalidValue, field.span, message).hint(hint));
    }
    let (value, key) = value.zip(key)?;
    let key_name = key_text.value.trim();
    if name != key_name || value.expr == key.expr {
        return None;
    }
    let message = format!("the mapped field `{name}` has the name of the key, but another value");
    let hint = format!("give it another name, or map the key itself: `{name}: {key_name}`");
    Some(Diagnostic::error(Code::InvalidValue, field.span, message).also(key_text.span, "the key").hint(hint))
}

/// Whose rows are delivered.
fn rows(decl: &SyncDecl, catalogue: &Catalogue, out: &mut Vec<Diagnostic>) -> Option<(EntityId, Option<SegmentId>)> {
    match (&decl.segment, &decl.entity) {
        (Some(segment), None) => {
            let id = catalogue.segment_names.find(segment, catalogue.incomplete, out)?;
            Some((catalogue.segments[id].entity?, Some(SegmentId(id))))
        }
        (None, Some(entity)) => {
            catalogue.entity_names.find(entity, catalogue.incomplete, out).map(|id| (EntityId(id), None))
        }
        (Some(segment), Some(entity)) => {
            let message = format!("sync `{}` has both `segment` and `entity`", decl.name.value);
            let diagnostic =
                Diagnostic::error(Code::WrongShape, entity.span, message).also(segment.span, "the segment");
            out.push(diagnostic.hint("keep `segment`: it says the entity already"));
            None
        }
        (None, None) => {
            let message = format!("sync `{}` has neither `segment` nor `entity`", decl.name.value);
            let hint = "add `segment: …`, or `entity: …` for all its rows";
            out.push(Diagnostic::error(Code::MissingKey, decl.name.span, message).hint(hint));
            None
        }
    }
}

/// Whether the destination's type can do it.
fn check_kind(decl: &SyncDecl, mode: Mode, kind: &DestinationKind, out: &mut Vec<Diagnostic>) {
    if !kind.modes.contains(&mode) {
        let span = decl.mode.as_ref().map_or(decl.destination.span, |m| m.span);
        let message = format!("destinations of type `{}` cannot {}", kind.name, mode.name());
        let modes: Vec<String> = kind.modes.iter().map(|m| format!("`{}`", m.name())).collect();
        let hint = format!("its modes are {}", modes.join(", "));
        out.push(Diagnostic::error(Code::UnsupportedMode, span, message).hint(hint));
    }
    check_removal(decl, mode, kind, out);
    check_nulls(decl, kind, out);
    let before = out.len();
    check_fields(decl, kind, out);
    // A name that does not exist is often the missing one, misspelt.
    if out.len() == before {
        check_missing(decl, kind, out);
    }
}

/// What a removal is to mean.
fn check_removal(decl: &SyncDecl, mode: Mode, kind: &DestinationKind, out: &mut Vec<Diagnostic>) {
    let Some(removal) = &decl.removal else { return };
    if mode != Mode::Mirror {
        let message = format!("a sync of mode `{}` removes nothing", mode.name());
        let hint = "leave `removal` out, or choose `mode: mirror`";
        out.push(Diagnostic::error(Code::UnsupportedMode, removal.span, message).hint(hint));
    } else if !kind.removals.contains(&removal.value) {
        let message = format!("at destinations of type `{}` a removal cannot be `{}`", kind.name, removal.value.name());
        let words = kind.removals.iter().map(|removal| removal.name());
        out.push(Diagnostic::error(Code::UnsupportedMode, removal.span, message).hint(choice(words)));
    }
}

/// What empty values are to do.
fn check_nulls(decl: &SyncDecl, kind: &DestinationKind, out: &mut Vec<Diagnostic>) {
    let nulls = decl.map.0.iter().filter_map(|(_, entry)| entry.as_ref()?.nulls.as_ref());
    for nulls in nulls.filter(|nulls| !kind.nulls.contains(&nulls.value)) {
        let message = format!("destinations of type `{}` cannot `{}` nulls", kind.name, nulls.value.name());
        let hint = choice(kind.nulls.iter().map(|nulls| nulls.name()));
        out.push(Diagnostic::error(Code::UnsupportedMode, nulls.span, message).hint(hint));
    }
}

fn choice<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let words: Vec<_> = words.map(|word| format!("`{word}`")).collect();
    if words.is_empty() { "it can none of it".to_owned() } else { format!("it can be {}", words.join(", ")) }
}

/// Fields that the destination does not have.
fn check_fields(decl: &SyncDecl, kind: &DestinationKind, out: &mut Vec<Diagnostic>) {
    let Some(fields) = &kind.fields else { return };
    for (field, _) in decl.map.0.iter().filter(|(field, _)| !fields.contains(&field.value)) {
        let message = format!("destinations of type `{}` have no field `{}`", kind.name, field.value);
        let diagnostic = Diagnostic::error(Code::UnsupportedMode, field.span, message);
        out.push(match nearest(&field.value, fields.iter().map(String::as_str)) {
            Some(near) => diagnostic.hint(format!("did you mean `{near}`?")),
            None => diagnostic.hint(format!("its fields are {}", fields.join(", "))),
        });
    }
}

/// Fields that the destination cannot do without.
fn check_missing(decl: &SyncDecl, kind: &DestinationKind, out: &mut Vec<Diagnostic>) {
    let mapped = |name: &String| decl.map.0.iter().any(|(field, _)| field.value == *name);
    let mut missing = |what: String, hint: String| {
        let message =
            format!("sync `{}` maps no {what}, which destinations of type `{}` need", decl.name.value, kind.name);
        out.push(Diagnostic::error(Code::MissingKey, decl.name.span, message).hint(hint));
    };
    let lacking: Vec<_> = kind.required.iter().filter(|field| !mapped(field)).collect();
    for field in &lacking {
        missing(format!("`{field}`"), format!("add `{field}: …` under `map:`"));
    }
    if lacking.is_empty() && !kind.identifiers.is_empty() && !kind.identifiers.iter().any(mapped) {
        missing("field that a record is found by".into(), format!("map one of {}", kind.identifiers.join(", ")));
    }
}

fn value(
    text: &Spanned<String>,
    entity: EntityId,
    subject: &str,
    context: &Context,
    out: &mut Vec<Diagnostic>,
) -> Option<Typed> {
    let ast = expr::parse(context.sources, text, out)?;
    Typer::new(context.catalogue, context.sources, subject, out).check(&ast, &Scope::of(entity))
}
