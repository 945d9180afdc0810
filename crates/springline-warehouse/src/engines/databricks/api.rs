//! The SQL Statement Execution API: a statement is sent, asked after until it ends, and its result is fetched chunk by
//! chunk. It must not know Arrow nor what the SQL is for.
//!
//! Every statement is sent with a wait of 0 seconds, so that its id is known at once and whoever gives up can cancel it.

use super::{errors::Place, token::Tokens};
use crate::{
    ErrorKind, TargetConfig, WarehouseError, cancel,
    engines::http::{Answer, Http, Repeat},
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::oneshot;

/// A request that gets no answer for so long is given up; a statement may run longer.
const REQUEST: Duration = Duration::from_secs(180);
/// How long is waited between two looks at a running statement: first, and at most.
const FIRST_LOOK: Duration = Duration::from_millis(20);
const LAST_LOOK: Duration = Duration::from_secs(5);
const STATEMENTS: &str = "/api/2.0/sql/statements";

/// How the rows of a result come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// As text inside the answers; at most 25 MiB.
    Inline,
    /// As Arrow streams behind links.
    Links,
}

/// The way to one SQL warehouse.
pub(super) struct Api {
    http: Http,
    tokens: Tokens,
    place: Place,
    host: String,
    /// What goes with every statement.
    about: Value,
    tag: String,
    timeout: Option<Duration>,
}

/// A statement's answer.
#[derive(Deserialize)]
struct Response {
    statement_id: String,
    status: Status,
    manifest: Option<Manifest>,
    #[serde(default)]
    result: Chunk,
}

#[derive(Deserialize)]
struct Status {
    state: String,
    error: Option<Failure>,
    sql_state: Option<String>,
}

#[derive(Deserialize)]
struct Failure {
    #[serde(default)]
    message: String,
}

#[derive(Deserialize)]
struct Manifest {
    #[serde(default)]
    schema: Columns,
    #[serde(default)]
    truncated: bool,
}

#[derive(Deserialize, Default)]
struct Columns {
    #[serde(default)]
    columns: Vec<ColumnInfo>,
}

/// A column of a result.
#[derive(Deserialize)]
pub(super) struct ColumnInfo {
    pub(super) name: String,
    /// The type as SQL has it: `DECIMAL(12,2)`.
    pub(super) type_text: String,
}

/// A chunk of a result; of a result without rows it is empty.
#[derive(Deserialize, Default)]
pub(super) struct Chunk {
    #[serde(default)]
    pub(super) data_array: Vec<Vec<Option<String>>>,
    #[serde(default)]
    pub(super) external_links: Vec<Link>,
    next_chunk_index: Option<u64>,
}

/// Where a chunk lies. The address and the headers are secrets.
#[derive(Deserialize)]
pub(super) struct Link {
    external_link: String,
    #[serde(default)]
    http_headers: Option<BTreeMap<String, String>>,
    next_chunk_index: Option<u64>,
}

impl Chunk {
    /// The chunk after it.
    pub(super) fn next(&self) -> Option<u64> {
        self.next_chunk_index.or_else(|| self.external_links.iter().find_map(|link| link.next_chunk_index))
    }
}

/// A statement that has ended well.
pub(super) struct Done(Response);

impl Done {
    pub(super) fn id(&self) -> &str {
        &self.0.statement_id
    }

    pub(super) fn columns(&self) -> &[ColumnInfo] {
        self.0.manifest.as_ref().map_or(&[], |manifest| &manifest.schema.columns)
    }

    pub(super) fn into_chunk(self) -> Chunk {
        self.0.result
    }

    /// The rows of the first chunk of an inline result.
    pub(super) fn rows(&self) -> Vec<Vec<Option<String>>> {
        self.0.result.data_array.clone()
    }
}

/// Cancels the statement when it is dropped before it has ended.
struct Running {
    api: Arc<Api>,
    id: Option<String>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some(id) = self.id.take() else { return };
        let api = Arc::clone(&self.api);
        cancel::send(async move {
            if let Err(error) = api.post(&format!("{STATEMENTS}/{id}/cancel"), &json!({}), Repeat::Harmless).await {
                tracing::debug!(%error, "a Databricks statement could not be cancelled");
            }
        });
    }
}

