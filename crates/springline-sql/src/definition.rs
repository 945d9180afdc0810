//! The texts of a dialect folder as they are written: `dialect.yaml` and the shells of statements, and how a
//! folder inherits from another. Nothing is checked here but the shape.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::quoting::Quoting;
use crate::template::Level;

/// `dialect.yaml`. Every entry may come from the dialect that it extends.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Definition {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) extends: Option<String>,
    /// What it was run on. It is not inherited: a child is another dialect.
    #[serde(default)]
    pub(crate) executed: Option<Executed>,
    #[serde(default)]
    pub(crate) identifiers: Option<Quoting>,
    /// The longest name, in bytes of UTF-8 before quoting.
    #[serde(default)]
    pub(crate) max_identifier_bytes: Option<usize>,
    /// The most columns of a table and of a SELECT.
    #[serde(default)]
    pub(crate) max_columns: Option<usize>,
    /// Whether an aggregate may be followed by FILTER (WHERE ...). Where not, each aggregate's template says what
    /// becomes of the filter.
    #[serde(default)]
    pub(crate) filter_clause: Option<bool>,
    /// Whether a column of a SELECT gets its name by AS even where it is the name that it has already.
    #[serde(default)]
    pub(crate) alias_columns: Option<bool>,
    #[serde(default)]
    pub(crate) strings: Option<Quoting>,
    #[serde(default)]
    pub(crate) types: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) literals: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) order_by: BTreeMap<String, Entry>,
    /// How one step of a path into JSON is written, for a dialect without paths: `start` of the JSON itself, `name`
    /// and `place` of what was found so far and of the step.
    #[serde(default)]
    pub(crate) json_step: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) cast: Option<Entry>,
    #[serde(default)]
    pub(crate) try_cast: Option<Entry>,
    /// How a key that a window is partitioned by is written, where it is not written as it is.
    #[serde(default)]
    pub(crate) partition_by: Option<Entry>,
    /// Behind the joins of a SELECT with `each`, whose own form then names the value: for an engine that makes several
    /// rows of one in FROM alone.
    #[serde(default)]
    pub(crate) each_join: Option<Entry>,
    #[serde(default)]
    pub(crate) functions: BTreeMap<String, Entry>,
    /// Statement name to template; filled from the folder's `templates/`.
    #[serde(skip)]
    pub(crate) shells: BTreeMap<String, String>,
}

/// On what the tests run what a dialect prints.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Executed {
    /// Its name and version.
    pub on: String,
    /// How much that proves: `the engine itself`, `an emulator`, `only parsed`.
    pub kind: String,
}

/// How a function is written: a text alone is its `sql`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Entry {
    pub(crate) form: Form,
    /// The first one whose types fit is taken before `form`.
    pub(crate) overloads: Vec<Overload>,
    /// Why it cannot stand before OVER.
    pub(crate) no_over: Option<String>,
}

/// One way to write it, or why there is none. One of `sql` and `unsupported` is set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Form {
    pub(crate) sql: Option<String>,
    pub(crate) binds: Level,
    pub(crate) unsupported: Option<String>,
}

/// A form for arguments of certain types.
#[derive(Debug, Clone)]
pub(crate) struct Overload {
    pub(crate) types: Vec<TypePattern>,
    /// Taken only where the result is a decimal of 38 digits, more than so many of them behind the point: engines cut
    /// such results.
    pub(crate) scale_over: Option<u8>,
    pub(crate) form: Form,
}

/// What an argument must be.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) enum TypePattern {
    Any,
    /// A constant of any type.
    Literal,
    /// This very text, as a constant. It is written in quotes: `"'week'"`.
    Text(String),
    Boolean,
    Integer,
    Decimal,
    Float,
    String,
    Date,
    Timestamp,
    Json,
    Array,
    /// Last: and any number of further arguments.
    More,
}

