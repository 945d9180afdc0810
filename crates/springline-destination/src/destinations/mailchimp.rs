//! `mailchimp`: members of an audience by their address of email.
//!
//! A member is known by the MD5 of its address, which is the receipt of its row: a change of the address is told by the
//! old one. Members that are new get the status of the options; the status of those that are there stays, for it is
//! their consent. <https://mailchimp.com/developer/marketing/api/lists/batch-subscribe-or-unsubscribe/>.
//! An audience is looked up by its name with <https://mailchimp.com/developer/marketing/api/lists/get-lists-info/>, and
//! never made: it needs a sender and a reason that people agreed to, which only people can give.
//!
//! Must not know: retries and batching.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::api::{self, Api, Chosen, List, Reply};
use crate::config::Options;
use crate::spec::option;
use crate::{
    Answer, Attempt, Batch, BatchLimits, Destination, DestinationConfig, DestinationError, DestinationSpec, Effect,
    FieldRule, FieldSpec, Limits, Mode, Normaliser, Nulls, Operation, Outcome, Removal, RemovalKind, Resources,
    SyncContext, http,
};

/// What the type declares.
pub(super) static SPEC: DestinationSpec = DestinationSpec {
    name: "mailchimp",
    meaning: "Adds members to an audience of Mailchimp, updates them, and archives or tags them.",
    options: &[
        option("api_key", "key of the Marketing API; what follows its last `-` names the data centre", None)
            .required()
            .secret(),
        option("list_id", "id of the audience", None).required().or("list_name"),
        option("list_name", "name of the audience, in place of its id; it must be there", None),
        option(
            "status_if_new",
            "status of new members: `subscribed` (they agreed), `pending`, `unsubscribed` or `transactional`",
            None,
        )
        .required(),
        option("tag", "tag that the rows have; those that leave it stay members", None),
        option("nulls", "what an empty value does: `clear` the merge field, or `skip` it", Some("clear")),
        api::BATCH_ROWS,
        api::RATE,
        api::CONCURRENCY,
        api::TIMEOUT,
        option("base_url", "address of the API; left out, the key tells", None),
        api::ALLOW_PRIVATE,
    ],
    modes: &[Mode::Upsert, Mode::Mirror],
    fields: FieldRule::Open(&[
        FieldSpec { required: true, ..FieldSpec::identifier("email_address", Normaliser::Email, "address of email") },
        FieldSpec::plain("email_type", "`html` or `text`"),
        FieldSpec::plain("language", "language of the member"),
        FieldSpec::plain("vip", "whether the member is a VIP"),
    ]),
    batch: BatchLimits { removals: Some(1), ..BatchLimits::rows(500) },
    homogeneous: true,
    rate: None,
    // Ten connections are allowed to a user over all apps.
    concurrency: 4,
    effect: Effect::IdempotentByKey,
    removal: Removal::ByReceipt,
    removals: &[RemovalKind::Archive, RemovalKind::LeaveList, RemovalKind::Erase],
    nulls: &[Nulls::Clear, Nulls::Skip],
    members_expire: None,
};

const STATUSES: [&str; 4] = ["subscribed", "pending", "unsubscribed", "transactional"];

/// What the API calls itself; every other field is a merge field.
const ATTRIBUTES: [&str; 4] = ["email_address", "email_type", "language", "vip"];

/// Audiences of one page of a listing: the most there can be.
const PAGE: usize = 1_000;

/// Pages that are read of the audiences: more than any account has.
const MOST_PAGES: usize = 100;

struct Mailchimp {
    name: String,
    api: Api,
    list: List,
    status_if_new: String,
    tag: Option<String>,
    clear: bool,
    limits: Limits,
}

/// Makes the destination from its options.
pub(super) fn connect(
    config: &DestinationConfig,
    options: &Options<'_>,
) -> Result<Arc<dyn Destination>, DestinationError> {
    let key = options.text("api_key").unwrap_or_default().trim();
    let base = match (options.text("base_url"), key.rsplit_once('-')) {
        (Some(base), _) => base.to_owned(),
        (None, Some((_, place))) if !place.is_empty() && place.chars().all(|c| c.is_ascii_alphanumeric()) => {
            format!("https://{place}.api.mailchimp.com/3.0")
        }
        _ => return Err(options.error("api_key", "must end in `-` and a data centre, as in `…-us19`")),
    };
    let status = options.text("status_if_new").unwrap_or_default();
    if !STATUSES.contains(&status) {
        return Err(options.error("status_if_new", format!("must be one of: {}", STATUSES.join(", "))));
    }
    let credentials = format!("Basic {}", STANDARD.encode(format!("user:{key}")));
    Ok(Arc::new(Mailchimp {
        name: config.name.clone(),
        api: Api::new(config, options, &base, &[("authorization", credentials)])?,
        list: List::required(options, "list", "mailchimp")?,
        status_if_new: status.to_owned(),
        tag: options.text("tag").map(str::to_owned),
        clear: api::clears(options)?,
        limits: api::limits(options, &SPEC, 2)?,
    }))
}

