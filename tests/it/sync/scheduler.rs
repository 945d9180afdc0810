//! The scheduler as a process: what is due, what was missed, and how it ends.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, Int64Array, StringArray, TimestampMicrosecondArray};
use arrow::record_batch::RecordBatch;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use springline_ir::Type;
use springline_tests::{Call, Plan, springline};

use super::world::{World, counts, keys, wait_until};

const EVERY_MINUTE: &str = "* * * * *";
/// Due long ago and for a long time not.
const YEARLY: &str = "0 0 1 1 *";

fn scheduled(world: &World, schedule: &str) {
    let map = "segment: settled, destination: hook, mode: mirror, key: customer_id, map: { city: city }";
    world.syncs(&[&format!("name: timed, {map}, schedule: \"{schedule}\""), &format!("name: by_hand, {map}")]);
}

/// The scheduler on the target of a world, which takes no `--as-of`.
fn scheduler(world: &World, args: &[&str]) -> Call {
    let all = [&["--target", world.target, "--format", "json", "scheduler"], args].concat();
    let env = world.server.as_ref().map(|server| server.env()).unwrap_or_default();
    springline(world.folder.path(), &all).envs(&env)
}

/// Writes down a run of `timed` that was so long ago.
fn ran(world: &World, ago: SignedDuration) {
    // A plan makes the tables, and is no run.
    world.call(&["sync", "plan", "timed"]).run().exits(0);
    let then = (Timestamp::now() - ago).as_microsecond();
    let column = |name: &str, ty: &Type| -> ArrayRef {
        match (name, ty) {
            ("sync", _) => Arc::new(StringArray::from(vec!["timed"])),
            ("outcome", _) => Arc::new(StringArray::from(vec!["done"])),
            (_, Type::Timestamp) => Arc::new(TimestampMicrosecondArray::from(vec![then]).with_timezone("UTC")),
            (_, Type::Integer) => Arc::new(Int64Array::from(vec![0])),
            _ => Arc::new(StringArray::from(vec![""])),
        }
    };
    let columns = springline_plan::runs_columns();
    let values = columns.iter().map(|c| (c.name.as_str(), column(&c.name, &c.ty)));
    world.add("runs", RecordBatch::try_from_iter(values).expect("a batch"));
}

