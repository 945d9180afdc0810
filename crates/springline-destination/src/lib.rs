//! Delivers changes to destinations: batch, rate limit, retry, reject. One destination a file in `destinations/`.
//!
//! The caller makes a [`Destination`] with [`connect`], or itself where it stands on what is unknown here, tells it of the
//! sync with [`Destination::prepare`], streams changes through [`deliver`] and ends with [`Destination::finish`]. Every row
//! comes back with an [`Outcome`].
//!
//! Beside that it sends short messages to people: [`send_alert`].
//!
//! Must not know: segments, warehouses, ledgers, the project's files. It names no other crate of the project.

mod alerts;
mod batch;
mod config;
mod deliver;
mod destination;
mod destinations;
mod encode;
mod error;
mod http;
mod normalise;
mod spec;
#[cfg(test)]
mod testing;

pub use alerts::{AlertConfig, AlertError, AlertSpec, Message, alert_specs, send_alert};
pub use batch::{Batch, Change, ChangeKind, Operation, request_name};
pub use config::DestinationConfig;
pub use deliver::{DeliveryReport, Policy, Progress, deliver, deliver_once_noted};
pub use destination::{
    Answer, Attempt, Destination, JobEnd, JobState, Outcome, Resources, RowEnd, SyncContext, Usage, Weight,
};
pub use destinations::{WarehouseTableOptions, connect, specs, warehouse_table};
pub use error::DestinationError;
pub use normalise::Normaliser;
pub use spec::{
    ALL_MODES, BatchLimits, DestinationSpec, Effect, FieldRule, FieldSpec, Hashing, Limits, MappingProblem, Mode,
    Nulls, OptionSpec, Removal, RemovalKind,
};
