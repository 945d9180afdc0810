//! One file per command.

mod catalog;
mod catalog_write;
mod compile;
mod demo;
mod docs;
mod doctor;
mod explain;
mod explain_plan;
mod fmt;
mod history;
mod identity;
mod identity_ask;
mod init;
mod packages;
mod preview;
mod run;
mod scheduler;
mod schema;
mod sync;
mod test;
mod validate;

use clap::CommandFactory;

use crate::cli::{Cli, Command};
use crate::failure::{Exit, Failure};

/// Carries out what the command line asks for.
pub(crate) async fn execute(cli: Cli) -> Result<Exit, Failure> {
    let global = cli.global;
    match cli.command {
        Command::Catalog { table, all, check, write } => {
            catalog::execute(&global, table.as_deref(), &catalog::Options { all, check, write }).await
        }
        Command::Test { names } => test::execute(&global, &names).await,
        Command::Validate => validate::execute(&global),
        Command::Compile { name, dialect, all, explain: false } => {
            compile::execute(&global, name.as_deref(), dialect.as_deref(), all)
        }
        Command::Compile { name, dialect, explain: true, .. } => {
            explain_plan::execute(&global, name.as_deref(), dialect.as_deref())
        }
        Command::Preview { segment, limit, show_pii, sql, explain } => {
            preview::execute(&global, &segment, &preview::Options { limit, show_pii, sql, explain }).await
        }
        Command::Run { entities, dry_run: true, .. } => run::forecast(&global, &entities).await,
        Command::Run { entities, backfill, .. } => run::execute(&global, &entities, backfill).await,
        Command::History { segment, key, entity, from, to } => {
            let asked = match (segment, key) {
                (Some(segment), _) => history::Asked::Segment(segment),
                (None, key) => history::Asked::Key { key: key.unwrap_or_default(), entity },
            };
            history::execute(&global, &asked, from.as_deref(), to.as_deref()).await
        }
        Command::Identity(command) => identity::execute(&global, &command).await,
        Command::Sync(command) => sync::execute(&global, command).await,
        Command::Scheduler { chosen, once, until, metrics_listen } => {
            scheduler::execute(&global, &scheduler::Options { chosen, once, until, metrics_listen }).await
        }
        Command::Init { dir, example, customers, seed } => {
            init::execute(&global, dir, example, &init::DataOptions { customers, seed })
        }
        Command::Packages => packages::execute(&global),
        Command::Demo { dir } => demo::execute(dir).await,
        Command::Fmt { files, to, segment, check } => {
            fmt::execute(&global, &fmt::Options { files, segment, to, check })
        }
        Command::Schema { kind, dir } => schema::execute(&kind, dir.as_deref()),
        Command::Explain { code } => explain::execute(&global, code.as_deref()),
        Command::Doctor => doctor::execute(&global).await,
        Command::Docs { dir } => docs::execute(&dir),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "springline", &mut std::io::stdout());
            Ok(Exit::Done)
        }
    }
}
