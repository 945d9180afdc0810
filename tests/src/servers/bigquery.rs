//! BigQuery: `SPRINGLINE_TEST_BIGQUERY` names the address of a double of its REST API with ZetaSQL behind it, and the
//! key file of an account there: `endpoint=http://127.0.0.1:9050 credentials=/tmp/key.json`.

use super::{Server, absent, fresh_name};

pub(super) fn start() -> Option<Server> {
    let Ok(server) = std::env::var("SPRINGLINE_TEST_BIGQUERY") else {
        absent("bigquery", "SPRINGLINE_TEST_BIGQUERY");
        return None;
    };
    let part = |name: &str| {
        let value = server.split_whitespace().find_map(|pair| pair.strip_prefix(&format!("{name}=")));
        value.unwrap_or_else(|| panic!("SPRINGLINE_TEST_BIGQUERY has no {name}=")).to_owned()
    };
    // A project of the double is made by naming it, so each server has the schemas of its own.
    let project = fresh_name().replace('_', "-");
    let options = [
        ("project", project),
        ("dataset", "springline_test".to_owned()),
        ("credentials", part("credentials")),
        ("endpoint", part("endpoint")),
    ];
    let options = options.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Some(Server { engine: "bigquery", options, column_type, analyze: "" })
}

fn column_type(ty: &str) -> String {
    match ty {
        "boolean" => "BOOL",
        "integer" => "INT64",
        "float" => "FLOAT64",
        "date" => "DATE",
        "timestamp" => "TIMESTAMP",
        "string" => "STRING",
        "json" => "JSON",
        decimal => return decimal.replace("decimal", "NUMERIC"),
    }
    .to_owned()
}
