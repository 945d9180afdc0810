//! The REST API v2: requests with a token, jobs with ids of our own, results page by page. It must not know what the
//! SQL is for, nor Arrow.
//!
//! <https://cloud.google.com/bigquery/docs/reference/rest>.

use super::{
    auth::Auth,
    errors::{Failed, Failure, Place},
};
use crate::engines::http::{Answer, Http, Repeat};
use crate::{ErrorKind, TargetConfig, WarehouseError};
use reqwest::{Client as Web, RequestBuilder};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

/// How long one request for results waits at the server for a job to end.
const LONG_POLL: Duration = Duration::from_secs(10);
/// Rows of a page; a page ends at about 10 MB in any case.
const PAGE_ROWS: usize = 10_000;
/// How often a job that only reads is run again after an error inside BigQuery.
const READS: usize = 3;

/// The way to one project.
pub(super) struct Client {
    http: Http,
    auth: Auth,
    pub(super) place: Place,
    endpoint: String,
    pub(super) project: String,
    pub(super) dataset: String,
    location: Option<String>,
    maximum_bytes_billed: Option<u64>,
    timeout_secs: u64,
    label: String,
}

/// A column of a result or a table.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct FieldJson {
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) mode: String,
    #[serde(default)]
    pub(super) precision: Option<String>,
    #[serde(default)]
    pub(super) scale: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct SchemaJson {
    #[serde(default)]
    pub(super) fields: Vec<FieldJson>,
}

/// One row of a page: cells in the order of the columns.
#[derive(Debug, Deserialize)]
pub(super) struct RowJson {
    pub(super) f: Vec<CellJson>,
}

#[derive(Debug, Deserialize)]
pub(super) struct CellJson {
    pub(super) v: Value,
}

/// A page of results, or word that the job goes on.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Page {
    pub(super) job_complete: bool,
    #[serde(default)]
    pub(super) schema: SchemaJson,
    #[serde(default)]
    pub(super) rows: Vec<RowJson>,
    #[serde(default)]
    pub(super) page_token: Option<String>,
    #[serde(default)]
    pub(super) num_dml_affected_rows: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct JobJson {
    status: StatusJson,
    #[serde(default)]
    job_reference: ReferenceJson,
    #[serde(default)]
    statistics: Value,
}

#[derive(Debug, Default, Deserialize)]
struct ReferenceJson {
    #[serde(default)]
    location: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StatusJson {
    state: String,
    #[serde(default)]
    error_result: Option<Failure>,
}

impl Client {
    pub(super) fn new(config: &TargetConfig) -> Result<Self, WarehouseError> {
        let text = |name: &str| config.text(name).unwrap_or_default().to_owned();
        let auth = Auth::new(config)?;
        let endpoint = config.text("endpoint").unwrap_or("https://bigquery.googleapis.com").trim_end_matches('/');
        let host = endpoint.split("://").last().unwrap_or_default();
        let timeout = LONG_POLL + Duration::from_secs(110);
        Ok(Self {
            http: Http::new(&config.name, format!("BigQuery at {host}"), timeout)?,
            place: Place::new(config, auth.user()),
            auth,
            endpoint: endpoint.to_owned(),
            project: text("project"),
            dataset: text("dataset"),
            location: config.text("location").map(str::to_owned),
            maximum_bytes_billed: config.number("maximum_bytes_billed")?,
            timeout_secs: config.number("statement_timeout_secs")?.unwrap_or(0),
            label: label(&config.tag),
        })
    }

    pub(super) fn user(&self) -> Option<&str> {
        self.auth.user()
    }

    /// Sends a request with a token; a token that is refused is renewed once.
    async fn call(
        &self,
        repeat: Repeat,
        request: impl Fn(&Web) -> RequestBuilder + Send + Sync,
    ) -> Result<Answer, WarehouseError> {
        let token = self.auth.token().await?;
        let answer = self.http.send(repeat, |web| request(web).bearer_auth(&token)).await?;
        if answer.status.as_u16() != 401 || !self.auth.can_renew() {
            return Ok(answer);
        }
        self.auth.forget().await;
        let token = self.auth.token().await?;
        self.http.send(repeat, |web| request(web).bearer_auth(&token)).await
    }

