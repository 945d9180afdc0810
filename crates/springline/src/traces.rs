//! Traces of runs for OpenTelemetry: a span for each run of a sync and one for each of its steps, sent over OTLP/HTTP in its
//! JSON form, where `OTEL_EXPORTER_OTLP_ENDPOINT` names a collector. The id of a trace is the id of the run.
//!
//! The form: <https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>; the variables:
//! <https://opentelemetry.io/docs/specs/otel/protocol/exporter/>. It knows nothing of what a run does.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use springline_run::redact;
use tracing::span::{Attributes, Id};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::logs::Fields;

/// Spans that have ended and are not sent yet.
static ENDED: Mutex<Vec<Value>> = Mutex::new(Vec::new());

/// More than this are not kept for a collector that does not answer.
const MOST: usize = 10_000;

const TIMEOUT: Duration = Duration::from_secs(10);

/// `SPAN_KIND_INTERNAL`.
const INTERNAL: u8 = 1;
/// `STATUS_CODE_ERROR`.
const ERROR: u8 = 2;

/// The address that traces go to, if there is one.
fn endpoint() -> Option<String> {
    let named = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    named("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").or_else(|| {
        named("OTEL_EXPORTER_OTLP_ENDPOINT").map(|base| format!("{}/v1/traces", base.trim_end_matches('/')))
    })
}

/// Keeps the spans of runs, where somebody wants them.
pub(crate) fn layer() -> Option<Traces> {
    endpoint().map(|_| Traces)
}

/// What is kept of runs: spans, and what they say from `info` on.
pub(crate) fn wanted(metadata: &Metadata<'_>) -> bool {
    metadata.target().starts_with("springline") && *metadata.level() <= Level::INFO
}

/// A layer that makes spans of OpenTelemetry.
pub(crate) struct Traces;

