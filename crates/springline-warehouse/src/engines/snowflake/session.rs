//! Statements over the SQL API: submitted, awaited, read partition by partition, cancelled. It must not know what the
//! columns mean.
//!
//! The SQL API gives rows as JSON only. Arrow comes over the protocol of Snowflake's own drivers, which is not
//! documented; what is documented stays as it is, and the rows that leave a warehouse are the few that changed.
//!
//! <https://docs.snowflake.com/en/developer-guide/sql-api/reference>

use super::{
    super::http::{Answer, Http, Repeat},
    errors::Place,
    login::Login,
};
use crate::{ErrorKind, TargetConfig, WarehouseError, cancel};
use flate2::read::GzDecoder;
use reqwest::{Client, Method, RequestBuilder, header::CONTENT_ENCODING};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    io::Read,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::sync::oneshot;

/// Statements are submitted without waiting for them, so that each request is short.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(120);
const FIRST_WAIT: Duration = Duration::from_millis(20);
const LONGEST_WAIT: Duration = Duration::from_secs(3);

/// One way to one account, as one user.
pub(crate) struct Session {
    http: Http,
    login: Login,
    base: String,
    place: Place,
    /// What every statement carries: where it runs, as whom, with which settings.
    context: Value,
}

/// The answer to a statement that is done. <https://docs.snowflake.com/en/developer-guide/sql-api/reference#resultset>
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ResultSet {
    #[serde(default)]
    pub(crate) result_set_meta_data: Meta,
    /// The rows of the first partition.
    #[serde(default)]
    pub(crate) data: Vec<Vec<Option<String>>>,
    #[serde(default)]
    pub(crate) stats: Stats,
    #[serde(default)]
    pub(crate) statement_handle: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Meta {
    #[serde(default)]
    pub(crate) row_type: Vec<ColumnType>,
    #[serde(default)]
    pub(crate) partition_info: Vec<serde::de::IgnoredAny>,
}

/// A column of a result.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ColumnType {
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) precision: Option<u8>,
    #[serde(default)]
    pub(crate) scale: Option<i8>,
    #[serde(default = "yes")]
    pub(crate) nullable: bool,
}

fn yes() -> bool {
    true
}

/// The rows that a statement changed.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Stats {
    num_rows_inserted: u64,
    num_rows_updated: u64,
    num_rows_deleted: u64,
}

impl Stats {
    pub(crate) fn rows(&self) -> u64 {
        self.num_rows_inserted.saturating_add(self.num_rows_updated).saturating_add(self.num_rows_deleted)
    }
}

