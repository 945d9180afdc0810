//! Databricks: `SPRINGLINE_TEST_DATABRICKS` names the server of `tests/servers/databricks`, such as
//! `http://127.0.0.1:5700`. Each database is a catalog of its own, which the server makes when it is first named.

use super::{Server, absent, fresh_name};

pub(super) fn start() -> Option<Server> {
    let Ok(host) = std::env::var("SPRINGLINE_TEST_DATABRICKS") else {
        absent("databricks", "SPRINGLINE_TEST_DATABRICKS");
        return None;
    };
    let options = [
        ("host", host),
        ("warehouse_id", "0123456789abcdef".to_owned()),
        ("token", "springline-test-token".to_owned()),
        ("catalog", fresh_name()),
    ];
    let options = options.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Some(Server { engine: "databricks", options, column_type, analyze: "" })
}

fn column_type(ty: &str) -> String {
    match ty {
        "integer" => "BIGINT",
        "float" => "DOUBLE",
        "string" | "json" => "STRING",
        other => other,
    }
    .to_uppercase()
}