    fn failure(&self, answer: &Answer) -> WarehouseError {
        let told = serde_json::from_slice::<Failed>(&answer.body).unwrap_or_else(|_| {
            let message = format!("BigQuery answers with the status {}", answer.status.as_u16());
            Failed { error: Failure { message, ..Failure::default() } }
        });
        self.place.error(answer.status.as_u16(), &told.error)
    }

    fn good<T: DeserializeOwned>(&self, answer: &Answer) -> Result<T, WarehouseError> {
        if answer.status.is_success() { self.http.json(answer) } else { Err(self.failure(answer)) }
    }

    fn url(&self, rest: &str) -> String {
        format!("{}/bigquery/v2/projects/{}/{rest}", self.endpoint, self.project)
    }

    /// Reads a resource; `None` where there is none.
    pub(super) async fn get<T: DeserializeOwned>(&self, url: &str) -> Result<Option<T>, WarehouseError> {
        let answer = self.call(Repeat::Harmless, |web| web.get(url)).await?;
        if answer.status.as_u16() == 404 { Ok(None) } else { self.good(&answer).map(Some) }
    }

    /// The address of a dataset's resources.
    pub(super) fn dataset_url(&self, project: &str, dataset: &str, rest: &str) -> String {
        format!("{}/bigquery/v2/projects/{project}/datasets/{dataset}/{rest}", self.endpoint)
    }

    pub(super) async fn post(&self, url: &str, body: &Value) -> Result<Value, WarehouseError> {
        let request = |web: &Web| web.post(url).header("content-type", "application/json").body(body.to_string());
        self.good(&self.call(Repeat::Harmful, request).await?)
    }

    pub(super) async fn delete(&self, url: &str) -> Result<(), WarehouseError> {
        let answer = self.call(Repeat::Harmless, |web| web.delete(url)).await?;
        if answer.status.is_success() || answer.status.as_u16() == 404 { Ok(()) } else { Err(self.failure(&answer)) }
    }

    fn configuration(&self, sql: &str, dry: bool) -> Value {
        let mut query = json!({
            "query": sql,
            "useLegacySql": false,
            "defaultDataset": { "projectId": self.project, "datasetId": self.dataset },
        });
        if let Some(limit) = self.maximum_bytes_billed {
            query["maximumBytesBilled"] = limit.to_string().into();
        }
        let mut configuration = json!({ "query": query, "dryRun": dry });
        self.decorate(&mut configuration);
        configuration
    }

    fn decorate(&self, configuration: &mut Value) {
        configuration["labels"] = json!({ "springline": self.label });
        if self.timeout_secs > 0 {
            configuration["jobTimeoutMs"] = (self.timeout_secs * 1000).to_string().into();
        }
    }

    fn reference(&self, id: &str) -> Value {
        let mut reference = json!({ "projectId": self.project, "jobId": id });
        if let Some(location) = &self.location {
            reference["location"] = location.as_str().into();
        }
        reference
    }

    /// Begins a job. Its id is ours, so that a request that is sent twice begins one job.
    async fn begin(self: &Arc<Self>, sql: &str) -> Result<Job, WarehouseError> {
        let id = format!("springline_{}", uuid::Uuid::now_v7().simple());
        let body = json!({ "jobReference": self.reference(&id), "configuration": self.configuration(sql, false) });
        let (url, body) = (self.url("jobs"), body.to_string());
        // Dropped before the answer is there, the job may have begun all the same.
        let mut job = Job { client: Arc::clone(self), id, location: self.location.clone(), open: true };
        let request = |web: &Web| web.post(&url).header("content-type", "application/json").body(body.clone());
        let answer = self.call(Repeat::Harmless, request).await?;
        if answer.status.as_u16() == 409 {
            return Ok(job);
        }
        match self.good::<JobJson>(&answer) {
            Ok(begun) => job.location = begun.job_reference.location.or(job.location.take()),
            Err(error) => {
                job.open = false;
                return Err(error);
            }
        }
        Ok(job)
    }

