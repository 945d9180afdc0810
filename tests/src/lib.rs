//! The test kit: running the real binary, finding engines and data, loading a folder into Postgres, the
//! reference that says what a project means, random projects to ask it about, and large ones to measure.

mod binary;
mod engines;
pub mod generate;
pub mod process;
pub mod random;
mod receiver;
pub mod reference;

pub use binary::{Call, Output, springline};
pub use engines::{data_dir, load_into_postgres, oracle, postgres, postgres_env, root};
pub use receiver::{Plan, Receiver, Request, SECRET};
