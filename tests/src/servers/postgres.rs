//! Postgres: `SPRINGLINE_TEST_POSTGRES` names a server, such as `host=127.0.0.1 port=5432 user=springline dbname=postgres`,
//! that lets the user in without a password.

use std::collections::BTreeMap;
use std::process::Command;

use super::{Server, absent, fresh_name};

pub(super) fn start() -> Option<Server> {
    let Ok(server) = std::env::var("SPRINGLINE_TEST_POSTGRES") else {
        absent("postgres", "SPRINGLINE_TEST_POSTGRES");
        return None;
    };
    let part = |name: &str| {
        let value = server.split_whitespace().find_map(|pair| pair.strip_prefix(&format!("{name}=")));
        value.unwrap_or_else(|| panic!("SPRINGLINE_TEST_POSTGRES has no {name}=")).to_owned()
    };
    let database = fresh_name();
    let status = Command::new("psql")
        .env("PGOPTIONS", "--client-min-messages=warning")
        .args(["-X", "-q", "-h", &part("host"), "-p", &part("port"), "-U", &part("user"), "-d", &part("dbname")])
        // A test that was killed leaves its database behind, and process ids come round again.
        .args(["-c", &format!("DROP DATABASE IF EXISTS {database}"), "-c", &format!("CREATE DATABASE {database}")])
        .status()
        .expect("psql starts");
    assert!(status.success(), "a database can be made");
    let options = [
        ("host", part("host")),
        ("port", part("port")),
        ("user", part("user")),
        ("database", database),
        ("password", "unused".to_owned()),
    ];
    let options = options.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Some(Server { engine: "postgres", options, column_type, analyze: "ANALYZE" })
}

/// Drops a database that was made here.
pub(super) fn remove(options: &BTreeMap<String, String>) {
    let status = Command::new("psql")
        .args(["-X", "-q", "-h", &options["host"], "-p", &options["port"], "-U", &options["user"], "-d", "postgres"])
        .args(["-c", &format!("DROP DATABASE {} WITH (FORCE)", options["database"])])
        .status()
        .expect("psql starts");
    assert!(status.success(), "a database can be dropped");
}

fn column_type(ty: &str) -> String {
    match ty {
        "integer" => "bigint",
        "float" => "double precision",
        "timestamp" => "timestamptz",
        "string" => "text",
        other => other,
    }
    .to_owned()
}
