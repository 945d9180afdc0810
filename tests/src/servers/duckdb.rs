//! DuckDB: `SPRINGLINE_TEST_DUCKDB` is the path of its library. Every test has a file of its own.

use super::{Server, absent, fresh_name};

pub(super) fn start() -> Option<Server> {
    let Ok(library) = std::env::var("SPRINGLINE_TEST_DUCKDB") else {
        absent("duckdb", "SPRINGLINE_TEST_DUCKDB");
        return None;
    };
    let folder = std::env::temp_dir().join("springline-duckdb");
    std::fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join(format!("{}.duckdb", fresh_name()));
    let _ = std::fs::remove_file(&file);
    let options = [("path", file.display().to_string()), ("library", library), ("threads", "2".to_owned())];
    let options = options.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Some(Server { engine: "duckdb", options, column_type, analyze: "" })
}

fn column_type(ty: &str) -> String {
    match ty {
        "integer" => "bigint",
        "float" => "double",
        "timestamp" => "timestamptz",
        "string" => "varchar",
        other => other,
    }
    .to_owned()
}
