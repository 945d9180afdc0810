//! A dialect, loaded and checked: everything that a folder must answer for is there, or the folder is refused.

use std::collections::{BTreeMap, BTreeSet};

use include_dir::{Dir, include_dir};
use minijinja::Environment;
use springline_ir::{Capabilities, FunctionId, FunctionKind};

use crate::definition::{Definition, Entry, Executed};
use crate::error::{DialectError, PrintError};
use crate::literal::{LITERALS, TYPES};
use crate::mapping::Mapping;
use crate::quoting::Quoting;
use crate::statement::{REQUIRED_SHELLS, SHELLS};
use crate::template::{Level, Place, Reader, Template, check_variables, environment};

static EMBEDDED: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../../dialects");

/// The files of a folder: path inside the folder, text.
pub type Files = Vec<(String, String)>;

/// What `json_step` says: how JSON itself is begun with, then a step by name and one by place in a list.
pub(crate) const JSON_STEPS: [&str; 3] = ["start", "name", "place"];

/// How deep `extends` may go.
const MAX_PARENTS: usize = 8;

/// A dialect of SQL.
#[derive(Debug)]
pub struct Dialect {
    name: String,
    executed: Option<Executed>,
    filter_clause: bool,
    /// Whether a column of a SELECT is named by AS in any case.
    pub(crate) alias_columns: bool,
    identifiers: Quoting,
    max_identifier_bytes: Option<usize>,
    max_columns: Option<usize>,
    strings: Quoting,
    /// In the order of [`TYPES`].
    pub(crate) types: Vec<Template>,
    /// In the order of [`LITERALS`].
    pub(crate) literals: Vec<Template>,
    pub(crate) ascending: Mapping,
    pub(crate) descending: Mapping,
    /// The terms of an order as values, for aggregates without ORDER BY.
    pub(crate) ascending_key: Mapping,
    pub(crate) descending_key: Mapping,
    pub(crate) cast: Mapping,
    pub(crate) try_cast: Mapping,
    /// What `each` needs in FROM.
    pub(crate) each_join: Option<Mapping>,
    pub(crate) partition_by: Option<Mapping>,
    /// In the order of [`JSON_STEPS`]; empty where the dialect has none.
    pub(crate) json_steps: Vec<Template>,
    /// In the order of the function table.
    functions: Vec<Mapping>,
    pub(crate) shells: BTreeMap<String, String>,
    pub(crate) environment: Environment<'static>,
}

impl Dialect {
    /// Loads a dialect. `folders` gives the files of a folder that the project brings along; a name it does not
    /// know is looked up among the embedded folders. Parents (`extends`) are looked up in the same way.
    ///
    /// # Errors
    /// No such folder; a file that cannot be read; a function that is neither mapped, inherited nor `unsupported`;
    /// an unknown function, variable or key. All problems of the folder are reported together.
    pub fn load(name: &str, folders: &dyn Fn(&str) -> Option<Files>) -> Result<Dialect, DialectError> {
        let find = |name: &str| folders(name).or_else(|| embedded_files(name));
        let definition = read_chain(name, &find)?;
        let mut problems = Vec::new();
        let dialect = check(name, definition, &mut problems);
        match dialect {
            Some(dialect) if problems.is_empty() => Ok(dialect),
            _ => Err(DialectError { dialect: name.to_owned(), problems }),
        }
    }

    /// Loads one of the embedded dialects.
    ///
    /// # Errors
    /// As for [`Dialect::load`].
    pub fn embedded(name: &str) -> Result<Dialect, DialectError> {
        Dialect::load(name, &|_| None)
    }

