//! `klaviyo`: profiles by bulk import jobs, and the members of a list.
//!
//! A job takes up to 10,000 profiles and works on its own; refusals of rows are fetched once it is complete, and echo the
//! profile. A row is therefore known within its job by a hash of its identifiers. The id that Klaviyo gives a profile is
//! its receipt: leaving a list is told by it. Where removals may come, the ids are fetched with the job's end.
//! <https://developers.klaviyo.com/en/reference/bulk_import_profiles>. A list is looked up by its name with
//! <https://developers.klaviyo.com/en/reference/get_lists>, and made with
//! <https://developers.klaviyo.com/en/reference/create_list>.
//!
//! Must not know: retries and batching.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use reqwest::Method;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::api::{self, Api, Chosen, List, Reply};
use crate::config::Options;
use crate::normalise::sha256_hex;
use crate::spec::option;
use crate::{
    Answer, Attempt, Batch, BatchLimits, Destination, DestinationConfig, DestinationError, DestinationSpec, Effect,
    FieldRule, FieldSpec, JobEnd, JobState, Limits, Mode, Normaliser, Nulls, Operation, Outcome, Removal, RemovalKind,
    Resources, RowEnd, SyncContext, Usage, http,
};

/// What the type declares.
pub(super) static SPEC: DestinationSpec = DestinationSpec {
    name: "klaviyo",
    meaning: "Creates and updates profiles of Klaviyo by import jobs, and keeps a list's members.",
    options: &[
        option("api_key", "private key `pk_…` with write access to profiles and lists", None).required().secret(),
        option("list_id", "id of a list that the rows are members of; it changes no consent", None).or("list_name"),
        option("list_name", "name of that list, in place of its id; made where there is none", None),
        option("nulls", "what an empty value does: `clear` the attribute, or `skip` it", Some("clear")),
        option("revision", "revision of the API, a date", Some("2026-10-15")),
        option("wait_secs", "seconds that the end of a run waits for its jobs, 0 to 3600", Some("60")),
        api::CALLING_CODE,
        api::BATCH_ROWS,
        api::RATE,
        api::CONCURRENCY,
        api::TIMEOUT,
        option("base_url", "address of the API", Some("https://a.klaviyo.com/api")),
        api::ALLOW_PRIVATE,
    ],
    modes: &[Mode::Upsert, Mode::Mirror],
    fields: FieldRule::Open(&[
        FieldSpec::identifier("external_id", Normaliser::Trim, "your id of the person"),
        FieldSpec::identifier("email", Normaliser::Email, "address of email"),
        FieldSpec::identifier("phone_number", Normaliser::PhoneE164 { calling_code: None }, "telephone number"),
        FieldSpec::plain("first_name", "first name"),
        FieldSpec::plain("last_name", "last name"),
        FieldSpec::plain("organization", "where the person works"),
        FieldSpec::plain("title", "what the person does there"),
        FieldSpec::plain("image", "address of a picture"),
        FieldSpec::plain("locale", "language and region, such as `fr-FR`"),
        FieldSpec::plain("location.address1", "street"),
        FieldSpec::plain("location.address2", "further line of the street"),
        FieldSpec::plain("location.city", "city"),
        FieldSpec::plain("location.region", "region or state"),
        FieldSpec::plain("location.zip", "postal code"),
        FieldSpec::plain("location.country", "country"),
        FieldSpec::plain("location.timezone", "time zone, such as `Europe/Paris`"),
        FieldSpec::plain("location.latitude", "degrees north"),
        FieldSpec::plain("location.longitude", "degrees east"),
    ]),
    batch: BatchLimits { removals: Some(1_000), bytes: Some(4_500_000), ..BatchLimits::rows(10_000) },
    homogeneous: true,
    // 150 a minute.
    rate: Some(2.5),
    concurrency: 2,
    effect: Effect::IdempotentByKey,
    removal: Removal::ByReceipt,
    removals: &[RemovalKind::LeaveList],
    nulls: &[Nulls::Clear, Nulls::Skip],
    members_expire: None,
};

