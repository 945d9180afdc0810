//! What runs of syncs were like, as Prometheus has it: counters and gauges by sync and destination, served to it or
//! written for node_exporter's textfile collector. No label holds a value of a row.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use springline_model::Sync;
use springline_run::{Session, SyncReport, redact};

use crate::failure::Failure;
use crate::runs::Ended;
use crate::sessions::Workplace;

type Labels = Vec<(&'static str, String)>;
type Counters = Family<Labels, Counter>;
type Gauges = Family<Labels, Gauge<f64, AtomicU64>>;

/// The content type of the text that is served: <https://prometheus.io/docs/specs/om/open_metrics_spec/>.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Every metric begins with it.
const PREFIX: &str = "springline_sync";

/// The metrics of the runs of a process.
pub(crate) struct Metrics {
    registry: Registry,
    runs: Counters,
    rows: Counters,
    requests: Counters,
    retries: Counters,
    duration: Gauges,
    last_run: Gauges,
    last_success: Gauges,
    desired: Gauges,
    held: Gauges,
    acknowledged: Gauges,
    rejected: Gauges,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix(PREFIX);
        let mut counters = |name: &str, help: &str| {
            let family = Counters::default();
            registry.register(name, help, family.clone());
            family
        };
        let runs = counters("runs", "Runs by how they ended");
        let rows = counters("rows", "Rows by what became of them");
        let requests = counters("requests", "Requests to the destination, every try counted");
        let retries = counters("retries", "Requests that were a second or later try");
        let mut gauges = |name: &str, help: &str| {
            let family = Gauges::default();
            registry.register(name, help, family.clone());
            family
        };
        Metrics {
            duration: gauges("duration_seconds", "How long the last run took"),
            last_run: gauges("last_run_timestamp_seconds", "When the last run ended"),
            last_success: gauges("last_success_timestamp_seconds", "When the last run ended that delivered everything"),
            desired: gauges("desired_rows", "Rows that the sync had in its last run"),
            held: gauges("held_rows", "Rows that the last run held back after a refusal"),
            acknowledged: gauges("ledger_rows", "Rows that the destination has acknowledged"),
            rejected: gauges("rejected_rows", "Rows that the destination has refused and that are still to be sent"),
            runs,
            rows,
            requests,
            retries,
            registry,
        }
    }

    /// Takes in what the records tell of a sync, so that its metrics are there before its first run.
    pub(crate) async fn recorded(&self, workplace: &Workplace, session: &Session, sync: &Sync) {
        let labels = labels(workplace, sync);
        for outcome in ["done", "partial", "failed", "guarded", "error"] {
            self.runs.get_or_create(&with_outcome(&labels, outcome)).inc_by(0);
        }
        match springline_run::last_success(session, sync).await {
            Ok(Some(at)) => set(&self.last_success, &labels, at.as_millisecond() as f64 / 1000.0),
            Ok(None) => {}
            Err(error) => warn(&error, "when the sync last succeeded is not known"),
        }
    }

    /// Takes in a run that has ended.
    pub(crate) async fn ended(&self, workplace: &Workplace, session: Option<&Session>, ended: &Ended<'_>) {
        let labels = labels(workplace, ended.sync);
        let at = ended.at.as_millisecond() as f64 / 1000.0;
        if let (Ok(report), Some(session)) = (ended.result, session) {
            match springline_run::sync_sizes(session, ended.sync).await {
                Ok(sizes) => {
                    set(&self.acknowledged, &labels, sizes.acknowledged as f64);
                    set(&self.rejected, &labels, sizes.rejected as f64);
                }
                Err(error) => warn(&error, "the size of the ledger is not known"),
            }
            self.sent(&labels, report);
        }
        self.runs.get_or_create(&with_outcome(&labels, ended.outcome())).inc();
        set(&self.duration, &labels, ended.took.as_secs_f64());
        set(&self.last_run, &labels, at);
        if ended.outcome() == "done" {
            set(&self.last_success, &labels, at);
        }
    }

    fn sent(&self, labels: &Labels, report: &SyncReport) {
        let rows = [
            ("delivered", report.delivered),
            ("rejected", report.rejected),
            ("unknown", report.unknown),
            ("unsent", report.unsent),
        ];
        for (outcome, rows) in rows {
            self.rows.get_or_create(&with_outcome(labels, outcome)).inc_by(rows);
        }
        self.requests.get_or_create(labels).inc_by(report.requests);
        self.retries.get_or_create(labels).inc_by(report.retries);
        set(&self.desired, labels, report.counts.desired as f64);
        set(&self.held, labels, report.counts.held as f64);
    }

    /// All of it as OpenMetrics text.
    fn text(&self) -> Result<String, Failure> {
        let mut text = String::new();
        encode(&mut text, &self.registry).map_err(|e| Failure::new(format!("metrics cannot be written: {e}")))?;
        Ok(text)
    }

    /// Adds it to a file in the text format of Prometheus: counters go on from those of the file, and other syncs keep
    /// theirs. The file is replaced whole, so that no reader sees half of it.
    pub(crate) fn write(&self, file: &Path, project_dir: &Path) -> Result<(), Failure> {
        let failed = |e: std::io::Error| {
            Failure::new(format!("cannot write the metrics into {}: {e}", file.display()))
                .hint("name a file in a folder that can be written: `--metrics-file`")
        };
        let folder = project_dir.join(".springline");
        std::fs::create_dir_all(&folder).map_err(failed)?;
        // Two commands that end at the same time take their turns.
        let turn = File::create(folder.join("metrics.lock")).map_err(failed)?;
        turn.lock().map_err(failed)?;
        let before = match std::fs::read_to_string(file) {
            Ok(before) if before.is_empty() || before.starts_with(&format!("# HELP {PREFIX}_")) => before,
            Ok(_) => {
                let message = format!("{} holds something else than metrics of springline", file.display());
                return Err(Failure::new(message).hint("name another file: `--metrics-file`"));
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(failed(error)),
        };
        let text = merged(&before, &classic(&self.text()?));
        let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut aside = tempfile::Builder::new();
        aside.prefix(".springline").suffix(".tmp");
        #[cfg(unix)]
        {
            // The collector is another user.
            use std::os::unix::fs::PermissionsExt;
            aside.permissions(std::fs::Permissions::from_mode(0o644));
        }
        let mut aside = aside.tempfile_in(parent).map_err(failed)?;
        aside.write_all(text.as_bytes()).map_err(failed)?;
        aside.as_file().sync_all().map_err(failed)?;
        aside.persist(file).map_err(|e| failed(e.error))?;
        Ok(())
    }
}

/// Serves the metrics under `/metrics` for as long as the process lives. Gives the address that was taken.
pub(crate) async fn serve(metrics: &Arc<Metrics>, address: SocketAddr) -> Result<SocketAddr, Failure> {
    let failed = |e: std::io::Error| {
        Failure::new(format!("cannot serve metrics at {address}: {e}"))
            .hint("name an address of this machine with a free port: `--metrics-listen 127.0.0.1:9464`")
    };
    let listener = tokio::net::TcpListener::bind(address).await.map_err(failed)?;
    let taken = listener.local_addr().map_err(failed)?;
    let metrics = Arc::clone(metrics);
    let answer = async move || {
        let text = metrics.text().map_err(|failure| (axum::http::StatusCode::INTERNAL_SERVER_ERROR, failure.message()));
        text.map(|text| ([(CONTENT_TYPE, OPEN_METRICS)], text))
    };
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, Router::new().route("/metrics", get(answer))).await {
            tracing::error!(%error, "metrics are no longer served");
        }
    });
    Ok(taken)
}

