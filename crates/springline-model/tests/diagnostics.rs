//! The broken projects of `tests/diagnostics`: what is said about each, and that every code is said
//! somewhere.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod kit;

use std::collections::BTreeSet;
use std::fmt::Write;

use expect_test::expect_file;
use springline_model::{Checked, Code, Label, Severity};

fn shown(checked: &Checked) -> String {
    let place = |label: &Label| {
        let at = checked.sources.position(label.span);
        format!("{}:{}:{}", checked.sources.path(label.span.file), at.line, at.column)
    };
    let source = |label: &Label| {
        let text = checked.sources.text(label.span.file);
        let text = &text[label.span.start as usize..label.span.end as usize];
        text.lines().next().unwrap_or_default().to_owned()
    };
    let mut out = String::new();
    for d in &checked.diagnostics {
        writeln!(out, "{}[{}] {} {}", d.severity.name(), d.code.id(), place(&d.primary), d.message).unwrap();
        writeln!(out, "    «{}» {}", source(&d.primary), d.primary.text).unwrap();
        for label in &d.secondary {
            writeln!(out, "    also {} «{}» {}", place(label), source(label), label.text).unwrap();
        }
        if let Some(hint) = &d.hint {
            writeln!(out, "    hint: {hint}").unwrap();
        }
    }
    out
}

#[test]
fn every_broken_project_is_explained_and_every_code_occurs() {
    let mut cases: Vec<_> =
        std::fs::read_dir(kit::folder("tests/diagnostics")).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.retain(|path| path.is_dir());
    cases.sort();
    assert!(cases.len() >= 24, "found {} cases", cases.len());
    let mut codes = BTreeSet::new();
    for case in &cases {
        let checked = kit::check_project(case);
        assert!(!checked.diagnostics.is_empty(), "{} is fine", case.display());
        let failed = checked.diagnostics.iter().any(|d| d.severity == Severity::Error);
        assert_eq!(checked.project.is_none(), failed, "{}", case.display());
        codes.extend(checked.diagnostics.iter().map(|d| d.code));
        expect_file![case.canonicalize().unwrap().join("expected.txt")].assert_eq(&shown(&checked));
    }
    let missing: Vec<&str> = Code::ALL.iter().filter(|code| !codes.contains(code)).map(|code| code.id()).collect();
    assert!(missing.is_empty(), "no case for {missing:?}");
}
