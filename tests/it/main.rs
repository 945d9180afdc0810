//! One test binary for everything that needs the whole: linking DataFusion costs seconds, so once is
//! enough.

mod cli;
mod conformance;
mod diagnostics;
mod examples;
mod floor_plan;
mod golden;
mod random;
mod sync;