fn labels(workplace: &Workplace, sync: &Sync) -> Labels {
    let destination = &workplace.project().destination(sync.destination).name;
    vec![("sync", sync.name.clone()), ("destination", destination.clone())]
}

fn with_outcome(labels: &Labels, outcome: &str) -> Labels {
    labels.iter().cloned().chain([("outcome", outcome.to_owned())]).collect()
}

fn set(gauges: &Gauges, labels: &Labels, value: f64) {
    gauges.get_or_create(labels).set(value);
}

fn warn(error: &springline_run::RunError, what: &str) {
    tracing::warn!(error = redact(&error.to_string()), "{what}");
}

/// OpenMetrics names a counter without its `_total`, the older text format with it.
fn classic(text: &str) -> String {
    let counters: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter")).collect();
    let line = |line: &str| {
        let head = line.strip_prefix("# HELP ").or_else(|| line.strip_prefix("# TYPE "));
        match head.and_then(|head| head.split_once(' ')) {
            Some((name, rest)) if counters.contains(&name) => format!("{}{name}_total {rest}\n", &line[..7]),
            _ => format!("{line}\n"),
        }
    };
    text.lines().filter(|text| *text != "# EOF").map(line).collect()
}

/// The metrics of a process added to those that were there: counters are summed, what has no new value stays.
fn merged(before: &str, now: &str) -> String {
    let (mut old, new) = (metrics(before), metrics(now));
    let mut text = String::new();
    for (head, series) in new {
        let earlier = old.iter().position(|(other, _)| *other == head).map(|place| old.remove(place).1);
        text.push_str(head.as_str());
        let mut all = earlier.unwrap_or_default();
        for (name, value) in series {
            let value = match all.get(&name).zip(head.ends_with(" counter\n").then_some(())) {
                Some((earlier, ())) => sum(earlier, &value),
                None => value,
            };
            all.insert(name, value);
        }
        text.extend(all.iter().map(|(name, value)| format!("{name} {value}\n")));
    }
    for (head, series) in old {
        text.push_str(head.as_str());
        text.extend(series.iter().map(|(name, value)| format!("{name} {value}\n")));
    }
    text
}

