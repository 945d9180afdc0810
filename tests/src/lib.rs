//! The test kit: running the real binary, finding engines and data, loading a folder into Postgres.

mod binary;
mod engines;
mod receiver;

pub use binary::{Call, Output, springline};
pub use engines::{data_dir, load_into_postgres, oracle, postgres, postgres_env, root};
pub use receiver::{Plan, Receiver, Request, SECRET};
