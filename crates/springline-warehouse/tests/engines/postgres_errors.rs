//! What the Postgres engine says when something is wrong, and what it never says.

use super::{
    kit::{failure, path, rows, stream},
    postgres::{open, server, target},
};
use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use futures::StreamExt;
use springline_warehouse::{ErrorKind, Warehouse, WarehouseError, connect};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

#[tokio::test]
async fn missing_tables_and_columns_are_named() {
    let Some(warehouse) = open("wh_missing").await else { return };
    warehouse.execute("CREATE TABLE wh_missing.orders (amount int)").await.unwrap();
    let error = failure(&*warehouse, "SELECT * FROM wh_missing.ordrs").await;
    assert_eq!(
        (error.kind(), error.target(), error.table()),
        (ErrorKind::MissingTable, "prod", Some("wh_missing.ordrs"))
    );
    let error = failure(&*warehouse, "SELECT amout FROM wh_missing.orders").await;
    assert_eq!((error.kind(), error.column()), (ErrorKind::MissingColumn, Some("amout")));
    let error = failure(&*warehouse, "SELECT o.amout FROM wh_missing.orders o").await;
    assert_eq!((error.kind(), error.table(), error.column()), (ErrorKind::MissingColumn, Some("o"), Some("amout")));
    assert!(error.hint().unwrap().contains("amount"), "{error:?}");
    let error = warehouse.execute("INSERT INTO wh_missing.orders (amout) VALUES (1)").await.unwrap_err();
    assert_eq!(
        (error.kind(), error.table(), error.column()),
        (ErrorKind::MissingColumn, Some("orders"), Some("amout"))
    );
    let error = warehouse.execute("CREATE TABLE wh_nowhere.t (id int)").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::MissingTable, "{error}");
    assert_eq!(failure(&*warehouse, "SELEC 1").await.kind(), ErrorKind::Sql);
    let batch = RecordBatch::try_from_iter([("nope", Arc::new(Int64Array::from(vec![1])) as ArrayRef)]).unwrap();
    for (table, kind) in
        [("wh_missing.orders", ErrorKind::MissingColumn), ("wh_missing.ordrs", ErrorKind::MissingTable)]
    {
        let (schema, rows_in) = stream(vec![batch.clone()]);
        assert_eq!(warehouse.load(&path(table), schema, rows_in).await.unwrap_err().kind(), kind);
    }
}

#[tokio::test]
async fn values_are_never_repeated() {
    let Some(warehouse) = open("wh_values").await else { return };
    warehouse.execute("CREATE TABLE wh_values.t (email text PRIMARY KEY)").await.unwrap();
    warehouse.execute("INSERT INTO wh_values.t VALUES ('jane@example.org')").await.unwrap();
    let error = failure(&*warehouse, "SELECT email::int FROM wh_values.t").await;
    assert_eq!(error.kind(), ErrorKind::Type);
    assert!(!format!("{error:?}").contains("jane"), "{error:?}");
    let error = warehouse.execute("INSERT INTO wh_values.t SELECT * FROM wh_values.t").await.unwrap_err();
    assert!(!format!("{error:?}").contains("jane"), "{error:?}");
    assert!(error.message().contains("t_pkey"), "{error}");
}

