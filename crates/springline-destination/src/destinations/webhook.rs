//! `webhook`: batched JSON by POST to one address, signed as Standard Webhooks lays down.
//!
//! Body: `{"sync_id","run_id","batch","op","rows":[{"key","op","fields"}]}`. `op` of the body is `upsert` or `delete`
//! for all its rows; `op` of a row is `added`, `changed` or `removed`; `fields` of a removed row is null. A receiver may
//! answer 207 with `{"results":[{"key","status","error"}]}` to settle each row by itself; with another success the rows
//! that such results leave out were taken. `RateLimit-Limit`, `RateLimit-Remaining` and `RateLimit-Reset` tell how many
//! requests it still takes.
//! Signature: <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>.
//!
//! Must not know: retries and batching.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Response, StatusCode, Url};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::config::Options;
use crate::encode::{in_utc, json_objects, json_string};
use crate::spec::option;
use crate::{
    ALL_MODES, Answer, Attempt, Batch, BatchLimits, Destination, DestinationConfig, DestinationError, DestinationSpec,
    Effect, FieldRule, Limits, Nulls, Operation, Outcome, Removal, RemovalKind, SyncContext, Usage, http, request_name,
};

/// What the type declares.
pub(super) static SPEC: DestinationSpec = DestinationSpec {
    name: "webhook",
    meaning: "Posts batches of changes as JSON to an HTTP address of your own.",
    options: &[
        option("url", "address that takes the changes; redirects are not followed", None).required(),
        option("secret", "`whsec_` and a base64 key of 24 to 64 bytes; signs every request", None).secret(),
        option("authorization", "value of the Authorization header", None).secret(),
        option("batch_rows", "most rows of one request, 1 to 10000", Some("100")),
        option("timeout_secs", "seconds to wait for one answer, 1 to 600", Some("30")),
        option("rate_per_second", "most requests per second, 0.001 to 10000", None),
        option("concurrency", "most requests at once, 1 to 64", Some("4")),
        option(
            "allow_private_addresses",
            "`true` also reaches addresses that are not on the public internet, and takes `http://`",
            Some("false"),
        ),
    ],
    modes: ALL_MODES,
    fields: FieldRule::Any,
    batch: BatchLimits { bytes: Some(1024 * 1024), ..BatchLimits::rows(100) },
    homogeneous: true,
    rate: None,
    concurrency: 4,
    effect: Effect::AtLeastOnce {
        when: "an answer is lost, or the run is killed before an answer is written down; every try of a request, and \
               its repeat after a killed run, carries the same webhook-id",
    },
    removal: Removal::ByKey,
    removals: &[RemovalKind::Delete],
    nulls: &[Nulls::Send, Nulls::Skip],
    members_expire: None,
};

struct Webhook {
    name: String,
    client: Client,
    url: Url,
    key: Option<Vec<u8>>,
    authorization: Option<HeaderValue>,
    allow_private: bool,
    timeout: Duration,
    limits: Limits,
    usage: http::LatestUsage,
}

/// Makes a webhook from its options.
pub(super) fn connect(
    config: &DestinationConfig,
    options: &Options<'_>,
) -> Result<Arc<dyn Destination>, DestinationError> {
    let allow_private = options.flag("allow_private_addresses")?;
    let timeout = Duration::from_secs(options.number("timeout_secs", 1..=600)?.unwrap_or(30));
    let client = http::client(timeout, allow_private).map_err(|error| DestinationError::Unreachable {
        destination: config.name.clone(),
        message: format!("no HTTP client can be made (are the system's CA certificates installed?): {error}"),
    })?;
    let mut limits = Limits::from(&SPEC);
    limits.batch.rows = options.number("batch_rows", 1..=10_000)?.unwrap_or(SPEC.batch.rows);
    limits.rate = options.number("rate_per_second", 0.001..=10_000.0)?;
    limits.concurrency = options.number("concurrency", 1..=64)?.unwrap_or(SPEC.concurrency);
    // A little more than the client's own timeout, which gives the better reason.
    limits.timeout = Some(timeout + Duration::from_secs(1));
    Ok(Arc::new(Webhook {
        name: config.name.clone(),
        client,
        url: address(options, allow_private)?,
        key: options.text("secret").map(|secret| signing_key(options, secret)).transpose()?,
        authorization: options.text("authorization").map(|value| authorization(options, value)).transpose()?,
        allow_private,
        timeout,
        limits,
        usage: http::LatestUsage::default(),
    }))
}

