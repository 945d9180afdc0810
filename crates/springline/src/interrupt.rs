//! Ctrl-C, and what is done about it.

use std::time::Duration;

/// As shells report a process that Ctrl-C ended.
pub(crate) const INTERRUPTED: u8 = 130;

/// So long may warehouses take to be told that nobody waits for their answers any more.
const GOODBYE: Duration = Duration::from_secs(5);

/// Does the work, unless Ctrl-C ends it: then the statements that run in the warehouse are cancelled too. `None` when
/// it was ended. What a sync has delivered is in its journal, as after a crash.
pub(crate) async fn until_interrupted<T>(work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        done = work => return Some(done),
        () = interrupted() => anstream::eprintln!("interrupted: cancelling what runs in the warehouse"),
    }
    if !springline_warehouse::cancellations(GOODBYE).await {
        anstream::eprintln!("the warehouse did not answer in time; a statement may still run there");
    }
    None
}

/// Waits for Ctrl-C.
pub(crate) async fn interrupted() {
    // Where signals cannot be heard there is nothing to wait for.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Waits for Ctrl-C, or for what a service manager sends to end a process.
pub(crate) async fn asked_to_end() {
    #[cfg(unix)]
    if let Ok(mut terminate) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        tokio::select! {
            () = interrupted() => {}
            _ = terminate.recv() => {}
        }
        return;
    }
    interrupted().await;
}
