//! Every engine against the same promises, in one test binary. Postgres is tested for real where
//! `SPRINGLINE_TEST_POSTGRES` names a server (`host=127.0.0.1 port=5599 user=springline dbname=springline`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::print_stderr)]

mod engines {
    mod files;
    mod kit;
    mod most_frequent;
    mod options;
    mod postgres;
    mod postgres_errors;
    mod state;
}
