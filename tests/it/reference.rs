//! What is made from the program's own tables and declarations: the reference pages, the JSON Schemas and
//! the explanations.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use springline_tests::{root, springline};

/// Every file below a folder, by its path in it.
fn files(dir: &Path) -> BTreeMap<String, String> {
    fn collect(root: &Path, dir: &Path, files: &mut BTreeMap<String, String>) {
        for entry in std::fs::read_dir(dir).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                collect(root, &path, files);
            } else {
                let name = path.strip_prefix(root).expect("below it").to_string_lossy().into_owned();
                files.insert(name, std::fs::read_to_string(&path).expect("a text"));
            }
        }
    }
    let mut all = BTreeMap::new();
    if dir.is_dir() {
        collect(dir, dir, &mut all);
    }
    all
}

#[test]
fn the_reference_is_what_the_program_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let kept = root().join("docs/reference");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        let _ = std::fs::remove_dir_all(&kept);
        springline(&root(), &["docs", "--dir", "docs/reference"]).run().exits(0);
    }
    springline(folder.path(), &["docs", "--dir", "made"]).run().exits(0);
    let (made, kept) = (files(&folder.path().join("made")), files(&kept));
    assert_eq!(made.keys().collect::<Vec<_>>(), kept.keys().collect::<Vec<_>>(), "run with UPDATE_EXPECT=1");
    for (path, text) in &made {
        assert!(kept.get(path) == Some(text), "docs/reference/{path} is stale: run this test with UPDATE_EXPECT=1");
    }
    assert!(made.len() > 20 && made["functions.md"].contains("### most_frequent"), "{:?}", made.keys());
}

#[test]
fn a_code_is_explained_on_the_terminal() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = springline(folder.path(), &["explain", "e0204"]).run().exits(0).stdout;
    assert!(
        text.contains("E0204") && text.contains("purchase.channel = 'web'") && text.contains("How to mend it"),
        "{text}"
    );
    assert!(springline(folder.path(), &["explain"]).run().exits(0).stdout.contains("E0101"));
    springline(folder.path(), &["explain", "E9999"]).run().exits(1);
}

/// Whether a value is as a schema says. It knows the words that the schemas use and panics at any other,
/// so that none is passed over.
fn problem(value: &Value, schema: &Value, root: &Value, path: &str) -> Option<String> {
    let schema = schema.as_object().expect("a schema is an object");
    for (word, rule) in schema {
        let fits = match word.as_str() {
            "$schema" | "$defs" | "title" | "description" => true,
            "$ref" => {
                let name = rule.as_str().and_then(|r| r.strip_prefix("#/$defs/")).expect("a definition");
                let definition = &root["$defs"][name];
                assert!(definition.is_object(), "no definition {name}");
                if let Some(problem) = problem(value, definition, root, path) {
                    return Some(problem);
                }
                true
            }
            "type" => match rule {
                Value::Array(types) => types.iter().any(|ty| has_type(value, ty)),
                ty => has_type(value, ty),
            },
            "enum" => rule.as_array().expect("values").contains(value),
            "minimum" => value.as_f64().is_none_or(|n| n >= rule.as_f64().expect("a number")),
            "anyOf" => rule.as_array().expect("schemas").iter().any(|one| problem(value, one, root, path).is_none()),
            "required" => value.as_object().is_none_or(|object| {
                rule.as_array().expect("keys").iter().all(|key| object.contains_key(key.as_str().expect("a key")))
            }),
            "items" => {
                for (i, item) in value.as_array().into_iter().flatten().enumerate() {
                    if let Some(problem) = problem(item, rule, root, &format!("{path}[{i}]")) {
                        return Some(problem);
                    }
                }
                true
            }
            "properties" => {
                for (key, item) in value.as_object().into_iter().flatten() {
                    let found = rule.get(key).and_then(|rule| problem(item, rule, root, &format!("{path}.{key}")));
                    if found.is_some() {
                        return found;
                    }
                }
                true
            }
            "additionalProperties" => {
                let known = schema.get("properties").and_then(Value::as_object);
                for (key, item) in value.as_object().into_iter().flatten() {
                    if known.is_some_and(|known| known.contains_key(key)) {
                        continue;
                    }
                    let place = format!("{path}.{key}");
                    match rule {
                        Value::Bool(true) => {}
                        Value::Bool(false) => return Some(format!("{place}: unknown key")),
                        rule => {
                            if let Some(problem) = problem(item, rule, root, &place) {
                                return Some(problem);
                            }
                        }
                    }
                }
                true
            }
            other => panic!("the schemas use `{other}`, which this test does not know"),
        };
        if !fits {
            return Some(format!("{path}: not as `{word}` says"));
        }
    }
    None
}

fn has_type(value: &Value, ty: &Value) -> bool {
    match ty.as_str().expect("a type") {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("no type `{other}`"),
    }
}

#[test]
fn examples_are_as_the_schemas_say_and_broken_files_are_not() {
    let folder = tempfile::tempdir().expect("a folder");
    springline(folder.path(), &["schema", "--dir", "schemas"]).run().exits(0);
    let read = |kind: &str| -> Value {
        let path = folder.path().join(format!("schemas/springline-{kind}.schema.json"));
        serde_json::from_str(&std::fs::read_to_string(path).expect("a schema")).expect("JSON")
    };
    let (project, model, package, catalog) = (read("project"), read("model"), read("package"), read("catalog"));
    let printed = springline(folder.path(), &["schema", "project"]).run().exits(0).json();
    assert_eq!(printed, project);
    let check = |path: &str, text: &str| {
        // Another reader of YAML than the program's own.
        let value: Value = serde_saphyr::from_str(text).unwrap_or_else(|e| panic!("{path}: {e}"));
        let schema = match path.rsplit('/').next() {
            Some("springline.yaml") => &project,
            Some("package.yaml") => &package,
            Some("catalog.lock.yaml") => &catalog,
            _ => &model,
        };
        problem(&value, schema, schema, "")
    };
    let mut checked = 0;
    for parent in ["examples", "tests/golden"] {
        for (path, text) in files(&root().join(parent)).iter().filter(|(path, _)| path.ends_with(".yaml")) {
            assert_eq!(check(path, text), None, "{parent}/{path}");
            checked += 1;
        }
    }
    assert!(checked >= 16, "{checked} files");
    let segment = |keys: &str| format!("segments: [{{ name: a, entity: customer, {keys} }}]");
    for text in [
        "segmens: []".to_owned(),
        "segments: {}".to_owned(),
        "name: shop".to_owned(),
        segment("owner: me"),
        segment("where: { field: city, eq: a }, colour: red"),
        segment("where: { feild: city, eq: a }"),
        segment("where: { field: city, equals: a }"),
        segment("where: [ { field: city, eq: a } ]"),
        segment("where: { all: { field: city, eq: a } }"),
        segment("where: { not: { event: purchase, count: 3 } }"),
        segment("where: { field: city, in: a }"),
        "entities: [{ name: a, source: b, primary_key: c, relationships: [{ name: d, to: e, type: many, key: f }] }]"
            .to_owned(),
        "sources: [{ name: a, table: b, columns: { c: { type: string, pii: mail } } }]".to_owned(),
    ] {
        assert!(check("a.yaml", &text).is_some(), "{text}");
    }
    let target = |keys: &str| format!("name: a\nversion: 1\ntargets: {{ local: {{ {keys} }} }}");
    assert_eq!(check("springline.yaml", &target("engine: datafusion, path: data")), None);
    assert!(check("springline.yaml", &target("path: data")).is_some());
    assert!(check("springline.yaml", "version: 1\ntargets: {}").is_some());
}
