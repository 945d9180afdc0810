//! `springline demo`: the retail example from model to delivery, and then a day later.

use std::path::{Path, PathBuf};

use serde_json::Value;
use springline_ir::Statement;
use springline_model::EntityId;
use springline_run::SyncRequest;

use crate::cli::{Format, Global};
use crate::commands::{init, run, sync, validate};
use crate::failure::{Exit, Failure};
use crate::output::{counted, right, seconds, table, thousands};
use crate::receiver::{self, Received};
use crate::seed::Seed;
use crate::sessions::Workplace;

const FIRST_DAY: &str = "2024-06-30T00:00:00Z";
const NEXT_DAY: &str = "2024-07-01T00:00:00Z";
/// A segment whose SQL is worth showing.
const SHOWN: &str = "lapsing_vips";
/// A secret of the right form for a receiver that lives as long as the demo.
const SECRET: &str = "whsec_c3ByaW5nbGluZS1kZW1vLXNlY3JldC0zMi1ieXRlcyE=";

pub(crate) async fn execute(dir: Option<PathBuf>) -> Result<Exit, Failure> {
    let temporary = tempfile::tempdir().map_err(|e| Failure::new(format!("cannot make a temporary folder: {e}")))?;
    let dir = dir.unwrap_or_else(|| temporary.path().join("retail"));
    let started = std::time::Instant::now();

    heading("1. A shop's project and its data");
    let mut files = table(&["table", "rows"]);
    for (file, rows) in init::retail(&dir, &Seed::default())? {
        files.add_row([file, thousands(rows)]);
    }
    right(&mut files, &[1]);
    anstream::println!("{files}");

    let (url, received) = receiver::start().await?;
    let first = workplace(&dir, FIRST_DAY, &url)?;
    heading("2. The models are checked, without a connection");
    anstream::println!("{}", validate::summary(first.project()));

    heading(&format!("3. A segment becomes SQL (`springline compile {SHOWN}`)"));
    show_sql(&first)?;

    heading(&format!("4. All fields and segments are computed, as of {FIRST_DAY}"));
    let session = first.session().await?;
    for (i, _) in first.project().entities.iter().enumerate() {
        if first.project().segments.iter().any(|s| s.entity == EntityId(i)) {
            let clock = std::time::Instant::now();
            run::show(&springline_run::run_entity(&session, EntityId(i), false).await?);
            anstream::println!("in {}", seconds(clock.elapsed()));
        }
    }

    heading("5. What changed is delivered; the first time, that is everything");
    deliver_all(&first, &received).await?;

    heading("6. Once more: nothing has changed, nothing is sent");
    deliver_all(&first, &received).await?;

    heading(&format!("7. A day later ({NEXT_DAY}), and a customer has moved: only the difference is sent"));
    let next = workplace(&dir, NEXT_DAY, &url)?;
    move_a_customer(&dir, &first, &next).await?;
    deliver_all(&next, &received).await?;

    anstream::println!("\nAll of it took {}.", seconds(started.elapsed()));
    Ok(Exit::Done)
}

fn heading(text: &str) {
    anstream::println!("\n\x1b[1m{text}\x1b[0m");
}

fn workplace(dir: &Path, as_of: &str, url: &str) -> Result<Workplace, Failure> {
    let global =
        Global { project: Some(dir.to_owned()), target: None, as_of: Some(as_of.to_owned()), format: Format::Text };
    let mut workplace = Workplace::new(&global)?;
    workplace.overrides.insert("SHOP_WEBHOOK_URL".to_owned(), url.to_owned());
    workplace.overrides.insert("SHOP_WEBHOOK_SECRET".to_owned(), SECRET.to_owned());
    Ok(workplace)
}

fn show_sql(workplace: &Workplace) -> Result<(), Failure> {
    let dialect = workplace.dialect(None)?;
    let context = workplace.context(&dialect)?;
    let query = springline_plan::members_query(context, workplace.segment(SHOWN)?)?;
    anstream::println!("{}", springline_sql::print(&dialect, &Statement::Query(query))?);
    Ok(())
}

/// Applies every sync and shows what arrived at the webhook.
async fn deliver_all(workplace: &Workplace, received: &Received) -> Result<(), Failure> {
    let session = workplace.session().await?;
    for item in &workplace.project().syncs {
        let destination = workplace.destination(item).await?;
        sync::show_report(&springline_run::apply_sync(&session, item, destination, &SyncRequest::default()).await?);
    }
    let arrived = received.take();
    if let Some((operation, row)) = arrived.first() {
        anstream::println!(
            "  the webhook received {}; the first: {operation} {}",
            counted(arrived.len() as u64, "row"),
            masked(row)
        );
    }
    Ok(())
}

/// A received row with its personal values hidden: the demo's output may be shown around.
fn masked(row: &Value) -> String {
    let mut row = row.clone();
    for name in ["first_name", "email"] {
        if let Some(Value::String(text)) = row["fields"].get_mut(name) {
            *text = springline_run::mask(text);
        }
    }
    row.to_string()
}

/// Gives a member of the shown segment who stays in it another city.
async fn move_a_customer(dir: &Path, today: &Workplace, tomorrow: &Workplace) -> Result<(), Failure> {
    let (before, after) = (members(today).await?, members(tomorrow).await?);
    let stays = before.iter().find(|key| after.contains(key));
    let Some(key) = stays else { return Err(Failure::new("the demo's segment has no member who stays")) };
    let path = dir.join("data").join("customers.csv");
    set_city(&path, key).map_err(|e| Failure::new(format!("cannot change {}: {e}", path.display())))
}

async fn members(workplace: &Workplace) -> Result<Vec<String>, Failure> {
    let session = workplace.session().await?;
    let preview = springline_run::preview(&session, workplace.segment(SHOWN)?, u64::MAX >> 1, false).await?;
    let keys = preview.sample.iter().filter_map(|row| row.get("customer_id").and_then(Value::as_str));
    Ok(keys.map(str::to_owned).collect())
}

fn set_city(path: &Path, key: &str) -> Result<(), csv::Error> {
    let mut reader = csv::Reader::from_path(path)?;
    let head = reader.headers()?.clone();
    let rows = reader.records().collect::<Result<Vec<_>, _>>()?;
    let city = head.iter().position(|name| name == "city");
    let mut writer = csv::Writer::from_path(path)?;
    writer.write_record(&head)?;
    for row in rows {
        let moves = row.get(0) == Some(key);
        let cells = row.iter().enumerate().map(|(i, cell)| match Some(i) == city && moves {
            true if cell == "Lyon" => "Nantes",
            true => "Lyon",
            false => cell,
        });
        writer.write_record(cells)?;
    }
    Ok(writer.flush()?)
}