    /// The names of the embedded dialects, sorted.
    pub fn names() -> Vec<&'static str> {
        let mut names: Vec<&str> =
            EMBEDDED.dirs().filter_map(|dir| dir.path().file_name().and_then(|name| name.to_str())).collect();
        names.sort_unstable();
        names
    }

    /// The dialect's name: that of its folder.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the tests run it on, as its folder says.
    pub fn executed(&self) -> Option<&Executed> {
        self.executed.as_ref()
    }

    /// Whether an aggregate may be followed by FILTER.
    pub fn has_filter_clause(&self) -> bool {
        self.filter_clause
    }

    /// Where a function that the dialect has is missing after all: for some types, or before OVER.
    pub fn gaps(&self, function: FunctionId) -> Vec<&str> {
        self.function(function).gaps()
    }

    /// What a plan for this dialect may count on.
    pub fn capabilities(&self) -> Capabilities {
        Capabilities {
            merge: self.shells.contains_key("merge"),
            delete: self.shells.contains_key("delete"),
            add_column: self.shells.contains_key("add_column"),
            analyze: self.shells.contains_key("analyze"),
            each: self.unsupported(FunctionId::EACH).is_none(),
            levenshtein: self.unsupported(FunctionId::LEVENSHTEIN).is_none(),
            jaro_winkler: self.unsupported(FunctionId::JARO_WINKLER).is_none(),
            ordered: self.unsupported(FunctionId::FIRST).is_none(),
            max_columns: self.max_columns,
        }
    }

    /// Why the dialect lacks a function; `None` where it has it for some types at least.
    pub fn unsupported(&self, function: FunctionId) -> Option<&str> {
        self.function(function).unsupported().filter(|_| !function.is_derived())
    }

    /// A name as the dialect writes it, quoted.
    ///
    /// # Errors
    /// The name is too long for the dialect or holds a character that it cannot hold.
    pub fn quote_identifier(&self, identifier: &str) -> Result<String, PrintError> {
        let mut out = String::with_capacity(identifier.len() + 2);
        self.write_identifier(identifier, &mut out)?;
        Ok(out)
    }

    pub(crate) fn write_identifier(&self, identifier: &str, out: &mut String) -> Result<(), PrintError> {
        if let Some(max_bytes) = self.max_identifier_bytes.filter(|max| identifier.len() > *max) {
            return Err(PrintError::IdentifierTooLong {
                dialect: self.name.clone(),
                identifier: identifier.to_owned(),
                bytes: identifier.len(),
                max_bytes,
            });
        }
        self.identifiers.write(identifier, out).map_err(|character| self.character("a name", character))
    }

    pub(crate) fn write_string(&self, text: &str, out: &mut String) -> Result<(), PrintError> {
        self.strings.write(text, out).map_err(|character| self.character("a text", character))
    }

    fn character(&self, what: &'static str, character: char) -> PrintError {
        PrintError::Character { dialect: self.name.clone(), what, character }
    }

    pub(crate) fn function(&self, function: FunctionId) -> &Mapping {
        &self.functions[function.index()]
    }
}

fn embedded_files(name: &str) -> Option<Files> {
    // A name with a separator would reach into a folder, not to one.
    let dir = EMBEDDED.dirs().find(|dir| dir.path().to_str() == Some(name))?;
    let mut files = Vec::new();
    collect(dir, dir, &mut files);
    Some(files)
}

fn collect(root: &Dir<'static>, dir: &Dir<'static>, files: &mut Files) {
    for file in dir.files() {
        let path = file.path().strip_prefix(root.path()).unwrap_or(file.path());
        if let (Some(path), Some(text)) = (path.to_str(), file.contents_utf8()) {
            files.push((path.replace('\\', "/"), text.to_owned()));
        }
    }
    dir.dirs().for_each(|child| collect(root, child, files));
}

/// The folder's definition with everything it inherits.
fn read_chain(name: &str, find: &dyn Fn(&str) -> Option<Files>) -> Result<Definition, DialectError> {
    let mut definition = read_folder(name, name, find)?;
    let mut next = definition.extends.clone();
    for _ in 0..MAX_PARENTS {
        let Some(parent) = next else { return Ok(definition) };
        let parent = read_folder(name, &parent, find)?;
        next = parent.extends.clone();
        definition = definition.inherit(parent);
    }
    Err(DialectError::one(name, format!("`extends` is a cycle, or longer than {MAX_PARENTS} dialects")))
}

