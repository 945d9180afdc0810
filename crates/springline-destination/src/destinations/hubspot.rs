//! `hubspot`: CRM records by a property that is unique, and the members of a list.
//!
//! HubSpot gives each record an id of its own, which list membership and removals are told by: it is the receipt of its
//! row. Every row of a request carries a trace id, by which results and errors are told apart; HubSpot promises no order.
//! <https://developers.hubspot.com/docs/api/crm/objects>, <https://developers.hubspot.com/docs/api/crm/lists>.
//! A list is looked up by its name with
//! <https://developers.hubspot.com/docs/api-reference/legacy/crm/lists/search-lists>, and made as `MANUAL`.
//!
//! Must not know: retries and batching.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::api::{self, Api, Chosen, List, Reply};
use crate::config::Options;
use crate::spec::option;
use crate::{
    Answer, Attempt, Batch, BatchLimits, Destination, DestinationConfig, DestinationError, DestinationSpec, Effect,
    FieldRule, FieldSpec, Limits, Mode, Normaliser, Nulls, Operation, Outcome, Removal, RemovalKind, Resources,
    SyncContext, Usage, http,
};

/// What the type declares.
pub(super) static SPEC: DestinationSpec = DestinationSpec {
    name: "hubspot",
    meaning: "Creates, updates and archives records of HubSpot's CRM, and keeps a list's members.",
    options: &[
        option("access_token", "token of a private app with the scopes of the records and lists", None)
            .required()
            .secret(),
        option("object_type", "type of the records, such as `contacts` or `companies`", Some("contacts")),
        option("id_property", "mapped property that records are found by; unique at HubSpot", Some("email")),
        option("list_id", "id of a list, `MANUAL` or `SNAPSHOT`, that the rows are members of", None).or("list_name"),
        option("list_name", "name of that list, in place of its id; made, as `MANUAL`, where there is none", None),
        option("nulls", "what an empty value does: `clear` the property, or `skip` it", Some("clear")),
        api::BATCH_ROWS,
        api::RATE,
        api::CONCURRENCY,
        api::TIMEOUT,
        option("base_url", "address of the API", Some("https://api.hubapi.com")),
        api::ALLOW_PRIVATE,
    ],
    modes: &[Mode::Upsert, Mode::Mirror],
    fields: FieldRule::Open(&[FieldSpec {
        normaliser: Normaliser::Email,
        ..FieldSpec::plain("email", "address of email, which contacts are found by unless `id_property` says otherwise")
    }]),
    batch: BatchLimits::rows(100),
    homogeneous: true,
    // 100 requests in 10 seconds are allowed to the smallest accounts, and a batch may take two.
    rate: Some(5.0),
    concurrency: 4,
    effect: Effect::IdempotentByKey,
    removal: Removal::ByReceipt,
    removals: &[RemovalKind::LeaveList, RemovalKind::Archive, RemovalKind::Erase],
    nulls: &[Nulls::Clear, Nulls::Skip],
    members_expire: None,
};

/// <https://developers.hubspot.com/docs/developer-tooling/platform/usage-guidelines>
const USAGE: http::UsageHeaders = http::UsageHeaders {
    limit: "x-hubspot-ratelimit-max",
    remaining: "x-hubspot-ratelimit-remaining",
    reset: "x-hubspot-ratelimit-interval-milliseconds",
    unit: Duration::from_millis(1),
};

/// Lists of one page of a search: the most there can be.
const PAGE: u64 = 500;

/// Pages that are read of a search: more than any account has.
const MOST_PAGES: usize = 100;

struct HubSpot {
    name: String,
    api: Api,
    object_type: String,
    id_property: String,
    list: Option<List>,
    clear: bool,
    limits: Limits,
}

/// Makes the destination from its options.
pub(super) fn connect(
    config: &DestinationConfig,
    options: &Options<'_>,
) -> Result<Arc<dyn Destination>, DestinationError> {
    let token = options.text("access_token").unwrap_or_default();
    let base = options.text("base_url").unwrap_or_default();
    let object_type = api::path_id(options, "object_type")?.unwrap_or_default();
    let type_id = type_id(&object_type);
    let list = List::of(options, "list", &format!("hubspot/{}", type_id.unwrap_or_default()))?;
    if type_id.is_none() && list.as_ref().is_some_and(|list| matches!(list.chosen, Chosen::Name { .. })) {
        let message = "must be HubSpot's id of the type, such as `2-3453932`, beside `list_name`; or be `contacts`";
        return Err(options.error("object_type", message));
    }
    Ok(Arc::new(HubSpot {
        name: config.name.clone(),
        api: Api::new(config, options, base, &[("authorization", format!("Bearer {token}"))])?,
        object_type,
        id_property: options.text("id_property").unwrap_or_default().trim().to_owned(),
        list,
        clear: api::clears(options)?,
        limits: api::limits(options, &SPEC, 2)?,
    }))
}

