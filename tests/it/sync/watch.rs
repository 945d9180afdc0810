//! What is seen of a sync from outside: metrics, logs, alerts.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;
use springline_tests::{Inbox, MAIL_LOGIN, MailServer, Output, Plan};

use super::world::World;

const SYNC: &str =
    "name: people, entity: customer, destination: hook, mode: mirror, key: customer_id, map: { city: city }";

/// Five people whose keys are their addresses.
const PEOPLE: [(&str, &str); 5] = [
    ("ann@example.com", "Paris"),
    ("bob@example.com", "Paris"),
    ("cid@example.com", "Lyon"),
    ("dot@example.com", "Lyon"),
    ("eve@example.com", "Nice"),
];

/// The embedded engine with people and these alerts.
async fn world_of_people(alerts: &[String]) -> World {
    let mut world = World::local().await;
    world.syncs(&[SYNC]);
    let lines: String = alerts.iter().map(|alert| format!("  - {{ {alert} }}\n")).collect();
    world.edit("\nsources:\n", &format!("\nalerts:\n{lines}sources:\n"));
    world.fill(&PEOPLE);
    world
}

fn refuse(world: &World, keys: &[&str]) {
    let refused = keys.iter().map(|key| (*key).to_owned()).collect::<BTreeSet<_>>();
    world.receiver.plan(Plan { refused, ..Plan::default() });
}

/// The reasons of the alerts that came, by the path that they came to.
fn reasons(inbox: &Inbox) -> Vec<(String, Vec<String>)> {
    let words = |body: &Value| {
        let reasons = body["reasons"].as_array().expect("reasons");
        reasons.iter().map(|r| r["reason"].as_str().expect("a reason").to_owned()).collect()
    };
    inbox.take().iter().map(|(path, body)| (path.clone(), words(body))).collect()
}

fn at(path: &str, reasons: &[&str]) -> (String, Vec<String>) {
    (path.to_owned(), reasons.iter().map(|reason| (*reason).to_owned()).collect())
}