/// Each metric of a text: the lines about it, and the value of each of its series.
fn metrics(text: &str) -> Vec<(String, BTreeMap<String, String>)> {
    let mut all: Vec<(String, BTreeMap<String, String>)> = Vec::new();
    for line in text.lines() {
        match (line.strip_prefix("# HELP "), all.last_mut()) {
            (Some(_), _) => all.push((format!("{line}\n"), BTreeMap::new())),
            (None, Some((head, _))) if line.starts_with('#') => head.push_str(&format!("{line}\n")),
            (None, Some((_, series))) => {
                series.extend(line.rsplit_once(' ').map(|(name, value)| (name.to_owned(), value.to_owned())));
            }
            (None, None) => {}
        }
    }
    all
}

/// The sum of two counters; the later one where the earlier is none.
fn sum(earlier: &str, now: &str) -> String {
    let numbers = earlier.parse::<u64>().ok().zip(now.parse::<u64>().ok());
    numbers.map_or_else(|| now.to_owned(), |(earlier, now)| earlier.saturating_add(now).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_goes_on_where_it_ended() {
        let text = |delivered: u64, seconds: f64, sync: &str| {
            let metrics = Metrics::new();
            let labels: Labels = vec![("sync", sync.to_owned())];
            metrics.rows.get_or_create(&labels).inc_by(delivered);
            set(&metrics.duration, &labels, seconds);
            classic(&metrics.text().unwrap())
        };
        let first = merged("", &text(3, 1.5, "a"));
        assert!(
            first.contains("# TYPE springline_sync_rows_total counter\nspringline_sync_rows_total{sync=\"a\"} 3\n")
        );
        assert!(!first.contains("EOF"));
        let second = merged(&first, &text(4, 0.5, "b"));
        let third = merged(&second, &text(5, 0.25, "a"));
        let lines: Vec<&str> = third.lines().filter(|line| !line.starts_with('#')).collect();
        let expected = [
            "springline_sync_rows_total{sync=\"a\"} 8",
            "springline_sync_rows_total{sync=\"b\"} 4",
            "springline_sync_duration_seconds{sync=\"a\"} 0.25",
            "springline_sync_duration_seconds{sync=\"b\"} 0.5",
        ];
        assert_eq!(lines, expected);
        assert_eq!(third.matches("# TYPE springline_sync_rows_total").count(), 1);
    }
}
