//! Segments that others are made into: the parts of a split, and the exclusive segments of a set with the field that
//! names each row's.

use springline_ir::Literal;

use crate::expr::{Ast, AstKind};
use crate::syntax::{
    ConditionDecl, ConditionKind, Item, SampleCondition, SampleRange, SegmentCondition, SegmentDecl, SegmentSetDecl,
    Share, Spanned, SplitDecl, WHOLE,
};
use crate::{Code, Diagnostic, Span};

use super::catalogue::FieldInfo;
use super::conditions::text;

/// All segments, those of splits and sets included; they stand where their declaration stands.
pub(super) fn expand(
    segments: Vec<Item<SegmentDecl>>,
    sets: &[SegmentSetDecl],
    out: &mut Vec<Diagnostic>,
) -> Vec<Item<SegmentDecl>> {
    let mut all = Vec::with_capacity(segments.len());
    for item in segments {
        let split = item.decl.as_ref().and_then(|decl| Some((decl.clone(), decl.split.clone()?)));
        all.push(item);
        if let Some((base, split)) = split {
            all.extend(parts(&base, &split, out));
        }
    }
    for set in sets {
        all.extend(members(set, out));
    }
    all
}

/// The segments of a split: each part is the next share of the buckets, so that parts added at the end leave the
/// others as they are.
fn parts(base: &SegmentDecl, split: &SplitDecl, out: &mut Vec<Diagnostic>) -> Vec<Item<SegmentDecl>> {
    if split.parts.0.is_empty() {
        let message = format!("the split of segment `{}` has no parts", base.name.value);
        let hint = "name them with their shares: `parts: { a: 50%, b: 50% }`";
        out.push(Diagnostic::error(Code::InvalidValue, split.seed.span, message).hint(hint));
    }
    let mut from = Share(0);
    let mut items = Vec::new();
    for (part, share) in &split.parts.0 {
        let name = Spanned { value: format!("{}_{}", base.name.value, part.value), span: part.span };
        let to = share.as_ref().and_then(|share| end(from, share, base, part, out));
        let decl = to.map(|to| {
            let sample = SampleCondition { sample: SampleRange { from, to }, seed: split.seed.clone() };
            from = to;
            let conditions = [
                ConditionKind::Segment(Box::new(SegmentCondition::member_of(&base.name.value, part.span))),
                ConditionKind::Sample(sample),
            ];
            let conditions = conditions.map(|kind| ConditionDecl { kind, span: part.span });
            let label = base.label.as_ref();
            SegmentDecl {
                name: name.clone(),
                label: label.map(|l| Spanned { value: format!("{}: {}", l.value, part.value), span: l.span }),
                r#where: ConditionDecl { kind: ConditionKind::All(conditions.into()), span: part.span },
                exclude: Vec::new(),
                limit: None,
                split: None,
                ..base.clone()
            }
        });
        items.push(Item { name: Some(name), decl });
    }
    items
}

/// Where a part ends that begins at `from`.
fn end(
    from: Share,
    share: &Spanned<Share>,
    base: &SegmentDecl,
    part: &Spanned<String>,
    out: &mut Vec<Diagnostic>,
) -> Option<Share> {
    let to = Share(from.0 + share.value.0);
    let (message, hint) = if share.value.0 == 0 {
        (format!("part `{}` of segment `{}` has no rows", part.value, base.name.value), "give it a share above 0%")
    } else if to.0 > WHOLE {
        let message = format!("the parts of segment `{}` are more than 100% together", base.name.value);
        (message, "make them smaller: they are disjoint, and may leave rows out")
    } else {
        return Some(to);
    };
    out.push(Diagnostic::error(Code::InvalidValue, share.span, message).hint(hint));
    None
}

/// The segments of a set: the rows whose field names them.
fn members(set: &SegmentSetDecl, out: &mut Vec<Diagnostic>) -> Vec<Item<SegmentDecl>> {
    if set.priority.is_empty() {
        let message = format!("segment set `{}` has no segments", set.name.value);
        let hint = "list them under `priority:`, the most important first";
        out.push(Diagnostic::error(Code::InvalidValue, set.name.span, message).hint(hint));
    }
    let mut items = Vec::new();
    for (i, member) in set.priority.iter().enumerate() {
        if let Some(first) = set.priority[..i].iter().find(|first| first.value == member.value) {
            let message = format!("segment `{}` is twice in segment set `{}`", member.value, set.name.value);
            let diagnostic = Diagnostic::error(Code::DuplicateName, member.span, message);
            out.push(diagnostic.also(first.span, "first here").hint("keep the first: it is the one that counts"));
            continue;
        }
        let name = Spanned { value: format!("{}_{}", set.name.value, member.value), span: member.span };
        let decl = [&set.name.value, &member.value].into_iter().all(|name| is_word(name)).then(|| {
            let condition = format!("\"{}\" = '{}'", set.name.value, member.value);
            let kind = ConditionKind::Text(Spanned { value: condition, span: member.span });
            let label = set.label.as_ref();
            SegmentDecl {
                name: name.clone(),
                label: label.map(|l| Spanned { value: format!("{}: {}", l.value, member.value), span: l.span }),
                description: None,
                owner: set.owner.clone(),
                entity: set.entity.clone(),
                r#where: ConditionDecl { kind, span: member.span },
                exclude: Vec::new(),
                limit: None,
                split: None,
                budget: None,
                for_each: None,
            }
        });
        items.push(Item { name: Some(name), decl });
    }
    items
}

/// Other names cannot be those of fields or segments, which is reported with them.
fn is_word(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// The field of a set: the name of the first segment of the list that the row is in, else null.
pub(super) fn field(set: &SegmentSetDecl) -> FieldInfo {
    let branch = |name: &Spanned<String>| (Ast { kind: AstKind::Segment(name.clone()), span: name.span }, text(name));
    let branches: Vec<(Ast, Ast)> = set.priority.iter().map(branch).collect();
    let span: Span = set.name.span;
    let ast = (!branches.is_empty()).then_some(Ast { kind: AstKind::Case { branches, otherwise: None }, span });
    FieldInfo::generated(&set.name.value, set.label.as_ref().map(|l| l.value.clone()), span, ast)
}

/// A constant whole number.
pub(super) fn integer(value: u64, span: Span) -> Ast {
    Ast { kind: AstKind::Literal(Literal::Integer(i64::try_from(value).unwrap_or(i64::MAX))), span }
}
