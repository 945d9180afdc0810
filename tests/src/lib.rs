//! The test kit: running the real binary, finding engines and data, loading a folder into a warehouse, the
//! reference that says what a project means, random projects to ask it about, large ones to measure, people whose records
//! are known to be theirs, and a harness that kills syncs.

mod binary;
pub mod crash;
mod engines;
pub mod generate;
mod graph;
mod inbox;
pub mod people;
mod printed;
pub mod process;
pub mod random;
mod receiver;
pub mod reference;
pub mod resolve;
mod servers;

pub use binary::{Call, Output, springline};
pub use engines::{copy_folder, data_dir, oracle, postgres_env, root};
pub use graph::union_find;
pub use inbox::{Inbox, MAIL_LOGIN, MailServer};
pub use printed::{Printed, printed};
pub use receiver::{Plan, Receiver, Request, SECRET};
pub use servers::{Server, postgres, servers};
