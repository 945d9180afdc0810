//! Targets, destinations and alerts: their options, and the templates in them.

use std::collections::HashSet;

use minijinja::Environment;

use crate::expr::parse_length;
use crate::syntax::{AlertDecl, BudgetDecl, DestinationDecl, Places, RetentionDecl, SettingDecl, Spanned, TargetDecl};
use crate::{
    Alert, AlertReason, Budget, Code, Destination, DestinationKind, Diagnostic, EngineKind, OptionKind, Registry,
    Retention, Setting, SourceMap, StatePlace, Target, Within,
};

use super::names::with_suggestion;

/// The schema of Springline's own tables where a target names none.
const STATE_SCHEMA: &str = "springline";

/// A target of an engine that there is.
pub(super) fn target(
    name: &Spanned<String>,
    decl: TargetDecl,
    registry: &Registry,
    sources: &SourceMap,
    out: &mut Vec<Diagnostic>,
) -> Target {
    match find_engine(registry, &decl.engine.value) {
        Some(engine) => {
            let what = format!("target `{}` of engine `{}`", name.value, engine.name);
            check_options(&what, name, &engine.options, &decl.settings, out);
        }
        None => {
            let message = format!("no engine `{}`", decl.engine.value);
            let diagnostic = Diagnostic::error(Code::UnknownName, decl.engine.span, message);
            let known = registry.engines.iter().map(|e| e.name.as_str());
            out.push(with_suggestion(diagnostic, &decl.engine.value, known, "engine"));
        }
    }
    Target {
        name: name.value.clone(),
        engine: decl.engine.value,
        state_schema: decl.state_schema.map_or_else(|| STATE_SCHEMA.to_owned(), |s| s.value),
        state: decl.state.map_or_else(StatePlace::default, |state| state.value),
        price_per_tib: decl.price_per_tib.map(|price| price.value.0),
        settings: settings(decl.settings, sources, out),
        span: name.span,
    }
}

/// What a budget allows; all of it where there is none.
pub(super) fn budget(decl: Option<&BudgetDecl>) -> Budget {
    let Some(decl) = decl else { return Budget::default() };
    Budget {
        max_bytes: decl.max_bytes.as_ref().map(|bytes| bytes.value.0),
        max_cost: decl.max_cost.as_ref().map(|cost| cost.value.0),
    }
}

/// For how long records are kept; for ever where nothing is said.
pub(super) fn retention(decl: Option<&RetentionDecl>, out: &mut Vec<Diagnostic>) -> Retention {
    let mut length = |text: Option<&Spanned<String>>| text.and_then(|text| length(text, out));
    decl.map_or_else(Retention::default, |decl| Retention {
        runs: length(decl.runs.as_ref()),
        deliveries: length(decl.deliveries.as_ref()),
    })
}

/// Any other number of rows than half of the usual to one and a half is worth a look.
const SIZE_CHANGE: f64 = 50.0;

/// An alert of a type that there is.
pub(super) fn alert(decl: AlertDecl, registry: &Registry, sources: &SourceMap, out: &mut Vec<Diagnostic>) -> Alert {
    let kind = &decl.r#type;
    match registry.alerts.iter().find(|known| known.name == kind.value) {
        Some(known) => {
            check_options(&format!("an alert of type `{}`", kind.value), kind, &known.options, &decl.settings, out)
        }
        None => {
            let message = format!("no type of alert `{}`", kind.value);
            let diagnostic = Diagnostic::error(Code::UnknownName, kind.span, message);
            let known = registry.alerts.iter().map(|alert| alert.name.as_str());
            out.push(with_suggestion(diagnostic, &kind.value, known, "type"));
        }
    }
    let on: Vec<AlertReason> = decl.on.iter().map(|reason| reason.value).collect();
    Alert {
        on: if on.is_empty() { AlertReason::ALL.to_vec() } else { on },
        rejected_share: decl.rejected_share.map_or(0.0, |share| share.value.0),
        size_change: decl.size_change.map_or(SIZE_CHANGE, |share| share.value.0),
        settings: settings(decl.settings, sources, out),
        span: decl.r#type.span,
        kind: decl.r#type.value,
    }
}

/// A length of time, or a problem with it.
pub(super) fn length(text: &Spanned<String>, out: &mut Vec<Diagnostic>) -> Option<Within> {
    parse_length(text).map_err(|problem| out.push(problem)).ok()
}

fn find_engine<'a>(registry: &'a Registry, name: &str) -> Option<&'a EngineKind> {
    registry.engines.iter().find(|engine| engine.name == name)
}

/// The destination's type, if there is such a type.
pub(super) fn find_destination<'a>(registry: &'a Registry, name: &str) -> Option<&'a DestinationKind> {
    registry.destinations.iter().find(|destination| destination.name == name)
}

