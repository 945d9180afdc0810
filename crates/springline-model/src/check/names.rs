//! Which names there are, and what each stands for.

use std::collections::HashMap;

use crate::syntax::{Item, Spanned, nearest};
use crate::{Code, Diagnostic, Span};

/// What a kind of thing is called, and which characters its names may have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    pub what: &'static str,
    /// Expressions refer to it, and tables are named after it.
    pub word: bool,
}

/// The longest name: tables are named after them, and engines cut longer names off.
const MAX_NAME: usize = 50;

/// The names of one kind of thing.
#[derive(Debug)]
pub(super) struct Table {
    kind: Kind,
    /// The place in the list of things; `None` for one that could not be read, which is reported.
    by_name: HashMap<String, (Option<usize>, Span)>,
}

impl Table {
    /// The names of a list, and the things of it that could be read. Names that are there twice and
    /// names with characters that names cannot have are reported.
    pub fn new<T>(kind: Kind, items: Vec<Item<T>>, out: &mut Vec<Diagnostic>) -> (Table, Vec<T>) {
        let mut table = Table { kind, by_name: HashMap::new() };
        let mut things = Vec::new();
        for Item { name, decl } in items {
            if let Some(name) = &name {
                table.add(name, decl.is_some().then_some(things.len()), out);
            }
            things.extend(decl);
        }
        (table, things)
    }

    /// Adds one name.
    pub fn add(&mut self, name: &Spanned<String>, id: Option<usize>, out: &mut Vec<Diagnostic>) {
        check_name(self.kind, name, out);
        match self.by_name.get(&name.value) {
            Some((_, first)) => out.push(duplicate(self.kind.what, name, *first)),
            None => drop(self.by_name.insert(name.value.clone(), (id, name.span))),
        }
    }

    /// The thing of that name. `None` if there is none, which is reported unless `quiet`, or if it could
    /// not be read.
    pub fn find(&self, name: &Spanned<String>, quiet: bool, out: &mut Vec<Diagnostic>) -> Option<usize> {
        match self.by_name.get(&name.value) {
            Some((id, _)) => *id,
            None => {
                if !quiet {
                    let message = format!("no {} `{}` in the project", self.kind.what, name.value);
                    let diagnostic = Diagnostic::error(Code::UnknownName, name.span, message);
                    out.push(with_suggestion(diagnostic, &name.value, self.names(), self.kind.what));
                }
                None
            }
        }
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }
}

/// A name that is taken.
pub(super) fn duplicate(what: &str, name: &Spanned<String>, first: Span) -> Diagnostic {
    Diagnostic::error(Code::DuplicateName, name.span, format!("{what} `{}` is there twice", name.value))
        .label("again here")
        .also(first, "first here")
        .hint("rename one of the two")
}

/// The diagnostic with the nearest name as its hint, or with all the names if they are few.
pub(super) fn with_suggestion<'a>(
    diagnostic: Diagnostic,
    name: &str,
    known: impl Iterator<Item = &'a str>,
    what: &str,
) -> Diagnostic {
    let mut known: Vec<&str> = known.collect();
    known.sort_unstable();
    match nearest(name, known.iter().copied()) {
        Some(near) => diagnostic.hint(format!("did you mean `{near}`?")),
        None if known.is_empty() => diagnostic.hint(format!("the project has no {what} yet")),
        None if known.len() <= 12 => {
            let listed: Vec<String> = known.iter().map(|n| format!("`{n}`")).collect();
            let be = if known.len() == 1 { "is only" } else { "are" };
            diagnostic.hint(format!("there {be} {}", listed.join(", ")))
        }
        None => diagnostic,
    }
}

/// Reports a name with characters that names cannot have.
pub(super) fn check_name(kind: Kind, name: &Spanned<String>, out: &mut Vec<Diagnostic>) {
    let text = &name.value;
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || (!kind.word && c == '-');
    let refusal = if text.is_empty() || !text.chars().all(fits) || text.starts_with(|c: char| c.is_ascii_digit()) {
        "use letters a to z, digits and `_`, and begin with a letter; put other text into `label:`"
    } else if text.len() > MAX_NAME {
        "use at most 50 characters; put longer text into `label:`"
    } else {
        return;
    };
    let message = format!("`{text}` cannot be the name of a {}", kind.what);
    out.push(Diagnostic::error(Code::InvalidValue, name.span, message).hint(refusal));
}
