//! The dialect folders are part of the crate: it is built anew when a file of them changes.

#![allow(clippy::print_stdout, reason = "a build script speaks to cargo on standard output")]

fn main() {
    println!("cargo::rerun-if-changed=../../dialects");
}
