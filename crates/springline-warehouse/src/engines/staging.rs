//! The table that the rows of a load wait in where no transaction holds them together: what sends them makes one more
//! statement of all of them, and the table goes, whatever became of the load. It must not know how an engine makes or
//! drops a table.

use crate::{WarehouseError, cancel};
use futures::{FutureExt, future::BoxFuture};
use std::future::Future;

/// A name that no other load has.
pub(super) fn name() -> String {
    format!("springline_load_{}", uuid::Uuid::now_v7().simple())
}

/// A table that is there for one load. Dropped before [`Staging::remove`], as when the load has failed or nobody waits
/// for it any more, it is removed in a task of its own.
pub(super) struct Staging {
    removal: Option<BoxFuture<'static, Result<(), WarehouseError>>>,
}

impl Staging {
    /// Makes the table with `creation`; `removal` is run once, at the end.
    ///
    /// # Errors
    /// Those of `creation`: there is then nothing to remove.
    pub(super) async fn create<T>(
        creation: impl Future<Output = Result<T, WarehouseError>>,
        removal: impl Future<Output = Result<(), WarehouseError>> + Send + 'static,
    ) -> Result<Self, WarehouseError> {
        // Made first: whoever stops waiting for the creation may leave a table behind.
        let mut staging = Self { removal: Some(removal.boxed()) };
        if let Err(error) = creation.await {
            staging.removal = None;
            return Err(error);
        }
        Ok(staging)
    }

    /// Removes the table when the load is done. The rows are where they belong by then: that it cannot be removed is no
    /// reason to say that they are not.
    pub(super) async fn remove(mut self) {
        if let Some(removal) = self.removal.take() {
            finished(removal.await);
        }
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if let Some(removal) = self.removal.take() {
            cancel::send(async move { finished(removal.await) });
        }
    }
}

fn finished(removal: Result<(), WarehouseError>) {
    if let Err(error) = removal {
        tracing::warn!(%error, "a table that was only for loading is left over");
    }
}
