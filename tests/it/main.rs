//! One test binary for everything that needs the whole: linking DataFusion costs seconds, so once is
//! enough.

mod budget;
mod catalog;
mod cli;
mod conformance;
mod crash;
mod cuts;
mod diagnostics;
mod doctor;
mod examples;
mod floor_plan;
mod fmt;
mod golden;
mod history;
mod identity;
mod kinds;
mod model_tests;
mod random;
mod reference;
mod sync;
mod wide;
