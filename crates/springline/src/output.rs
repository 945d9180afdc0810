//! Tables, numbers and progress on the screen.

use std::io::IsTerminal;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, ContentArrangement, Table};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Map, Value};
use springline_run::{Event, Forecast, Tripped, amount};

/// A table with a head.
pub(crate) fn table(head: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic).set_header(head);
    table
}

/// Sets the columns at these places flush right, for numbers.
pub(crate) fn right(table: &mut Table, columns: &[usize]) {
    for place in columns {
        if let Some(column) = table.column_mut(*place) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

/// Rows of one shape as a table.
pub(crate) fn rows(rows: &[Map<String, Value>]) -> Option<Table> {
    let head: Vec<&str> = rows.first()?.keys().map(String::as_str).collect();
    let mut table = table(&head);
    let text = |value: &Value| match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    for row in rows {
        table.add_row(row.values().map(text));
    }
    let numeric = |place: usize| rows.iter().filter_map(|row| row.values().nth(place)).any(Value::is_number);
    right(&mut table, &(0..head.len()).filter(|place| numeric(*place)).collect::<Vec<_>>());
    Some(table)
}

/// A number with its thousands apart.
pub(crate) fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// What a command would read and cost, in one line.
pub(crate) fn forecast_text(forecast: &Forecast) -> String {
    let mut parts = Vec::new();
    parts.extend(forecast.bytes.map(amount));
    parts.extend(forecast.rows.map(|rows| format!("about {}", counted(rows, "row"))));
    parts.extend(forecast.partitions.map(|n| counted(n, "partition")));
    parts.extend(forecast.cost.map(|cost| format!("at a cost of {cost:.4}")));
    if parts.is_empty() {
        return "the warehouse does not tell beforehand what it would read".to_owned();
    }
    format!("would read {}", parts.join(", "))
}

/// Why a guard stops a run.
pub(crate) fn guard_text(guard: &Tripped) -> String {
    let Tripped { guard: name, allowed, found, table } = guard;
    match (name.as_str(), table) {
        ("plan", _) => format!(
            "the rows are no longer {allowed}: there are {} now. Plan again, or apply with --allow-drift",
            thousands(*found)
        ),
        (_, Some(table)) => {
            format!("guard {name} allows {allowed}: the youngest row of {table} is {} old", counted(*found, "minute"))
        }
        _ => format!("guard {name} allows {allowed}: {} rows", thousands(*found)),
    }
}

/// A number and its noun, in the plural where it is due.
pub(crate) fn counted(n: u64, noun: &str) -> String {
    let number = thousands(n);
    match noun.strip_suffix('y') {
        _ if n == 1 => format!("{number} {noun}"),
        Some(stem) => format!("{number} {stem}ies"),
        None => format!("{number} {noun}s"),
    }
}

/// A time in the unit that suits it.
pub(crate) fn seconds(elapsed: Duration) -> String {
    match elapsed.as_secs_f64() {
        s if s < 1.0 => format!("{:.0} ms", s * 1000.0),
        s => format!("{s:.1} s"),
    }
}

/// Shows what goes on while it goes on: on a terminal only, never in a pipe. Between steps nothing is
/// shown, so that results stand on lines of their own.
pub(crate) fn observer() -> Arc<dyn Fn(Event<'_>) + Send + Sync> {
    if !std::io::stderr().is_terminal() {
        return Arc::new(|_| {});
    }
    let shown: Mutex<Option<ProgressBar>> = Mutex::new(None);
    Arc::new(move |event| {
        let mut shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Started { step } => shown.get_or_insert_with(spinner).set_message(step.to_owned()),
            Event::Delivered { rows, of } => {
                let message = format!("delivered {} of {}", thousands(rows), thousands(of));
                shown.get_or_insert_with(spinner).set_message(message);
            }
            Event::Finished { .. } => {
                if let Some(bar) = shown.take() {
                    bar.finish_and_clear();
                }
            }
        }
    })
}

fn spinner() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    let style = ProgressStyle::with_template("{spinner} {elapsed} {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(1_469_307), "1,469,307");
        assert_eq!(counted(1, "entity"), "1 entity");
        assert_eq!(counted(2, "entity"), "2 entities");
        assert_eq!(counted(12, "segment"), "12 segments");
    }
}