/// What a profile is found by, in the order that names a row in its job.
const IDENTIFIERS: [&str; 3] = ["external_id", "email", "phone_number"];

/// Pages that are read of one listing: those of a job have 100 entries, more than any job has.
const MOST_PAGES: usize = 200;

/// The size of a page of what a job has.
const JOB_PAGE: [(&str, &str); 1] = [("page[size]", "100")];

struct Klaviyo {
    name: String,
    api: Api,
    list: Option<List>,
    clear: bool,
    wait: Duration,
    fields: Vec<FieldSpec>,
    limits: Limits,
    /// Jobs of runs that go on: run and job.
    open: Mutex<Vec<(String, String)>>,
}

/// Makes the destination from its options.
pub(super) fn connect(
    config: &DestinationConfig,
    options: &Options<'_>,
) -> Result<Arc<dyn Destination>, DestinationError> {
    let headers = [
        ("authorization", format!("Klaviyo-API-Key {}", options.text("api_key").unwrap_or_default())),
        ("revision", options.text("revision").unwrap_or_default().to_owned()),
        ("accept", "application/vnd.api+json".to_owned()),
        ("content-type", "application/vnd.api+json".to_owned()),
    ];
    let list = List::of(options, "list", "klaviyo")?;
    // A filter holds the name in quotes, and Klaviyo does not tell how quotes are written within.
    if let Some(List { chosen: Chosen::Name { name, .. }, .. }) = &list
        && name.contains(['"', '\\'])
    {
        return Err(options.error("list_name", "cannot hold `\"` or `\\`; set `list_id` in its place"));
    }
    Ok(Arc::new(Klaviyo {
        name: config.name.clone(),
        api: Api::new(config, options, options.text("base_url").unwrap_or_default(), &headers)?,
        list,
        clear: api::clears(options)?,
        wait: Duration::from_secs(options.number("wait_secs", 0..=3_600)?.unwrap_or(60)),
        fields: api::fields(options, &SPEC)?,
        limits: api::limits(options, &SPEC, 1)?,
        open: Mutex::default(),
    }))
}

