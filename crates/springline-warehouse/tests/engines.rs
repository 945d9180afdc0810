//! Every engine against the same promises, in one test binary. Postgres is tested for real where
//! `SPRINGLINE_TEST_POSTGRES` names a server (`host=127.0.0.1 port=5599 user=springline dbname=springline`), Redshift on such
//! a server with functions of its names where `SPRINGLINE_TEST_REDSHIFT` names one, DuckDB where
//! `SPRINGLINE_TEST_DUCKDB` names its library, the others against the doubles of their interfaces in tests/servers, which
//! `SPRINGLINE_TEST_BIGQUERY`, `SPRINGLINE_TEST_DATABRICKS` and `SPRINGLINE_TEST_SNOWFLAKE` name.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::print_stderr)]

mod engines {
    #[cfg(feature = "bigquery")]
    mod bigquery;
    #[cfg(feature = "bigquery")]
    mod bigquery_errors;
    #[cfg(feature = "bigquery")]
    mod bigquery_goldens;
    #[cfg(feature = "databricks")]
    mod databricks;
    #[cfg(feature = "databricks")]
    mod databricks_errors;
    #[cfg(feature = "duckdb")]
    mod duckdb;
    #[cfg(feature = "datafusion")]
    mod files;
    #[allow(dead_code, reason = "not every engine needs all of it")]
    mod kit;
    #[cfg(feature = "datafusion")]
    mod most_frequent;
    #[cfg(all(feature = "datafusion", feature = "postgres"))]
    mod options;
    #[cfg(feature = "datafusion")]
    mod plans;
    #[cfg(feature = "postgres")]
    mod postgres;
    #[cfg(feature = "postgres")]
    mod postgres_errors;
    #[cfg(feature = "redshift")]
    mod redshift;
    #[cfg(feature = "redshift")]
    mod redshift_errors;
    #[cfg(feature = "snowflake")]
    mod snowflake;
    #[cfg(feature = "datafusion")]
    mod state;
}
