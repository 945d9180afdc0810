//! What the destinations behind a vendor's HTTP API share: options, client, calls with JSON, the usual reading of a
//! status, the list that is told by its name, and rows as JSON.
//!
//! Must not know: any vendor's paths, bodies or codes.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, StatusCode, Url};
use serde_json::{Map, Value};

use crate::config::Options;
use crate::encode::{in_utc, json_objects};
use crate::normalise::CallingCode;
use crate::spec::option;
use crate::{
    Answer, Batch, DestinationConfig, DestinationError, DestinationSpec, FieldSpec, Hashing, Limits, Normaliser,
    OptionSpec, Outcome, Resources, SyncContext, http,
};

/// Lowers [`Limits::rate`].
pub(super) const RATE: OptionSpec = option("rate_per_second", "most requests per second, 0.001 to 10000", None);
/// Lowers [`Limits::concurrency`].
pub(super) const CONCURRENCY: OptionSpec = option("concurrency", "most requests at once, 1 to 64", None);
/// Lowers the rows of a request.
pub(super) const BATCH_ROWS: OptionSpec = option("batch_rows", "most rows of one request", None);
/// Time for one answer.
pub(super) const TIMEOUT: OptionSpec = option("timeout_secs", "seconds to wait for one answer, 1 to 600", Some("60"));
/// What numbers written without a calling code get.
pub(super) const CALLING_CODE: OptionSpec =
    option("calling_code", "calling code of telephone numbers that are written without one, such as `33`", None);
/// What the warehouse has hashed already.
pub(super) const HASHED_FIELDS: OptionSpec = option(
    "hashed_fields",
    "fields, separated by commas, whose values are SHA-256 hashes already; anything else in them is not sent",
    None,
);
/// Where a gateway stands before the API.
pub(super) const ALLOW_PRIVATE: OptionSpec = option(
    "allow_private_addresses",
    "`true` also reaches a `base_url` that is not on the public internet, and takes `http://`",
    Some("false"),
);

/// A vendor's API with its credentials. It has no `Debug`: its headers are secrets.
pub(super) struct Api {
    destination: String,
    client: Client,
    base: String,
    headers: HeaderMap,
    /// What the answers tell of the allowance.
    pub(super) usage: http::LatestUsage,
}

/// An answer of the API.
pub(super) struct Reply {
    /// Its status.
    pub(super) status: StatusCode,
    /// Its headers.
    pub(super) headers: HeaderMap,
    /// Its body; null where that is no JSON.
    pub(super) body: Value,
}

