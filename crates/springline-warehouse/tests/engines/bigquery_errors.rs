//! What the BigQuery engine says when something is wrong. docs/warehouses/bigquery.md shows these messages.

use super::{
    bigquery::{double, open, server, target},
    kit::{failure, path, rows, stream},
};
use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use springline_warehouse::{ErrorKind, WarehouseError, connect};
use std::sync::Arc;

/// Kind, message and hint.
fn says(error: &WarehouseError) -> (ErrorKind, &str, &str) {
    (error.kind(), error.message(), error.hint().unwrap_or_default())
}

const ACCOUNT: &str = "serviceAccount:springline@double.iam.gserviceaccount.com";

#[tokio::test]
async fn a_key_that_google_refuses() {
    let Some(options) = server("wh-key") else { return };
    let key = std::fs::read_to_string(&options["credentials"]).unwrap();
    let other = [("credentials", &*key.replace("springline@", "other@"))];
    let warehouse = connect(target(options, &other)).await.unwrap();
    let error = warehouse.check().await.unwrap_err();
    assert_eq!(
        says(&error),
        (
            ErrorKind::Connection,
            "Google gave no token: Invalid JWT Signature. (invalid_grant)",
            "check that the key is not deleted and this machine's clock is right, or log in again"
        )
    );
    assert!(!format!("{error:?}").contains("PRIVATE KEY"));
}

#[tokio::test]
async fn a_token_that_has_expired_is_renewed_or_told() {
    let Some(options) = server("wh-expired") else { return };
    let given = connect(target(options.clone(), &[("token", "ya29.secret")])).await.unwrap();
    let error = given.check().await.unwrap_err();
    let (kind, message, hint) = says(&error);
    assert_eq!(kind, ErrorKind::Connection);
    assert!(message.starts_with("BigQuery refuses the credentials: Request had invalid authentication"), "{message}");
    assert_eq!(hint, "the token has expired or is not for BigQuery: check `credentials` or `token`");
    assert!(!format!("{error:?}").contains("ya29.secret"));
    // That of a key is asked for anew. Other tests' tokens end too, and they do not notice.
    let warehouse = connect(target(options, &[])).await.unwrap();
    assert_eq!(rows(&*warehouse, "SELECT 1 AS n").await, ["n", "1"]);
    double("expire").await;
    assert_eq!(rows(&*warehouse, "SELECT 2 AS n").await, ["n", "2"]);
}

#[tokio::test]
async fn a_missing_grant_is_spelt_out() {
    let Some(warehouse) = open("wh-grants").await else { return };
    let project = format!("wh-grants-{}", std::process::id());
    let error = failure(&*warehouse, "SELECT * FROM forbidden.t").await;
    let table = format!("{project}.forbidden.t");
    assert_eq!(error.table(), Some(&*table));
    let message = format!(
        "Access Denied: Table {project}:forbidden.t: User does not have permission to query table \
         {project}:forbidden.t, or perhaps it does not exist."
    );
    let hint = format!("grant it: GRANT `roles/bigquery.dataViewer` ON TABLE `{table}` TO \"{ACCOUNT}\";");
    assert_eq!(says(&error), (ErrorKind::Permission, &*message, &*hint));
    let error = warehouse.execute("CREATE SCHEMA IF NOT EXISTS forbidden").await.unwrap_err();
    let message = format!(
        "Access Denied: Project {project}: User does not have bigquery.datasets.create permission in project {project}."
    );
    let hint = format!(
        "grant it: gcloud projects add-iam-policy-binding {project} --member={ACCOUNT} --role=roles/bigquery.user"
    );
    assert_eq!(says(&error), (ErrorKind::Permission, &*message, &*hint));
    let batch = RecordBatch::try_from_iter([("id", Arc::new(Int64Array::from(vec![1])) as ArrayRef)]).unwrap();
    let (schema, one) = stream(vec![batch]);
    let error = warehouse.load(&path("forbidden.t"), schema, one).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Permission, "{error}");
}

#[tokio::test]
async fn a_connection_that_is_lost_in_mid_result() {
    let Some(warehouse) = open("wh-broken").await else { return };
    let sql = "SELECT n FROM UNNEST(GENERATE_ARRAY(1, 15000)) AS n /* double: breaks off */";
    let error = failure(&*warehouse, sql).await;
    let (kind, message, hint) = says(&error);
    assert_eq!(kind, ErrorKind::Connection);
    assert!(message.starts_with("BigQuery at 127.0.0.1") && message.contains(" gave no answer: "), "{message}");
    assert_eq!(hint, "check the host and the network, and that nothing between them closes long requests");
}

#[tokio::test]
async fn a_job_that_is_cancelled_or_takes_too_long() {
    let Some(warehouse) = open("wh-stopped").await else { return };
    let error = failure(&*warehouse, "SELECT 1 AS n /* double: is cancelled */").await;
    assert_eq!(
        says(&error),
        (
            ErrorKind::Timeout,
            "Job execution was cancelled: User requested cancellation",
            "somebody or something else has cancelled it: run again"
        )
    );
    let error = failure(&*warehouse, "SELECT 1 AS n /* double: times out */").await;
    assert_eq!(
        says(&error),
        (
            ErrorKind::Timeout,
            "Job execution was cancelled: Job timed out after 1s",
            "raise the target's `statement_timeout_secs`, or make the statement smaller"
        )
    );
}

#[tokio::test]
async fn an_error_inside_bigquery_is_tried_again_and_then_told() {
    let Some(warehouse) = open("wh-inside").await else { return };
    let error = failure(&*warehouse, "SELECT 1 AS n /* double: fails */").await;
    let (kind, message, hint) = says(&error);
    assert_eq!(kind, ErrorKind::Connection);
    assert!(message.starts_with("The job encountered an error during execution."), "{message}");
    assert_eq!(hint, "an error inside BigQuery; run again");
}
