//! Problems of a project on the screen and as JSON.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde_json::{Value, json};
use springline_model::{Diagnostic, Severity, SourceMap, Span};

/// All problems as text for a terminal; colours are stripped where there is none.
pub(crate) fn page(diagnostics: &[Diagnostic], sources: &SourceMap) -> String {
    let mut text = String::new();
    for diagnostic in diagnostics {
        text.push_str(&one(diagnostic, sources));
        text.push_str("\n\n");
    }
    text.push_str(&summary(diagnostics));
    text
}

/// A problem that has no place in a file.
pub(crate) fn plain(message: &str, hint: Option<&str>) -> String {
    let mut group = Group::with_title(Level::ERROR.primary_title(message));
    if let Some(hint) = hint {
        group = group.element(Level::HELP.with_name("hint").message(hint));
    }
    Renderer::styled().render(&[group])
}

fn one(diagnostic: &Diagnostic, sources: &SourceMap) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group = Group::with_title(level.primary_title(&diagnostic.message).id(diagnostic.code.id()));
    let primary = &diagnostic.primary;
    let mut snippet = Snippet::source(sources.text(primary.span.file))
        .path(sources.path(primary.span.file))
        .fold(true)
        .annotation(AnnotationKind::Primary.span(range(primary.span, sources)).label(&primary.text));
    let (here, elsewhere): (Vec<_>, Vec<_>) =
        diagnostic.secondary.iter().partition(|label| label.span.file == primary.span.file);
    for label in here {
        snippet = snippet.annotation(AnnotationKind::Context.span(range(label.span, sources)).label(&label.text));
    }
    group = group.element(snippet);
    for label in elsewhere {
        let other = Snippet::source(sources.text(label.span.file))
            .path(sources.path(label.span.file))
            .fold(true)
            .annotation(AnnotationKind::Context.span(range(label.span, sources)).label(&label.text));
        group = group.element(other);
    }
    if let Some(hint) = &diagnostic.hint {
        group = group.element(Level::HELP.with_name("hint").message(hint));
    }
    Renderer::styled().render(&[group])
}

/// The bytes of a span, held inside the file and to whole characters.
fn range(span: Span, sources: &SourceMap) -> std::ops::Range<usize> {
    let text = sources.text(span.file);
    let floor = |place: u32| {
        let mut place = (place as usize).min(text.len());
        while !text.is_char_boundary(place) {
            place -= 1;
        }
        place
    };
    let start = floor(span.start);
    start..floor(span.end).max(start)
}

fn summary(diagnostics: &[Diagnostic]) -> String {
    let count = |severity| diagnostics.iter().filter(|d| d.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let part = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
    match (errors, warnings) {
        (0, 0) => String::new(),
        (0, _) => format!("{}\n", part(warnings, "warning")),
        (_, 0) => format!("{}\n", part(errors, "error")),
        _ => format!("{}, {}\n", part(errors, "error"), part(warnings, "warning")),
    }
}

/// All problems as one JSON object.
pub(crate) fn to_json(diagnostics: &[Diagnostic], sources: &SourceMap) -> Value {
    let all: Vec<Value> = diagnostics
        .iter()
        .map(|diagnostic| {
            let place = sources.position(diagnostic.primary.span);
            json!({
                "code": diagnostic.code.id(),
                "severity": diagnostic.severity.name(),
                "message": diagnostic.message,
                "file": sources.path(diagnostic.primary.span.file),
                "line": place.line,
                "column": place.column,
                "hint": diagnostic.hint,
            })
        })
        .collect();
    json!({ "diagnostics": all })
}
