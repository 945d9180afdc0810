//! `meta_custom_audiences`: members of a Custom Audience, told by hashed identifiers.
//!
//! Meta has no id of a member and no outcome per row, only counts. A member is taken away by the identifiers it was
//! added with, so these, hashed, are the receipt of its row: a JSON object by field. A change of identifiers takes the
//! old ones away before the new ones are added. A run that replaces all members is one session of `usersreplace`, whose
//! last request must say that it is the last: one request is held back until the run ends.
//! <https://developers.facebook.com/docs/marketing-api/audiences/guides/custom-audiences>. An audience is looked up by its
//! name, and made, in the ad account:
//! <https://developers.facebook.com/docs/marketing-api/reference/ad-account/customaudiences>.
//!
//! Must not know: retries and batching.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;

use super::api::{self, Api, Chosen, List, Reply};
use crate::config::Options;
use crate::spec::option;
use crate::{
    Answer, Attempt, Batch, BatchLimits, Destination, DestinationConfig, DestinationError, DestinationSpec, Effect,
    FieldRule, FieldSpec, JobEnd, JobState, Limits, Mode, Normaliser, Nulls, Operation, Outcome, Removal, RemovalKind,
    Resources, SyncContext, Usage,
};

/// What the type declares.
pub(super) static SPEC: DestinationSpec = DestinationSpec {
    name: "meta_custom_audiences",
    meaning: "Adds people to a Custom Audience of Meta and takes them away, by hashed identifiers.",
    options: &[
        option("access_token", "token of a system user with `ads_management` for the ad account", None)
            .required()
            .secret(),
        option("audience_id", "id of the audience, of subtype CUSTOM", None).required().or("audience_name"),
        option("audience_name", "name of the audience, in place of its id; made where there is none", None),
        option(
            "ad_account_id",
            "number of the ad account, without `act_`; beside `audience_name`, and where removals erase people",
            None,
        ),
        option(
            "customer_file_source",
            "who gave you the data, told of an audience that is made: `USER_PROVIDED_ONLY`, `PARTNER_PROVIDED_ONLY` or \
             `BOTH_USER_AND_PARTNER_PROVIDED`",
            Some("USER_PROVIDED_ONLY"),
        ),
        option("app_secret", "secret of the app; signs the token with each call", None).secret(),
        option("version", "version of the Graph API", Some("v26.0")),
        api::HASHED_FIELDS,
        api::CALLING_CODE,
        api::BATCH_ROWS,
        api::RATE,
        api::CONCURRENCY,
        api::TIMEOUT,
        option("base_url", "address of the API", Some("https://graph.facebook.com")),
        api::ALLOW_PRIVATE,
    ],
    modes: &[Mode::Upsert, Mode::Mirror],
    fields: FieldRule::Listed(&[
        FieldSpec::identifier("EXTERN_ID", Normaliser::Trim, "your id of the person, kept for 90 days; not hashed"),
        FieldSpec::identifier("EMAIL", Normaliser::Email, "address of email").hashed(),
        FieldSpec::identifier("PHONE", Normaliser::PhoneDigits { calling_code: None }, "telephone number").hashed(),
        FieldSpec::identifier("MADID", Normaliser::Lower, "mobile advertising id; not hashed"),
        hashed("FN", Normaliser::Name, "first name"),
        hashed("LN", Normaliser::Name, "last name"),
        hashed("FI", Normaliser::Initial, "first letter of the first name"),
        hashed("GEN", Normaliser::Gender, "`f` or `m`"),
        hashed("DOBY", Normaliser::Year, "year of birth"),
        hashed("DOBM", Normaliser::TwoDigits, "month of birth"),
        hashed("DOBD", Normaliser::TwoDigits, "day of birth"),
        hashed("CT", Normaliser::Place, "city"),
        hashed("ST", Normaliser::Place, "state or region; two letters in the United States"),
        hashed("ZIP", Normaliser::PostalCode, "postal code"),
        hashed("COUNTRY", Normaliser::Country, "country by ISO 3166, two letters"),
        FieldSpec::plain("LOOKALIKE_VALUE", "worth of the person, for audiences based on value"),
        FieldSpec::plain("DATA_PROCESSING_OPTIONS", "list of options, such as `LDU`"),
        FieldSpec::plain("DATA_PROCESSING_OPTIONS_COUNTRY", "number of the country the options are for"),
        FieldSpec::plain("DATA_PROCESSING_OPTIONS_STATE", "number of the state the options are for"),
    ]),
    batch: BatchLimits::rows(10_000),
    homogeneous: true,
    rate: None,
    concurrency: 2,
    effect: Effect::IdempotentByKey,
    removal: Removal::ByReceipt,
    removals: &[RemovalKind::LeaveList, RemovalKind::Erase],
    nulls: &[Nulls::Send],
    members_expire: None,
};