/// A destination of a type that there is.
pub(super) fn destination(
    decl: DestinationDecl,
    registry: &Registry,
    targets: &[&str],
    sources: &SourceMap,
    out: &mut Vec<Diagnostic>,
) -> Destination {
    match find_destination(registry, &decl.r#type.value) {
        Some(kind) => {
            let what = format!("destination `{}` of type `{}`", decl.name.value, kind.name);
            check_options(&what, &decl.name, &kind.options, &decl.settings, out);
            check_target_names(&kind.options, &decl.settings, targets, out);
        }
        None => {
            let message = format!("no type of destination `{}`", decl.r#type.value);
            let diagnostic = Diagnostic::error(Code::UnknownName, decl.r#type.span, message);
            let known = registry.destinations.iter().map(|d| d.name.as_str());
            out.push(with_suggestion(diagnostic, &decl.r#type.value, known, "type"));
        }
    }
    Destination {
        name: decl.name.value,
        kind: decl.r#type.value,
        settings: settings(decl.settings, sources, out),
        span: decl.name.span,
    }
}

fn check_options(
    what: &str,
    name: &Spanned<String>,
    options: &[OptionKind],
    settings: &[SettingDecl],
    out: &mut Vec<Diagnostic>,
) {
    for setting in settings {
        if !options.iter().any(|option| option.name == setting.name.value) {
            let message = format!("{what} has no option `{}`", setting.name.value);
            let diagnostic = Diagnostic::error(Code::UnknownKey, setting.name.span, message);
            let known = options.iter().map(|o| o.name.as_str());
            out.push(with_suggestion(diagnostic, &setting.name.value, known, "option"));
        }
    }
    let given = |name: &str| settings.iter().find(|setting| setting.name.value == name);
    for option in options {
        let other = option.or.as_deref();
        match (given(&option.name), other.and_then(given)) {
            (Some(_), Some(second)) => {
                let message = format!("{what} has both `{}` and `{}`", option.name, second.name.value);
                out.push(
                    Diagnostic::error(Code::InvalidValue, second.name.span, message).hint("take one of them away"),
                );
            }
            (None, None) if option.required => {
                let message = format!("{what} has no `{}`", option.name);
                let instead = other.map(|other| format!(" or `{other}: …`")).unwrap_or_default();
                let hint = format!("add `{}: …`{instead}", option.name);
                out.push(Diagnostic::error(Code::MissingKey, name.span, message).hint(hint));
            }
            _ => {}
        }
    }
}

/// Looks for the targets that options name. A value with a placeholder is known at the run alone.
fn check_target_names(options: &[OptionKind], settings: &[SettingDecl], targets: &[&str], out: &mut Vec<Diagnostic>) {
    let names = options.iter().filter(|option| option.names_target);
    for setting in names.flat_map(|option| settings.iter().filter(|setting| setting.name.value == option.name)) {
        let name = setting.value.value.trim();
        if !name.contains("{{") && !targets.contains(&name) {
            let diagnostic = Diagnostic::error(Code::UnknownName, setting.value.span, format!("no target `{name}`"));
            out.push(with_suggestion(diagnostic, name, targets.iter().copied(), "target"));
        }
    }
}

fn settings(settings: Vec<SettingDecl>, sources: &SourceMap, out: &mut Vec<Diagnostic>) -> Vec<Setting> {
    settings
        .into_iter()
        .map(|SettingDecl { name, value }| {
            if let Some(problem) = check_template(&value, sources) {
                out.push(problem);
            }
            Setting { name: name.value, template: value.value, span: value.span }
        })
        .collect()
}

/// What is wrong with a template, without rendering it. The text of the value is not repeated in the
/// message, because it may be a secret that was written there by mistake.
fn check_template(value: &Spanned<String>, sources: &SourceMap) -> Option<Diagnostic> {
    const HINT: &str = "write `{{ env('NAME') }}` or `{{ file('path') }}`";
    let text = value.value.as_str();
    if !text.contains("{{") && !text.contains("{%") && !text.contains("{#") {
        return None;
    }
    let places = Places::new(sources, value.span, text);
    if let Some(at) = text.find("{%").or_else(|| text.find("{#")) {
        let span = places.span(at, at + 2);
        return Some(
            Diagnostic::error(Code::InvalidTemplate, span, "a setting holds values, not statements").hint(HINT),
        );
    }
    let environment = Environment::empty();
    let template = match environment.template_from_str(text) {
        Ok(template) => template,
        Err(error) => {
            let range = error.range().filter(|r| r.start <= r.end && r.end <= text.len());
            let span = range.map_or(value.span, |r| places.span(r.start, r.end));
            let message = format!("the template cannot be read: {}", error.detail().unwrap_or("syntax error"));
            return Some(Diagnostic::error(Code::InvalidTemplate, span, message).hint(HINT));
        }
    };
    let mut names: Vec<String> = HashSet::into_iter(template.undeclared_variables(true)).collect();
    names.sort_unstable();
    let is_allowed = |name: &String| matches!(name.as_str(), "env" | "file");
    let name = names.into_iter().find(|name| !is_allowed(name))?;
    let root = name.split('.').next().unwrap_or_default();
    let span = text.find(root).map_or(value.span, |at| places.span(at, at + root.len()));
    let message = format!("a template knows `env` and `file`, not `{root}`");
    Some(Diagnostic::error(Code::InvalidTemplate, span, message).hint(HINT))
}
