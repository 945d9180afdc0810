//! The retail example is part of the binary: it is built anew when a file of it changes.

#![allow(clippy::print_stdout, reason = "a build script speaks to cargo on standard output")]

fn main() {
    println!("cargo::rerun-if-changed=../../examples/retail");
}