/// HubSpot's id of a type of records, which lists are of: `contacts` are `0-1`; other types are known by their id alone.
/// <https://developers.hubspot.com/docs/guides/crm/using-object-apis>.
fn type_id(object_type: &str) -> Option<&str> {
    let digits = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    match object_type.split_once('-') {
        None if object_type == "contacts" => Some("0-1"),
        Some((kind, number)) if digits(kind) && digits(number) => Some(object_type),
        _ => None,
    }
}

#[async_trait]
impl Destination for HubSpot {
    fn spec(&self) -> &'static DestinationSpec {
        &SPEC
    }

    fn limits(&self) -> Limits {
        self.limits
    }

    fn usage(&self) -> Option<Usage> {
        self.api.usage.take()
    }

    /// Reads one member of the list, looks for the list, or reads one record.
    async fn check(&self) -> Result<(), DestinationError> {
        let limit = [("limit", "1")];
        let Some(list) = &self.list else {
            let read = self.call(Method::GET, &format!("/crm/v3/objects/{}", self.object_type), &limit, None).await;
            return read.map(|_| ()).map_err(|answer| self.api.error("read the records", answer));
        };
        match &list.chosen {
            Chosen::Name { name, .. } => list.only(&self.api, self.named(name).await).map(|_| ()),
            Chosen::Id(id) => {
                let read = self.call(Method::GET, &format!("/crm/v3/lists/{id}/memberships"), &limit, None).await;
                let told = |answer| self.api.error("read the list", list.explain(None, "http_404", answer));
                read.map(|_| ()).map_err(told)
            }
        }
    }

    async fn prepare(&self, context: &SyncContext) -> Result<Resources, DestinationError> {
        api::check_sync(&self.name, context, &SPEC, false)?;
        let refuse = |message: String| {
            let (destination, sync) = (self.name.clone(), context.sync.clone());
            Err(DestinationError::Sync { destination, sync, message })
        };
        if context.fields.field_with_name(&self.id_property).is_err() {
            let property = &self.id_property;
            return refuse(format!("records are found by `{property}`: map it, or set the option `id_property`"));
        }
        match context.removal(&SPEC) {
            RemovalKind::LeaveList if self.list.is_none() && context.mode == Mode::Mirror => {
                refuse(
                    "there is no list to leave: set the option `list_id` or `list_name`, or let a removal be `archive`"
                        .into(),
                )?;
            }
            RemovalKind::Erase if self.object_type != "contacts" => {
                refuse("HubSpot erases contacts alone: let a removal be `archive`".into())?;
            }
            _ => {}
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
            Some(Operation::Delete) => self.remove(context, batch).await,
            _ => self.upsert(context, batch).await,
        };
        sent.unwrap_or_else(|answer| answer)
    }
}

