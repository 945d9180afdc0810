//! The catalog: what the warehouse has, as the lock keeps it, and what has changed since. It knows neither files nor
//! engines: a warehouse is handed in, a lock comes out.

use springline_ir::TableName;
use springline_model::{Lock, LockColumn, LockTable, LockType, Outline, Pii, Project, SourceMap, Use, uses_of_column};
use springline_warehouse::{Discover, FoundColumn, FoundTable, Warehouse};

use crate::RunError;

/// Where tables are looked for: in the schemas that sources name and, where there is a lock, in its schemas too.
pub fn schemas_of(outline: &Outline, state_schema: &str, all: bool) -> Discover {
    let in_lock = outline.lock.iter().flat_map(|lock| &lock.tables).filter_map(|table| TableName::parse(&table.name));
    let tables = outline.sources.iter().map(|source| source.table.clone()).chain(in_lock);
    let mut schemas: Vec<Vec<String>> =
        tables.filter_map(|table| table.parts.split_last().map(|(_, schema)| schema.to_vec())).collect();
    schemas.sort();
    schemas.dedup();
    Discover { schemas, all, state_schema: state_schema.to_owned() }
}

/// Reads the tables of a warehouse.
///
/// # Errors
/// What the warehouse reports.
pub async fn read_catalog(warehouse: &dyn Warehouse, discover: &Discover) -> Result<Lock, RunError> {
    let found = warehouse.tables(discover).await?;
    Ok(Lock::new(found.into_iter().map(lock_table).collect()))
}

fn lock_table(found: FoundTable) -> LockTable {
    LockTable {
        name: found.path.join("."),
        rows: found.rows,
        primary_key: found.primary_key,
        columns: found.columns.into_iter().map(lock_column).collect(),
    }
}

fn lock_column(found: FoundColumn) -> LockColumn {
    let ty = found.ty.and_then(|ty| ty.parse().ok()).map_or(LockType::Unknown(found.native), LockType::Known);
    LockColumn { name: found.name, ty, nullable: found.nullable }
}

/// One difference between the lock and the warehouse.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Drift {
    /// `table_added`, `table_removed`, `column_added`, `column_removed`, `type_changed`, `nullability_changed` or
    /// `key_changed`.
    pub change: &'static str,
    /// The table.
    pub table: String,
    /// The column; none for what is about the whole table.
    pub column: Option<String>,
    /// What the lock says, where it says something.
    pub before: Option<String>,
    /// What the warehouse has, where it has something.
    pub after: Option<String>,
    /// The definitions that this breaks; none where it is harmless.
    pub breaks: Vec<Broken>,
}

/// A definition that does not work any more.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Broken {
    /// `source`, `entity`, `event`, `relationship`, `field`, `segment` or `sync`.
    pub kind: &'static str,
    /// Its name; what belongs to an entity has that before it.
    pub name: String,
    /// `file:line`.
    pub at: String,
}

/// Everything that differs, in the order of tables and columns. Row counts always differ and are no drift.
pub fn drift(project: &Project, sources: &SourceMap, before: &Lock, after: &Lock) -> Vec<Drift> {
    let finder = Finder { project, sources };
    let mut names: Vec<&str> = before.tables.iter().chain(&after.tables).map(|t| t.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names.into_iter().flat_map(|name| finder.table(name, before.table(name), after.table(name))).collect()
}

struct Finder<'a> {
    project: &'a Project,
    sources: &'a SourceMap,
}