fn runs(world: &World) -> usize {
    world.query(r#"SELECT "run_id" FROM "springline"."runs" WHERE "run_id" <> ''"#).len()
}

/// The lines of its output, each an object.
fn lines(stdout: &str) -> Vec<Value> {
    stdout.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

fn terminate(process: &Child) {
    let status = Command::new("kill").args(["-TERM", &process.id().to_string()]).status().expect("kill starts");
    assert!(status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_missed_runs_once() {
    for world in World::all().await {
        scheduled(&world, YEARLY);
        ran(&world, SignedDuration::from_hours(24 * 365 * 3));
        let output = scheduler(&world, &["--once"]).run().exits(0);
        let [run] = &lines(&output.stdout)[..] else { panic!("{output:#?}") };
        assert_eq!((run["sync"].as_str(), run["outcome"].as_str()), (Some("timed"), Some("done")), "{}", world.target);
        assert_eq!(counts(run), [250, 0, 0, 0]);
        let next: Timestamp = run["next"].as_str().expect("an instant").parse().expect("an instant");
        assert!(next > Timestamp::now());
        assert_eq!(runs(&world), 1, "three times have passed");
        let again = scheduler(&world, &["--once"]).run().exits(0);
        assert_eq!((again.stdout.as_str(), runs(&world)), ("", 1), "nothing is due");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn once_runs_what_has_never_run() {
    let world = World::local().await;
    scheduled(&world, YEARLY);
    world.receiver.plan(Plan { down: Some(401), ..Plan::default() });
    scheduler(&world, &["--once"]).run().exits(1);
    world.receiver.plan(Plan::default());
    let output = scheduler(&world, &["--once"]).run().exits(0);
    assert_eq!(output.stdout, "", "it has run, if in vain: the next time is its next try");
    let refused = scheduler(&world, &["--once", "by_hand"]).run().exits(1).json();
    assert_eq!(refused["error"]["message"], "sync `by_hand` has no schedule");
    let refused = scheduler(&world, &["--once", "--as-of", "2024-06-30"]).run().exits(1).json();
    assert!(refused["error"]["message"].as_str().is_some_and(|m| m.contains("as of the moment")), "{refused}");
    world.edit(&format!(", schedule: \"{YEARLY}\""), "");
    let refused = scheduler(&world, &[]).run().exits(1).json();
    assert_eq!(refused["error"]["message"], "no sync of the project has a schedule");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduler_runs_a_sync_at_its_next_minute() {
    let world = World::local().await;
    scheduled(&world, EVERY_MINUTE);
    // It has never run, and waits for its time.
    let mut process = scheduler(&world, &[]).spawn();
    let minute = Instant::now() + Duration::from_secs(100);
    while world.receiver.requests() < 25 {
        assert!(Instant::now() < minute, "waited in vain");
        std::thread::sleep(Duration::from_millis(100));
    }
    terminate(&process);
    assert!(process.wait().expect("the process ends").success());
    assert_eq!(keys(&world.receiver.take(), "upsert").len(), 250);
    let run = &world.query(r#"SELECT "as_of" FROM "springline"."runs""#)[0];
    let as_of: jiff::civil::DateTime = run["as_of"].as_str().expect("an instant").parse().expect("an instant");
    assert!(as_of.second() < 30, "as of its minute: {as_of}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduler_ends_at_an_instant() {
    let world = World::local().await;
    scheduled(&world, YEARLY);
    let until = Timestamp::now() + SignedDuration::from_secs(2);
    let output = scheduler(&world, &["--until", &until.to_string()]).run().exits(0);
    let [agenda] = &lines(&output.stdout)[..] else { panic!("{output:#?}") };
    let first = &agenda["scheduled"][0];
    assert_eq!((&first["sync"], &first["schedule"]), (&"timed".into(), &YEARLY.into()));
    assert!(first["next"].as_str().is_some_and(|next| next.contains("-01-01T")), "{agenda}");
    assert!(Timestamp::now() >= until && world.receiver.requests() == 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduler_that_is_told_to_end_hears_out_its_requests() {
    let world = World::local().await;
    scheduled(&world, YEARLY);
    ran(&world, SignedDuration::from_hours(24 * 400));
    world.receiver.plan(Plan { delay: Duration::from_millis(400), ..Plan::default() });
    let port = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port").local_addr().expect("an address").port();
    let call = scheduler(&world, &["--metrics-listen", &format!("127.0.0.1:{port}")]);
    let mut process = call.spawn();
    wait_until(|| world.receiver.requests() >= 3);
    let metrics = scrape(port);
    assert!(
        metrics.contains(r#"springline_sync_runs_total{sync="timed",destination="hook",outcome="done"} 0"#),
        "{metrics}"
    );
    let asked = Instant::now();
    terminate(&process);
    assert!(process.wait().expect("the process ends").success());
    assert!(asked.elapsed() < Duration::from_secs(15), "{:?}", asked.elapsed());
    world.receiver.plan(Plan::default());
    let first = keys(&world.receiver.take(), "upsert");
    assert!((30..250).contains(&first.len()), "{} rows", first.len());
    // What was acknowledged is in the ledger: nothing is sent twice, and nothing is in doubt.
    let rest = world.apply("timed").exits(0).json();
    assert_eq!((rest["recovered"].as_u64(), rest["unchanged"].as_u64()), (Some(0), Some(first.len() as u64)));
    assert_eq!(keys(&world.receiver.take(), "upsert").len(), 250 - first.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_served() {
    let world = World::local().await;
    scheduled(&world, YEARLY);
    ran(&world, SignedDuration::from_hours(24 * 400));
    let port = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port").local_addr().expect("an address").port();
    let mut process = scheduler(&world, &["--metrics-listen", &format!("127.0.0.1:{port}")]).spawn();
    wait_until(|| world.receiver.requests() >= 25);
    let done = r#"springline_sync_runs_total{sync="timed",destination="hook",outcome="done"} 1"#;
    wait_until(|| scrape(port).contains(done));
    let metrics = scrape(port);
    assert!(metrics.contains("application/openmetrics-text") && metrics.trim_end().ends_with("# EOF"), "{metrics}");
    for series in [
        "rows_total{sync=\"timed\",destination=\"hook\",outcome=\"delivered\"} 250",
        "ledger_rows{sync=\"timed\",destination=\"hook\"} 250",
    ] {
        assert!(metrics.contains(&format!("springline_sync_{series}")), "{series}: {metrics}");
    }
    terminate(&process);
    assert!(process.wait().expect("the process ends").success());
}

/// The answer of `/metrics`, headers and all; empty where nobody listens.
fn scrape(port: u16) -> String {
    let mut text = String::new();
    if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) {
        stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").expect("a request");
        stream.read_to_string(&mut text).expect("an answer");
    }
    text
}