const fn hashed(name: &'static str, normaliser: Normaliser, meaning: &'static str) -> FieldSpec {
    FieldSpec { normaliser, ..FieldSpec::plain(name, meaning) }.hashed()
}

const FILE_SOURCES: [&str; 3] = ["USER_PROVIDED_ONLY", "PARTNER_PROVIDED_ONLY", "BOTH_USER_AND_PARTNER_PROVIDED"];

/// Pages of 100 that are read of an account's audiences: more than any account has.
const MOST_PAGES: usize = 100;

/// The code of a refusal that says that what was asked for is not there, or not to be seen.
const ABSENT: &str = "meta_not_found";

struct Meta {
    name: String,
    api: Api,
    audience: List,
    account: Option<String>,
    file_source: String,
    query: Vec<(&'static str, String)>,
    fields: Vec<FieldSpec>,
    limits: Limits,
    sessions: Mutex<HashMap<String, Session>>,
}

/// A replacement of all members that goes on.
struct Session {
    id: u64,
    sequence: u64,
    /// The request that is not sent yet, with its ordinal in the run.
    held: (u64, Value),
}

/// Makes the destination from its options.
pub(super) fn connect(
    config: &DestinationConfig,
    options: &Options<'_>,
) -> Result<Arc<dyn Destination>, DestinationError> {
    let token = options.text("access_token").unwrap_or_default();
    let version = options.text("version").unwrap_or_default().trim();
    if !version.starts_with('v') || !version.chars().skip(1).all(|c| c.is_ascii_digit() || c == '.') {
        return Err(options.error("version", "must be like `v26.0`"));
    }
    let base = format!("{}/{version}", options.text("base_url").unwrap_or_default().trim_end_matches('/'));
    let api = Api::new(config, options, &base, &[("authorization", format!("Bearer {token}"))])?;
    let proof = options.text("app_secret").and_then(|secret| proof(secret, token));
    let account = api::path_id(options, "ad_account_id")?;
    let place = format!("meta/act_{}", account.as_deref().unwrap_or_default());
    let audience = List::required(options, "audience", &place)?;
    if account.is_none() && matches!(audience.chosen, Chosen::Name { .. }) {
        let message = "is required beside `audience_name`, which is looked for in the ad account";
        return Err(options.error("ad_account_id", message));
    }
    let file_source = options.text("customer_file_source").unwrap_or_default();
    if !FILE_SOURCES.contains(&file_source) {
        let message = format!("must be one of: {}", FILE_SOURCES.join(", "));
        return Err(options.error("customer_file_source", message));
    }
    Ok(Arc::new(Meta {
        name: config.name.clone(),
        api,
        audience,
        account,
        file_source: file_source.to_owned(),
        query: proof.map(|proof| ("appsecret_proof", proof)).into_iter().collect(),
        fields: api::fields(options, &SPEC)?,
        limits: api::limits(options, &SPEC, 2)?,
        sessions: Mutex::default(),
    }))
}

/// The proof that whoever holds the token holds the app's secret:
/// <https://developers.facebook.com/docs/graph-api/securing-requests>.
fn proof(secret: &str, token: &str) -> Option<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).ok()?;
    mac.update(token.as_bytes());
    Some(mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[async_trait]
impl Destination for Meta {
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

    /// Reads the audience's name and state, or looks for it.
    async fn check(&self) -> Result<(), DestinationError> {
        match &self.audience.chosen {
            Chosen::Name { name, .. } => self.audience.only(&self.api, self.named(name).await).map(|_| ()),
            Chosen::Id(id) => {
                let fields = [("fields", "id,name,operation_status")];
                let read = self.call(Method::GET, &format!("/{id}"), &fields, None).await;
                let told = |answer| self.api.error("read the audience", self.audience.explain(None, ABSENT, answer));
                read.map(|_| ()).map_err(told)
            }
        }
    }

    async fn prepare(&self, context: &SyncContext) -> Result<Resources, DestinationError> {
        api::check_sync(&self.name, context, &SPEC, true)?;
        if context.removal(&SPEC) == RemovalKind::Erase && self.account.is_none() {
            return Err(self.api.refuse("removals erase people from the ad account: set the option `ad_account_id`"));
        }
        if context.replaces == Some(0) {
            return Err(self
                .api
                .refuse("an audience cannot be replaced by nobody; send removals, or delete it at Meta"));
        }
        self.sessions.lock().await.remove(&context.run_id);
        let Some(name) = self.audience.unknown(context) else { return Ok(context.resources.clone()) };
        let id = match self.audience.only(&self.api, self.named(name).await)? {
            Some(id) => Ok(id),
            None => self.make(context, name).await,
        };
        self.audience.keep(&self.api, context, id)
    }

    async fn send(&self, context: &SyncContext, batch: &Batch, attempt: &Attempt) -> Answer {
        let sent = match batch.operation() {
            // The replacement leaves them out.
            Some(Operation::Delete) if context.replaces.is_some() => Ok(Answer::Ok),
            Some(Operation::Delete) => self.remove(context, batch).await,
            _ if context.replaces.is_some() => self.hold(context, batch, attempt).await,
            _ => self.add(context, batch).await,
        };
        sent.unwrap_or_else(|answer| answer)
    }

    /// A session that this run has not closed is cut by Meta after 90 minutes: its rows count as never sent, and a
    /// repeat of them is harmless.
    async fn poll(&self, _context: &SyncContext, _job: &str) -> Result<JobState, DestinationError> {
        Ok(JobState::Lost)
    }

    /// Sends the request that was held back, as the last of its session.
    async fn finish(&self, context: &SyncContext) -> Result<Vec<(String, JobEnd)>, DestinationError> {
        let Some(session) = self.sessions.lock().await.remove(&context.run_id) else { return Ok(Vec::new()) };
        let sent = self.replace(context, &session, true).await;
        sent.map_err(|answer| self.api.error("close the session that replaces the members", answer))?;
        Ok(vec![(session.id.to_string(), Outcome::Unknown.into())])
    }
}

impl Meta {
    async fn call(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Reply, Answer> {
        let mut all: Vec<_> = self.query.iter().map(|(name, value)| (*name, value.as_str())).collect();
        all.extend_from_slice(query);
        let reply = self.api.call(method, path, &all, body).await?;
        self.api.usage.note(usage(&reply.headers));
        match failure(&reply) {
            Some(answer) => Err(answer),
            None => Ok(reply),
        }
    }

    /// The address of the account's audiences.
    fn audiences(&self) -> String {
        format!("/act_{}/customaudiences", self.account.as_deref().unwrap_or_default())
    }

    /// The ids of the audiences of that name that take customer files.
    async fn named(&self, name: &str) -> Result<Vec<String>, Answer> {
        let (mut found, mut after) = (Vec::new(), None::<String>);
        for _ in 0..MOST_PAGES {
            let mut query = vec![("fields", "id,name,subtype"), ("limit", "100")];
            query.extend(after.as_deref().map(|after| ("after", after)));
            let reply = self.call(Method::GET, &self.audiences(), &query, None).await?;
            let text = |audience: &Value, field: &str| audience.get(field).and_then(Value::as_str).map(str::to_owned);
            for audience in reply.entries("data")? {
                let custom = text(audience, "subtype").as_deref() == Some("CUSTOM");
                if custom && text(audience, "name").as_deref() == Some(name) {
                    found.extend(text(audience, "id"));
                }
            }
            // The last page has a cursor too, but no link to a next one:
            // https://developers.facebook.com/docs/graph-api/results
            let cursor = reply.body.pointer("/paging/cursors/after").and_then(Value::as_str);
            if reply.text("/paging/next").is_empty() {
                return Ok(found);
            }
            after = Some(cursor.ok_or_else(api::endless)?.to_owned());
        }
        Err(api::endless())
    }

    async fn make(&self, context: &SyncContext, name: &str) -> Result<String, Answer> {
        if context.fields.field_with_name("LOOKALIKE_VALUE").is_ok() {
            return Err(Answer::Fatal {
                code: "value_based".into(),
                message: "`LOOKALIKE_VALUE` needs an audience based on value: make it at Meta, and set `audience_id`"
                    .into(),
            });
        }
        let body = json!({
            "name": name,
            "subtype": "CUSTOM",
            "description": "Its members are kept by Springline.",
            "customer_file_source": self.file_source,
        });
        Ok(self.call(Method::POST, &self.audiences(), &[], Some(&body)).await?.text("/id"))
    }

    /// Calls what is below the audience.
    async fn call_audience(
        &self,
        context: &SyncContext,
        method: Method,
        below: &str,
        body: &Value,
    ) -> Result<Reply, Answer> {
        let path = format!("/{}/{below}", self.audience.id(context)?);
        let reply = self.call(method, &path, &[], Some(body)).await;
        reply.map_err(|answer| self.audience.explain(Some(context), ABSENT, answer))
    }

    /// Adds the rows, after the old identifiers of those that have others now are taken away.
    async fn add(&self, context: &SyncContext, batch: &Batch) -> Result<Answer, Answer> {
        let rows = Rows::of(context, batch)?;
        // Of a row that has no identifier any more the old ones go as well.
        let outdated = rows.members.iter().zip(&batch.receipts).filter_map(|(member, receipt)| {
            let receipt = receipt.as_ref()?;
            let same = member.as_ref().is_some_and(|member| member.receipt == *receipt);
            (!same).then_some(receipt.as_str())
        });
        for payload in payloads(outdated) {
            self.call_audience(context, Method::DELETE, "users", &json!({ "payload": payload })).await?;
        }
        let sent = rows.members.iter().flatten().count();
        if sent == 0 {
            return Ok(rows.answer(&Outcome::Unknown));
        }
        let body = json!({ "payload": rows.payload() });
        let reply = self.call_audience(context, Method::POST, "users", &body).await?;
        let number = |name: &str| reply.body.get(name).and_then(Value::as_u64);
        Ok(rows.answer(&match (number("num_received"), number("num_invalid_entries")) {
            (Some(received), Some(0)) if received == sent as u64 => Outcome::Delivered,
            (_, Some(invalid)) if invalid >= sent as u64 => {
                api::refused("invalid_entries", "Meta calls every row of the request invalid")
            }
            _ => Outcome::Unknown,
        }))
    }

    /// Takes away what the receipts name: from the audience, or from every audience of the ad account.
    async fn remove(&self, context: &SyncContext, batch: &Batch) -> Result<Answer, Answer> {
        for payload in payloads(batch.receipts.iter().flatten().map(String::as_str)) {
            let body = json!({ "payload": payload });
            match (context.removal(&SPEC), &self.account) {
                (RemovalKind::Erase, Some(account)) => {
                    let path = format!("/act_{account}/usersofanyaudience");
                    self.call(Method::DELETE, &path, &[], Some(&body)).await?
                }
                _ => self.call_audience(context, Method::DELETE, "users", &body).await?,
            };
        }
        let outcome = |receipt: &Option<String>| match receipt {
            Some(_) => Outcome::Unknown,
            None => api::without_receipt(),
        };
        Ok(Answer::Partial(batch.receipts.iter().map(outcome).collect()))
    }

    /// Holds the rows of a replacement back and sends those that were held.
    async fn hold(&self, context: &SyncContext, batch: &Batch, attempt: &Attempt) -> Result<Answer, Answer> {
        let rows = Rows::of(context, batch)?;
        let id = session_id(&context.run_id);
        let accepted = rows.answer(&Outcome::Accepted { job: id.to_string(), row: None });
        if rows.members.iter().flatten().count() == 0 {
            return Ok(accepted);
        }
        // The lock is held over the call: the first request of a session must arrive before all others.
        let mut sessions = self.sessions.lock().await;
        let held = (attempt.request, rows.payload());
        match sessions.get_mut(&context.run_id) {
            None => {
                sessions.insert(context.run_id.clone(), Session { id, sequence: 1, held });
            }
            Some(session) if session.held.0 != attempt.request => {
                self.replace(context, session, false).await?;
                session.sequence += 1;
                session.held = held;
            }
            Some(_) => {}
        }
        Ok(accepted)
    }

    /// Sends the request that a session holds.
    async fn replace(&self, context: &SyncContext, session: &Session, last: bool) -> Result<Reply, Answer> {
        let body = json!({
            "payload": session.held.1,
            "session": {
                "session_id": session.id,
                "batch_seq": session.sequence,
                "last_batch_flag": last,
                "estimated_num_total": context.replaces,
            },
        });
        let sent = self.call_audience(context, Method::POST, "usersreplace", &body).await;
        sent.map_err(|answer| match answer {
            // The rows of this call are not those that the shared stack would halve.
            Answer::Split { code, reason } => Answer::Fatal { code, message: reason },
            other => other,
        })
    }
}

/// A number that no other run has, within what JSON numbers hold exactly.
fn session_id(run_id: &str) -> u64 {
    let digest = Sha256::digest(run_id);
    let number = digest.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    (number >> 11).max(1)
}

/// The rows of a batch as Meta takes them.
struct Rows {
    schema: Vec<String>,
    /// One per row; none where nothing tells who it is.
    members: Vec<Option<Member>>,
}

struct Member {
    cells: Vec<Value>,
    receipt: String,
}

impl Rows {
    fn of(context: &SyncContext, batch: &Batch) -> Result<Self, Answer> {
        let objects = api::objects(context, batch)?;
        let schema = batch.fields.schema().fields().iter().map(|field| field.name().clone()).collect();
        Ok(Self { schema, members: objects.into_iter().map(member).collect() })
    }

    fn payload(&self) -> Value {
        let data: Vec<_> = self.members.iter().flatten().map(|member| &member.cells).collect();
        json!({ "schema": self.schema, "data": data, "is_raw": true })
    }

    /// `outcome` for every row that was sent, with its receipt.
    fn answer(&self, outcome: &Outcome) -> Answer {
        let row = |member: &Option<Member>| match member {
            Some(member) => (outcome.clone(), Some(member.receipt.clone())),
            None => (api::unidentified(), None),
        };
        Answer::WithReceipts(self.members.iter().map(row).collect())
    }
}

fn member(row: Map<String, Value>) -> Option<Member> {
    let spec = |name: &str| SPEC.fields.known().iter().find(|field| field.name == name);
    let identified =
        row.iter().any(|(name, value)| !value.is_null() && spec(name).is_some_and(|field| field.identifier));
    if !identified {
        return None;
    }
    // What is neither an identifier nor normalised says nothing of who it is.
    let tells = |name: &str| spec(name).is_some_and(|field| field.normaliser != Normaliser::AsIs);
    let known = row.iter().filter(|(name, value)| !value.is_null() && tells(name));
    let receipt: BTreeMap<_, _> = known.collect();
    let receipt = json!(receipt).to_string();
    // A cell that is not known is an empty text.
    let cells = row.into_iter().map(|(_, value)| if value.is_null() { json!("") } else { value }).collect();
    Some(Member { cells, receipt })
}

/// The identifiers that receipts hold, as payloads of one schema each.
fn payloads<'a>(receipts: impl Iterator<Item = &'a str>) -> Vec<Value> {
    let mut by_schema: BTreeMap<Vec<String>, Vec<Vec<Value>>> = BTreeMap::new();
    for receipt in receipts {
        let Ok(Value::Object(member)) = serde_json::from_str::<Value>(receipt) else { continue };
        let (schema, cells) = member.into_iter().unzip();
        by_schema.entry(schema).or_default().push(cells);
    }
    by_schema.into_iter().map(|(schema, data)| json!({ "schema": schema, "data": data, "is_raw": true })).collect()
}

/// The share of the allowance in per cent, and the minutes until there is one again:
/// <https://developers.facebook.com/docs/graph-api/overview/rate-limiting>.
fn usage(headers: &HeaderMap) -> Option<Usage> {
    let text = headers.get("x-business-use-case-usage")?.to_str().ok()?;
    let accounts: HashMap<String, Vec<Value>> = serde_json::from_str(text).ok()?;
    let number = |entry: &Value, name: &str| entry.get(name).and_then(Value::as_f64).unwrap_or(0.0);
    let entries = || accounts.values().flatten();
    let names = ["call_count", "total_cputime", "total_time"];
    let used = entries().flat_map(|entry| names.map(|name| number(entry, name))).fold(0.0, f64::max);
    let minutes = entries().map(|entry| number(entry, "estimated_time_to_regain_access")).fold(0.0, f64::max);
    let resets_in = Duration::try_from_secs_f64(minutes * 60.0).ok().filter(|wait| !wait.is_zero());
    Some(Usage { used: used / 100.0, left: None, resets_in })
}

/// <https://developers.facebook.com/docs/marketing-api/error-reference>; the code counts, not the status.
fn failure(reply: &Reply) -> Option<Answer> {
    let number = |name: &str| reply.body.pointer(&format!("/error/{name}")).and_then(Value::as_i64);
    let Some(code) = number("code") else {
        // A page in place of an answer comes from a machine before the API.
        let page = !reply.status.is_success() && reply.body.is_null();
        return if page { Some(retry(reply, "no answer of the API")) } else { reply.failure(String::new()) };
    };
    let said = Some(reply.text("/error/error_user_msg")).filter(|text| !text.is_empty());
    let said = said.unwrap_or_else(|| reply.text("/error/message"));
    let subcode = number("error_subcode");
    let name = format!("meta_{code}");
    let fatal = |message: String| Some(Answer::Fatal { code: name.clone(), message });
    match (code, subcode) {
        (1 | 2 | 341 | 368 | 5000 | 21009, _) | (2650, Some(1_870_145)) => Some(retry(reply, &said)),
        (4 | 17 | 32 | 613 | 80_000..=80_014, _) => Some(retry(reply, &said)),
        (102 | 190, _) => fatal("the access token is refused; make a new one and set `access_token`".into()),
        (3 | 10 | 200..=299 | 2655, _) => {
            fatal(format!("{said} (the token needs `ads_management`, and the account the terms of customer files)"))
        }
        (100, Some(33)) | (1_487_301 | 1_487_366, _) => Some(Answer::Fatal { code: ABSENT.into(), message: said }),
        // A parameter that is wrong may be a row.
        (100, None) => Some(Answer::Split { code: name, reason: said }),
        _ if reply.status.is_server_error() => Some(retry(reply, &said)),
        _ => fatal(said),
    }
}

fn retry(reply: &Reply, said: &str) -> Answer {
    let after = usage(&reply.headers).and_then(|usage| usage.resets_in);
    Answer::Retry { after, reason: said.to_owned() }
}
