//! The catalog lock: what the tables of the warehouse look like, kept beside the project so that it can be
//! checked and compiled without a connection. It knows the text of the lock and nothing of how it was found out.

use std::fmt::Write;

use springline_ir::Type;

/// The lock's name, in the project's folder. It is no file of definitions.
pub const LOCK_FILE: &str = "catalog.lock.yaml";

/// What stands behind the type of a column that is never null.
pub(crate) const NOT_NULL: &str = " not null";
/// What stands before the engine's own word for a type that the language does not have.
pub(crate) const UNKNOWN: &str = "unknown ";

/// The tables of a warehouse.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lock {
    /// The tables, by name.
    pub tables: Vec<LockTable>,
}

/// A table of the warehouse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockTable {
    /// Its name as sources write it: `schema.table`, or the table alone in the target's own schema.
    pub name: String,
    /// How many rows it had; `None` where the engine does not tell without reading all of them.
    pub rows: Option<u64>,
    /// The columns of its declared primary key; none where the warehouse knows none.
    pub primary_key: Vec<String>,
    /// Its columns, by name.
    pub columns: Vec<LockColumn>,
}

impl LockTable {
    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&LockColumn> {
        self.columns.iter().find(|c| c.name == name)
    }
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockColumn {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: LockType,
    /// Whether it may be null.
    pub nullable: bool,
}

/// The type of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockType {
    /// A type of the language.
    Known(Type),
    /// A type that the language does not have, in the engine's own word: no definition can use the column.
    Unknown(String),
}

impl LockType {
    /// The type of the language, if it is one.
    pub fn known(&self) -> Option<&Type> {
        match self {
            LockType::Known(ty) => Some(ty),
            LockType::Unknown(_) => None,
        }
    }

    /// Whether a column of this type can be declared as `declared`: its values are read without a loss.
    pub fn fits(&self, declared: &Type) -> bool {
        self.known().is_some_and(|ty| type_fits(ty, declared))
    }
}

impl std::fmt::Display for LockType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            LockType::Known(ty) => write!(f, "{ty}"),
            LockType::Unknown(native) => write!(f, "{UNKNOWN}{native}"),
        }
    }
}

fn type_fits(found: &Type, declared: &Type) -> bool {
    match (found, declared) {
        (Type::Integer | Type::Decimal { .. }, Type::Decimal { .. }) | (Type::String | Type::Json, Type::Json) => true,
        // Engines that have no type for documents, such as files, keep them as text and the other way round.
        (Type::Json, Type::String) => true,
        (Type::Array(found), Type::Array(declared)) => type_fits(found, declared),
        (found, declared) => found == declared,
    }
}

impl Lock {
    /// A lock whose tables and columns are in the order of their names.
    pub fn new(mut tables: Vec<LockTable>) -> Self {
        tables.sort_by(|a, b| a.name.cmp(&b.name));
        for table in &mut tables {
            table.columns.sort_by(|a, b| a.name.cmp(&b.name));
        }
        Lock { tables }
    }

    /// The table of that name.
    pub fn table(&self, name: &str) -> Option<&LockTable> {
        self.tables.iter().find(|t| t.name == name)
    }

    /// The text of the lock: the same tables give the same text, one column a line.
    pub fn to_yaml(&self) -> String {
        let mut text = String::from(
            "# The tables of the warehouse as `springline catalog` last found them. `validate` and `compile` read this\n\
             # file instead of asking the warehouse. Keep it in git, and run the command again rather than edit it.\n\
             version: 1\n",
        );
        text.push_str(if self.tables.is_empty() { "tables: {}\n" } else { "tables:\n" });
        for table in &self.tables {
            write_table(table, &mut text);
        }
        text
    }
}

fn write_table(table: &LockTable, text: &mut String) {
    let mut line = |line: std::fmt::Arguments<'_>| {
        // Writing to a string cannot fail.
        let _ = text.write_fmt(line);
        text.push('\n');
    };
    line(format_args!("  {}:", yaml_text(&table.name)));
    if let Some(rows) = table.rows {
        line(format_args!("    rows: {rows}"));
    }
    if !table.primary_key.is_empty() {
        let key: Vec<String> = table.primary_key.iter().map(|c| yaml_text(c)).collect();
        line(format_args!("    primary_key: [{}]", key.join(", ")));
    }
    line(format_args!("    columns:{}", if table.columns.is_empty() { " {}" } else { "" }));
    for column in &table.columns {
        let not_null = if column.nullable { "" } else { NOT_NULL };
        let ty = yaml_text(&format!("{}{not_null}", column.ty));
        line(format_args!("      {}: {ty}", yaml_text(&column.name)));
    }
}

/// A text as YAML writes it: as it is where it can be nothing else, in quotes where it could.
pub fn yaml_text(text: &str) -> String {
    const WORDS: [&str; 10] = ["null", "true", "false", "yes", "no", "on", "off", "y", "n", "~"];
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    // A comma is plain outside of `[ … ]`; in a name, which may stand there, it is in quotes.
    let is_type = text.starts_with("decimal(");
    let inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '(' | ')' | '<' | '>');
    let plain = text.chars().all(|c| inside(c) || c == ' ' || (is_type && c == ','));
    if starts && plain && !text.ends_with(' ') && !WORDS.contains(&text.to_lowercase().as_str()) {
        return text.to_owned();
    }
    // A JSON text is a YAML text in double quotes.
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, ty: LockType, nullable: bool) -> LockColumn {
        LockColumn { name: name.to_owned(), ty, nullable }
    }

    fn sample() -> Lock {
        let money = LockType::Known(Type::decimal(12, 2));
        Lock::new(vec![
            LockTable {
                name: "shop.orders".to_owned(),
                rows: Some(12),
                primary_key: vec!["order_id".to_owned(), "no".to_owned()],
                columns: vec![
                    column("order_id", LockType::Known(Type::Integer), false),
                    column("amount: \"net\"", money, true),
                    column("no", LockType::Known(Type::String), true),
                    column("where", LockType::Unknown("geometry(Point,4326)".to_owned()), true),
                ],
            },
            LockTable { name: "customers".to_owned(), rows: None, primary_key: Vec::new(), columns: Vec::new() },
        ])
    }

    #[test]
    fn a_lock_reads_back_from_its_text() {
        let text = sample().to_yaml();
        let mut out = Vec::new();
        let read = crate::check::read_lock(crate::FileId(0), &text, &mut out);
        assert!(out.is_empty(), "{out:?}\n{text}");
        assert_eq!(read.map(|r| r.lock), Some(sample()), "{text}");
        assert!(text.contains("      order_id: integer not null\n"), "{text}");
        assert!(text.find("customers").unwrap() < text.find("shop.orders").unwrap(), "{text}");
    }

    #[test]
    fn what_is_read_without_a_loss_may_be_declared() {
        let fits = |found: &str, declared: &str| {
            LockType::Known(found.parse().unwrap()).fits(&declared.parse::<Type>().unwrap())
        };
        assert!(fits("integer", "decimal(12,2)") && fits("string", "json") && fits("date", "date"));
        assert!(!fits("float", "integer") && !fits("string", "timestamp") && !fits("decimal(12,2)", "integer"));
    }
}