#[async_trait]
impl Destination for Mailchimp {
    fn spec(&self) -> &'static DestinationSpec {
        &SPEC
    }

    fn limits(&self) -> Limits {
        self.limits
    }

    /// Reads the audience, or looks for it.
    async fn check(&self) -> Result<(), DestinationError> {
        match &self.list.chosen {
            Chosen::Name { name, .. } => self.find(name).await.map(|_| ()),
            Chosen::Id(id) => {
                let read = self.call(Method::GET, &format!("/lists/{id}"), &[], None).await;
                let told = |answer| self.api.error("read the audience", self.list.explain(None, "http_404", answer));
                read.map(|_| ()).map_err(told)
            }
        }
    }

    async fn prepare(&self, context: &SyncContext) -> Result<Resources, DestinationError> {
        api::check_sync(&self.name, context, &SPEC, false)?;
        if context.removal == Some(RemovalKind::LeaveList) && self.tag.is_none() {
            return Err(self
                .api
                .refuse("there is no tag to leave: set the option `tag`, or let a removal be `archive`"));
        }
        let Some(name) = self.list.unknown(context) else { return Ok(context.resources.clone()) };
        let id = self.find(name).await?;
        self.list.keep(&self.api, context, Ok(id))
    }

    async fn send(&self, context: &SyncContext, batch: &Batch, _attempt: &Attempt) -> Answer {
        let sent = match batch.operation() {
            Some(Operation::Delete) => self.remove(context, batch).await,
            _ => self.upsert(context, batch).await,
        };
        sent.unwrap_or_else(|answer| answer)
    }
}

