//! `springline fmt` on a project: files change in place, `--check` changes nothing, the meaning stays.

use std::path::{Path, PathBuf};

use springline_tests::springline;

fn retail(folder: &Path) -> PathBuf {
    springline(folder, &["init", "--example", "retail", "--customers", "50"]).run().exits(0);
    folder.join("retail")
}

#[test]
fn conditions_change_their_spelling_and_keep_their_meaning() {
    let folder = tempfile::tempdir().expect("a folder");
    let project = retail(folder.path());
    let compiled = || {
        springline(&project, &["--as-of", "2024-06-30", "compile", "--all", "--dialect", "datafusion"])
            .run()
            .exits(0)
            .stdout
    };
    let file = project.join("segments/people.yaml");
    let before = std::fs::read_to_string(&file).expect("a file");
    let sql = compiled();

    let checked = springline(&project, &["fmt", "--to", "text", "--check"]).run().exits(1);
    assert!(checked.stdout.contains("would be rewritten in 4 files"), "{checked:?}");
    assert_eq!(std::fs::read_to_string(&file).expect("a file"), before);

    let only = ["fmt", "segments/people.yaml", "--to", "text", "--segment", "families"];
    let changed = springline(&project, &only).run().exits(0);
    assert!(changed.stdout.contains("1 condition rewritten in 1 file"), "{changed:?}");
    let after = std::fs::read_to_string(&file).expect("a file");
    assert!(after.contains("any(household where size >= 3 and children >= 1)"), "{after}");
    let (kept, gone): (Vec<_>, Vec<_>) = before.lines().partition(|line| after.lines().any(|l| l == *line));
    assert!(gone.len() <= 4 && kept.len() > 55, "{gone:#?}");

    springline(&project, &["fmt", "--to", "text"]).run().exits(0);
    springline(&project, &["fmt", "--to", "text", "--check"]).run().exits(0);
    // Lines of files are in the comments of the SQL, and conditions that take fewer lines move them.
    let statements =
        |sql: &str| sql.lines().filter(|l| !l.trim_start().starts_with("--")).collect::<Vec<_>>().join("\n");
    assert!(statements(&compiled()) == statements(&sql), "the SQL has changed");
    springline(&project, &["fmt", "--to", "tree"]).run().exits(0);
    assert!(statements(&compiled()) == statements(&sql), "the SQL has changed");
    springline(&project, &["fmt", "--check"]).run().exits(0);
}

#[test]
fn what_is_not_there_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let project = retail(folder.path());
    springline(&project, &["fmt", "segments/nowhere.yaml"]).run().exits(1);
    springline(&project, &["fmt", "--segment", "nowhere"]).run().exits(1);
    let broken = "segments:\n  - name: a\n    entity: customer\n    where: \"city = = 1\"\n";
    std::fs::write(project.join("segments/broken.yaml"), broken).expect("a file");
    let output = springline(&project, &["fmt", "segments/broken.yaml"]).run().exits(1);
    assert!(output.stderr.contains("segments/broken.yaml:4 a: left as it is"), "{output:?}");
    assert_eq!(std::fs::read_to_string(project.join("segments/broken.yaml")).expect("a file"), broken);
}