fn address(options: &Options<'_>, allow_private: bool) -> Result<Url, DestinationError> {
    let url: Url = options
        .text("url")
        .unwrap_or_default()
        .parse()
        .map_err(|_| options.error("url", "is not a URL; write it like `https://example.com/changes`"))?;
    match url.scheme() {
        "https" => {}
        "http" if allow_private => {}
        "http" => {
            return Err(options.error(
                "url",
                "must begin with `https://`, for rows would cross the internet unencrypted; inside a private network \
                 set `allow_private_addresses: true`",
            ));
        }
        _ => return Err(options.error("url", "must begin with `https://`")),
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(options.error("url", "names no host"));
    }
    if !allow_private && http::literal_address(&url).is_some_and(|address| !http::is_public(address)) {
        return Err(options.error(
            "url",
            "names a private, loopback or link-local address; if that is meant, set `allow_private_addresses: true`",
        ));
    }
    Ok(url)
}

fn signing_key(options: &Options<'_>, secret: &str) -> Result<Vec<u8>, DestinationError> {
    let key = secret.trim().strip_prefix("whsec_").and_then(|encoded| STANDARD.decode(encoded).ok());
    key.filter(|key| (24..=64).contains(&key.len()))
        .ok_or_else(|| options.error("secret", "must be `whsec_` followed by the base64 of 24 to 64 random bytes"))
}

fn authorization(options: &Options<'_>, value: &str) -> Result<HeaderValue, DestinationError> {
    let mut header = HeaderValue::from_str(value.trim())
        .map_err(|_| options.error("authorization", "holds characters that a header cannot carry"))?;
    header.set_sensitive(true);
    Ok(header)
}

#[async_trait]
impl Destination for Webhook {
    fn spec(&self) -> &'static DestinationSpec {
        &SPEC
    }

    fn limits(&self) -> Limits {
        self.limits
    }

    fn usage(&self) -> Option<Usage> {
        self.usage.take()
    }

    /// Resolves the host and opens a connection; it posts nothing, for a receiver may act on any request.
    async fn check(&self) -> Result<(), DestinationError> {
        let unreachable = |message: String| DestinationError::Unreachable { destination: self.name.clone(), message };
        let host = self.url.host_str().unwrap_or_default();
        let port = self.url.port_or_known_default().unwrap_or(443);
        let dial = http::dial(&self.url, port, self.allow_private);
        match tokio::time::timeout(self.timeout, dial).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(unreachable(format!("cannot connect to {host}, port {port}: {error}"))),
            Err(_) => Err(unreachable(format!("cannot connect to {host}, port {port}: no answer in time"))),
        }
    }

    async fn send(&self, context: &SyncContext, batch: &Batch, attempt: &Attempt) -> Answer {
        let (Some(operation), Ok(body)) = (batch.operation(), body(context, batch, attempt)) else {
            let message = "a batch cannot be written as JSON: a mapped field has a type that JSON lacks".to_owned();
            return Answer::Fatal { code: "encoding".into(), message };
        };
        let id = message_id(context, operation, batch, attempt);
        let body = Bytes::from(body);
        let mut request = self.client.post(self.url.clone()).header(CONTENT_TYPE, "application/json");
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let timestamp = Timestamp::now().as_second();
        request = request.header("webhook-id", &id).header("webhook-timestamp", timestamp);
        if let Some(key) = &self.key {
            match sign(key, &id, timestamp, &body) {
                Some(signature) => request = request.header("webhook-signature", signature),
                None => return Answer::Fatal { code: "signature".into(), message: "cannot sign".into() },
            }
        }
        match request.body(body).send().await {
            Ok(response) => {
                self.usage.note(http::usage(response.headers(), &http::RATE_LIMIT));
                classify(response, batch).await
            }
            Err(error) => http::unanswered(error),
        }
    }
}