impl HubSpot {
    async fn call(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Reply, Answer> {
        let reply = self.api.call(method, path, query, body).await?;
        self.api.usage.note(http::usage(&reply.headers, &USAGE));
        match failure(&reply) {
            Some(answer) => Err(answer),
            None => Ok(reply),
        }
    }

    /// The ids of the lists of that name and of the type of the records.
    async fn named(&self, name: &str) -> Result<Vec<String>, Answer> {
        let (mut found, mut offset) = (Vec::new(), 0);
        for _ in 0..MOST_PAGES {
            let body = json!({ "query": name, "offset": offset, "count": PAGE, "additionalProperties": [] });
            let reply = self.call(Method::POST, "/crm/v3/lists/search", &[], Some(&body)).await?;
            for list in reply.entries("lists")? {
                // The search finds names that are alike, and lists of every type.
                found.extend(self.list_id(list, name)?);
            }
            if reply.body.get("hasMore").and_then(Value::as_bool) != Some(true) {
                return Ok(found);
            }
            let next = reply.body.get("offset").and_then(Value::as_u64);
            offset = next.filter(|next| *next > offset).ok_or_else(api::endless)?;
        }
        Err(api::endless())
    }

    /// The id of a list that was found, where it has just that name; an error where its members cannot be written.
    fn list_id(&self, list: &Value, name: &str) -> Result<Option<String>, Answer> {
        let text = |field: &str| list.get(field).and_then(Value::as_str).unwrap_or_default();
        let ours = text("name") == name && Some(text("objectTypeId")) == type_id(&self.object_type);
        if !ours || !text("deletedAt").is_empty() {
            return Ok(None);
        }
        let id = http::readable(text("listId"));
        if text("processingType") == "DYNAMIC" {
            return Err(Answer::Fatal {
                code: "dynamic_list".into(),
                message: format!("the list `{id}` has the name and is `DYNAMIC`: HubSpot fills it; take another name"),
            });
        }
        Ok(Some(id))
    }

    async fn make(&self, name: &str) -> Result<String, Answer> {
        let body = json!({ "objectTypeId": type_id(&self.object_type), "processingType": "MANUAL", "name": name });
        let reply = self.call(Method::POST, "/crm/v3/lists/", &[], Some(&body)).await?;
        Ok(reply.text("/list/listId"))
    }

    /// Calls an action on the members of the list.
    async fn members(&self, context: &SyncContext, list: &List, action: &str, ids: &Value) -> Result<Reply, Answer> {
        let path = format!("/crm/v3/lists/{}/memberships/{action}", list.id(context)?);
        let reply = self.call(Method::PUT, &path, &[], Some(ids)).await;
        reply.map_err(|answer| list.explain(Some(context), "http_404", answer))
    }

    async fn upsert(&self, context: &SyncContext, batch: &Batch) -> Result<Answer, Answer> {
        let mut rows: Vec<(Outcome, Option<String>)> = Vec::with_capacity(batch.len());
        let mut inputs = Vec::with_capacity(batch.len());
        let mut seen = HashSet::new();
        for (row, mut properties) in api::texts(context, batch)?.into_iter().enumerate() {
            let id = properties.remove(&self.id_property).flatten().filter(|id| !id.is_empty());
            let refusal = match &id {
                None => Some(api::unidentified()),
                // HubSpot refuses a request in which one comes twice as a whole.
                Some(id) if !seen.insert(id.clone()) => Some(api::repeated(&self.id_property)),
                Some(_) => None,
            };
            rows.push((refusal.clone().unwrap_or_else(no_result), None));
            if refusal.is_none() {
                let properties = self.properties(context, properties);
                inputs.push(json!({
                    "idProperty": self.id_property,
                    "objectWriteTraceId": trace(row),
                    "id": id,
                    "properties": properties,
                }));
            }
        }
        if inputs.is_empty() {
            return Ok(Answer::WithReceipts(rows));
        }
        let path = format!("/crm/v3/objects/{}/batch/upsert", self.object_type);
        let reply = self.call(Method::POST, &path, &[], Some(&json!({ "inputs": inputs }))).await?;
        settle(&reply, &mut rows);
        if let Some(list) = &self.list {
            self.join(context, list, &mut rows).await?;
        }
        Ok(Answer::WithReceipts(rows))
    }

    fn properties(&self, context: &SyncContext, properties: HashMap<String, Option<String>>) -> Map<String, Value> {
        let kept = properties.into_iter().filter_map(|(name, value)| match value {
            Some(value) => Some((name, json!(value))),
            None => context.clears(&name, self.clear).then(|| (name, json!(""))),
        });
        let mut kept: Vec<_> = kept.collect();
        kept.sort_by(|one, other| one.0.cmp(&other.0));
        kept.into_iter().collect()
    }

    /// Makes the records that were taken members of the list.
    async fn join(
        &self,
        context: &SyncContext,
        list: &List,
        rows: &mut [(Outcome, Option<String>)],
    ) -> Result<(), Answer> {
        let ids: Vec<_> = rows.iter().filter_map(|(_, id)| id.clone()).collect();
        if ids.is_empty() {
            return Ok(());
        }
        let reply = self.members(context, list, "add", &json!(ids)).await?;
        let missing = strings(reply.body.get("recordIdsMissing"));
        for (outcome, id) in rows {
            if id.as_ref().is_some_and(|id| missing.contains(id)) {
                *outcome = api::refused("not_in_list", "HubSpot does not find the record to make it a list's member");
            }
        }
        Ok(())
    }

    async fn remove(&self, context: &SyncContext, batch: &Batch) -> Result<Answer, Answer> {
        let ids: Vec<_> = batch.receipts.iter().flatten().collect();
        match (context.removal(&SPEC), &self.list) {
            _ if ids.is_empty() => {}
            (RemovalKind::LeaveList, Some(list)) => {
                self.members(context, list, "remove", &json!(ids)).await?;
            }
            (RemovalKind::Erase, _) => {
                for id in &ids {
                    let body = json!({ "objectId": id });
                    gone(self.call(Method::POST, "/crm/v3/objects/contacts/gdpr-delete", &[], Some(&body)).await)?;
                }
            }
            _ => {
                let inputs: Vec<_> = ids.iter().map(|id| json!({ "id": id })).collect();
                let path = format!("/crm/v3/objects/{}/batch/archive", self.object_type);
                self.call(Method::POST, &path, &[], Some(&json!({ "inputs": inputs }))).await?;
            }
        }
        let outcome = |receipt: &Option<String>| match receipt {
            Some(_) => Outcome::Delivered,
            None => api::without_receipt(),
        };
        Ok(Answer::Partial(batch.receipts.iter().map(outcome).collect()))
    }
}

/// A record that is not there any more needs no removal.
fn gone(reply: Result<Reply, Answer>) -> Result<(), Answer> {
    match reply {
        Err(Answer::Fatal { code, .. }) if code == "http_404" => Ok(()),
        other => other.map(|_| ()),
    }
}

fn trace(row: usize) -> String {
    format!("row-{row}")
}

fn no_result() -> Outcome {
    Outcome::Rejected {
        code: "no_result".into(),
        message: "HubSpot's answer holds no result for this row".into(),
        retryable: true,
    }
}

/// Reads each row's id or refusal out of an answer of status 200 or 207.
fn settle(reply: &Reply, rows: &mut [(Outcome, Option<String>)]) {
    let place = |trace: &str| trace.strip_prefix("row-").and_then(|row| row.parse::<usize>().ok());
    for result in reply.body.get("results").and_then(Value::as_array).into_iter().flatten() {
        let trace = result.get("objectWriteTraceId").and_then(Value::as_str);
        let id = result.get("id").and_then(Value::as_str);
        if let (Some(row), Some(id)) = (trace.and_then(place).and_then(|row| rows.get_mut(row)), id) {
            *row = (Outcome::Delivered, Some(id.to_owned()));
        }
    }
    for error in reply.body.get("errors").and_then(Value::as_array).into_iter().flatten() {
        let text = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default();
        let category = text("category");
        let outcome = Outcome::Rejected {
            code: if category.is_empty() { "hubspot_error".into() } else { http::readable(category).to_lowercase() },
            message: http::readable(text("message")),
            retryable: matches!(category, "RATE_LIMITS" | "INTERNAL_ERROR"),
        };
        for trace in strings(error.pointer("/context/objectWriteTraceId")) {
            if let Some(row) = place(&trace).and_then(|row| rows.get_mut(row)) {
                *row = (outcome.clone(), None);
            }
        }
    }
}

fn strings(value: Option<&Value>) -> HashSet<String> {
    let all = value.and_then(Value::as_array).into_iter().flatten();
    all.filter_map(|text| text.as_str().map(str::to_owned)).collect()
}

/// <https://developers.hubspot.com/docs/reference/api/other-resources/error-handling>
fn failure(reply: &Reply) -> Option<Answer> {
    let said = reply.text("/message");
    match reply.status.as_u16() {
        429 => {
            let seconds = match reply.text("/policyName").as_str() {
                "SECONDLY" => 1,
                // The day of the account ends at its midnight, which only the account knows.
                "DAILY" => 86_400,
                _ => 10,
            };
            Some(Answer::Retry { after: Some(Duration::from_secs(seconds)), reason: format!("http_429: {said}") })
        }
        // A migration of the account: https://developers.hubspot.com/docs/reference/api/other-resources/error-handling
        477 => Some(Answer::Retry {
            after: http::retry_after(&reply.headers, jiff::Timestamp::now()),
            reason: "the account is moved to another data centre".into(),
        }),
        403 => Some(Answer::Fatal {
            code: "http_403".into(),
            message: format!("{said} (the private app needs the scopes of the records and lists)"),
        }),
        _ => reply.failure(said),
    }
}