    /// Runs a statement to its end and gives the rows it affected.
    pub(super) async fn run(self: &Arc<Self>, sql: &str) -> Result<u64, WarehouseError> {
        let mut job = self.begin(sql).await?;
        let page = job.finished(0).await.map_err(Stopped::into_error)?;
        Ok(page.num_dml_affected_rows.and_then(|rows| rows.parse().ok()).unwrap_or(0))
    }

    /// Runs a query to its first page. As it only reads, it is run again after an error inside BigQuery.
    pub(super) async fn first_page(self: &Arc<Self>, sql: &str) -> Result<(Job, Page), WarehouseError> {
        let mut attempt = 1;
        loop {
            let mut job = self.begin(sql).await?;
            match job.finished(PAGE_ROWS).await {
                Ok(page) => return Ok((job, page)),
                Err(Stopped { again: true, .. }) if attempt < READS => {
                    tokio::time::sleep(Duration::from_secs(1 << attempt)).await;
                    attempt += 1;
                }
                Err(stopped) => return Err(stopped.into_error()),
            }
        }
    }

    /// What a statement would read, in bytes, and the columns it would give. It is not run.
    pub(super) async fn dry_run(&self, sql: &str) -> Result<(u64, SchemaJson), WarehouseError> {
        let body = json!({ "jobReference": { "projectId": self.project, "location": self.location },
            "configuration": self.configuration(sql, true) })
        .to_string();
        let url = self.url("jobs");
        let request = |web: &Web| web.post(&url).header("content-type", "application/json").body(body.clone());
        let answer = self.call(Repeat::Harmless, request).await?;
        let job: JobJson = self.good(&answer)?;
        if let Some(failure) = &job.status.error_result {
            return Err(self.place.error(0, failure));
        }
        let bytes = job.statistics["totalBytesProcessed"].as_str().and_then(|bytes| bytes.parse().ok()).unwrap_or(0);
        let schema = job.statistics["query"]["schema"].clone();
        Ok((bytes, serde_json::from_value(schema).unwrap_or_default()))
    }

