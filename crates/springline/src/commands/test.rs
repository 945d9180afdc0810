//! `springline test`: the project's own tests.

use serde_json::json;
use springline_model::{ModelTest, TestCheck};
use springline_run::{Bench, Problem, Session, TestReport};
use springline_sql::Dialect;
use springline_warehouse::EMBEDDED;

use crate::cli::{Format, Global};
use crate::failure::{Exit, Failure};
use crate::output::counted;
use crate::sessions::{Workplace, unknown};

pub(crate) async fn execute(global: &Global, names: &[String]) -> Result<Exit, Failure> {
    let workplace = Workplace::new(global)?;
    let tests = chosen(&workplace.project().tests, names)?;
    let dialect = Dialect::embedded(EMBEDDED).map_err(|e| Failure::new(e.to_string()))?;
    let bench = Bench::new(workplace.project(), workplace.loaded.sources.clone(), dialect);
    // Given rows need no connection: whoever tests nothing else needs no target that answers.
    let on_target = tests.iter().any(|test| !matches!(test.check, TestCheck::Fixture(_)));
    let session: Option<Session> = if on_target { Some(workplace.session().await?) } else { None };
    let mut reports = Vec::new();
    for test in tests {
        let report = springline_run::run_test(&bench, session.as_ref(), test).await;
        let report = report.unwrap_or_else(|error| TestReport {
            test: test.name.clone(),
            at: workplace.loaded.sources.locate(test.span),
            passed: false,
            problems: vec![Problem { message: format!("it could not be run: {error}"), parts: Vec::new() }],
        });
        if global.format == Format::Text {
            show(&report);
        }
        reports.push(report);
    }
    let failed = reports.iter().filter(|report| !report.passed).count();
    match global.format {
        Format::Json => {
            let passed = reports.len() - failed;
            anstream::println!("{:#}", json!({ "passed": passed, "failed": failed, "tests": reports }));
        }
        Format::Text if reports.is_empty() => {
            anstream::println!("the project has no tests; docs/guides/tests.md shows how to write one");
        }
        Format::Text => {
            anstream::println!(
                "{}: {} passed, {failed} failed",
                counted(reports.len() as u64, "test"),
                reports.len() - failed
            );
        }
    }
    Ok(if failed == 0 { Exit::Done } else { Exit::Failed })
}

/// The tests of these names; all where there is none.
fn chosen<'a>(tests: &'a [ModelTest], names: &[String]) -> Result<Vec<&'a ModelTest>, Failure> {
    for name in names {
        if !tests.iter().any(|test| test.name == *name) {
            return Err(unknown("test", name, tests.iter().map(|test| test.name.as_str())));
        }
    }
    Ok(tests.iter().filter(|test| names.is_empty() || names.contains(&test.name)).collect())
}

fn show(report: &TestReport) {
    if report.passed {
        anstream::println!("ok    {}", report.test);
        return;
    }
    anstream::println!("FAIL  {} ({})", report.test, report.at);
    for problem in &report.problems {
        anstream::println!("      {}", problem.message);
        for part in &problem.parts {
            let value = part.value.map_or_else(|| "null".to_owned(), |value| value.to_string());
            anstream::println!("        {value:<5}  {}", part.condition);
        }
    }
}
