//! What a run leaves that dies while requests are on their way, and what a destination gives for the rows it takes.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::http::{Method, StatusCode, Uri};
use serde_json::json;
use springline_tests::{Plan, Request};

use super::world::{World, counts, sent, wait_until};

/// Kills a run once the receiver has taken so many requests, and before the run heard so.
fn killed_unheard(world: &World, requests: usize) -> Vec<Request> {
    world.receiver.plan(Plan { silence: Duration::from_secs(30), ..Plan::default() });
    let mut process = world.call(&["sync", "apply", "settled_to_hook"]).spawn();
    wait_until(|| world.receiver.requests() >= requests);
    process.kill().expect("the process is killed");
    process.wait().expect("the process is gone");
    world.receiver.plan(Plan::default());
    world.receiver.take()
}

fn apply(world: &World) -> (Vec<Request>, [u64; 4], u64) {
    let report = world.apply("settled_to_hook").exits(0).json();
    (world.receiver.take(), counts(&report), report["in_doubt"].as_u64().expect("a number"))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_on_its_way_at_a_crash_is_undone_where_the_data_goes_back() {
    for mut world in World::all().await {
        world.apply("settled_to_hook").exits(0);
        world.receiver.take();
        world.set("c007", "Lyon");
        let unheard = killed_unheard(&world, 1);
        assert_eq!(sent(&unheard).into_iter().collect::<Vec<_>>(), ["+c007"], "{}", world.target);

        world.set("c007", "Paris");
        let (requests, counts, in_doubt) = apply(&world);
        assert_eq!((counts, in_doubt), ([0, 1, 0, 249], 1), "{}", world.target);
        assert_eq!(requests[0].rows[0]["fields"]["city"], "Paris");
        assert_ne!(requests[0].id, unheard[0].id);
        assert_eq!(apply(&world).1, [0, 0, 0, 250]);

        // A row that was new, and is not wanted any more.
        world.set("c999", "Lyon");
        assert_eq!(sent(&killed_unheard(&world, 1)).into_iter().collect::<Vec<_>>(), ["+c999"]);
        world.rows.remove("c999");
        world.store();
        let (requests, counts, in_doubt) = apply(&world);
        assert_eq!((counts, in_doubt), ([0, 0, 1, 250], 1), "{}", world.target);
        assert_eq!(sent(&requests).into_iter().collect::<Vec<_>>(), ["-c999"]);
        assert_eq!(apply(&world).1, [0, 0, 0, 250]);

        // One that was taken away, and is wanted again.
        let city = world.rows.remove("c001").expect("a row");
        world.store();
        assert_eq!(sent(&killed_unheard(&world, 1)).into_iter().collect::<Vec<_>>(), ["-c001"]);
        world.set("c001", &city);
        let (requests, counts, in_doubt) = apply(&world);
        assert_eq!((counts, in_doubt), ([0, 1, 0, 249], 1), "{}", world.target);
        assert_eq!(sent(&requests).into_iter().collect::<Vec<_>>(), ["+c001"]);
        assert_eq!(apply(&world).1, [0, 0, 0, 250]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_after_a_crash_has_the_id_of_the_first_time() {
    for mut world in World::all().await {
        let first = killed_unheard(&world, 2);
        let (again, counts, in_doubt) = apply(&world);
        assert_eq!((counts, in_doubt), ([250, 0, 0, 0], 20), "{}", world.target);
        for request in &first {
            let repeat = again.iter().find(|other| other.id == request.id).expect("a repeat with the same id");
            assert_eq!(sent(std::slice::from_ref(repeat)), sent(std::slice::from_ref(request)));
        }
        assert_eq!(again.len(), 25);

        // And back and forth over two crashes: no request may be taken for one of before.
        let mut ids: Vec<String> = again.into_iter().map(|request| request.id).collect();
        for city in ["Lyon", "Nice", "Lyon", "Nice"] {
            world.set("c007", city);
            ids.extend(killed_unheard(&world, 1).into_iter().map(|request| request.id));
        }
        let distinct: std::collections::BTreeSet<&String> = ids.iter().collect();
        assert_eq!(distinct.len(), ids.len(), "{}: an id came again for another change", world.target);
    }
}

/// What has been asked of a server.
type Calls = Arc<Mutex<Vec<String>>>;

/// A sync to an audience of Mailchimp that `list` tells, and what is asked of a server that has one audience.
async fn mailchimp(world: &World, list: &str) -> Calls {
    let calls = Calls::default();
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let seen = calls.clone();
    let app = Router::new().fallback(async move |method: Method, uri: Uri| {
        seen.lock().expect("calls").push(format!("{method} {}", uri.path()));
        match method {
            Method::DELETE => (StatusCode::NO_CONTENT, String::new()),
            Method::GET => {
                (StatusCode::OK, json!({ "lists": [{ "id": "abc", "name": "People" }], "total_items": 1 }).to_string())
            }
            _ => (StatusCode::OK, json!({ "errors": [], "error_count": 0 }).to_string()),
        }
    });
    tokio::spawn(async move { axum::serve(listener, app).await.expect("the server serves") });
    let destination = format!(
        "  - {{ name: mail, type: mailchimp, api_key: k-us1, {list}, status_if_new: subscribed, base_url: \"{url}\", allow_private_addresses: true }}\nsyncs:"
    );
    world.edit("\nsyncs:", &format!("\n{destination}"));
    world.syncs(&["name: mailed, segment: settled, destination: mail, mode: mirror, key: customer_id, \
                   removal: archive, map: { email_address: \"concat(customer_id, '@b.co')\", FNAME: { value: city, nulls: skip } }"]);
    calls
}

#[tokio::test(flavor = "multi_thread")]
async fn the_id_of_a_list_is_looked_up_once_and_again_where_all_is_sent_again() {
    for mut world in World::all().await {
        let calls = mailchimp(&world, "list_name: People").await;
        let take = || std::mem::take(&mut *calls.lock().expect("calls"));
        world.fill(&[("ann", "Paris"), ("bea", "Lyon")]);
        world.apply("mailed").exits(0);
        assert_eq!(take(), ["GET /lists", "POST /lists/abc"], "{}", world.target);
        world.set("ann", "Nice");
        world.apply("mailed").exits(0);
        assert_eq!(take(), ["POST /lists/abc"], "{}", world.target);
        world.call(&["sync", "apply", "mailed", "--full-resync"]).run().exits(0);
        assert_eq!(take(), ["GET /lists", "POST /lists/abc"], "{}", world.target);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_destination_gave_for_a_row_is_there_when_the_row_goes() {
    for mut world in World::all().await {
        let calls = mailchimp(&world, "list_id: abc").await;
        world.fill(&[("ann", "Paris"), ("bea", "Lyon")]);
        world.apply("mailed").exits(0);
        world.fill(&[("bea", "Lyon")]);
        world.apply("mailed").exits(0);
        let calls = calls.lock().expect("calls");
        // MD5 of ann@b.co: what Mailchimp calls the member.
        let expected = ["POST /lists/abc", "DELETE /lists/abc/members/3a2c0017812ec407d43b0e2ae33cffc6"];
        assert_eq!(*calls, expected, "{}", world.target);
    }
}