#[async_trait]
impl Destination for Klaviyo {
    fn spec(&self) -> &'static DestinationSpec {
        &SPEC
    }

    fn limits(&self) -> Limits {
        self.limits
    }

    fn fields(&self) -> Vec<FieldSpec> {
        self.fields.clone()
    }

    fn usage(&self) -> Option<Usage> {
        self.api.usage.take()
    }

    /// Reads the list, looks for the list, or reads one profile.
    async fn check(&self) -> Result<(), DestinationError> {
        let Some(list) = &self.list else {
            let read = self.call(Method::GET, "/profiles", &[("page[size]", "1")], None).await;
            return read.map(|_| ()).map_err(|answer| self.api.error("read profiles", answer));
        };
        match &list.chosen {
            Chosen::Name { name, .. } => list.only(&self.api, self.named(name).await).map(|_| ()),
            Chosen::Id(id) => {
                let read = self.call(Method::GET, &format!("/lists/{id}"), &[], None).await;
                let told = |answer| self.api.error("read the list", list.explain(None, "http_404", answer));
                read.map(|_| ()).map_err(told)
            }
        }
    }

    async fn prepare(&self, context: &SyncContext) -> Result<Resources, DestinationError> {
        api::check_sync(&self.name, context, &SPEC, false)?;
        if context.mode == Mode::Mirror && self.list.is_none() {
            let (destination, sync) = (self.name.clone(), context.sync.clone());
            let message =
                "there is no list to leave: set the option `list_id` or `list_name`, or take the mode `upsert`".into();
            return Err(DestinationError::Sync { destination, sync, message });
        }
        let Some((list, name)) = self.list.as_ref().and_then(|list| Some((list, list.unknown(context)?))) else {
            return Ok(context.resources.clone());
        };
        let id = match list.only(&self.api, self.named(name).await)? {
            Some(id) => Ok(id),
            None => self.make(name).await,
        };
        list.keep(&self.api, context, id)
    }

    async fn send(&self, context: &SyncContext, batch: &Batch, _attempt: &Attempt) -> Answer {
        let sent = match batch.operation() {
            Some(Operation::Delete) => self.leave(context, batch).await,
            _ => self.import(context, batch).await,
        };
        sent.unwrap_or_else(|answer| answer)
    }

    async fn poll(&self, context: &SyncContext, job: &str) -> Result<JobState, DestinationError> {
        if !job.chars().all(|c| c.is_ascii_alphanumeric() || "-_=".contains(c)) {
            return Ok(JobState::Lost);
        }
        let asked = self.state(context, job).await;
        asked.map_err(|answer| self.api.error("ask for the import job", answer))
    }

    /// Waits a while for the jobs of the run; those that go on are asked for by the next one.
    async fn finish(&self, context: &SyncContext) -> Result<Vec<(String, JobEnd)>, DestinationError> {
        let jobs = self.jobs_of(&context.run_id);
        let (deadline, mut pause) = (Instant::now() + self.wait, Duration::from_millis(500));
        let mut ended = Vec::new();
        for job in jobs {
            loop {
                match self.poll(context, &job).await? {
                    JobState::Done(end) => {
                        ended.push((job, end));
                        break;
                    }
                    JobState::Lost => break,
                    JobState::Pending if Instant::now() + pause > deadline => break,
                    JobState::Pending => {
                        tokio::time::sleep(pause).await;
                        pause = (pause * 2).min(Duration::from_secs(10));
                    }
                }
            }
        }
        Ok(ended)
    }
}

impl Klaviyo {
    async fn call(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Reply, Answer> {
        let reply = self.api.call(method, path, query, body).await?;
        self.api.usage.note(http::usage(&reply.headers, &http::RATE_LIMIT));
        match failure(&reply) {
            Some(answer) => Err(answer),
            None => Ok(reply),
        }
    }

    /// The ids of the lists of that name.
    async fn named(&self, name: &str) -> Result<Vec<String>, Answer> {
        let filter = format!("equals(name,\"{name}\")");
        let lists = self.pages("/lists", &[("filter", &filter), ("page[size]", "10")]).await?;
        let same = |list: &&Value| list.pointer("/attributes/name").and_then(Value::as_str) == Some(name);
        Ok(lists.iter().filter(same).filter_map(|list| Some(list.get("id")?.as_str()?.to_owned())).collect())
    }

    async fn make(&self, name: &str) -> Result<String, Answer> {
        let list = json!({ "data": { "type": "list", "attributes": { "name": name } } });
        Ok(self.call(Method::POST, "/lists", &[], Some(&list)).await?.text("/data/id"))
    }

    fn jobs_of(&self, run: &str) -> Vec<String> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let (ours, others) = open.drain(..).partition(|(of, _)| of == run);
        *open = others;
        let ours: Vec<(String, String)> = ours;
        ours.into_iter().map(|(_, job)| job).collect()
    }

