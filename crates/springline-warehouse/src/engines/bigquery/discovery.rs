//! The tables of a project, by the lists of the REST API, which cost nothing. It must not run a query.

use super::{BigQuery, client::FieldJson};
use crate::{Discover, FoundColumn, FoundTable, WarehouseError};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

/// A page of a list of datasets or tables.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct List<T> {
    #[serde(default = "Vec::new", alias = "datasets", alias = "tables")]
    items: Vec<T>,
    #[serde(default)]
    next_page_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DatasetItem {
    dataset_reference: DatasetReference,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DatasetReference {
    dataset_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TableItem {
    table_reference: TableReference,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TableReference {
    table_id: String,
}

/// What `tables.get` tells.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TableJson {
    #[serde(default)]
    pub(super) schema: super::client::SchemaJson,
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    num_rows: Option<String>,
    /// `primaryKey.columns`, which is declared and not enforced.
    #[serde(default)]
    table_constraints: Value,
}

impl BigQuery {
    pub(super) async fn find_tables(&self, discover: &Discover) -> Result<Vec<FoundTable>, WarehouseError> {
        let own = (self.client.project.clone(), self.client.dataset.clone());
        // The parts before a table's name, and the dataset they stand for.
        let mut schemas: Vec<(Vec<String>, (String, String))> = match discover.schemas.as_slice() {
            [] => vec![(Vec::new(), own.clone())],
            named => named.iter().map(|parts| (parts.clone(), self.dataset_of(parts))).collect(),
        };
        if discover.all {
            for dataset in self.datasets().await? {
                let place = (own.0.clone(), dataset.clone());
                if !schemas.iter().any(|(_, known)| *known == place) {
                    schemas.push((vec![dataset], place));
                }
            }
        }
        let mut found = Vec::new();
        for (before, (project, dataset)) in schemas {
            if dataset == discover.state_schema {
                continue;
            }
            let url = self.client.dataset_url(&project, &dataset, "tables");
            for item in self.all::<TableItem>(&url).await? {
                let name = item.table_reference.table_id;
                let url = self.client.dataset_url(&project, &dataset, &format!("tables/{name}"));
                // Between the two requests it may have been dropped.
                let Some(table) = self.client.get::<TableJson>(&url).await? else { continue };
                let path = before.iter().cloned().chain([name]).collect();
                found.push(shown(path, table));
            }
        }
        Ok(found)
    }

    fn dataset_of(&self, parts: &[String]) -> (String, String) {
        match parts {
            [project, dataset] => (project.clone(), dataset.clone()),
            [dataset] => (self.client.project.clone(), dataset.clone()),
            _ => (self.client.project.clone(), self.client.dataset.clone()),
        }
    }

    async fn datasets(&self) -> Result<Vec<String>, WarehouseError> {
        let url = self.client.dataset_url(&self.client.project, "", "");
        let items = self.all::<DatasetItem>(url.trim_end_matches('/')).await?;
        Ok(items.into_iter().map(|item| item.dataset_reference.dataset_id).collect())
    }

    /// All items of a list; none where what is listed does not exist.
    async fn all<T: DeserializeOwned>(&self, url: &str) -> Result<Vec<T>, WarehouseError> {
        let (mut items, mut token) = (Vec::new(), None::<String>);
        loop {
            let after = token.as_ref().map(|token| format!("&pageToken={token}")).unwrap_or_default();
            let page = self.client.get::<List<T>>(&format!("{url}?maxResults=1000{after}")).await?;
            let Some(page) = page else { return Ok(items) };
            items.extend(page.items);
            match page.next_page_token {
                Some(next) => token = Some(next),
                None => return Ok(items),
            }
        }
    }
}

fn shown(path: Vec<String>, table: TableJson) -> FoundTable {
    let keys = table.table_constraints["primaryKey"]["columns"].as_array();
    let keys = keys.into_iter().flatten().filter_map(|key| key.as_str().map(str::to_owned));
    let column = |field: &FieldJson| FoundColumn {
        name: field.name.clone(),
        ty: model_type(field),
        native: native(field),
        nullable: field.mode != "REQUIRED",
    };
    FoundTable {
        path,
        columns: table.schema.fields.iter().map(column).collect(),
        primary_key: keys.collect(),
        // A view tells no number, or zero.
        rows: table.num_rows.filter(|_| table.kind == "TABLE").and_then(|rows| rows.parse().ok()),
    }
}

/// The type in the words of the model language.
fn model_type(field: &FieldJson) -> Option<String> {
    let word = match field.kind.as_str() {
        "BOOLEAN" | "BOOL" => "boolean",
        "INTEGER" | "INT64" => "integer",
        "FLOAT" | "FLOAT64" => "float",
        "STRING" => "string",
        "DATE" => "date",
        "TIMESTAMP" | "DATETIME" => "timestamp",
        "JSON" => "json",
        "NUMERIC" | "BIGNUMERIC" => {
            let (precision, scale) = match (&field.precision, &field.scale) {
                (Some(precision), scale) => (precision.as_str(), scale.as_deref().unwrap_or("0")),
                (None, _) => ("38", "9"),
            };
            return (field.mode != "REPEATED").then(|| format!("decimal({precision},{scale})"));
        }
        _ => return None,
    };
    (field.mode != "REPEATED").then(|| word.to_owned())
}

/// The type in GoogleSQL.
fn native(field: &FieldJson) -> String {
    let word = match field.kind.as_str() {
        "BOOLEAN" => "BOOL",
        "INTEGER" => "INT64",
        "FLOAT" => "FLOAT64",
        "RECORD" => "STRUCT",
        other => other,
    };
    let word = match (&field.precision, &field.scale) {
        (Some(precision), Some(scale)) => format!("{word}({precision}, {scale})"),
        (Some(precision), None) => format!("{word}({precision})"),
        _ => word.to_owned(),
    };
    if field.mode == "REPEATED" { format!("ARRAY<{word}>") } else { word }
}
