//! Redshift: `SPRINGLINE_TEST_REDSHIFT` names a server of Postgres, as `SPRINGLINE_TEST_POSTGRES` does. Each database gets
//! Redshift's functions (`tests/servers/redshift/functions.sql`), under their names and with their documented meaning.

use std::io::Write;
use std::process::{Command, Stdio};

use super::{Server, absent, fresh_name};

const FUNCTIONS: &str = include_str!("../../servers/redshift/functions.sql");

pub(super) fn start() -> Option<Server> {
    let Ok(server) = std::env::var("SPRINGLINE_TEST_REDSHIFT") else {
        absent("redshift", "SPRINGLINE_TEST_REDSHIFT");
        return None;
    };
    let part = |name: &str| {
        let value = server.split_whitespace().find_map(|pair| pair.strip_prefix(&format!("{name}=")));
        value.unwrap_or_else(|| panic!("SPRINGLINE_TEST_REDSHIFT has no {name}=")).to_owned()
    };
    let run = |database: &str, sql: &str| {
        let mut psql = Command::new("psql")
            .env("PGOPTIONS", "--client-min-messages=warning")
            .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", &part("host"), "-p", &part("port"), "-U", &part("user")])
            .args(["-d", database, "-f", "-"])
            .stdin(Stdio::piped())
            .spawn()
            .expect("psql starts");
        psql.stdin.take().expect("its input").write_all(sql.as_bytes()).expect("psql reads");
        assert!(psql.wait().expect("psql ends").success(), "{database} can be made");
    };
    let database = fresh_name();
    run(&part("dbname"), &format!("DROP DATABASE IF EXISTS {database};\nCREATE DATABASE {database};"));
    run(&database, FUNCTIONS);
    let options = [
        ("host", part("host")),
        ("port", part("port")),
        ("user", part("user")),
        ("database", database),
        ("password", "unused".to_owned()),
        // The double has no TLS.
        ("sslmode", "disable".to_owned()),
    ];
    let options = options.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Some(Server { engine: "redshift", options, column_type, analyze: "ANALYZE" })
}

fn column_type(ty: &str) -> String {
    match ty {
        "integer" => "bigint",
        "float" => "double precision",
        "timestamp" => "timestamptz",
        "string" => "varchar(65535)",
        "json" => "super",
        other => other,
    }
    .to_owned()
}
