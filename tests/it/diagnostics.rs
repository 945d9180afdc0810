//! What a person sees of a broken project, whole: one page per case of `tests/diagnostics`.

use expect_test::expect_file;
use springline_tests::{root, springline};

#[test]
fn every_broken_project_is_told_what_is_wrong() {
    let mut count = 0;
    for entry in std::fs::read_dir(root().join("tests/diagnostics")).expect("there are cases") {
        let dir = entry.expect("a case").path();
        if !dir.join("springline.yaml").exists() {
            continue;
        }
        let output = springline(&dir, &["validate", "--project", "."]).run();
        // A case may show warnings only; an error must fail the command.
        assert_eq!(output.code, i32::from(output.stderr.contains("error[")), "{}: {output:#?}", dir.display());
        expect_file![dir.join("page.txt")].assert_eq(&output.stderr);
        let json = springline(&dir, &["validate", "--project", ".", "--format", "json"]).run().json();
        for diagnostic in json["diagnostics"].as_array().expect("a list") {
            assert!(diagnostic["line"].as_u64().is_some_and(|line| line > 0), "{diagnostic}");
            assert!(diagnostic["column"].as_u64().is_some_and(|column| column > 0), "{diagnostic}");
            let file = diagnostic["file"].as_str().expect("a file");
            // What comes with the program is no file of the case.
            assert!(file.starts_with("springline/") || dir.join(file).is_file(), "{diagnostic}");
        }
        count += 1;
    }
    assert!(count >= 20, "{count} cases");
}