    async fn import(&self, context: &SyncContext, batch: &Batch) -> Result<Answer, Answer> {
        let rows: Vec<_> = api::objects(context, batch)?.into_iter().map(|row| self.profile(context, row)).collect();
        let profiles: Vec<_> =
            rows.iter().flatten().map(|attributes| json!({ "type": "profile", "attributes": attributes })).collect();
        if profiles.is_empty() {
            return Ok(Answer::Partial(vec![api::unidentified(); rows.len()]));
        }
        let mut job = json!({
            "type": "profile-bulk-import-job",
            "attributes": { "profiles": { "data": profiles } },
        });
        if let Some(list) = &self.list {
            job["relationships"] = json!({ "lists": { "data": [{ "type": "list", "id": list.id(context)? }] } });
        }
        let sent = self.call(Method::POST, "/profile-bulk-import-jobs", &[], Some(&json!({ "data": job }))).await;
        let reply = sent.map_err(|answer| match &self.list {
            // Nothing but the list can be missing.
            Some(list) => list.explain(Some(context), "http_404", answer),
            None => answer,
        })?;
        let Some(id) = reply.body.pointer("/data/id").and_then(Value::as_str) else {
            let message = "Klaviyo took an import job and told no id of it".to_owned();
            return Err(Answer::Retry { after: None, reason: message });
        };
        self.open.lock().unwrap_or_else(PoisonError::into_inner).push((context.run_id.clone(), id.to_owned()));
        let outcome = |row: &Option<Map<String, Value>>| match row {
            Some(attributes) => Outcome::Accepted { job: id.to_owned(), row: row_name(attributes) },
            None => api::unidentified(),
        };
        Ok(Answer::Partial(rows.iter().map(outcome).collect()))
    }

    /// The attributes of a profile; none where nothing identifies it.
    fn profile(&self, context: &SyncContext, row: Map<String, Value>) -> Option<Map<String, Value>> {
        let (mut attributes, mut location, mut properties) = (Map::new(), Map::new(), Map::new());
        for (name, value) in row {
            let identifier = IDENTIFIERS.contains(&name.as_str());
            if value.is_null() && (identifier || !context.clears(&name, self.clear)) {
                continue;
            }
            if let Some(part) = name.strip_prefix("location.") {
                location.insert(part.to_owned(), value);
            } else if SPEC.fields.known().iter().any(|field| field.name == name) {
                attributes.insert(name, value);
            } else {
                properties.insert(name, value);
            }
        }
        for (name, inner) in [("location", location), ("properties", properties)] {
            if !inner.is_empty() {
                attributes.insert(name.to_owned(), Value::Object(inner));
            }
        }
        row_name(&attributes).is_some().then_some(attributes)
    }

    /// Takes profiles out of the list, by the ids of their receipts.
    async fn leave(&self, context: &SyncContext, batch: &Batch) -> Result<Answer, Answer> {
        let ids: Vec<_> = batch.receipts.iter().flatten().map(|id| json!({ "type": "profile", "id": id })).collect();
        if let (false, Some(list)) = (ids.is_empty(), &self.list) {
            let path = format!("/lists/{}/relationships/profiles", list.id(context)?);
            let left = self.call(Method::DELETE, &path, &[], Some(&json!({ "data": ids }))).await;
            left.map_err(|answer| list.explain(Some(context), "http_404", answer))?;
        }
        let outcome = |receipt: &Option<String>| match receipt {
            Some(_) => Outcome::Delivered,
            None => api::without_receipt(),
        };
        Ok(Answer::Partial(batch.receipts.iter().map(outcome).collect()))
    }

    async fn state(&self, context: &SyncContext, job: &str) -> Result<JobState, Answer> {
        let path = format!("/profile-bulk-import-jobs/{job}");
        let reply = match self.call(Method::GET, &path, &[], None).await {
            Err(Answer::Fatal { code, .. }) if code == "http_404" => return Ok(JobState::Lost),
            other => other?,
        };
        match reply.text("/data/attributes/status").as_str() {
            "complete" => {}
            "cancelled" => return Ok(JobState::Lost),
            _ => return Ok(JobState::Pending),
        }
        let failed = reply.body.pointer("/data/attributes/failed_count").and_then(Value::as_u64).unwrap_or(0);
        let mut end = JobEnd::from(Outcome::Delivered);
        if context.mode == Mode::Mirror {
            for profile in self.pages(&format!("{path}/profiles"), &JOB_PAGE).await? {
                let Some(attributes) = profile.get("attributes").and_then(Value::as_object) else { continue };
                let id = profile.get("id").and_then(Value::as_str).map(str::to_owned);
                let row = RowEnd { outcome: Outcome::Delivered, receipt: id };
                // A profile may have more identifiers than the row that was sent.
                end.rows.extend(row_names(attributes).map(|name| (name, row.clone())));
            }
        }
        if failed > 0 {
            let refusals = self.refusals(&path).await?;
            if (refusals.len() as u64) < failed {
                // Of some refusals it cannot be told whose they are: no row may be taken for delivered in silence.
                end.outcome = Outcome::Rejected {
                    code: "unattributed".into(),
                    message: format!("{failed} rows of the import job were refused, and not all of them were named"),
                    retryable: true,
                };
            }
            end.rows.extend(refusals);
        }
        Ok(JobState::Done(end))
    }

