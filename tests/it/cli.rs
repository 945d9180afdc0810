//! The command line as others rely on it: exit codes, JSON, helpful errors, no secrets.

use std::path::{Path, PathBuf};

use springline_tests::{Output, postgres, postgres_env, springline};

const AS_OF: &str = "2024-06-30T00:00:00Z";

fn retail(folder: &Path) -> PathBuf {
    springline(folder, &["init", "--example", "retail", "--customers", "300"]).run().exits(0);
    folder.join("retail")
}

fn message(output: &Output) -> String {
    output.json()["error"]["message"].as_str().expect("a message").to_owned()
}

#[test]
fn a_project_is_found_upwards_and_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let project = retail(folder.path());
    springline(&project.join("models"), &["validate"]).run().exits(0);
    springline(folder.path(), &["--project", "retail", "validate"]).run().exits(0);
    let lost = springline(folder.path(), &["validate", "--format", "json"]).run().exits(1);
    assert!(message(&lost).contains("there is no springline.yaml"), "{lost:?}");
    springline(folder.path(), &["validat"]).run().exits(2);
}

#[test]
fn objects_have_the_fields_that_others_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let project = retail(folder.path());
    let json = |args: &[&str]| {
        let mut all = vec!["--format", "json", "--as-of", AS_OF];
        all.extend(args);
        springline(&project, &all).run().exits(0).json()
    };
    let preview = json(&["preview", "optin_email", "--limit", "3"]);
    assert_eq!((&preview["segment"], &preview["entity"]), (&"optin_email".into(), &"customer".into()));
    assert_eq!(preview["as_of"], AS_OF);
    assert_eq!(preview["sample"].as_array().map(Vec::len), Some(3));
    assert!(preview["count"].as_u64().is_some_and(|count| count > 3));
    let compiled = json(&["compile", "optin_email", "--dialect", "postgres"]);
    assert_eq!(compiled["statements"][0]["name"], "segment.optin_email");
    assert!(compiled["statements"][0]["sql"].as_str().is_some_and(|sql| sql.contains("SELECT")));
    assert_eq!(json(&["validate"])["diagnostics"].as_array().map(Vec::len), Some(0));
    let plan = json(&["sync", "plan", "customers_to_data_lake"]);
    assert_eq!((&plan["sync"], &plan["added"]), (&"customers_to_data_lake".into(), &300.into()));
    let report = json(&["sync", "apply", "customers_to_data_lake"]);
    for field in ["changed", "removed", "unchanged", "delivered", "rejected", "unknown"] {
        assert!(report[field].is_u64(), "{field} in {report}");
    }
    assert!(report["run_id"].as_str().is_some_and(|id| !id.is_empty()));
}

#[test]
fn personal_values_are_masked_unless_asked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let project = retail(folder.path());
    let call = |more: &[&str]| {
        let mut all = vec!["--as-of", AS_OF, "preview", "names_with_care"];
        all.extend(more);
        springline(&project, &all).run().exits(0).stdout
    };
    let (masked, shown) = (call(&[]), call(&["--show-pii"]));
    assert!(masked.contains("***") && !shown.contains("***"), "{masked}\n{shown}");
}

#[test]
fn unknown_names_come_with_the_nearest() {
    let folder = tempfile::tempdir().expect("a folder");
    let project = retail(folder.path());
    let error = springline(&project, &["preview", "lapsing_vip", "--format", "json"]).run().exits(1).json();
    assert_eq!(error["error"]["message"], "there is no segment `lapsing_vip`");
    assert_eq!(error["error"]["hint"], "did you mean `lapsing_vips`?");
    let target = springline(&project, &["preview", "lapsing_vips", "--target", "loca", "--format", "json"])
        .run()
        .exits(1)
        .json();
    assert_eq!(target["error"]["hint"], "did you mean `local`?");
    springline(&project, &["run", "--as-of", "yesterday"]).run().exits(1);
}