fn read_folder(asked: &str, name: &str, find: &dyn Fn(&str) -> Option<Files>) -> Result<Definition, DialectError> {
    let error = |problem: String| DialectError::one(asked, problem);
    let known = Dialect::names().join(", ");
    let files = find(name).ok_or_else(|| error(format!("there is no dialect folder `{name}`; built in: {known}")))?;
    let yaml = files.iter().find(|(path, _)| path == "dialect.yaml");
    let (_, yaml) = yaml.ok_or_else(|| error(format!("{name}/dialect.yaml is missing")))?;
    let mut definition: Definition =
        serde_saphyr::from_str(yaml).map_err(|problem| error(format!("{name}/dialect.yaml: {problem}")))?;
    if definition.name != name {
        return Err(error(format!("{name}/dialect.yaml: `name` is `{}`, the folder is `{name}`", definition.name)));
    }
    for (path, text) in files {
        if let Some(shell) = path.strip_prefix("templates/") {
            let statement = shell.strip_suffix(".sql.j2").filter(|statement| SHELLS.iter().any(|s| s.0 == *statement));
            let statement = statement.ok_or_else(|| error(format!("{name}/{path}: no statement has that template")))?;
            definition.shells.insert(statement.to_owned(), text);
        }
    }
    Ok(definition)
}

fn check(name: &str, mut definition: Definition, problems: &mut Vec<String>) -> Option<Dialect> {
    // An empty template gives back what was inherited.
    definition.shells.retain(|_, text| !text.trim().is_empty());
    let reader = Reader::new();
    let mut checker = Checker { reader: &reader, problems };
    let functions = checker.functions(&definition.functions, definition.filter_clause.unwrap_or(true));
    let types = checker.templates("types", &definition.types, &TYPES, Place::Type);
    let literals = checker.templates("literals", &definition.literals, &LITERALS, Place::Literal);
    let json_steps = match definition.json_step.is_empty() {
        true => Some(Vec::new()),
        false => checker.templates("json_step", &definition.json_step, &JSON_STEPS, Place::Scalar),
    };
    let ascending = checker.entry("order_by.ascending", definition.order_by.get("ascending"), Place::Scalar);
    let descending = checker.entry("order_by.descending", definition.order_by.get("descending"), Place::Scalar);
    let mut key = |name: &str| match definition.order_by.get(name) {
        None => Some(Mapping::none("the dialect has no values that stand for an order")),
        entry => checker.entry(&format!("order_by.{name}"), entry, Place::Scalar),
    };
    let (ascending_key, descending_key) = (key("ascending_key"), key("descending_key"));
    let terms = ["ascending", "descending", "ascending_key", "descending_key"];
    checker.unknown("order_by", definition.order_by.keys(), &terms);
    let cast = checker.entry("cast", definition.cast.as_ref(), Place::Scalar);
    let try_cast = checker.entry("try_cast", definition.try_cast.as_ref(), Place::Scalar);
    let each_join = definition.each_join.as_ref().map(|entry| checker.entry("each_join", Some(entry), Place::Scalar));
    let partition_by = definition.partition_by.as_ref();
    let partition_by = partition_by.map(|entry| checker.entry("partition_by", Some(entry), Place::Scalar));
    let identifiers = checker.quoting("identifiers", definition.identifiers);
    let strings = checker.quoting("strings", definition.strings);
    checker.shells(&definition.shells);
    Some(Dialect {
        name: name.to_owned(),
        executed: definition.executed,
        filter_clause: definition.filter_clause.unwrap_or(true),
        alias_columns: definition.alias_columns.unwrap_or(false),
        identifiers: identifiers?,
        max_identifier_bytes: definition.max_identifier_bytes,
        max_columns: definition.max_columns,
        strings: strings?,
        types: types?,
        literals: literals?,
        ascending: ascending?,
        descending: descending?,
        ascending_key: ascending_key?,
        descending_key: descending_key?,
        cast: cast?,
        try_cast: try_cast?,
        each_join: each_join.flatten(),
        partition_by: partition_by.flatten(),
        json_steps: json_steps?,
        functions: functions?,
        shells: definition.shells,
        environment: environment(),
    })
}