impl Finder<'_> {
    fn table(&self, name: &str, before: Option<&LockTable>, after: Option<&LockTable>) -> Vec<Drift> {
        let whole =
            |change, breaks| Drift { change, table: name.to_owned(), column: None, before: None, after: None, breaks };
        match (before, after) {
            (Some(before), Some(after)) => self.columns(before, after),
            (Some(_), None) => vec![whole("table_removed", self.uses(name, None))],
            _ => vec![whole("table_added", Vec::new())],
        }
    }

    fn columns(&self, before: &LockTable, after: &LockTable) -> Vec<Drift> {
        let mut all = Vec::new();
        if before.primary_key != after.primary_key {
            all.push(Drift {
                change: "key_changed",
                table: before.name.clone(),
                column: None,
                before: Some(before.primary_key.join(", ")),
                after: Some(after.primary_key.join(", ")),
                breaks: Vec::new(),
            });
        }
        let mut names: Vec<&str> = before.columns.iter().chain(&after.columns).map(|c| c.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            all.extend(self.column(&before.name, before.column(name), after.column(name)));
        }
        all
    }

    fn column(&self, table: &str, before: Option<&LockColumn>, after: Option<&LockColumn>) -> Vec<Drift> {
        let name = before.or(after).map(|c| c.name.clone()).unwrap_or_default();
        let drift = |change, breaks, text: fn(&LockColumn) -> String| Drift {
            change,
            table: table.to_owned(),
            column: Some(name.clone()),
            before: before.map(text),
            after: after.map(text),
            breaks,
        };
        let type_text: fn(&LockColumn) -> String = |c| c.ty.to_string();
        let null_text: fn(&LockColumn) -> String = |c| (if c.nullable { "nullable" } else { "not null" }).to_owned();
        match (before, after) {
            (Some(_), None) => vec![drift("column_removed", self.uses(table, Some(&name)), type_text)],
            (None, Some(_)) => vec![drift("column_added", Vec::new(), type_text)],
            (Some(old), Some(new)) => {
                let mut all = Vec::new();
                if old.ty != new.ty {
                    let breaks = if self.fits(table, new) { Vec::new() } else { self.uses(table, Some(&name)) };
                    all.push(drift("type_changed", breaks, type_text));
                }
                if old.nullable != new.nullable {
                    all.push(drift("nullability_changed", Vec::new(), null_text));
                }
                all
            }
            (None, None) => Vec::new(),
        }
    }

    /// Whether every source that has the column can still read it.
    fn fits(&self, table: &str, column: &LockColumn) -> bool {
        let sources = self.project.sources.iter().filter(|source| source.table.to_string() == table);
        sources.filter_map(|source| source.column(&column.name)).all(|declared| column.ty.fits(&declared.ty))
    }

    fn uses(&self, table: &str, column: Option<&str>) -> Vec<Broken> {
        let Some(table) = TableName::parse(table) else { return Vec::new() };
        let broken = |u: Use| Broken { kind: u.kind, name: u.name, at: self.sources.locate(u.span) };
        uses_of_column(self.project, &table, column).into_iter().map(broken).collect()
    }
}

/// What person-related data a column seems to hold, judged by its name: a suggestion for whoever describes it.
pub fn guess_pii(column: &str) -> Option<Pii> {
    const NAMES: [&str; 12] = [
        "first_name",
        "firstname",
        "last_name",
        "lastname",
        "full_name",
        "fullname",
        "surname",
        "given_name",
        "family_name",
        "maiden_name",
        "middle_name",
        "customer_name",
    ];
    const ADDRESS: [&str; 6] = ["street", "postcode", "postal_code", "zip", "zip_code", "zipcode"];
    let name = column.to_lowercase();
    let has = |part: &str| name.contains(part);
    // Whether somebody wants email tells nobody who it is.
    if ["optin", "opt_in", "consent", "has_", "is_", "_at", "_count"].iter().any(|part| has(part)) {
        return None;
    }
    if has("email") || has("e_mail") || name == "mail" {
        Some(Pii::Email)
    } else if has("phone") || has("mobile") || has("msisdn") {
        Some(Pii::Phone)
    } else if NAMES.contains(&name.as_str()) {
        Some(Pii::Name)
    } else if (has("address") && !has("ip_address")) || ADDRESS.contains(&name.as_str()) {
        Some(Pii::Address)
    } else if ["birth_date", "birthdate", "date_of_birth", "ssn", "passport", "iban", "ip_address"]
        .contains(&name.as_str())
    {
        Some(Pii::Other)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_columns_tell_what_may_be_personal() {
        assert_eq!(guess_pii("Email"), Some(Pii::Email));
        assert_eq!(guess_pii("home_phone"), Some(Pii::Phone));
        assert_eq!(guess_pii("first_name"), Some(Pii::Name));
        assert_eq!(guess_pii("billing_address_2"), Some(Pii::Address));
        for harmless in ["optin_email", "email_sent_at", "name", "product_id", "city"] {
            assert_eq!(guess_pii(harmless), None, "{harmless}");
        }
    }
}