#[tokio::test]
async fn a_missing_grant_is_spelt_out() {
    let Some(admin) = open("wh_grants").await else { return };
    let script = "CREATE TABLE wh_grants.t (id bigint); \
        DO $$ BEGIN CREATE ROLE wh_reader LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$";
    admin.execute(script).await.unwrap();
    let reader = connect(target(server().unwrap(), &[("user", "wh_reader")])).await.unwrap();
    let check = |error: WarehouseError, grant: &str| {
        assert_eq!(error.kind(), ErrorKind::Permission, "{error}");
        assert!(error.message().contains("`wh_reader`"), "{error}");
        assert!(error.hint().unwrap().contains(grant), "{error:?}");
        error
    };
    check(
        failure(&*reader, "SELECT * FROM wh_grants.t").await,
        "GRANT USAGE ON SCHEMA \"wh_grants\" TO \"wh_reader\";",
    );
    admin.execute("GRANT USAGE ON SCHEMA wh_grants TO wh_reader").await.unwrap();
    let error = check(failure(&*reader, "SELECT * FROM wh_grants.t").await, "GRANT SELECT ON");
    assert_eq!(error.table(), Some("t"));
    let error = reader.execute("CREATE TABLE wh_grants.u (id int)").await.unwrap_err();
    check(error, "GRANT USAGE, CREATE ON SCHEMA \"wh_grants\"");
    let batch = RecordBatch::try_from_iter([("id", Arc::new(Int64Array::from(vec![1])) as ArrayRef)]).unwrap();
    let (schema, rows_in) = stream(vec![batch]);
    check(reader.load(&path("wh_grants.t"), schema, rows_in).await.unwrap_err(), "GRANT INSERT ON");
    let error = reader.execute("CREATE SCHEMA wh_mine").await.unwrap_err();
    check(error, "GRANT CREATE ON DATABASE");
    admin.execute("GRANT SELECT ON wh_grants.t TO wh_reader").await.unwrap();
    assert_eq!(rows(&*reader, "SELECT * FROM wh_grants.t").await, ["id"]);
}

#[tokio::test]
async fn a_slow_statement_is_stopped_and_a_lost_connection_replaced() {
    let Some(admin) = open("wh_lost").await else { return };
    let options = [("statement_timeout_secs", "1"), ("application_name", "wh_lost")];
    let warehouse = connect(target(server().unwrap(), &options)).await.unwrap();
    let error = warehouse.execute("SELECT pg_sleep(20)").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.hint().unwrap().contains("statement_timeout_secs"), "{error:?}");

    warehouse.execute("SELECT 1").await.unwrap();
    warehouse.check().await.unwrap();
    let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'wh_lost'";
    admin.execute(kill).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    warehouse.check().await.unwrap();
    assert_eq!(warehouse.execute("SELECT 1").await.unwrap(), 1);
}

/// Rows that come at once and for hours.
const ENDLESS: &str = "SELECT a.g AS id FROM generate_series(1, 100000) AS a(g), generate_series(1, 100000) AS b(g)";

/// Ends the sessions of this name while one of them sends rows.
pub async fn is_lost_in_mid_result(admin: &dyn Warehouse, warehouse: &dyn Warehouse, name: &str) {
    let mut open_query = warehouse.query(ENDLESS).await.unwrap().stream;
    assert!(open_query.next().await.unwrap().is_ok());
    let kill = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '{name}'");
    admin.execute(&kill).await.unwrap();
    let error = loop {
        if let Err(error) = open_query.next().await.expect("no end without an error") {
            break error;
        }
    };
    assert_eq!(error.kind(), ErrorKind::Connection, "{error}");
    // The server's last word, where it arrives before the end of the connection.
    let (told, hint) = (error.message(), error.hint().unwrap());
    assert!(told == "terminating connection due to administrator command" || told.ends_with(" was lost"), "{error}");
    assert!(hint.ends_with("run again"), "{hint}");
    // The next call has another connection.
    assert_eq!(rows(warehouse, "SELECT 1 AS n").await, ["n", "1"]);
}

/// Cancels a statement of the session of this name from another one.
pub async fn is_cancelled_at_the_server(admin: &dyn Warehouse, warehouse: Arc<dyn Warehouse>, name: &str) {
    let statement = tokio::spawn(async move { warehouse.execute("SELECT pg_sleep(60)").await });
    let cancel = format!(
        "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name = '{name}' \
         AND query LIKE '%pg_sleep%' AND state = 'active'"
    );
    while admin.execute(&cancel).await.unwrap() == 0 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let error = statement.await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::Timeout, "canceling statement due to user request"));
    assert_eq!(error.hint(), Some("somebody cancelled it at the server, or a rule there did; run again"));
}

