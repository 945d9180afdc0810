//! One meaning on every engine: the examples of the function table, which are also its documentation,
//! hold on each engine that can be started.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use springline_ir::{FunctionId, FunctionKind};
use springline_tests::{load_into_postgres, postgres, postgres_env, springline};

/// A project with one segment per example, whose only row is a member where the example holds.
fn project(dir: &Path) -> BTreeMap<String, String> {
    let mut examples = BTreeMap::new();
    let mut segments = String::from("segments:\n");
    for id in FunctionId::all().filter(|id| id.get().kind == FunctionKind::Scalar) {
        for (i, example) in id.get().examples.iter().enumerate() {
            let holds = match example.result {
                "null" => format!("({}) is null", example.call),
                result => format!("({}) = ({result})", example.call),
            };
            let name = format!("{}_{i}", id.get().name);
            writeln!(segments, "  - {{ name: {name}, entity: thing, where: {} }}", serde_json::json!(holds))
                .expect("a string");
            examples.insert(name, holds);
        }
    }
    let postgres: String = [
        ("host", "PGHOST"),
        ("port", "PGPORT"),
        ("user", "PGUSER"),
        ("password", "PGPASSWORD"),
        ("database", "PGDATABASE"),
    ]
    .map(|(option, name)| format!(", {option}: \"{{{{ env('{name}') }}}}\""))
    .concat();
    let main = format!(
        "name: functions\nversion: 1\ndefault_target: local\ntargets:\n  local: {{ engine: datafusion, path: data }}\n  \
         pg: {{ engine: postgres{postgres} }}\nentities:\n  - {{ name: thing, source: things, primary_key: id }}\n{segments}"
    );
    let sources = "sources:\n  - { name: things, table: things, primary_key: id, columns: { id: integer } }\n";
    std::fs::create_dir_all(dir.join("models")).expect("a folder");
    std::fs::create_dir_all(dir.join("data")).expect("a folder");
    std::fs::write(dir.join("springline.yaml"), main).expect("a file");
    std::fs::write(dir.join("models/sources.yaml"), sources).expect("a file");
    std::fs::write(dir.join("data/things.csv"), "id\n1\n").expect("a file");
    examples
}

/// The examples that do not hold on a target.
fn failing(dir: &Path, target: &str, env: &[(&str, String)], examples: &BTreeMap<String, String>) -> Vec<String> {
    let run = springline(dir, &["--target", target, "--format", "json", "run"]).envs(env).run().exits(0).json();
    let segments = run["entities"][0]["segments"].as_array().expect("segments").clone();
    assert_eq!(segments.len(), examples.len());
    let fails = segments.iter().filter(|s| s["members"] != 1).filter_map(|s| s["segment"].as_str());
    fails.map(|name| examples[name].clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_examples_of_every_function_hold() {
    let folder = tempfile::tempdir().expect("a folder");
    let examples = project(folder.path());
    assert!(examples.len() > 40, "{} examples", examples.len());
    assert_eq!(failing(folder.path(), "local", &[], &examples), Vec::<String>::new(), "on the embedded engine");
    let Some(options) = postgres() else { return };
    load_into_postgres(folder.path(), &folder.path().join("data"), &options).await;
    assert_eq!(failing(folder.path(), "pg", &postgres_env(&options), &examples), Vec::<String>::new(), "on Postgres");
}