#[derive(Deserialize)]
struct Partition {
    #[serde(default)]
    data: Vec<Vec<Option<String>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Accepted {
    statement_handle: String,
}

impl Session {
    pub(crate) fn new(config: &TargetConfig) -> Result<Self, WarehouseError> {
        let account = config.text("account").unwrap_or_default();
        let default = format!("{}.snowflakecomputing.com", account.replace('_', "-").to_lowercase());
        let host = config.text("host").unwrap_or(&default);
        let base = if host.starts_with("http://") { host.to_owned() } else { format!("https://{host}") };
        let http = Http::new(&config.name, format!("Snowflake at {host}"), REQUEST_TIMEOUT)?;
        let mut context = json!({
            "parameters": { "timezone": "UTC", "query_tag": config.tag, "binary_output_format": "HEX" },
        });
        for name in ["role", "warehouse", "database", "schema"] {
            if let Some(value) = config.text(name) {
                context[name] = value.into();
            }
        }
        if let Some(seconds) = config.number::<u64>("statement_timeout_secs")? {
            context["timeout"] = seconds.into();
        }
        Ok(Self { http, login: Login::new(config)?, base, place: Place::new(config, host), context })
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// Runs a statement to its end and gives its result, of which the first partition is read.
    ///
    /// Dropped before it is done, the statement is cancelled.
    pub(crate) async fn run(self: &Arc<Self>, sql: &str, bindings: Option<Value>) -> Result<ResultSet, WarehouseError> {
        let mut running = self.submit(sql, bindings).await?;
        let mut wait = FIRST_WAIT;
        loop {
            let path = format!("/api/v2/statements/{}", running.handle);
            let answer = self.send(Repeat::Harmless, Method::GET, &path, None).await?;
            match answer.status.as_u16() {
                202 => tokio::time::sleep(wait).await,
                _ => {
                    running.over = true;
                    return self.read(&answer);
                }
            }
            wait = wait.mul_f32(1.6).min(LONGEST_WAIT);
        }
    }

    /// The rows of a further partition of a result.
    pub(crate) async fn partition(
        &self,
        handle: &str,
        number: usize,
    ) -> Result<Vec<Vec<Option<String>>>, WarehouseError> {
        let path = format!("/api/v2/statements/{handle}?partition={number}");
        let answer = self.send(Repeat::Harmless, Method::GET, &path, None).await?;
        Ok(self.read::<Partition>(&answer)?.data)
    }

    /// Hands a statement over. The request goes on when the caller goes away, so that its handle is known and what it
    /// began can be cancelled.
    async fn submit(self: &Arc<Self>, sql: &str, bindings: Option<Value>) -> Result<Running, WarehouseError> {
        let mut body = self.context.clone();
        body["statement"] = sql.into();
        if let Some(bindings) = bindings {
            body["bindings"] = bindings;
        }
        let (sender, receiver) = oneshot::channel();
        let session = Arc::clone(self);
        // A program that ends waits for this too: until the handle is known nothing can be cancelled.
        cancel::send(async move {
            let accepted = session.accepted(body).await;
            // Where nobody waits any more, `Running` is dropped here and cancels.
            drop(sender.send(accepted.map(|handle| Running { session, handle, over: false })));
        });
        receiver.await.unwrap_or_else(|_| Err(self.place.new_error(ErrorKind::Connection, "the program is ending")))
    }

    async fn accepted(&self, body: Value) -> Result<String, WarehouseError> {
        // Snowflake knows a request that comes again by its id, and does it once.
        let id = uuid::Uuid::now_v7();
        let path = format!("/api/v2/statements?async=true&requestId={id}");
        let answer = self.send(Repeat::Harmless, Method::POST, &path, Some(&body)).await?;
        Ok(self.read::<Accepted>(&answer)?.statement_handle)
    }

    async fn send(
        &self,
        repeat: Repeat,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, WarehouseError> {
        let again = AtomicBool::new(false);
        let request = |client: &Client| -> RequestBuilder {
            let retry = again.swap(true, Ordering::Relaxed) && body.is_some();
            let url = format!("{}{path}{}", self.base, if retry { "&retry=true" } else { "" });
            let request = client
                .request(method.clone(), url)
                .bearer_auth(self.login.token())
                .header("X-Snowflake-Authorization-Token-Type", self.login.kind())
                .header("Accept", "application/json");
            match body {
                Some(body) => request.header("Content-Type", "application/json").body(body.to_string()),
                None => request,
            }
        };
        self.http.send(repeat, request).await
    }

    fn read<T: serde::de::DeserializeOwned>(&self, answer: &Answer) -> Result<T, WarehouseError> {
        let packed = answer.headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding == "gzip");
        let unpacked = if packed {
            let mut body = Vec::new();
            GzDecoder::new(answer.body.as_slice()).read_to_end(&mut body).map_err(|error| {
                let message = format!("an answer of Snowflake is damaged: {error}");
                let error = self.place.new_error(ErrorKind::Connection, message);
                error.with_hint("run again; if it stays so, something in the network changes what passes through it")
            })?;
            Some(Answer { status: answer.status, headers: answer.headers.clone(), body })
        } else {
            None
        };
        let answer = unpacked.as_ref().unwrap_or(answer);
        if answer.status.is_success() { self.http.json(answer) } else { Err(self.place.refused(answer)) }
    }
}

/// A statement that runs at the server.
struct Running {
    session: Arc<Session>,
    handle: String,
    over: bool,
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        let (session, path) = (Arc::clone(&self.session), format!("/api/v2/statements/{}/cancel", self.handle));
        cancel::send(async move {
            if let Err(error) = session.send(Repeat::Harmless, Method::POST, &path, None).await {
                tracing::warn!("a statement could not be cancelled: {error}");
            }
        });
    }
}
