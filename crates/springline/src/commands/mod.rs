//! One file per command.

mod compile;
mod demo;
mod docs;
mod explain;
mod fmt;
mod init;
mod preview;
mod run;
mod schema;
mod sync;
mod validate;

use clap::CommandFactory;

use crate::cli::{Cli, Command};
use crate::failure::{Exit, Failure};

/// Carries out what the command line asks for.
pub(crate) async fn execute(cli: Cli) -> Result<Exit, Failure> {
    let global = cli.global;
    match cli.command {
        Command::Validate => validate::execute(&global),
        Command::Compile { name, dialect } => compile::execute(&global, name.as_deref(), dialect.as_deref()),
        Command::Preview { segment, limit, show_pii, sql } => {
            preview::execute(&global, &segment, &preview::Options { limit, show_pii, sql }).await
        }
        Command::Run { entities } => run::execute(&global, &entities).await,
        Command::Sync(command) => sync::execute(&global, command).await,
        Command::Init { dir, example, customers, seed } => {
            init::execute(&global, dir, example, &crate::seed::Seed { seed, customers })
        }
        Command::Demo { dir } => demo::execute(dir).await,
        Command::Fmt { files, to, segment, check } => {
            fmt::execute(&global, &fmt::Options { files, segment, to, check })
        }
        Command::Schema { kind, dir } => schema::execute(&kind, dir.as_deref()),
        Command::Explain { code } => explain::execute(&global, code.as_deref()),
        Command::Docs { dir } => docs::execute(&dir),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "springline", &mut std::io::stdout());
            Ok(Exit::Done)
        }
    }
}
