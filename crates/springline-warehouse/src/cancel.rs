//! Cancelling at the server what nobody waits for here any more. Dropping a call cannot wait, so the request goes out in
//! a task of its own; a program that is about to end waits for those with [`cancellations`].
//! It must not know how an engine cancels.

use std::{
    future::Future,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};
use tokio::{runtime::Handle, sync::Notify, time::timeout};

static OPEN: AtomicUsize = AtomicUsize::new(0);
static DONE: Notify = Notify::const_new();

/// A cancellation on its way; it is over when this is dropped, also with a runtime that ends before it.
#[cfg_attr(not(any(feature = "postgres", feature = "http")), allow(dead_code))]
struct Open;

impl Drop for Open {
    fn drop(&mut self) {
        OPEN.fetch_sub(1, Ordering::SeqCst);
        DONE.notify_waiters();
    }
}

/// Sends a cancellation. Without a runtime the process is ending, and the connection with it.
#[cfg_attr(not(any(feature = "postgres", feature = "http")), allow(dead_code))]
pub(crate) fn send(cancellation: impl Future<Output = ()> + Send + 'static) {
    let Ok(runtime) = Handle::try_current() else { return };
    OPEN.fetch_add(1, Ordering::SeqCst);
    let open = Open;
    runtime.spawn(async move {
        cancellation.await;
        drop(open);
    });
}

/// Waits, at most so long, until the servers were told of all calls that were dropped. `false` when time ran out.
pub async fn cancellations(limit: Duration) -> bool {
    let all = async {
        loop {
            let one = DONE.notified();
            if OPEN.load(Ordering::SeqCst) == 0 {
                break;
            }
            one.await;
        }
    };
    timeout(limit, all).await.is_ok()
}