/// The bytes that are signed and sent.
fn body(context: &SyncContext, batch: &Batch, attempt: &Attempt) -> Result<Vec<u8>, DestinationError> {
    let operation = batch.operation().unwrap_or(Operation::Upsert);
    let mut out = Vec::with_capacity(batch.len() * 128);
    out.extend_from_slice(b"{\"sync_id\":");
    json_string(&context.sync, &mut out)?;
    out.extend_from_slice(b",\"run_id\":");
    json_string(&context.run_id, &mut out)?;
    let (request, word) = (attempt.request, operation.as_str());
    out.extend_from_slice(format!(",\"batch\":{request},\"op\":\"{word}\",\"rows\":[").as_bytes());
    match operation {
        Operation::Upsert => {
            let skips = |field: &str| context.skips(field);
            json_objects(&in_utc(&batch.fields)?, skips, |row, fields| write_row(&mut out, batch, row, fields))?;
        }
        Operation::Delete => (0..batch.len()).try_for_each(|row| write_row(&mut out, batch, row, b"null"))?,
    }
    out.extend_from_slice(b"]}");
    Ok(out)
}

fn write_row(out: &mut Vec<u8>, batch: &Batch, row: usize, fields: &[u8]) -> Result<(), DestinationError> {
    let Some(change) = batch.change(row) else { return Ok(()) };
    out.extend_from_slice(if row == 0 { b"{\"key\":" } else { b",{\"key\":" });
    json_string(change.key, out)?;
    out.extend_from_slice(b",\"op\":\"");
    out.extend_from_slice(change.kind.as_str().as_bytes());
    out.extend_from_slice(b"\",\"fields\":");
    out.extend_from_slice(fields);
    out.push(b'}');
    Ok(())
}

/// The same for every try of the same rows, also by the next run after a crash: what a receiver tells repeats by. The
/// request that held a row first is part of it, so that a later change back to an earlier payload is a message of its
/// own.
fn message_id(context: &SyncContext, operation: Operation, batch: &Batch, attempt: &Attempt) -> String {
    // Put together first, so that the hash takes them in one piece.
    let mut texts = Vec::with_capacity(192 * (batch.len() + 1));
    let mut add = |text: &str| {
        // The length first: no two lists of texts may run into the same bytes.
        texts.extend_from_slice(&(text.len() as u64).to_be_bytes());
        texts.extend_from_slice(text.as_bytes());
    };
    add(&context.sync);
    add(operation.as_str());
    // Rows that one request held before travel with no others.
    let first = batch.repeat_of.first().cloned().flatten();
    add(&first.unwrap_or_else(|| request_name(&context.run_id, attempt.request)));
    // A repeat may have its rows in another order.
    let mut rows: Vec<_> = batch.changes().collect();
    rows.sort_unstable_by_key(|change| change.key);
    for change in rows {
        add(change.key);
        add(change.payload_hash);
    }
    let digest = Sha256::digest(&texts);
    let hex: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("msg_{hex}")
}

/// `v1,<base64>` over `{id}.{timestamp}.{body}`; `None` when the key cannot be used.
fn sign(key: &[u8], id: &str, timestamp: i64, body: &[u8]) -> Option<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body);
    Some(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}