#[test]
fn a_table_that_is_not_as_declared_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let project = retail(folder.path());
    let preview =
        || springline(&project, &["preview", "optin_email", "--as-of", AS_OF, "--format", "json"]).run().exits(1);
    let customers = project.join("data/customers.csv");
    let whole = std::fs::read_to_string(&customers).expect("the data");
    std::fs::write(&customers, whole.replacen("optin_email", "opted_in", 1)).expect("a file");
    let text = message(&preview());
    assert!(text.contains("customers") && text.contains("`optin_email`") && text.contains("`local`"), "{text}");
    std::fs::remove_file(&customers).expect("the file goes");
    let text = message(&preview());
    assert!(text.contains("there is no table `customers` in target `local`"), "{text}");
}

#[test]
fn a_setting_that_cannot_be_had_is_named_with_its_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let project = retail(folder.path());
    let output =
        springline(&project, &["preview", "lapsing_vips", "--target", "pg", "--format", "json"]).run().exits(1);
    let text = message(&output);
    assert!(
        text.contains("target `pg`: option `host` (springline.yaml:") && text.contains("PGHOST is not set"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn connection_errors_name_the_place_and_never_the_password() {
    let Some(server) = postgres() else { return };
    let mut options = server.options;
    let folder = tempfile::tempdir().expect("a folder");
    let project = retail(folder.path());
    options.insert("password".to_owned(), "s3cret-word".to_owned());
    let preview = |options: &std::collections::BTreeMap<String, String>| {
        let call = ["preview", "lapsing_vips", "--target", "pg", "--format", "json"];
        springline(&project, &call).envs(&postgres_env(options)).run().exits(1)
    };
    let missing = preview(&options);
    assert!(message(&missing).contains("there is no table `"), "{missing:?}");
    options.insert("port".to_owned(), "1".to_owned());
    let refused = preview(&options);
    assert!(message(&refused).contains("127.0.0.1:1"), "{refused:?}");
    options.insert("database".to_owned(), "nowhere".to_owned());
    for output in [missing, refused, preview(&options)] {
        assert!(!format!("{output:?}").contains("s3cret-word"), "{output:?}");
    }
}

#[test]
fn help_and_completions_are_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let help = springline(folder.path(), &["--help"]).run().exits(0).stdout;
    for command in ["validate", "compile", "preview", "run", "sync", "init", "demo", "history", "completions"] {
        assert!(help.contains(&format!("  {command}")), "{help}");
    }
    let script = springline(folder.path(), &["completions", "bash"]).run().exits(0).stdout;
    assert!(script.contains("_springline"));
}

#[test]
fn packages_are_listed_with_their_parameters() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = springline(folder.path(), &["packages"]).run().exits(0).stdout;
    let json = springline(folder.path(), &["packages", "--format", "json"]).run().exits(0).json();
    let packages = json["packages"].as_array().expect("a list");
    let mut folders: Vec<String> = std::fs::read_dir(springline_tests::root().join("models"))
        .expect("the packages")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_dir())
        .map(|path| format!("springline/{}", path.file_name().expect("a name").to_string_lossy()))
        .collect();
    folders.sort();
    let names: Vec<&str> = packages.iter().filter_map(|package| package["import"].as_str()).collect();
    assert_eq!(names, folders);
    for package in packages {
        assert!(package["description"].as_str().is_some_and(|d| d.ends_with('.')), "{package}");
        for parameter in package["parameters"].as_array().expect("a list") {
            let name = parameter["name"].as_str().expect("a name");
            assert!(parameter["description"].as_str().is_some_and(|d| d.ends_with('.')), "{package}");
            assert!(text.contains(name), "`{name}` is missing in {text}");
        }
    }
    let value = &packages[names.iter().position(|name| *name == "springline/lifetime_value").expect("it is there")];
    assert_eq!(value["parameters"][3]["default"], "[100, 500, 2000]");
}