impl Api {
    /// Makes the client. `headers` go with every call; their values are taken for secrets.
    pub(super) fn new(
        config: &DestinationConfig,
        options: &Options<'_>,
        base: &str,
        headers: &[(&'static str, String)],
    ) -> Result<Self, DestinationError> {
        let allow_private = options.flag("allow_private_addresses")?;
        check_base(options, base, allow_private)?;
        let client = http::client(timeout(options)?, allow_private).map_err(|error| DestinationError::Unreachable {
            destination: config.name.clone(),
            message: format!("no HTTP client can be made (are the system's CA certificates installed?): {error}"),
        })?;
        let mut all = HeaderMap::new();
        for (name, value) in headers {
            let mut value = HeaderValue::from_str(value).map_err(|_| DestinationError::Unreachable {
                destination: config.name.clone(),
                message: format!("the value of the header `{name}` holds characters that a header cannot carry"),
            })?;
            value.set_sensitive(true);
            all.insert(HeaderName::from_static(name), value);
        }
        let (destination, base) = (config.name.clone(), base.trim_end_matches('/').to_owned());
        Ok(Self { destination, client, base, headers: all, usage: http::LatestUsage::default() })
    }

    /// Calls `path` below the API's address. An error is the answer where there is none from the API.
    pub(super) async fn call(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Reply, Answer> {
        let address = format!("{}{path}", self.base);
        let url = Url::parse_with_params(&address, query).map_err(|_| Answer::Fatal {
            code: "address".into(),
            message: "an id in the options cannot stand in an address".into(),
        })?;
        let mut request = self.client.request(method, url).headers(self.headers.clone());
        if let Some(body) = body {
            if !self.headers.contains_key(CONTENT_TYPE) {
                request = request.header(CONTENT_TYPE, "application/json");
            }
            request = request.body(body.to_string());
        }
        let response = request.send().await.map_err(http::unanswered)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = http::body(response).await.map_err(http::unanswered)?;
        Ok(Reply { status, headers, body: serde_json::from_slice(&body).unwrap_or(Value::Null) })
    }

    /// An error outside of a request for rows.
    pub(super) fn error(&self, action: &str, answer: Answer) -> DestinationError {
        let reason = match answer {
            Answer::Retry { reason, .. } | Answer::Split { reason, .. } => reason,
            Answer::Fatal { message, .. } => message,
            Answer::Reauthenticate => "the credentials have expired".into(),
            Answer::Ok | Answer::Partial(_) | Answer::WithReceipts(_) => "the answer has an unknown form".into(),
        };
        DestinationError::Unreachable {
            destination: self.destination.clone(),
            message: format!("cannot {action}: {reason}"),
        }
    }

    /// An error about what is missing or wrong at the destination.
    pub(super) fn refuse(&self, message: impl Into<String>) -> DestinationError {
        DestinationError::Unreachable { destination: self.destination.clone(), message: message.into() }
    }
}

fn check_base(options: &Options<'_>, base: &str, allow_private: bool) -> Result<(), DestinationError> {
    let url: Url = base.parse().map_err(|_| options.error("base_url", "is not a URL"))?;
    let plain = url.scheme() == "http" && allow_private;
    if (url.scheme() != "https" && !plain) || url.host_str().is_none_or(str::is_empty) {
        return Err(options.error("base_url", "must begin with `https://` and name a host"));
    }
    if !allow_private && http::literal_address(&url).is_some_and(|address| !http::is_public(address)) {
        let message = "names a private address; if that is meant, set `allow_private_addresses: true`";
        return Err(options.error("base_url", message));
    }
    Ok(())
}

fn timeout(options: &Options<'_>) -> Result<Duration, DestinationError> {
    Ok(Duration::from_secs(options.number("timeout_secs", 1..=600)?.unwrap_or(60)))
}

/// The limits of the type as the shared options lower them. `requests` is how many calls one batch may take.
pub(super) fn limits(
    options: &Options<'_>,
    spec: &'static DestinationSpec,
    requests: u32,
) -> Result<Limits, DestinationError> {
    let mut limits = Limits::from(spec);
    if let Some(rows) = options.number("batch_rows", 1..=spec.batch.rows)? {
        limits.batch.rows = rows;
        limits.batch.removals = limits.batch.removals.map(|removals| removals.min(rows));
    }
    let rate = options.number("rate_per_second", 0.001..=10_000.0)?;
    limits.rate = rate.map(|rate: f64| spec.rate.map_or(rate, |most| rate.min(most))).or(spec.rate);
    limits.concurrency = options.number("concurrency", 1..=64)?.unwrap_or(spec.concurrency);
    limits.timeout = Some(timeout(options)? * requests + Duration::from_secs(1));
    Ok(limits)
}

/// An id that becomes a part of a path: letters, digits, `-` and `_`.
pub(super) fn path_id(options: &Options<'_>, name: &str) -> Result<Option<String>, DestinationError> {
    let Some(id) = options.text(name).map(str::trim).filter(|id| !id.is_empty()) else { return Ok(None) };
    if !is_path_id(id) {
        return Err(options.error(name, "is an id of letters, digits, `-` and `_`"));
    }
    Ok(Some(id.to_owned()))
}

fn is_path_id(id: &str) -> bool {
    !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
}

/// The list or audience that the rows become members of.
///
/// Where the options tell its name, `prepare` looks its id up, or makes it, and keeps the id among the run's resources.
/// It is looked for before it is made, so a run that dies between making it and keeping its id does no harm: the next
/// one finds it. Two syncs that make a list of one name at the same moment make two.
pub(super) struct List {
    /// `list` or `audience`, which the options and resources `<word>_id` and `<word>_name` are called by.
    word: &'static str,
    /// How the options tell it.
    pub(super) chosen: Chosen,
}

/// How the options tell a list.
pub(super) enum Chosen {
    /// By its id.
    Id(String),
    /// By its name.
    Name {
        /// The name.
        name: String,
        /// The place and the name it is looked up by. An id that was kept for another place or name is not used.
        sought: String,
    },
}

impl List {
    /// The list that the options tell; none where they tell none. `place` is where a name is looked up: the vendor, and
    /// the account or type of records there.
    pub(super) fn of(options: &Options<'_>, word: &'static str, place: &str) -> Result<Option<Self>, DestinationError> {
        let (by_id, by_name) = (format!("{word}_id"), format!("{word}_name"));
        let name = options.text(&by_name).map(str::trim).filter(|name| !name.is_empty());
        let chosen = match (path_id(options, &by_id)?, name) {
            (Some(_), Some(_)) => {
                return Err(options.error(&by_name, format!("cannot stand beside `{by_id}`: take one of the two away")));
            }
            (Some(id), None) => Chosen::Id(id),
            (None, Some(name)) => Chosen::Name { name: name.to_owned(), sought: format!("{place}/{name}") },
            (None, None) => return Ok(None),
        };
        Ok(Some(Self { word, chosen }))
    }

    /// The list that the options must tell.
    pub(super) fn required(options: &Options<'_>, word: &'static str, place: &str) -> Result<Self, DestinationError> {
        let missing = || options.error(&format!("{word}_id"), format!("is required, or `{word}_name` in its place"));
        Self::of(options, word, place)?.ok_or_else(missing)
    }

    /// The id that an earlier run, or `prepare`, has kept for the name.
    fn kept<'a>(&self, context: &'a SyncContext) -> Option<&'a str> {
        let Chosen::Name { sought, .. } = &self.chosen else { return None };
        let resource = |what: &str| context.resources.get(&format!("{}_{what}", self.word));
        let same = resource("name") == Some(sought);
        resource("id").filter(|id| same && is_path_id(id)).map(String::as_str)
    }

    /// The name that `prepare` must look up; none where the id is known.
    pub(super) fn unknown(&self, context: &SyncContext) -> Option<&str> {
        match &self.chosen {
            Chosen::Name { name, .. } if self.kept(context).is_none() => Some(name),
            _ => None,
        }
    }

    /// Of the lists that have the name, the only one; none where there is none.
    pub(super) fn only(
        &self,
        api: &Api,
        found: Result<Vec<String>, Answer>,
    ) -> Result<Option<String>, DestinationError> {
        let word = self.word;
        let mut found = found.map_err(|answer| api.error(&format!("look for the {word}"), answer))?;
        // One that moves between two pages while they are read comes twice.
        found.sort();
        found.dedup();
        if found.len() > 1 {
            let (number, ids) = (found.len(), http::readable(&found.join(", ")));
            return Err(api.refuse(format!(
                "{number} {word}s have the name in `{word}_name`, of the ids {ids}: set `{word}_id` to one of them in its \
                 place, or give the others another name"
            )));
        }
        Ok(found.pop())
    }

    /// The run's resources with the id that was found or made.
    pub(super) fn keep(
        &self,
        api: &Api,
        context: &SyncContext,
        id: Result<String, Answer>,
    ) -> Result<Resources, DestinationError> {
        let word = self.word;
        let id = id.map_err(|answer| api.error(&format!("make the {word}"), answer))?;
        if !is_path_id(&id) {
            return Err(
                api.refuse(format!("the answer tells no id of the {word}; set `{word}_id` in place of its name"))
            );
        }
        let mut resources = context.resources.clone();
        if let Chosen::Name { sought, .. } = &self.chosen {
            resources.insert(format!("{word}_id"), id);
            resources.insert(format!("{word}_name"), sought.clone());
        }
        Ok(resources)
    }

    /// Its id, for the calls of a run.
    pub(super) fn id<'a>(&'a self, context: &'a SyncContext) -> Result<&'a str, Answer> {
        if let Chosen::Id(id) = &self.chosen {
            return Ok(id);
        }
        self.kept(context).ok_or_else(|| Answer::Fatal {
            code: "not_prepared".into(),
            message: format!("the id of the {} is not known before `prepare`: a mistake of the caller", self.word),
        })
    }

    /// The refusal of a call about the list, with what to do where its code, `absent`, says that it is not there.
    pub(super) fn explain(&self, context: Option<&SyncContext>, absent: &str, answer: Answer) -> Answer {
        let (word, said) = match answer {
            Answer::Fatal { code, message } if code == absent => (self.word, message),
            other => return other,
        };
        let message = match context.and_then(|context| self.kept(context)) {
            Some(id) => format!(
                "{said}: the {word} `{id}`, which `{word}_name` stands for, has been deleted, or the credentials do not \
                 reach it; bring it back, or run the sync with `--full-resync`, which looks the name up again and sends \
                 every row"
            ),
            None => format!(
                "{said}: there is no {word} of the id in `{word}_id`, or the credentials do not reach it; set the id of \
                 one that is there, and run the sync with `--full-resync` if it has sent rows before"
            ),
        };
        Answer::Fatal { code: format!("{word}_gone"), message }
    }
}

/// A listing that has more pages than there can be, or does not tell which is the next.
pub(super) fn endless() -> Answer {
    Answer::Fatal { code: "pages".into(), message: "a listing of the destination does not come to its end".into() }
}

/// The fields of the type as the options `calling_code` and `hashed_fields` change them, where it has these.
pub(super) fn fields(
    options: &Options<'_>,
    spec: &'static DestinationSpec,
) -> Result<Vec<FieldSpec>, DestinationError> {
    let mut fields = spec.fields.known().to_vec();
    let names = options.text("hashed_fields").unwrap_or_default().split(',').map(str::trim);
    if let Some(code) = options.number::<CallingCode>("calling_code", 1..=999)? {
        fields.iter_mut().for_each(|field| match &mut field.normaliser {
            Normaliser::PhoneDigits { calling_code } | Normaliser::PhoneE164 { calling_code } => {
                *calling_code = Some(code);
            }
            _ => {}
        });
    }
    for name in names.filter(|name| !name.is_empty()) {
        let hashed = fields.iter_mut().find(|field| field.name == name && field.hashing != Hashing::Plain);
        let Some(field) = hashed else {
            return Err(options.error("hashed_fields", "names a field that this type does not hash"));
        };
        field.hashing = Hashing::Done;
    }
    Ok(fields)
}

impl Reply {
    /// The text at a JSON pointer, made fit for a report; empty where there is none.
    pub(super) fn text(&self, pointer: &str) -> String {
        match self.body.pointer(pointer) {
            Some(Value::String(text)) => http::readable(text),
            Some(Value::Null) | None => String::new(),
            Some(other) => http::readable(&other.to_string()),
        }
    }

