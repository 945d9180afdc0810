//! The command line: the only part that prints.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "printing is what this crate is for")]

mod cli;
mod commands;
mod connect;
mod diagnostics;
mod dialects;
mod failure;
mod output;
mod packages;
mod project;
mod receiver;
mod seed;
mod selection;
mod sessions;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

/// Reading a project and aggregating rows are many small and short-lived pieces of memory.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    output::start_logs();
    let format = cli.global.format;
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            anstream::eprintln!("error: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(until_interrupted(commands::execute(cli))) {
        Some(Ok(exit)) => ExitCode::from(exit.code()),
        Some(Err(failure)) => {
            failure.show(format);
            ExitCode::FAILURE
        }
        None => ExitCode::from(INTERRUPTED),
    }
}

/// As shells report a process that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

/// So long may warehouses take to be told that nobody waits for their answers any more.
const GOODBYE: Duration = Duration::from_secs(5);

/// Does the work, unless Ctrl-C ends it: then the statements that run in the warehouse are cancelled too. `None` when
/// it was ended. What a sync has delivered is in its journal, as after a crash.
async fn until_interrupted<T>(work: impl Future<Output = T>) -> Option<T> {
    let interrupted = async {
        // Where signals cannot be heard there is nothing to wait for.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        done = work => return Some(done),
        () = interrupted => anstream::eprintln!("interrupted: cancelling what runs in the warehouse"),
    }
    if !springline_warehouse::cancellations(GOODBYE).await {
        anstream::eprintln!("the warehouse did not answer in time; a statement may still run there");
    }
    None
}