    async fn refusals(&self, path: &str) -> Result<BTreeMap<String, RowEnd>, Answer> {
        let mut rows = BTreeMap::new();
        for error in self.pages(&format!("{path}/import-errors"), &JOB_PAGE).await? {
            let text = |name: &str| error.pointer(&format!("/attributes/{name}")).and_then(Value::as_str);
            let payload = error.pointer("/attributes/original_payload");
            let attributes = payload.and_then(|payload| payload.get("attributes").or(Some(payload)));
            let Some(name) = attributes.and_then(Value::as_object).and_then(row_name) else { continue };
            let code = text("code").map_or_else(|| "import_error".to_owned(), http::readable);
            let message = http::readable(text("detail").or(text("title")).unwrap_or("no reason given"));
            let outcome = Outcome::Rejected { code, message, retryable: false };
            rows.insert(name, RowEnd { outcome, receipt: None });
        }
        Ok(rows)
    }

    /// The entries of all pages of a listing.
    async fn pages(&self, path: &str, asked: &[(&str, &str)]) -> Result<Vec<Value>, Answer> {
        let (mut all, mut cursor) = (Vec::new(), None::<String>);
        for _ in 0..MOST_PAGES {
            let mut query = asked.to_vec();
            query.extend(cursor.as_deref().map(|cursor| ("page[cursor]", cursor)));
            let reply = self.call(Method::GET, path, &query, None).await?;
            all.extend_from_slice(reply.entries("data")?);
            let Some(next) = reply.body.pointer("/links/next").and_then(Value::as_str) else { return Ok(all) };
            cursor = Some(next_cursor(next).ok_or_else(api::endless)?);
        }
        Err(api::endless())
    }
}

fn next_cursor(link: &str) -> Option<String> {
    let url = reqwest::Url::parse(link).ok()?;
    url.query_pairs().find(|(name, _)| name == "page[cursor]").map(|(_, value)| value.into_owned())
}

/// The name of a row within its job, by the first of its identifiers.
fn row_name(attributes: &Map<String, Value>) -> Option<String> {
    row_names(attributes).next()
}

/// A name by each identifier: a hash, for identifiers are personal.
fn row_names(attributes: &Map<String, Value>) -> impl Iterator<Item = String> {
    IDENTIFIERS.iter().filter_map(|name| {
        let value = attributes.get(*name)?.as_str().filter(|text| !text.is_empty())?;
        Some(sha256_hex(&format!("{name} {value}")).chars().take(32).collect())
    })
}

/// <https://developers.klaviyo.com/en/docs/rate_limits_and_error_handling>
fn failure(reply: &Reply) -> Option<Answer> {
    let detail = reply.text("/errors/0/detail");
    let said = if detail.is_empty() { reply.text("/errors/0/title") } else { detail };
    match reply.status.as_u16() {
        403 => Some(Answer::Fatal {
            code: "http_403".into(),
            message: format!("{said} (the key needs write access to profiles and lists)"),
        }),
        _ => reply.failure(said),
    }
}