impl Api {
    pub(super) fn new(config: &TargetConfig) -> Result<Self, WarehouseError> {
        let given = config.text("host").unwrap_or_default().trim_end_matches('/');
        let host = if given.contains("://") { given.to_owned() } else { format!("https://{given}") };
        let mut about = json!({
            "warehouse_id": config.text("warehouse_id"),
            "schema": config.text("schema").unwrap_or("default"),
            "wait_timeout": "0s",
        });
        if let Some(catalog) = config.text("catalog") {
            about["catalog"] = json!(catalog);
        }
        let timeout = config.number::<u64>("statement_timeout_secs")?.filter(|seconds| *seconds > 0);
        Ok(Self {
            http: Http::new(&config.name, format!("Databricks at {given}"), REQUEST)?,
            tokens: Tokens::new(config, &host)?,
            place: Place::new(config, given),
            host,
            about,
            // It stands in a comment, which it must not end.
            tag: config.tag.replace(['*', '/', '\\'], " "),
            timeout: timeout.map(Duration::from_secs),
        })
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// Runs a statement to its end. `parameters` are texts by name.
    pub(super) async fn run(
        self: &Arc<Self>,
        sql: &str,
        parameters: &[(&str, &str)],
        form: Form,
    ) -> Result<Done, WarehouseError> {
        let mut body = self.about.clone();
        body["statement"] = json!(format!("/* {} */ {sql}", self.tag));
        (body["disposition"], body["format"]) = match form {
            Form::Inline => (json!("INLINE"), json!("JSON_ARRAY")),
            Form::Links => (json!("EXTERNAL_LINKS"), json!("ARROW_STREAM")),
        };
        if !parameters.is_empty() {
            let given = parameters.iter().map(|(name, value)| json!({"name": name, "value": value, "type": "STRING"}));
            body["parameters"] = given.collect();
        }
        let done = self.finish(self.submit(body).await?).await?;
        if done.0.manifest.as_ref().is_some_and(|manifest| manifest.truncated) {
            let message = "the result is larger than Databricks gives inside its answers, 25 MiB";
            return Err(self.place.error(ErrorKind::Resources, message).with_hint("set `results: links`"));
        }
        Ok(done)
    }

    /// Hands a statement over. The request goes on when the caller goes away, so that its id is known and what it began
    /// can be cancelled.
    async fn submit(self: &Arc<Self>, body: Value) -> Result<(Response, Running), WarehouseError> {
        let (sender, receiver) = oneshot::channel();
        let api = Arc::clone(self);
        tokio::spawn(async move {
            let answer = api.post(STATEMENTS, &body, Repeat::Harmful).await;
            let response = answer.and_then(|answer| api.http.json::<Response>(&answer));
            // Where nobody waits any more, `Running` is dropped here and cancels.
            drop(sender.send(response.map(|response| {
                let id = Some(response.statement_id.clone());
                (response, Running { api, id })
            })));
        });
        receiver.await.unwrap_or_else(|_| Err(self.place.error(ErrorKind::Connection, "the program is ending")))
    }

    /// Asks after the statement until it has ended, with growing waits.
    async fn finish(
        self: &Arc<Self>,
        (mut response, mut running): (Response, Running),
    ) -> Result<Done, WarehouseError> {
        let (begun, mut wait) = (Instant::now(), FIRST_LOOK);
        loop {
            match response.status.state.as_str() {
                "PENDING" | "RUNNING" => {}
                "SUCCEEDED" => {
                    running.id = None;
                    return Ok(Done(response));
                }
                "FAILED" => {
                    running.id = None;
                    let message = response.status.error.map(|error| error.message).unwrap_or_default();
                    return Err(self.place.failed(&message, response.status.sql_state.as_deref()));
                }
                _ => {
                    running.id = None;
                    return Err(self.place.cancelled());
                }
            }
            if let Some(limit) = self.timeout.filter(|limit| begun.elapsed() > *limit) {
                let message = format!("the statement was cancelled after {} seconds", limit.as_secs());
                return Err(self
                    .place
                    .error(ErrorKind::Timeout, message)
                    .with_hint("raise the target's `statement_timeout_secs`, or make the statement smaller"));
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 3 / 2).min(LAST_LOOK);
            let answer = self.get(&format!("{STATEMENTS}/{}", response.statement_id)).await?;
            response = self.http.json(&answer)?;
        }
    }

    /// A chunk of a result.
    pub(super) async fn chunk(&self, id: &str, index: u64) -> Result<Chunk, WarehouseError> {
        let answer = self.get(&format!("{STATEMENTS}/{id}/result/chunks/{index}")).await?;
        self.http.json(&answer)
    }

    /// What lies behind a link. The token is not sent there: the link is its own permission.
    pub(super) async fn fetch(&self, link: &Link) -> Result<Vec<u8>, WarehouseError> {
        let answer = self
            .http
            .send(Repeat::Harmless, |client| {
                let headers = link.http_headers.iter().flatten();
                headers.fold(client.get(&link.external_link), |request, (name, value)| request.header(name, value))
            })
            .await?;
        if answer.status.is_success() {
            return Ok(answer.body);
        }
        let message = format!("the storage of results refused a link (status {})", answer.status.as_u16());
        let hint = "links hold for 15 minutes: read faster, or set `results: inline` for small results";
        Err(self.place.error(ErrorKind::Connection, message).with_hint(hint))
    }

    async fn get(&self, path: &str) -> Result<Answer, WarehouseError> {
        self.call(Repeat::Harmless, |client, token| client.get(format!("{}{path}", self.host)).bearer_auth(token)).await
    }

    async fn post(&self, path: &str, body: &Value, repeat: Repeat) -> Result<Answer, WarehouseError> {
        let body = body.to_string();
        self.call(repeat, |client, token| {
            let request = client.post(format!("{}{path}", self.host)).bearer_auth(token);
            request.header("Content-Type", "application/json").body(body.clone())
        })
        .await
    }

    /// A request with a token; with another one where the first is refused, for a refused request did nothing.
    async fn call(
        &self,
        repeat: Repeat,
        request: impl Fn(&reqwest::Client, &str) -> reqwest::RequestBuilder,
    ) -> Result<Answer, WarehouseError> {
        let token = self.tokens.get(&self.http, None).await?;
        let mut answer = self.http.send(repeat, |client| request(client, &token)).await?;
        if Place::is_token_refused(&answer) && self.tokens.renew() {
            let token = self.tokens.get(&self.http, Some(&token)).await?;
            answer = self.http.send(repeat, |client| request(client, &token)).await?;
        }
        if answer.status.is_success() { Ok(answer) } else { Err(self.place.refused(&answer)) }
    }
}