#[tokio::test]
async fn a_connection_that_is_lost_in_mid_result_is_an_error() {
    let Some(admin) = open("wh_mid").await else { return };
    let warehouse = connect(target(server().unwrap(), &[("application_name", "wh_mid")])).await.unwrap();
    is_lost_in_mid_result(&*admin, &*warehouse, "wh_mid").await;
}

#[tokio::test]
async fn a_query_that_is_cancelled_at_the_server_says_so() {
    let Some(admin) = open("wh_cancelled").await else { return };
    let warehouse = connect(target(server().unwrap(), &[("application_name", "wh_cancelled")])).await.unwrap();
    is_cancelled_at_the_server(&*admin, warehouse, "wh_cancelled").await;
}

#[tokio::test]
async fn an_unknown_user_or_database_is_a_connection_error() {
    let Some(options) = server() else { return };
    for (change, named) in [(("user", "wh_nobody"), "wh_nobody"), (("database", "wh_nowhere"), "wh_nowhere")] {
        let changes = [change, ("password", "hunter2")];
        let error = refused(&*connect(target(options.clone(), &changes)).await.unwrap()).await;
        assert!(error.message().contains(named), "{error}");
    }
}

/// The error of `check`, which must be about the connection and hold no password.
async fn refused(warehouse: &dyn Warehouse) -> WarehouseError {
    let error = warehouse.check().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connection, "{error}");
    assert!(error.hint().is_some() && !format!("{error:?}").contains("hunter2"), "{error:?}");
    error
}

fn at(port: u16) -> BTreeMap<String, String> {
    let options = [("host", "127.0.0.1"), ("user", "ann"), ("database", "shop"), ("password", "hunter2")];
    let mut options: BTreeMap<String, String> = options.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    options.insert("port".to_owned(), port.to_string());
    options
}

#[tokio::test]
async fn a_closed_port_names_host_port_database_and_user() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let error = refused(&*connect(target(at(port), &[])).await.unwrap()).await;
    for part in [&format!("127.0.0.1:{port}"), "`shop`", "`ann`", "refused"] {
        assert!(error.message().contains(part), "{error}");
    }
}

/// A server that asks for the password, refuses it and says why, as Postgres does:
/// <https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-START-UP>.
pub async fn refuse_password(listener: TcpListener, user: &str) {
    let (mut socket, _) = listener.accept().await.unwrap();
    let mut start = vec![0; 1024];
    let read = socket.read(&mut start).await.unwrap();
    // The first message may ask for TLS, which this server does not have.
    if read == 8 {
        socket.write_all(b"N").await.unwrap();
        let _ = socket.read(&mut start).await.unwrap();
    }
    socket.write_all(&[b'R', 0, 0, 0, 8, 0, 0, 0, 3]).await.unwrap();
    let _ = socket.read(&mut start).await.unwrap();
    let fields = format!("SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed for user \"{user}\"\0\0");
    let mut message = vec![b'E'];
    message.extend(u32::try_from(fields.len() + 4).unwrap().to_be_bytes());
    message.extend(fields.as_bytes());
    socket.write_all(&message).await.unwrap();
}

#[tokio::test]
async fn a_wrong_password_says_so_and_does_not_show_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(refuse_password(listener, "ann"));
    let error = refused(&*connect(target(at(port), &[])).await.unwrap()).await;
    assert!(error.message().contains("password authentication failed"), "{error}");
    assert!(error.hint().unwrap().contains("`password`"), "{error:?}");
    server.await.unwrap();
}

#[tokio::test]
async fn a_server_without_tls_is_refused_where_tls_is_required() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut start = [0; 8];
        socket.read_exact(&mut start).await.unwrap();
        socket.write_all(b"N").await.unwrap();
        // Whatever comes now must not be a password or a user's name.
        let mut rest = Vec::new();
        socket.read_to_end(&mut rest).await.unwrap();
        assert!(rest.is_empty());
    });
    let error = refused(&*connect(target(at(port), &[("sslmode", "require")])).await.unwrap()).await;
    assert!(error.hint().unwrap().contains("sslmode"), "{error:?}");
    server.await.unwrap();
}