async fn classify(response: Response, batch: &Batch) -> Answer {
    let status = response.status();
    let code = http::status_code(status);
    if http::passes(status) {
        let after = http::retry_after(response.headers(), Timestamp::now());
        return Answer::Retry { after, reason: format!("the receiver answered {}", status.as_u16()) };
    }
    if status.is_success() {
        return match http::body(response).await {
            Ok(body) if status == StatusCode::MULTI_STATUS => Answer::Partial(row_outcomes(&body, batch)),
            Ok(body) => taken(&body, batch),
            Err(error) => http::unanswered(error),
        };
    }
    if status.is_redirection() {
        let message = "the receiver answered with a redirect, which is not followed; put the final address in `url`";
        return Answer::Fatal { code, message: message.into() };
    }
    // What a receiver says to wrong credentials may repeat them.
    if matches!(status.as_u16(), 401 | 403) {
        let message = format!(
            "the receiver refuses the credentials with status {}; check the options `authorization` and `secret`, any \
             token in `url`, and what the receiver allows them to do",
            status.as_u16()
        );
        return Answer::Fatal { code, message };
    }
    let said = http::body(response).await.map(|body| http::readable(&String::from_utf8_lossy(&body)));
    let said = said.ok().filter(|text| !text.is_empty()).unwrap_or_else(|| "no reason given".into());
    match status.as_u16() {
        400 | 409 | 413 | 422 => Answer::Split { code, reason: said },
        410 => Answer::Fatal { code, message: "the receiver says that this address is gone for good".into() },
        _ => Answer::Fatal { code, message: format!("the receiver does not take changes at this address: {said}") },
    }
}

/// A success takes every row but those that its body, where it holds results, says were refused.
fn taken(body: &[u8], batch: &Batch) -> Answer {
    let Ok(reply) = serde_json::from_slice::<Reply>(body) else { return Answer::Ok };
    let by_key = outcomes_by_key(&reply);
    if by_key.values().all(|outcome| *outcome == Outcome::Delivered) {
        return Answer::Ok;
    }
    Answer::Partial(batch.keys.iter().map(|key| by_key.get(key).cloned().unwrap_or(Outcome::Delivered)).collect())
}

#[derive(Deserialize)]
struct Reply {
    results: Vec<Value>,
}

/// One outcome per row from a 207 body.
///
/// A row without a readable result is rejected as retryable: the receiver chose to answer per row and is silent on
/// this one. Taking it for delivered could lose it, and `Unknown` would never repeat it.
fn row_outcomes(body: &[u8], batch: &Batch) -> Vec<Outcome> {
    let rejected =
        |code: &str, message: &str| Outcome::Rejected { code: code.into(), message: message.into(), retryable: true };
    let Ok(reply) = serde_json::from_slice::<Reply>(body) else {
        let outcome = rejected("bad_answer", "the receiver's 207 answer is not {\"results\": [{\"key\", \"status\"}]}");
        return vec![outcome; batch.len()];
    };
    let by_key = outcomes_by_key(&reply);
    let silent = || rejected("no_result", "the receiver's answer holds no result for this row");
    batch.keys.iter().map(|key| by_key.get(key).cloned().unwrap_or_else(silent)).collect()
}

fn outcomes_by_key(reply: &Reply) -> HashMap<String, Outcome> {
    let mut by_key: HashMap<String, Outcome> = HashMap::new();
    for result in &reply.results {
        let Some((key, outcome)) = row_outcome(result) else { continue };
        // Of two results for one key the refusal counts: nothing may be lost.
        if by_key.get(&key).is_none_or(|known| *known == Outcome::Delivered) {
            by_key.insert(key, outcome);
        }
    }
    by_key
}

fn row_outcome(result: &Value) -> Option<(String, Outcome)> {
    let key = match result.get("key")? {
        Value::String(key) => key.clone(),
        Value::Number(key) => key.to_string(),
        _ => return None,
    };
    let status = StatusCode::from_u16(u16::try_from(result.get("status")?.as_u64()?).ok()?).ok()?;
    if status.is_success() {
        return Some((key, Outcome::Delivered));
    }
    let message = match result.get("error") {
        Some(Value::String(text)) => http::readable(text),
        Some(Value::Null) | None => "no reason given".into(),
        Some(other) => http::readable(&other.to_string()),
    };
    Some((key, Outcome::Rejected { code: http::status_code(status), message, retryable: http::passes(status) }))
}

#[cfg(test)]
mod tests;