    /// The entries of a listing. An answer without them is not one of no entries, for a list that is there would be made
    /// again.
    pub(super) fn entries(&self, name: &str) -> Result<&[Value], Answer> {
        let entries = self.body.get(name).and_then(Value::as_array).map(Vec::as_slice);
        entries.ok_or_else(|| Answer::Fatal {
            code: "unknown_answer".into(),
            message: format!("the answer has no entries in `{name}`; does `base_url` lead to the API?"),
        })
    }

    /// What a status means that the vendor gives no meaning of its own; `None` for a success. `said` is what the vendor
    /// says of it.
    pub(super) fn failure(&self, said: String) -> Option<Answer> {
        let code = http::status_code(self.status);
        let said = if said.is_empty() { "no reason given".to_owned() } else { said };
        if self.status.is_success() {
            return None;
        }
        if http::passes(self.status) || self.status.as_u16() == 423 {
            let after = http::retry_after(&self.headers, Timestamp::now());
            return Some(Answer::Retry { after, reason: format!("{code}: {said}") });
        }
        Some(match self.status.as_u16() {
            400 | 409 | 413 | 422 => Answer::Split { code, reason: said },
            // What is said to wrong credentials may repeat them.
            401 => {
                Answer::Fatal { code, message: "the credentials are refused; check the token in the options".into() }
            }
            _ => Answer::Fatal { code, message: said },
        })
    }
}

/// The rows of a batch as JSON objects, nulls explicit but for those that the sync skips.
pub(super) fn objects(context: &SyncContext, batch: &Batch) -> Result<Vec<Map<String, Value>>, Answer> {
    let mut rows = Vec::with_capacity(batch.len());
    let read = in_utc(&batch.fields).and_then(|fields| {
        json_objects(
            &fields,
            |field| context.skips(field),
            |_, text| {
                let row = serde_json::from_slice(text);
                rows.push(row.map_err(|error| DestinationError::Batch { message: error.to_string() })?);
                Ok(())
            },
        )
    });
    read.map_err(|error| Answer::Fatal { code: "encoding".into(), message: error.to_string() })?;
    Ok(rows)
}

/// Looks whether a sync fits the type: its mapping, what a removal means, whether it may replace all members.
pub(super) fn check_sync(
    destination: &str,
    context: &SyncContext,
    spec: &DestinationSpec,
    replaces: bool,
) -> Result<(), DestinationError> {
    let refuse = |message: String| DestinationError::Sync {
        destination: destination.to_owned(),
        sync: context.sync.clone(),
        message,
    };
    let fields = context.fields.fields().iter().map(|field| field.name().as_str());
    if let Some(problem) = spec.check_mapping(fields).first() {
        return Err(refuse(format!("{problem}, for a destination of type `{}`", spec.name)));
    }
    let removal = context.removal(spec);
    if !spec.removals.contains(&removal) {
        let kinds: Vec<_> = spec.removals.iter().map(|kind| kind.as_str()).collect();
        let message = format!("a removal cannot be `{}` here; it can be: {}", removal.as_str(), kinds.join(", "));
        return Err(refuse(message));
    }
    if context.replaces.is_some() && !replaces {
        return Err(refuse(format!("the type `{}` cannot replace all members in one session", spec.name)));
    }
    Ok(())
}

/// A refusal of one row before it is sent.
pub(super) fn refused(code: &str, message: impl Into<String>) -> Outcome {
    Outcome::Rejected { code: code.into(), message: message.into(), retryable: false }
}

/// A row without anything that a record can be found by.
pub(super) fn unidentified() -> Outcome {
    refused("no_identifier", "no identifier of this row has a value that the destination takes")
}

/// A row whose identity an earlier row of the same request has.
pub(super) fn repeated(field: &str) -> Outcome {
    refused("repeated_identifier", format!("another row of this sync has the same `{field}`: map one that is unique"))
}

/// A removed row whose receipt the caller does not have.
pub(super) fn without_receipt() -> Outcome {
    refused("no_receipt", "it is not known what the destination calls this record: it was taken before that was kept")
}

/// The rows of a batch by field, each value as text.
pub(super) fn texts(context: &SyncContext, batch: &Batch) -> Result<Vec<HashMap<String, Option<String>>>, Answer> {
    let objects = objects(context, batch)?;
    let text = |value: Value| match value {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    };
    Ok(objects.into_iter().map(|row| row.into_iter().map(|(name, value)| (name, text(value))).collect()).collect())
}

/// Whether the option `nulls` asks to clear what is empty.
pub(super) fn clears(options: &Options<'_>) -> Result<bool, DestinationError> {
    match options.text("nulls") {
        Some("clear") => Ok(true),
        Some("skip") => Ok(false),
        _ => Err(options.error("nulls", "must be `clear` or `skip`")),
    }
}