    /// Appends lines of JSON to a table by a load job and waits for its end; all of them or none.
    pub(super) async fn load_lines(self: &Arc<Self>, load: &Value, lines: &[u8]) -> Result<(), WarehouseError> {
        let id = format!("springline_{}", uuid::Uuid::now_v7().simple());
        let mut configuration = json!({ "load": load });
        self.decorate(&mut configuration);
        let request = json!({ "jobReference": self.reference(&id), "configuration": configuration });
        let boundary = uuid::Uuid::now_v7().simple().to_string();
        let mut body = format!(
            "--{boundary}\r\ncontent-type: application/json; charset=UTF-8\r\n\r\n{request}\r\n\
             --{boundary}\r\ncontent-type: application/octet-stream\r\n\r\n"
        )
        .into_bytes();
        body.extend_from_slice(lines);
        body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        // Sent again without a copy.
        let body = bytes::Bytes::from(body);
        let url = format!("{}/upload/bigquery/v2/projects/{}/jobs?uploadType=multipart", self.endpoint, self.project);
        let mut job = Job { client: Arc::clone(self), id, location: self.location.clone(), open: true };
        let kind = format!("multipart/related; boundary={boundary}");
        let post = |web: &Web| web.post(&url).header("content-type", &kind).body(body.clone());
        let answer = self.call(Repeat::Harmless, post).await?;
        if answer.status.as_u16() != 409 {
            match self.good::<JobJson>(&answer) {
                Ok(begun) => job.location = begun.job_reference.location.or(job.location.take()),
                Err(error) => {
                    job.open = false;
                    return Err(error);
                }
            }
        }
        job.loaded().await
    }
}

/// The tag as the value of a label: 63 lower-case letters, digits, `-` and `_`.
/// <https://cloud.google.com/bigquery/docs/labels-intro#requirements>
fn label(tag: &str) -> String {
    let plain = |c: char| match c.to_ascii_lowercase() {
        c @ ('a'..='z' | '0'..='9' | '-' | '_') => c,
        _ => '-',
    };
    tag.chars().map(plain).take(63).collect()
}

/// Why a job ended badly, and whether it may be run again.
struct Stopped {
    error: WarehouseError,
    again: bool,
}

impl Stopped {
    fn into_error(self) -> WarehouseError {
        self.error
    }
}

impl From<WarehouseError> for Stopped {
    fn from(error: WarehouseError) -> Self {
        Stopped { error, again: false }
    }
}

/// A job that was begun. Dropped before its end, it is cancelled.
pub(super) struct Job {
    client: Arc<Client>,
    id: String,
    location: Option<String>,
    open: bool,
}

impl Job {
    fn url(&self, kind: &str, end: &str, parameters: &str) -> String {
        let location = self.location.as_ref().map(|place| format!("&location={place}")).unwrap_or_default();
        format!("{}?{parameters}{location}", self.client.url(&format!("{kind}/{}{end}", self.id)))
    }

    /// Waits for the job's end and gives the first page of so many rows.
    async fn finished(&mut self, rows: usize) -> Result<Page, Stopped> {
        loop {
            let page = self.results(rows, None).await?;
            if page.job_complete {
                self.open = false;
                return Ok(page);
            }
        }
    }

    /// A further page.
    pub(super) async fn page(&mut self, token: &str) -> Result<Page, WarehouseError> {
        self.results(PAGE_ROWS, Some(token)).await.map_err(Stopped::into_error)
    }

    async fn results(&mut self, rows: usize, token: Option<&str>) -> Result<Page, Stopped> {
        let token = token.map(|token| format!("&pageToken={token}")).unwrap_or_default();
        let wait = LONG_POLL.as_millis();
        let parameters = format!("maxResults={rows}&timeoutMs={wait}&formatOptions.useInt64Timestamp=true{token}");
        let url = self.url("queries", "", &parameters);
        let answer = self.client.call(Repeat::Harmless, |web| web.get(&url)).await?;
        if answer.status.is_success() {
            return Ok(self.client.http.json(&answer)?);
        }
        // The job has ended badly, or was never begun.
        self.open = false;
        let told = serde_json::from_slice::<Failed>(&answer.body).unwrap_or_default();
        Err(Stopped { error: self.client.failure(&answer), again: told.error.passes() })
    }

    /// Waits for the end of a load job.
    async fn loaded(&mut self) -> Result<(), WarehouseError> {
        let mut wait = Duration::from_millis(100);
        loop {
            let url = self.url("jobs", "", "projection=MINIMAL");
            let Some(job) = self.client.get::<JobJson>(&url).await? else {
                return Err(self.client.place.new_error(ErrorKind::Connection, "the load job is not known any more"));
            };
            if job.status.state == "DONE" {
                self.open = false;
                return match &job.status.error_result {
                    Some(failure) => Err(self.client.place.error(0, failure)),
                    None => Ok(()),
                };
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(Duration::from_secs(5));
        }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        if !self.open {
            return;
        }
        let (client, url) = (Arc::clone(&self.client), self.url("jobs", "/cancel", ""));
        crate::cancel::send(async move {
            // Nobody waits for the answer; the server ends the job or has ended it.
            if let Err(error) = client.call(Repeat::Harmless, |web| web.post(&url).body("")).await {
                tracing::warn!("a job of BigQuery could not be cancelled: {error}");
            }
        });
    }
}
