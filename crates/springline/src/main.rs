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
mod sessions;

use std::process::ExitCode;

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
    match runtime.block_on(commands::execute(cli)) {
        Ok(exit) => ExitCode::from(exit.code()),
        Err(failure) => {
            failure.show(format);
            ExitCode::FAILURE
        }
    }
}