const PATTERNS: &[(&str, TypePattern)] = &[
    ("any", TypePattern::Any),
    ("literal", TypePattern::Literal),
    ("boolean", TypePattern::Boolean),
    ("integer", TypePattern::Integer),
    ("decimal", TypePattern::Decimal),
    ("float", TypePattern::Float),
    ("string", TypePattern::String),
    ("date", TypePattern::Date),
    ("timestamp", TypePattern::Timestamp),
    ("json", TypePattern::Json),
    ("array", TypePattern::Array),
    ("...", TypePattern::More),
];

impl TryFrom<String> for TypePattern {
    type Error = String;

    fn try_from(written: String) -> Result<Self, String> {
        if let Some(text) = written.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
            return Ok(TypePattern::Text(text.to_owned()));
        }
        let known = PATTERNS.iter().find(|(name, _)| *name == written);
        known.map(|(_, pattern)| pattern.clone()).ok_or_else(|| {
            let names: Vec<&str> = PATTERNS.iter().map(|(name, _)| *name).collect();
            format!("there is no type `{written}`; known: {}, or a text in quotes", names.join(", "))
        })
    }
}

impl Definition {
    /// What is absent here is taken from the parent; a name that both have is this one's.
    pub(crate) fn inherit(mut self, parent: Definition) -> Definition {
        fn under<V>(mut map: BTreeMap<String, V>, own: BTreeMap<String, V>) -> BTreeMap<String, V> {
            map.extend(own);
            map
        }
        self.identifiers = self.identifiers.or(parent.identifiers);
        self.max_identifier_bytes = self.max_identifier_bytes.or(parent.max_identifier_bytes);
        self.max_columns = self.max_columns.or(parent.max_columns);
        self.filter_clause = self.filter_clause.or(parent.filter_clause);
        self.alias_columns = self.alias_columns.or(parent.alias_columns);
        self.strings = self.strings.or(parent.strings);
        self.cast = self.cast.or(parent.cast);
        self.try_cast = self.try_cast.or(parent.try_cast);
        self.each_join = self.each_join.or(parent.each_join);
        self.partition_by = self.partition_by.or(parent.partition_by);
        self.types = under(parent.types, self.types);
        self.literals = under(parent.literals, self.literals);
        self.json_step = under(parent.json_step, self.json_step);
        self.order_by = under(parent.order_by, self.order_by);
        self.functions = under(parent.functions, self.functions);
        self.shells = under(parent.shells, self.shells);
        self
    }
}

/// The keys of an entry and of an overload, flat as they are written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryKeys {
    #[serde(default)]
    sql: Option<String>,
    #[serde(default)]
    binds: Level,
    #[serde(default)]
    unsupported: Option<String>,
    #[serde(default)]
    overloads: Vec<Overload>,
    #[serde(default)]
    no_over: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OverloadKeys {
    types: Vec<TypePattern>,
    #[serde(default)]
    scale_over: Option<u8>,
    #[serde(default)]
    sql: Option<String>,
    #[serde(default)]
    binds: Level,
    #[serde(default)]
    unsupported: Option<String>,
}

impl<'de> Deserialize<'de> for Overload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let OverloadKeys { types, scale_over, sql, binds, unsupported } = OverloadKeys::deserialize(deserializer)?;
        Ok(Overload { types, scale_over, form: Form { sql, binds, unsupported } })
    }
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EntryVisitor)
    }
}

struct EntryVisitor;

impl<'de> Visitor<'de> for EntryVisitor {
    type Value = Entry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a template, or a mapping with `sql` or `unsupported`")
    }

    fn visit_str<E: serde::de::Error>(self, sql: &str) -> Result<Entry, E> {
        Ok(Entry { form: Form { sql: Some(sql.to_owned()), ..Form::default() }, ..Entry::default() })
    }

    fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<Entry, M::Error> {
        let keys = EntryKeys::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Entry {
            form: Form { sql: keys.sql, binds: keys.binds, unsupported: keys.unsupported },
            overloads: keys.overloads,
            no_over: keys.no_over,
        })
    }
}
