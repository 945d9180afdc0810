//! Every code is explained, and its example gives it.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod kit;

use springline_model::{Code, check};

/// The codes that the example gives, in the project that all examples are a part of.
fn codes_of(path: &str, example: &str) -> Vec<Code> {
    let mut files: Vec<(String, String)> =
        Code::example_project().into_iter().map(|(path, text)| (path.to_owned(), text.to_owned())).collect();
    if !path.is_empty() {
        files.retain(|(own, _)| own != path);
        files.push((path.to_owned(), example.to_owned()));
    }
    check(files, &kit::registry()).diagnostics.iter().map(|d| d.code).collect()
}

#[test]
fn the_project_of_the_examples_has_no_problem() {
    assert_eq!(Code::example_project().len(), 3);
    assert_eq!(codes_of("", ""), []);
}

#[test]
fn every_code_is_explained_with_an_example_that_gives_it() {
    for code in Code::ALL {
        let id = code.id();
        let explanation = code.explanation().unwrap_or_else(|| {
            panic!("explanations/{id}.md is missing, or lacks `## Example`, a ```yaml block with a path, or `## How to mend it`")
        });
        assert!(explanation.meaning.len() > 40 && explanation.meaning.ends_with('.'), "{id}: {}", explanation.meaning);
        assert!(explanation.mending.len() > 20 && explanation.mending.ends_with(['.', ')']), "{id}");
        // A chain that is long enough would make a long page: the example leaves its middle out.
        let links =
            (2..=201).map(|i| format!("  - {{ name: s{i}, entity: customer, where: {{ segment: s{} }} }}\n", i + 1));
        let example = match explanation.example.find("  - { name: s2,") {
            Some(at) if *code == Code::LongChain => {
                let last = "  - { name: s202, entity: customer, where: { field: city, eq: Paris } }\n";
                format!("{}{}{last}", &explanation.example[..at], links.collect::<String>())
            }
            _ => explanation.example.to_owned(),
        };
        let found = codes_of(explanation.path, &example);
        assert!(!found.is_empty() && found.iter().all(|f| f == code), "the example of {id} gives {found:?}");
        assert_eq!(Code::named(&id.to_lowercase()), Some(*code));
    }
    assert_eq!(Code::named("E9999"), None);
}