fn webhook(inbox: &Inbox, path: &str, rest: &str) -> String {
    format!(r#"type: webhook, url: "{}{path}", allow_private_addresses: true{rest}"#, inbox.url)
}

#[tokio::test(flavor = "multi_thread")]
async fn alerts_tell_what_is_wrong_by_numbers_and_reasons() {
    let inbox = Inbox::start().await;
    let all = webhook(&inbox, "/guarded", r#", authorization: "Bearer inbox""#);
    let many = webhook(&inbox, "/many", ", on: [rejected], rejected_share: 20%");
    let guards = webhook(&inbox, "/guards", ", on: [guard]");
    let mut world = world_of_people(&[all, many, guards]).await;

    refuse(&world, &["ann@example.com"]);
    world.apply("people").exits(4);
    let told = inbox.take();
    assert_eq!(told.len(), 1, "one of five is not more than a fifth: {told:?}");
    let (path, body) = &told[0];
    assert_eq!(path, "/guarded");
    let [reason] = body["reasons"].as_array().expect("reasons").as_slice() else { panic!("{body}") };
    assert_eq!(reason["message"], "1 row of 5 refused by the destination (20.0 %)");
    assert_eq!([&body["sync"], &body["destination"], &body["outcome"]], ["people", "hook", "partial"]);
    assert_eq!([&body["counts"]["desired"], &body["counts"]["rejected"]], [&Value::from(5), &Value::from(1)]);
    assert!(body["run_id"].as_str().is_some_and(|id| !id.is_empty()) && !body.to_string().contains('@'), "{body}");

    world.apply("people").exits(0);
    assert_eq!(reasons(&inbox), [], "nothing new was refused");

    refuse(&world, &["bob@example.com"]);
    world.set("bob@example.com", "Nice");
    world.apply("people").exits(4);
    assert_eq!(reasons(&inbox), [at("/guarded", &["rejected"]), at("/many", &["rejected"])]);

    world.syncs(&[&format!("{SYNC}, guards: {{ min_rows: 10 }}")]);
    world.apply("people").exits(3);
    assert_eq!(reasons(&inbox), [at("/guarded", &["guard"]), at("/guards", &["guard"])]);

    world.syncs(&[SYNC]);
    world.receiver.plan(Plan { down: Some(401), ..Plan::default() });
    world.set("cid@example.com", "Nice");
    world.apply("people").exits(1);
    assert_eq!(reasons(&inbox), [at("/guarded", &["failure"])]);
    // A run that ends before anything is compared.
    world.edit("key: customer_id, map: { city: city }", "key: city, map: { id: customer_id }");
    world.apply("people").exits(1);
    let told = inbox.take();
    assert!(told.len() == 1 && !told[0].1.to_string().contains('@'), "{told:?}");
    assert!(told[0].1["reasons"][0]["message"].as_str().is_some_and(|m| m.contains("stands in 3 rows")), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_number_of_rows_than_usual_is_told() {
    let inbox = Inbox::start().await;
    let mut world = world_of_people(&[webhook(&inbox, "/", ", on: [size], size_change: 40%")]).await;
    for _ in 0..3 {
        world.apply("people").exits(0);
    }
    world.set("fay@example.com", "Nice");
    world.set("gus@example.com", "Nice");
    world.apply("people").exits(0);
    assert_eq!(reasons(&inbox), [], "seven is 40 % more than five");
    world.set("hal@example.com", "Nice");
    world.apply("people").exits(0);
    let told = inbox.take();
    let message = told[0].1["reasons"][0]["message"].as_str().expect("a message");
    assert_eq!((told.len(), message), (1, "it has 8 rows, and the median of the last 4 runs is 5"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_that_cannot_be_sent_is_shown_and_changes_nothing() {
    let inbox = Inbox::start().await;
    let slack = format!(r#"type: slack, url: "{}/slack", allow_private_addresses: true"#, inbox.url);
    let gone = r#"type: webhook, url: "{{ env('NO_SUCH_VARIABLE') }}""#.to_owned();
    let unknown = r#"type: webhook, url: "http://localhost:1/s3cr3t", allow_private_addresses: true"#.to_owned();
    let private = r#"type: slack, url: "https://localhost/s3cr3t""#.to_owned();
    let world = world_of_people(&[slack, gone, unknown, private]).await;
    refuse(&world, &["ann@example.com"]);
    let output = world.apply("people").exits(4);
    assert_eq!(output.json()["rejected"], 1);
    for word in ["NO_SUCH_VARIABLE", "type `webhook` (springline.yaml:8)", "private", "was not sent"] {
        assert!(output.stderr.contains(word), "{word}: {}", output.stderr);
    }
    assert!(!output.stderr.contains("s3cr3t") && output.stderr.lines().count() == 3, "{}", output.stderr);
    let told = inbox.take();
    let text = told[0].1["text"].as_str().expect("a text");
    assert!(
        told[0].0 == "/slack" && text.starts_with("*shop: sync `people` to `hook`: rejected*\n1 row of 5"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn alerts_go_out_as_email() {
    let Some(mut server) = MailServer::start() else { return };
    let mail = |password: &str| {
        format!(
            r#"type: email, host: localhost, port: {}, username: {}, password: "{{{{ env('{password}') }}}}", from: cdp@example.com, to: "team@example.com, boss@example.com""#,
            server.port, MAIL_LOGIN[0]
        )
    };
    let world = world_of_people(&[mail("RIGHT"), mail("WRONG")]).await;
    refuse(&world, &["ann@example.com", "bob@example.com"]);
    let call = || {
        let call = world.call(&["sync", "apply", "people"]).env("RIGHT", MAIL_LOGIN[1]).env("WRONG", "guessed");
        call.env("SSL_CERT_FILE", MailServer::authorities().to_str().expect("a path"))
    };
    let output = call().run().exits(4);
    let mail = server.mail();
    assert_eq!([&mail["from"], &mail["subject"]], ["cdp@example.com", "shop: sync `people` to `hook`: rejected"]);
    assert_eq!(mail["to"], serde_json::json!(["team@example.com", "boss@example.com"]));
    let text = mail["text"].as_str().expect("a text");
    assert!(text.contains("2 rows of 5 refused") && text.contains("3 delivered, 2 rejected"), "{text}");
    assert!(!text.contains('@'), "{text}");
    let refused = "the mail server refuses `username` and `password`: 535";
    assert!(output.stderr.contains(refused) && !output.stderr.contains("guessed"), "{}", output.stderr);
    // Whoever trusts another authority does not trust this one.
    let stranger = MailServer::authorities().with_file_name("server.pem");
    world.call(&["sync", "retry", "people"]).run().exits(0);
    let output = call().env("SSL_CERT_FILE", stranger.to_str().expect("a path")).run().exits(4);
    assert!(output.stderr.contains("no certificate that can be trusted"), "{}", output.stderr);
}

/// The value of a series of a metrics file.
fn series(file: &Path, name: &str) -> Option<f64> {
    let text = std::fs::read_to_string(file).expect("the file");
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("springline_sync_{name} ")).map(str::to_owned));
    line.map(|value| value.parse().expect("a number"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_metrics_file_holds_what_all_runs_were_like() {
    let mut world = world_of_people(&[]).await;
    let other = "name: kept, entity: customer, destination: files, mode: mirror, key: customer_id, map: { city: city }";
    world.syncs(&[SYNC, other]);
    let file = world.folder.path().join("springline.prom");
    let apply = |world: &World, sync: &str| -> Output {
        world.call(&["sync", "apply", sync, "--metrics-file", file.to_str().expect("a path")]).run()
    };
    let people = r#"{sync="people",destination="hook""#;
    let of = |name: &str| series(&file, &format!("{name}{people}}}"));
    let with = |name: &str, outcome: &str| series(&file, &format!(r#"{name}{people},outcome="{outcome}"}}"#));

    apply(&world, "people").exits(0);
    assert_eq!(
        (with("rows_total", "delivered"), of("requests_total"), of("ledger_rows")),
        (Some(5.0), Some(1.0), Some(5.0))
    );
    let success = of("last_success_timestamp_seconds").expect("it succeeded");
    apply(&world, "kept").exits(0);
    refuse(&world, &["ann@example.com"]);
    world.set("ann@example.com", "Nice");
    world.set("bob@example.com", "Nice");
    apply(&world, "people").exits(4);
    assert_eq!((with("runs_total", "done"), with("runs_total", "partial")), (Some(1.0), Some(1.0)));
    assert_eq!((with("rows_total", "delivered"), with("rows_total", "rejected")), (Some(6.0), Some(1.0)));
    assert_eq!((of("rejected_rows"), of("desired_rows"), of("retries_total")), (Some(1.0), Some(5.0), Some(0.0)));
    assert_eq!(of("last_success_timestamp_seconds"), Some(success), "a run that failed in part leaves it");
    assert!(of("last_run_timestamp_seconds").is_some_and(|at| at > success));
    assert!(of("duration_seconds").is_some_and(|seconds| seconds > 0.0));
    let text = std::fs::read_to_string(&file).expect("the file");
    assert!(text.contains(r#"springline_sync_runs_total{sync="kept",destination="files",outcome="done"} 1"#), "{text}");
    assert!(
        text.lines().all(|line| line.starts_with('#') || line.starts_with("springline_sync_")) && !text.contains('@')
    );

    std::fs::write(&file, "something else\n").expect("a file");
    let output = apply(&world, "kept").exits(0);
    assert!(output.stderr.contains("holds something else than metrics of springline"), "{}", output.stderr);
    assert_eq!(std::fs::read_to_string(&file).expect("the file"), "something else\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_of_a_log_names_its_run_and_no_person() {
    let mut world = world_of_people(&[]).await;
    refuse(&world, &["ann@example.com"]);
    let call = world.call(&["--log-format", "json", "sync", "apply", "people"]);
    let debug = call.env("SPRINGLINE_LOG", "springline_run=debug,springline_destination=debug");
    let output = debug.run().exits(4);
    let run_id = output.json()["run_id"].clone();
    let lines: Vec<Value> = output.stderr.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let of_run: Vec<&Value> = lines.iter().filter(|line| line["run_id"] == run_id).collect();
    assert!(of_run.len() > 7, "{lines:#?}");
    assert!(of_run.iter().all(|line| line["sync"] == "people" && line["destination"] == "hook"), "{of_run:#?}");
    let steps: BTreeSet<&str> = of_run.iter().filter_map(|line| line["step"].as_str()).collect();
    assert!(steps.contains("compare") && steps.contains("acknowledge"), "{steps:?}");
    let end = of_run.iter().find(|line| line["message"] == "run ended").expect("the end");
    let told = ["outcome", "delivered", "rejected", "level"].map(|name| &end[name]);
    assert_eq!(told, [&Value::from("partial"), &Value::from(4), &Value::from(1), &Value::from("INFO")]);
    for personal in ["@", "Paris", springline_tests::SECRET, "127.0.0.1"] {
        assert!(!output.stderr.contains(personal), "{personal}: {}", output.stderr);
    }

    world.edit("key: customer_id, map: { city: city }", "key: city, map: { id: customer_id }");
    world.fill(&PEOPLE);
    let call = world.call(&["sync", "apply", "people"]).env("SPRINGLINE_LOG_FORMAT", "json");
    let output = call.run().exits(1);
    let lines: Vec<Value> = output.stderr.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let [end] = lines.as_slice() else { panic!("info alone where nothing is asked for: {lines:#?}") };
    assert!(end["outcome"] == "error" && end["sync"] == "people" && end["level"] == "ERROR", "{end}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_a_trace_of_its_steps() {
    let collector = Inbox::start().await;
    let world = world_of_people(&[]).await;
    let call = world.call(&["sync", "apply", "people"]).env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url);
    let output = call.run().exits(0);
    assert_eq!(output.stderr, "", "traces are no logs");
    let posted = collector.take();
    let [(path, body)] = posted.as_slice() else { panic!("{posted:#?}") };
    let spans = body["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().expect("spans");
    let run = spans.last().expect("a span");
    assert_eq!((path.as_str(), &run["name"], &run["traceId"]), ("/v1/traces", &"run".into(), &output.json()["run_id"]));
    let attributes = run["attributes"].to_string();
    assert!(attributes.contains(r#"{"key":"sync","value":{"stringValue":"people"}}"#), "{attributes}");
    let steps: Vec<&str> = spans[..spans.len() - 1]
        .iter()
        .map(|span| {
            assert_eq!((&span["name"], &span["parentSpanId"]), (&"step".into(), &run["spanId"]));
            assert!(span["startTimeUnixNano"].as_str() <= span["endTimeUnixNano"].as_str());
            span["attributes"][0]["value"]["stringValue"].as_str().expect("a step")
        })
        .collect();
    assert_eq!(steps, ["recover", "compare", "deliver", "acknowledge"]);
    assert!(!body.to_string().contains('@'), "{body}");

    let gone = world.call(&["sync", "apply", "people"]).env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1");
    let output = gone.run().exits(0);
    assert!(output.stderr.starts_with("warning: traces were not sent"), "{}", output.stderr);
}
