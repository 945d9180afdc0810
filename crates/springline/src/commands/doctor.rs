//! `springline doctor`: whether the target can serve.

use serde_json::json;
use springline_run::{Checkup, Health};

use crate::cli::{Format, Global};
use crate::failure::{Exit, Failure};
use crate::sessions::Workplace;

pub(crate) async fn execute(global: &Global) -> Result<Exit, Failure> {
    let workplace = Workplace::new(global)?;
    let session = workplace.session().await?;
    let checkup = springline_run::checkup(&session).await;
    match global.format {
        Format::Json => anstream::println!("{:#}", json!(checkup)),
        Format::Text => show(&checkup),
    }
    let bad = checkup.checks.iter().any(|check| check.status == Health::Bad);
    Ok(if bad { Exit::Failed } else { Exit::Done })
}

fn show(checkup: &Checkup) {
    anstream::println!("target {}", checkup.target);
    for check in &checkup.checks {
        let status = match check.status {
            Health::Good => "ok  ",
            Health::Doubtful => "warn",
            Health::Bad => "FAIL",
        };
        anstream::println!("{status}  {}: {} ({} ms)", check.check, check.message, check.elapsed_ms);
        if let Some(hint) = &check.hint {
            anstream::println!("      {hint}");
        }
    }
}
