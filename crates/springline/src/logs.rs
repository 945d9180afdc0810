//! Logs on standard error, as text or as one JSON object a line. It knows nothing of what is logged: texts of events lose
//! what may be personal, whoever wrote them.

use std::fmt::Debug;
use std::io::Write;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use springline_run::redact;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use crate::cli::LogFormat;
use crate::traces;

/// Logs what `SPRINGLINE_LOG` asks for; `info` where it asks for nothing but a form is named.
pub(crate) fn start(format: Option<LogFormat>) {
    let unasked = if format.is_some() { "info" } else { "off" };
    let filter = EnvFilter::try_from_env("SPRINGLINE_LOG").unwrap_or_else(|_| EnvFilter::new(unasked));
    let logs: Box<dyn Layer<Registry> + Send + Sync> = match format {
        Some(LogFormat::Json) => Lines.boxed(),
        _ => tracing_subscriber::fmt::layer().with_writer(std::io::stderr).boxed(),
    };
    let (logs, traces) = (logs.with_filter(filter), traces::layer().with_filter(filter_fn(traces::wanted)));
    tracing_subscriber::registry().with(logs).with(traces).init();
}

/// Writes an object for each event: what it says, and above that the fields of the spans that it lies in.
struct Lines;

/// The fields of a span or event.
#[derive(Default)]
pub(crate) struct Fields(pub(crate) Map<String, Value>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.record_str(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), json!(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), json!(value));
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.record_u64(field, u64::try_from(value).unwrap_or(u64::MAX));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().to_owned(), json!(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.insert(field.name().to_owned(), json!(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().to_owned(), json!(value));
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Lines {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut line = Map::new();
        line.insert("timestamp".to_owned(), json!(Timestamp::now().to_string()));
        line.insert("level".to_owned(), json!(event.metadata().level().as_str()));
        line.insert("target".to_owned(), json!(event.metadata().target()));
        for span in context.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(Fields(fields)) = span.extensions().get::<Fields>() {
                line.extend(fields.clone());
            }
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        let tame = |value: Value| match value {
            Value::String(text) => json!(redact(&text)),
            other => other,
        };
        line.extend(fields.0.into_iter().map(|(name, value)| (name, tame(value))));
        let text = format!("{}\n", Value::Object(line));
        // There is nowhere left to say that a log cannot be written.
        let _unwritten = std::io::stderr().lock().write_all(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Keeps the fields that lines would have.
    struct Kept(Arc<Mutex<Vec<Map<String, Value>>>>);

    impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Kept {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            let mut fields = Fields::default();
            event.record(&mut fields);
            self.0.lock().unwrap().push(fields.0);
        }
    }

    #[test]
    fn fields_keep_their_types() {
        let kept = Arc::new(Mutex::new(Vec::new()));
        let subscriber = tracing_subscriber::registry().with(Kept(kept.clone()));
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(rows = 3_u64, share = 0.5, done = true, name = "a", none = None::<&str>, "ended");
        });
        let found = kept.lock().unwrap().remove(0);
        let expected = json!({ "message": "ended", "rows": 3, "share": 0.5, "done": true, "name": "a" });
        assert_eq!(Value::Object(found), expected);
    }
}
