//! What the Redshift engine says when something is wrong: kind, message and what to do.

use super::{
    kit::{failure, path, rows, stream},
    postgres_errors::{is_cancelled_at_the_server, is_lost_in_mid_result, refuse_password},
    redshift::{open, server, target},
};
use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use springline_warehouse::{ErrorKind, Warehouse, WarehouseError, connect};
use std::{sync::Arc, time::Duration};
use tokio::net::TcpListener;

/// What a login is answered with that the server refuses.
async fn refused(user: &'static str) -> WarehouseError {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let refusing = tokio::spawn(refuse_password(listener, user));
    let options = [
        ("host", "127.0.0.1"),
        ("port", &port),
        ("user", user),
        ("database", "shop"),
        ("password", "hunter2"),
        ("sslmode", "disable"),
    ];
    let error = connect(target(Default::default(), &options)).await.unwrap().check().await.unwrap_err();
    refusing.await.unwrap();
    assert_eq!(error.kind(), ErrorKind::Connection, "{error}");
    assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    assert!(error.message().starts_with("cannot connect to Redshift at 127.0.0.1:"), "{error}");
    error
}

#[tokio::test]
async fn a_wrong_password_says_so_and_does_not_show_it() {
    let error = refused("ann").await;
    assert!(error.message().ends_with("password authentication failed for user \"ann\""), "{error}");
    assert!(error.hint().unwrap().starts_with("check `user` and `password`"), "{error:?}");
}

#[tokio::test]
async fn a_temporary_password_that_ended_is_to_be_fetched_again() {
    let error = refused("IAM:ann").await;
    assert!(error.message().ends_with("password authentication failed for user \"IAM:ann\""), "{error}");
    let hint = error.hint().unwrap();
    assert!(hint.contains("GetClusterCredentials") && hint.ends_with("get another"), "{hint}");
}

#[tokio::test]
async fn a_missing_grant_is_spelt_out() {
    let Some(admin) = open("rs_grants").await else { return };
    let script = "CREATE TABLE rs_grants.t (id bigint); \
        DO $$ BEGIN CREATE ROLE rs_reader LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$";
    admin.execute(script).await.unwrap();
    let reader = connect(target(server().await.unwrap(), &[("user", "rs_reader")])).await.unwrap();
    let check = |error: WarehouseError, grant: &str| {
        assert_eq!(error.kind(), ErrorKind::Permission, "{error}");
        assert!(error.message().starts_with("user `rs_reader`: permission denied for"), "{error}");
        assert_eq!(error.hint(), Some(format!("grant it: {grant};").as_str()), "{error:?}");
    };
    let usage = "GRANT USAGE ON SCHEMA \"rs_grants\" TO \"rs_reader\"";
    check(failure(&*reader, "SELECT * FROM rs_grants.t").await, usage);
    admin.execute(usage).await.unwrap();
    check(failure(&*reader, "SELECT * FROM rs_grants.t").await, "GRANT SELECT ON \"t\" TO \"rs_reader\"");
    admin.execute("GRANT SELECT ON rs_grants.t TO rs_reader").await.unwrap();
    let error = reader.execute("CREATE TABLE rs_grants.u (id int)").await.unwrap_err();
    check(error, "GRANT USAGE, CREATE ON SCHEMA \"rs_grants\" TO \"rs_reader\"");
    let batch = RecordBatch::try_from_iter([("id", Arc::new(Int64Array::from(vec![1])) as ArrayRef)]).unwrap();
    let (schema, rows_in) = stream(vec![batch]);
    let error = reader.load(&path("rs_grants.t"), schema, rows_in).await.unwrap_err();
    check(error, "GRANT INSERT ON \"t\" TO \"rs_reader\"");
}

async fn busy(name: &str) -> Option<(Arc<dyn Warehouse>, Arc<dyn Warehouse>)> {
    let options = server().await?;
    let admin = connect(target(options.clone(), &[])).await.unwrap();
    Some((admin, connect(target(options, &[("application_name", name)])).await.unwrap()))
}

#[tokio::test]
async fn a_connection_that_is_lost_in_mid_result_is_an_error() {
    let Some((admin, warehouse)) = busy("rs_lost").await else { return };
    is_lost_in_mid_result(&*admin, &*warehouse, "rs_lost").await;
}

#[tokio::test]
async fn a_query_that_is_cancelled_at_the_server_says_so() {
    let Some((admin, warehouse)) = busy("rs_cancelled").await else { return };
    is_cancelled_at_the_server(&*admin, warehouse, "rs_cancelled").await;
}

#[tokio::test]
async fn a_query_that_nobody_waits_for_ends_at_the_server() {
    let Some((admin, warehouse)) = busy("rs_dropped").await else { return };
    let given_up = tokio::time::timeout(Duration::from_millis(300), warehouse.execute("SELECT pg_sleep(60)"));
    assert!(given_up.await.is_err());
    assert!(springline_warehouse::cancellations(Duration::from_secs(5)).await);
    let sql = "SELECT count(*) AS n FROM pg_stat_activity WHERE application_name = 'rs_dropped' AND state = 'active'";
    for _ in 0..50 {
        if rows(&*admin, sql).await == ["n", "0"] {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the statement still runs");
}