impl Mailchimp {
    async fn call(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Reply, Answer> {
        let reply = self.api.call(method, path, query, body).await?;
        match failure(&reply) {
            Some(answer) => Err(answer),
            None => Ok(reply),
        }
    }

    /// The id of the audience of that name.
    async fn find(&self, name: &str) -> Result<String, DestinationError> {
        let found = self.list.only(&self.api, self.named(name).await)?;
        found.ok_or_else(|| {
            self.api.refuse(
                "no audience has the name in `list_name`: correct it, set `list_id`, or make the audience at Mailchimp",
            )
        })
    }

    /// The ids of the audiences of that name.
    async fn named(&self, name: &str) -> Result<Vec<String>, Answer> {
        let (mut found, mut seen) = (Vec::new(), 0);
        for _ in 0..MOST_PAGES {
            let (count, offset) = (PAGE.to_string(), seen.to_string());
            let query =
                [("fields", "lists.id,lists.name,total_items"), ("count", count.as_str()), ("offset", offset.as_str())];
            let reply = self.call(Method::GET, "/lists", &query, None).await?;
            let text = |list: &Value, field: &str| list.get(field).and_then(Value::as_str).map(str::to_owned);
            let lists = reply.entries("lists")?;
            let same = lists.iter().filter(|list| text(list, "name").as_deref() == Some(name));
            found.extend(same.filter_map(|list| text(list, "id")));
            seen += lists.len() as u64;
            let total = reply.body.get("total_items").and_then(Value::as_u64).ok_or_else(api::endless)?;
            if lists.is_empty() || seen >= total {
                return Ok(found);
            }
        }
        Err(api::endless())
    }

    async fn upsert(&self, context: &SyncContext, batch: &Batch) -> Result<Answer, Answer> {
        let list = format!("/lists/{}", self.list.id(context)?);
        let members: Vec<_> = api::objects(context, batch)?.into_iter().map(|row| self.member(context, row)).collect();
        // A member whose address has changed is known by the old one.
        for (member, receipt) in members.iter().zip(&batch.receipts) {
            if let (Some(member), Some(old)) = (member, receipt)
                && *old != subscriber(member)
            {
                let renamed = self.call(Method::PUT, &format!("{list}/members/{old}"), &[], Some(&json!(member))).await;
                gone(renamed)?;
            }
        }
        let addresses: Vec<_> = members.iter().map(|member| member.as_ref().map(address)).collect();
        let mut seen = HashSet::new();
        let repeats: Vec<_> =
            addresses.iter().map(|address| address.is_some_and(|address| !seen.insert(address))).collect();
        let sent: Vec<_> =
            members.iter().zip(&repeats).filter_map(|(m, again)| m.as_ref().filter(|_| !again)).collect();
        let mut refusals = HashMap::new();
        if !sent.is_empty() {
            let query = [("skip_merge_validation", "true"), ("skip_duplicate_check", "true")];
            let body = json!({ "members": sent, "sync_tags": false, "update_existing": true });
            let reply = self.call(Method::POST, &list, &query, Some(&body)).await;
            refusals = refused(&reply.map_err(|answer| self.list.explain(Some(context), "http_404", answer))?);
        }
        let row = |(address, again): (&Option<&str>, bool)| match address {
            None => (api::unidentified(), None),
            Some(_) if again => (api::repeated("email_address"), None),
            Some(address) => match refusals.get(*address) {
                Some(outcome) => (outcome.clone(), None),
                None => (Outcome::Delivered, Some(md5_hex(address))),
            },
        };
        Ok(Answer::WithReceipts(addresses.iter().zip(repeats).map(row).collect()))
    }

    fn member(&self, context: &SyncContext, row: Map<String, Value>) -> Option<Map<String, Value>> {
        let (mut member, mut merge_fields) = (Map::new(), Map::new());
        for (name, value) in row {
            if ATTRIBUTES.contains(&name.as_str()) {
                if !value.is_null() {
                    member.insert(name, value);
                }
            } else if !value.is_null() || context.clears(&name, self.clear) {
                merge_fields.insert(name, if value.is_null() { json!("") } else { value });
            }
        }
        member.contains_key("email_address").then_some(())?;
        member.insert("status_if_new".into(), json!(self.status_if_new));
        if !merge_fields.is_empty() {
            member.insert("merge_fields".into(), Value::Object(merge_fields));
        }
        if let Some(tag) = &self.tag {
            member.insert("tags".into(), json!([tag]));
        }
        Some(member)
    }

    /// One row a request: Mailchimp takes members away one by one.
    async fn remove(&self, context: &SyncContext, batch: &Batch) -> Result<Answer, Answer> {
        let list = self.list.id(context)?;
        let mut outcomes = Vec::with_capacity(batch.len());
        for receipt in &batch.receipts {
            let Some(hash) = receipt else {
                outcomes.push(api::without_receipt());
                continue;
            };
            let member = format!("/lists/{list}/members/{hash}");
            gone(match (context.removal(&SPEC), &self.tag) {
                (RemovalKind::LeaveList, Some(tag)) => {
                    let body = json!({ "tags": [{ "name": tag, "status": "inactive" }], "is_syncing": true });
                    self.call(Method::POST, &format!("{member}/tags"), &[], Some(&body)).await
                }
                (RemovalKind::Erase, _) => {
                    self.call(Method::POST, &format!("{member}/actions/delete-permanent"), &[], None).await
                }
                _ => self.call(Method::DELETE, &member, &[], None).await,
            })?;
            outcomes.push(Outcome::Delivered);
        }
        Ok(Answer::Partial(outcomes))
    }
}

fn address(member: &Map<String, Value>) -> &str {
    member.get("email_address").and_then(Value::as_str).unwrap_or_default()
}

fn subscriber(member: &Map<String, Value>) -> String {
    md5_hex(address(member))
}

fn md5_hex(address: &str) -> String {
    Md5::digest(address).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A member that is not there needs neither a removal nor a new name.
fn gone(reply: Result<Reply, Answer>) -> Result<(), Answer> {
    match reply {
        Err(Answer::Fatal { code, .. }) if code == "http_404" => Ok(()),
        other => other.map(|_| ()),
    }
}

/// The refusals of a batch by address.
fn refused(reply: &Reply) -> HashMap<String, Outcome> {
    let errors = reply.body.get("errors").and_then(Value::as_array).into_iter().flatten();
    let refusal = |error: &Value| {
        let text = |name: &str| error.get(name).and_then(Value::as_str);
        let code = text("error_code").map_or_else(|| "error".into(), http::readable).to_lowercase();
        let message = http::readable(text("error").unwrap_or("no reason given"));
        Some((text("email_address")?.to_lowercase(), Outcome::Rejected { code, message, retryable: false }))
    };
    errors.filter_map(refusal).collect()
}

/// <https://mailchimp.com/developer/marketing/docs/errors/>
fn failure(reply: &Reply) -> Option<Answer> {
    // At a very high volume a refusal without an explanation stands for "slow down".
    if reply.status.as_u16() == 403 && reply.body.is_null() {
        return Some(Answer::Retry {
            after: None,
            reason: "http_403: refused without a reason, as when throttled".into(),
        });
    }
    let detail = reply.text("/detail");
    reply.failure(if detail.is_empty() { reply.text("/title") } else { detail })
}
