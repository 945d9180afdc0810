//! Which names there are, and what each stands for.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::syntax::{Item, Spanned, nearest};
use crate::{Code, Diagnostic, Span};

/// What a kind of thing is called, and which characters its names may have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    pub what: &'static str,
    /// Expressions refer to it, and tables are named after it.
    pub word: bool,
}

/// The longest name. Tables are named after them, such as `membership_<entity>__new`, and Postgres cuts
/// names off after 63 bytes (<https://www.postgresql.org/docs/current/limits.html>).
const MAX_NAME: usize = 47;
/// What is put behind a table's name while it is replaced.
const REPLACEMENT: &str = "__new";

/// The names of one kind of thing.
#[derive(Debug)]
pub(super) struct Table {
    kind: Kind,
    /// The place in the list of things; `None` for one that could not be read, which is reported.
    by_name: HashMap<String, (Option<usize>, Span)>,
    taken: Taken,
}

/// Names that are taken. Those that differ only in case clash, because some engines fold it.
#[derive(Debug, Default)]
pub(super) struct Taken {
    by_lower: HashMap<String, Spanned<String>>,
}

impl Taken {
    /// Takes a name. If it is taken, it stays with the first, which is returned.
    pub fn take(&mut self, name: &Spanned<String>) -> Option<&Spanned<String>> {
        match self.by_lower.entry(name.value.to_lowercase()) {
            Entry::Occupied(first) => Some(first.into_mut()),
            Entry::Vacant(place) => {
                place.insert(name.clone());
                None
            }
        }
    }

    /// The name that this one clashes with.
    pub fn find(&self, name: &str) -> Option<&Spanned<String>> {
        self.by_lower.get(&name.to_lowercase())
    }
}

impl Table {
    /// The names of a list, and the things of it that could be read. Names that are there twice and
    /// names with characters that names cannot have are reported.
    pub fn new<T>(kind: Kind, items: Vec<Item<T>>, out: &mut Vec<Diagnostic>) -> (Table, Vec<T>) {
        let mut table = Table { kind, by_name: HashMap::new(), taken: Taken::default() };
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
        if let Some(first) = self.taken.take(name) {
            out.push(duplicate(self.kind.what, name, first));
        }
        self.by_name.entry(name.value.clone()).or_insert((id, name.span));
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
pub(super) fn duplicate(what: &str, name: &Spanned<String>, first: &Spanned<String>) -> Diagnostic {
    let message = if name.value == first.value {
        format!("{what} `{}` is there twice", name.value)
    } else {
        format!("{what} `{}` differs from `{}` only in case, which some engines ignore", name.value, first.value)
    };
    Diagnostic::error(Code::DuplicateName, name.span, message)
        .label("again here")
        .also(first.span, "first here")
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

/// Reports a name that is too long or has characters that names cannot have.
pub(super) fn check_name(kind: Kind, name: &Spanned<String>, out: &mut Vec<Diagnostic>) {
    let text = &name.value;
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || (!kind.word && c == '-');
    let refusal = if text.is_empty() || !text.chars().all(fits) || text.starts_with(|c: char| c.is_ascii_digit()) {
        "use letters a to z, digits and `_`, and begin with a letter; put other text into `label:`"
    } else if text.len() > MAX_NAME {
        "use at most 47 characters; put longer text into `label:`"
    } else if text.to_lowercase().ends_with(REPLACEMENT) {
        "take another ending: `__new` is put behind the name of a table while it is replaced"
    } else {
        return;
    };
    let message = format!("`{text}` cannot be the name of a {}", kind.what);
    out.push(Diagnostic::error(Code::InvalidValue, name.span, message).hint(refusal));
}
