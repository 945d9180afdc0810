//! What the Databricks engine says to whoever is refused, cut off or stopped: the messages of
//! docs/warehouses/databricks.md.

use super::{
    databricks::{ask, host, shown, target, until},
    kit::failure,
};
use springline_warehouse::{ErrorKind, TargetConfig, WarehouseError, connect};

/// That an error says this, and no secret.
fn says(error: &WarehouseError, kind: ErrorKind, message: &str, hint: &str) {
    assert_eq!((error.kind(), error.message(), error.hint()), (kind, message, Some(hint)), "{}", shown(error));
}

async fn refused(config: TargetConfig) -> WarehouseError {
    connect(config).await.unwrap().check().await.unwrap_err()
}

/// A target of a service principal.
fn machine(host: &str, id: &str, secret: &str) -> TargetConfig {
    target(host, &[("token", ""), ("client_id", id), ("client_secret", secret)])
}

#[tokio::test]
async fn a_wrong_secret_and_an_expired_token_say_so() {
    let Some(host) = host() else { return };
    let error = refused(machine(&host, "app", "wrong-secret")).await;
    let hint = "check `client_id` and `client_secret`: the secret may have expired or been deleted";
    says(&error, ErrorKind::Connection, "the service principal `app` was refused a token (status 401)", hint);
    assert!(!format!("{error:?}").contains("wrong-secret"), "{error:?}");
    // One is refused as an expired token is, the other as none.
    let message = format!("Databricks at {host} does not accept the token");
    for token in ["token-that-expired", "nonsense"] {
        let error = refused(target(&host, &[("token", token)])).await;
        let hint = "it may have expired or been revoked: make a new one, or use `client_id` and `client_secret`";
        says(&error, ErrorKind::Connection, &message, hint);
        assert!(!format!("{error:?}").contains(token), "{error:?}");
    }
    // The tokens of this one expire after two requests, and it gets new ones.
    let warehouse = connect(machine(&host, "brief", "springline-test-secret")).await.unwrap();
    for _ in 0..3 {
        warehouse.check().await.unwrap();
    }
}

#[tokio::test]
async fn a_missing_grant_is_spelt_out() {
    let Some(host) = host() else { return };
    let warehouse = connect(target(&host, &[])).await.unwrap();
    let error = failure(&*warehouse, "SELECT * FROM no_grant").await;
    let message = "[INSUFFICIENT_PERMISSIONS] Insufficient privileges: User does not have SELECT on Table \
                   'main.crm.no_grant'.";
    let hint = "grant it: GRANT SELECT ON TABLE `main`.`crm`.`no_grant` TO `<user>`;";
    says(&error, ErrorKind::Permission, message, hint);
    assert_eq!(error.table(), Some("main.crm.no_grant"));
    // A service principal is granted things under its application id.
    let machine = connect(machine(&host, "0d5f-41", "springline-test-secret")).await.unwrap();
    let error = machine.execute("CREATE SCHEMA no_grant").await.unwrap_err();
    let message = "[INSUFFICIENT_PERMISSIONS] Insufficient privileges: User does not have CREATE SCHEMA on Catalog \
                   'main'.";
    says(&error, ErrorKind::Permission, message, "grant it: GRANT CREATE SCHEMA ON CATALOG `main` TO `0d5f-41`;");
    let error = refused(target(&host, &[("warehouse_id", "forbidden")])).await;
    let message = format!(
        "Databricks at {host} refuses the SQL warehouse `forbidden`: You do not have permission to use the SQL Warehouse"
    );
    let hint = "grant `CAN USE` on the SQL warehouse: SQL warehouses, its name, Permissions";
    says(&error, ErrorKind::Permission, &message, hint);
}

#[tokio::test]
async fn a_connection_dropped_in_mid_result_is_an_error() {
    let Some(host) = host() else { return };
    for form in ["links", "inline"] {
        let warehouse = connect(target(&host, &[("results", form)])).await.unwrap();
        let error = failure(&*warehouse, "SELECT id AS drop_connection FROM RANGE(0, 12000, 1, 1)").await;
        assert_eq!(error.kind(), ErrorKind::Connection, "{error}");
        assert!(shown(&error).contains(&format!("Databricks at {host} gave no answer")), "{error}");
        let hint = "check the host and the network, and that nothing between them closes long requests";
        assert_eq!(error.hint(), Some(hint));
    }
}

#[tokio::test]
async fn a_query_that_somebody_stops_says_so() {
    let Some(host) = host() else { return };
    let warehouse = connect(target(&host, &[])).await.unwrap();
    let sql = "SELECT SUM(HASH(id)) AS stopped FROM RANGE(0, 1000000000000, 1, 1)";
    let query = tokio::spawn(async move { failure(&*warehouse, sql).await });
    until(&host, "stopped", 1).await;
    assert_eq!(ask(&host, "stop/stopped")["stopped"], 1);
    let hint = "the query history of the SQL warehouse tells by whom; run the command again";
    says(&query.await.unwrap(), ErrorKind::Timeout, "the statement was cancelled at the server", hint);
    until(&host, "stopped", 0).await;
}

#[tokio::test]
async fn options_that_are_wrong_are_named() {
    let Some(host) = host() else { return };
    let error = refused(target(&host, &[("warehouse_id", "f00")])).await;
    let message = format!("Databricks at {host} does not take the request: f00 is not a valid endpoint id.");
    says(&error, ErrorKind::Config, &message, "check `warehouse_id`, `catalog` and `schema`");
    for (changes, named) in [
        (&[("token", "")][..], "`client_id`"),
        (&[("client_id", "app"), ("client_secret", "x")], "`token`"),
        (&[("results", "arrow")], "`results`"),
    ] {
        let error = connect(target(&host, changes)).await.err().expect("the target is refused");
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.message().contains(named), "{error}");
    }
}
