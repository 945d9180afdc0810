//! The command line: the only part that prints.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "printing is what this crate is for")]

mod agenda;
mod alerts;
mod cli;
mod commands;
mod connect;
mod diagnostics;
mod dialects;
mod failure;
mod interrupt;
mod logs;
mod metrics;
mod output;
mod packages;
mod project;
mod receiver;
mod runs;
mod seed;
mod selection;
mod sessions;
mod traces;

use std::process::ExitCode;

use clap::Parser;

/// Reading a project and aggregating rows are many small and short-lived pieces of memory.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    logs::start(cli.global.log_format);
    let format = cli.global.format;
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            anstream::eprintln!("error: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let ended = match &cli.command {
        // It hears Ctrl-C itself, and ends what runs in good order.
        cli::Command::Scheduler { once: false, .. } => runtime.block_on(async { Some(commands::execute(cli).await) }),
        _ => runtime.block_on(interrupt::until_interrupted(commands::execute(cli))),
    };
    runtime.block_on(traces::send());
    match ended {
        Some(Ok(exit)) => ExitCode::from(exit.code()),
        Some(Err(failure)) => {
            failure.show(format);
            ExitCode::FAILURE
        }
        None => ExitCode::from(interrupt::INTERRUPTED),
    }
}