/// A span that goes on.
struct Span {
    trace_id: String,
    span_id: String,
    parent_id: String,
    start: Timestamp,
    attributes: Vec<Value>,
    events: Vec<Value>,
    error: Option<String>,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Traces {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        let Some(span) = context.span(id) else { return };
        let parent = span.parent();
        let above = parent.as_ref().and_then(|parent| {
            parent.extensions().get::<Span>().map(|above| (above.trace_id.clone(), above.span_id.clone()))
        });
        let (trace_id, parent_id) = above.unwrap_or_else(|| {
            let run = fields.0.get("run_id").and_then(Value::as_str);
            (run.map_or_else(|| format!("{:032x}", rand::random::<u128>()), str::to_owned), String::new())
        });
        span.extensions_mut().insert(Span {
            trace_id,
            span_id: format!("{:016x}", rand::random::<u64>()),
            parent_id,
            start: Timestamp::now(),
            attributes: pairs(&fields.0),
            events: Vec::new(),
            error: None,
        });
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let Some(span) = context.event_span(event) else { return };
        let mut fields = Fields::default();
        event.record(&mut fields);
        let name = fields.0.shift_remove("message").and_then(|m| m.as_str().map(str::to_owned)).unwrap_or_default();
        for value in fields.0.values_mut() {
            if let Value::String(text) = value {
                *text = redact(text);
            }
        }
        if let Some(open) = span.extensions_mut().get_mut::<Span>() {
            if *event.metadata().level() == Level::ERROR {
                open.error = Some(name.clone());
            }
            let at = nanoseconds(Timestamp::now());
            open.events.push(json!({ "timeUnixNano": at, "name": name, "attributes": pairs(&fields.0) }));
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else { return };
        let Some(open) = span.extensions_mut().remove::<Span>() else { return };
        let status = open.error.map_or_else(|| json!({}), |message| json!({ "code": ERROR, "message": message }));
        let mut ended = ENDED.lock().unwrap_or_else(PoisonError::into_inner);
        if ended.len() < MOST {
            ended.push(json!({
                "traceId": open.trace_id,
                "spanId": open.span_id,
                "parentSpanId": open.parent_id,
                "name": span.name(),
                "kind": INTERNAL,
                "startTimeUnixNano": nanoseconds(open.start),
                "endTimeUnixNano": nanoseconds(Timestamp::now()),
                "attributes": open.attributes,
                "events": open.events,
                "status": status,
            }));
        }
    }
}

/// Numbers of 64 bits are text in this form.
fn nanoseconds(at: Timestamp) -> String {
    at.as_nanosecond().to_string()
}

fn pairs(fields: &Map<String, Value>) -> Vec<Value> {
    let value = |value: &Value| match value {
        Value::Bool(flag) => json!({ "boolValue": flag }),
        Value::Number(number) if number.is_f64() => json!({ "doubleValue": number }),
        Value::Number(number) => json!({ "intValue": number.to_string() }),
        Value::String(text) => json!({ "stringValue": text }),
        other => json!({ "stringValue": other.to_string() }),
    };
    fields.iter().map(|(name, field)| json!({ "key": name, "value": value(field) })).collect()
}

/// Sends the spans that have ended. Where that fails they are lost, which is shown and changes nothing else.
pub(crate) async fn send() {
    let Some(endpoint) = endpoint() else { return };
    let spans = std::mem::take(&mut *ENDED.lock().unwrap_or_else(PoisonError::into_inner));
    if spans.is_empty() {
        return;
    }
    let service = std::env::var("OTEL_SERVICE_NAME").unwrap_or_else(|_| "springline".to_owned());
    let body = json!({ "resourceSpans": [{
        "resource": { "attributes": pairs(&Map::from_iter([("service.name".to_owned(), json!(service))])) },
        "scopeSpans": [{ "scope": { "name": "springline", "version": env!("CARGO_PKG_VERSION") }, "spans": spans }],
    }] });
    if let Err(reason) = post(&endpoint, &body).await {
        anstream::eprintln!("warning: traces were not sent (OTEL_EXPORTER_OTLP_ENDPOINT): {reason}");
    }
}

async fn post(endpoint: &str, body: &Value) -> Result<(), String> {
    // It fails only when the process has a provider already, and then that one is used.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        tracing::debug!("a TLS provider is installed already");
    }
    let told = |error: reqwest::Error| error.without_url().to_string();
    let client = reqwest::Client::builder().timeout(TIMEOUT).build().map_err(told)?;
    let mut request = client.post(endpoint).header("content-type", "application/json").body(body.to_string());
    for (name, value) in headers(&std::env::var("OTEL_EXPORTER_OTLP_HEADERS").unwrap_or_default()) {
        request = request.header(name, value);
    }
    let status = request.send().await.map_err(told)?.status();
    if status.is_success() { Ok(()) } else { Err(format!("it was answered with {status}")) }
}

/// The headers of a text such as `api-key=secret,x=y`.
fn headers(text: &str) -> Vec<(String, String)> {
    let pair = |pair: &str| pair.split_once('=').map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()));
    text.split(',').filter_map(pair).collect()
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[test]
    fn a_step_is_a_span_within_its_run() {
        let subscriber = tracing_subscriber::registry().with(Traces);
        tracing::subscriber::with_default(subscriber, || {
            let run = tracing::info_span!("run", run_id = "0191f2a3b4c5d6e7f8091a2b3c4d5e6f", rows = 3_u64);
            run.in_scope(|| {
                tracing::info_span!("step", step = "deliver").in_scope(|| {});
                tracing::error!(error = "ann@example.com is unknown", "run ended");
            });
        });
        let mut spans = std::mem::take(&mut *ENDED.lock().unwrap());
        spans.retain(|span| span["traceId"] == "0191f2a3b4c5d6e7f8091a2b3c4d5e6f");
        let [step, run] = spans.as_slice() else { panic!("{spans:#?}") };
        assert_eq!((&step["name"], &run["name"], &run["parentSpanId"]), (&json!("step"), &json!("run"), &json!("")));
        assert_eq!((&step["traceId"], &step["parentSpanId"]), (&run["traceId"], &run["spanId"]));
        assert_eq!(run["attributes"][1], json!({ "key": "rows", "value": { "intValue": "3" } }));
        assert_eq!(run["status"], json!({ "code": 2, "message": "run ended" }));
        assert_eq!(run["events"][0]["attributes"][0]["value"]["stringValue"], "*** is unknown");
        assert_eq!(headers("api-key=a=b, x = y,"), [("api-key", "a=b"), ("x", "y")].map(|(n, v)| (n.into(), v.into())));
    }
}