/// Turns texts into templates and notes every problem.
struct Checker<'a> {
    reader: &'a Reader,
    problems: &'a mut Vec<String>,
}

impl Checker<'_> {
    fn functions(&mut self, entries: &BTreeMap<String, Entry>, filter_clause: bool) -> Option<Vec<Mapping>> {
        for name in entries.keys().filter(|name| FunctionId::named(name).is_none_or(FunctionId::is_derived)) {
            self.problems.push(format!("functions.{name}: there is no such function"));
        }
        let missing: Vec<&str> = FunctionId::all().filter(|id| !id.is_derived()).map(|id| id.get().name).collect();
        let missing: Vec<&str> = missing.into_iter().filter(|name| !entries.contains_key(*name)).collect();
        if !missing.is_empty() {
            let missing = missing.join(", ");
            self.problems.push(format!("functions: neither mapped, inherited nor `unsupported`: {missing}"));
        }
        FunctionId::all()
            .map(|id| {
                let function = id.get();
                if id.is_derived() {
                    return Some(Mapping::none("it is written in terms of other functions"));
                }
                let place = match function.kind {
                    FunctionKind::Scalar | FunctionKind::Internal => Place::Scalar,
                    FunctionKind::Aggregate | FunctionKind::Window => Place::Aggregate,
                };
                let at = format!("functions.{}", function.name);
                let entry = entries.get(function.name)?;
                let mapping = Mapping::read(self.reader, entry, place, &at, self.problems);
                if function.kind == FunctionKind::Aggregate && !filter_clause && !mapping.takes_filters() {
                    let how = "use `{{ filtered }}` or `{{ filter }}`";
                    self.problems
                        .push(format!("{at}: the dialect has no FILTER clause, so a filter would be lost; {how}"));
                }
                Some(mapping)
            })
            .collect()
    }

    fn entry(&mut self, at: &str, entry: Option<&Entry>, place: Place) -> Option<Mapping> {
        if entry.is_none() {
            self.problems.push(format!("{at} is missing"));
        }
        entry.map(|entry| Mapping::read(self.reader, entry, place, at, self.problems))
    }

    fn templates(
        &mut self,
        at: &str,
        texts: &BTreeMap<String, String>,
        names: &[&str],
        place: Place,
    ) -> Option<Vec<Template>> {
        self.unknown(at, texts.keys(), names);
        let read = |name: &&str| {
            let template = texts.get(*name).ok_or_else(|| "is missing".to_owned());
            let template = template.and_then(|text| Template::parse(self.reader, text, Level::Primary, place));
            template.map_err(|problem| self.problems.push(format!("{at}.{name}: {problem}"))).ok()
        };
        let templates: Vec<Option<Template>> = names.iter().map(read).collect();
        templates.into_iter().collect()
    }

    fn quoting(&mut self, at: &str, quoting: Option<Quoting>) -> Option<Quoting> {
        let problem = quoting.as_ref().map_or(Some("is missing".to_owned()), Quoting::problem);
        if let Some(problem) = problem {
            self.problems.push(format!("{at}: {problem}"));
        }
        quoting
    }

    fn shells(&mut self, shells: &BTreeMap<String, String>) {
        for name in REQUIRED_SHELLS.iter().filter(|name| !shells.contains_key(**name)) {
            self.problems.push(format!("templates/{name}.sql.j2 is missing"));
        }
        for (statement, variables) in SHELLS {
            let Some(text) = shells.get(*statement) else { continue };
            let known = |name: &str| variables.contains(&name);
            if let Err(problem) = check_variables(text, &known, &variables.join(", ")) {
                self.problems.push(format!("templates/{statement}.sql.j2: {problem}"));
            }
        }
    }

    fn unknown<'k>(&mut self, at: &str, keys: impl Iterator<Item = &'k String>, known: &[&str]) {
        let known: BTreeSet<&str> = known.iter().copied().collect();
        for key in keys.filter(|key| !known.contains(key.as_str())) {
            self.problems
                .push(format!("{at}.{key}: unknown; known here: {}", Vec::from_iter(known.clone()).join(", ")));
        }
    }
}
