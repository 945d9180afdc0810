//! A webhook receiver inside the process, for the demo: it takes whatever comes and counts it.

use std::sync::{Arc, Mutex, PoisonError};

use axum::routing::post;
use axum::{Json, Router};
use serde_json::Value;

use crate::failure::Failure;

/// What has arrived, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Received(Arc<Mutex<Vec<(String, Value)>>>);

impl Received {
    /// Takes out what has arrived: the operation and the row.
    pub(crate) fn take(&self) -> Vec<(String, Value)> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn add(&self, body: &Value) {
        let operation = body["op"].as_str().unwrap_or_default();
        let rows = body["rows"].as_array().into_iter().flatten();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend(rows.map(|row| (operation.to_owned(), row.clone())));
    }
}

/// Starts a receiver on a free port of this machine and gives its address.
pub(crate) async fn start() -> Result<(String, Received), Failure> {
    let failed = |e: std::io::Error| Failure::new(format!("cannot start the receiver of the demo: {e}"));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let received = Received::default();
    let state = received.clone();
    let app = Router::new().route("/", post(async move |Json(body): Json<Value>| state.add(&body)));
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, app).await {
            tracing::error!(%error, "the receiver of the demo ended");
        }
    });
    Ok((format!("http://{address}/"), received))
}
