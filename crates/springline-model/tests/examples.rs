//! The projects of the repository load without a word.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod kit;

#[test]
fn every_example_and_golden_case_is_checked_without_diagnostics() {
    let mut projects = 0;
    for parent in ["examples", "tests/golden"] {
        for entry in std::fs::read_dir(kit::folder(parent)).unwrap() {
            let dir = entry.unwrap().path();
            if !dir.join("springline.yaml").is_file() {
                continue;
            }
            projects += 1;
            let checked = kit::check_project(&dir);
            let shown: Vec<String> = checked
                .diagnostics
                .iter()
                .map(|d| {
                    let place = checked.sources.position(d.primary.span);
                    let path = checked.sources.path(d.primary.span.file);
                    format!("{} {path}:{}:{} {} {:?}", d.code.id(), place.line, place.column, d.message, d.hint)
                })
                .collect();
            assert!(shown.is_empty(), "{}:\n{}", dir.display(), shown.join("\n"));
            assert!(checked.project.is_some());
        }
    }
    assert!(projects >= 2, "found {projects} projects");
}
