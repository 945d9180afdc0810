//! Snowflake: `SPRINGLINE_TEST_SNOWFLAKE` names a server of its SQL API and the private key that it knows, such as
//! `host=http://127.0.0.1:8080 key=/tmp/key.pem`.

use super::{Server, absent, fresh_name};

pub(super) fn start() -> Option<Server> {
    let Ok(server) = std::env::var("SPRINGLINE_TEST_SNOWFLAKE") else {
        absent("snowflake", "SPRINGLINE_TEST_SNOWFLAKE");
        return None;
    };
    let part = |name: &str| {
        let value = server.split_whitespace().find_map(|pair| pair.strip_prefix(&format!("{name}=")));
        value.unwrap_or_else(|| panic!("SPRINGLINE_TEST_SNOWFLAKE has no {name}=")).to_owned()
    };
    let options = [
        ("account", "testorg-test".to_owned()),
        ("host", part("host")),
        ("user", "tester".to_owned()),
        ("private_key_path", part("key")),
        // A database is made when it is first named.
        ("database", fresh_name().to_uppercase()),
    ];
    let options = options.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Some(Server { engine: "snowflake", options, column_type, analyze: "" })
}

fn column_type(ty: &str) -> String {
    match ty {
        "integer" => "BIGINT",
        "float" => "DOUBLE",
        "timestamp" => "TIMESTAMP_NTZ(6)",
        "string" => "VARCHAR",
        "json" => "VARIANT",
        other => other,
    }
    .to_owned()
}
