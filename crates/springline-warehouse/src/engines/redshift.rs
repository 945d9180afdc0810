//! The Redshift engine: the protocol is that of Postgres, and so is most of the code; the catalogue, bulk loads and plans
//! are Redshift's own. It must not know what the SQL is for.

mod discovery;
mod load;
mod plan;

use super::{
    Engine,
    postgres::{Postgres, SSLMODE, connection::Flavor, errors::Doing},
};
use crate::{
    About, Column, Discover, EngineSpec, ErrorKind, Estimate, FoundTable, RowStream, Rows, TablePath, TargetConfig,
    Warehouse, WarehouseError,
    config::{option, secret},
};
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use std::sync::Arc;
use tokio_postgres::{Client, SimpleQueryMessage, SimpleQueryRow};

/// What the engine is called and takes.
pub(super) const ENGINE: Engine = Engine { spec: SPEC, connect: |config| Ok(Arc::new(Redshift::connect(&config)?)) };

/// The digits of a double end at 2: <https://docs.aws.amazon.com/redshift/latest/dg/r_extra_float_digits.html>.
const FLAVOR: Flavor = Flavor {
    product: "Redshift",
    port: 5439,
    sslmode: "require",
    settings: "SET TIME ZONE 'UTC'; SET extra_float_digits TO 2",
    // Names keep their case: <https://docs.aws.amazon.com/redshift/latest/dg/r_enable_case_sensitive_identifier.html>.
    // What the run does is found, and queued, by its group: <https://docs.aws.amazon.com/redshift/latest/dg/r_query_group.html>.
    further: &[("enable_case_sensitive_identifier", Some("true")), ("query_group", None)],
    login: "check `user` and `password`; a password that GetClusterCredentials or GetCredentials gave (users `IAM:` and \
            `IAMR:`) lives for an hour at most: get another",
};

const SPEC: EngineSpec = EngineSpec {
    name: "redshift",
    meaning: "Amazon Redshift, provisioned or serverless.",
    options: &[
        option("host", true, "Endpoint of the cluster or workgroup, without its port.", None),
        option("port", false, "TCP port.", Some("5439")),
        option("user", true, "User to log in as.", None),
        secret("password", "The user's password, or a temporary one of IAM."),
        option("database", true, "Database to connect to.", None),
        option("sslmode", false, SSLMODE, Some(FLAVOR.sslmode)),
        option(
            "application_name",
            false,
            "Name shown in `sys_connection_log`; left out, `springline-` and the id of the run.",
            None,
        ),
        option(
            "statement_timeout_secs",
            false,
            "Seconds after which the server stops a statement; 0: never.",
            Some("0"),
        ),
        option("connect_timeout_secs", false, "Seconds to wait for a connection.", Some("15")),
    ],
};

/// One Redshift database.
struct Redshift {
    wire: Postgres,
}

impl Redshift {
    fn connect(config: &TargetConfig) -> Result<Self, WarehouseError> {
        Ok(Self { wire: Postgres::connect(config, &FLAVOR)? })
    }

    /// The rows of a statement as text. The catalogue has types of its own, which this never looks at.
    async fn rows(&self, client: &Client, sql: &str) -> Result<Vec<SimpleQueryRow>, WarehouseError> {
        let messages = client.simple_query(sql).await;
        let messages = messages.map_err(|error| self.wire.place().error(error, Doing::Reading))?;
        let row = |message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        };
        Ok(messages.into_iter().filter_map(row).collect())
    }
}

/// A value of a row, empty for null.
fn cell(row: &SimpleQueryRow, index: usize) -> String {
    row.try_get(index).ok().flatten().unwrap_or_default().to_owned()
}

/// A text as a literal: both a quote and a backslash are escaped.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

#[async_trait]
impl Warehouse for Redshift {
    async fn check(&self) -> Result<(), WarehouseError> {
        let lent = self.wire.connections().take().await?;
        self.rows(lent.client(), "SELECT 1").await?;
        self.wire.connections().give_back(lent);
        Ok(())
    }

    async fn about(&self) -> Result<About, WarehouseError> {
        let lent = self.wire.connections().take().await?;
        // In whole seconds: SYSDATE is that of the transaction.
        let sql = "SELECT version(), current_user, CAST(EXTRACT(EPOCH FROM GETDATE()) AS BIGINT)";
        let rows = self.rows(lent.client(), sql).await?;
        self.wire.connections().give_back(lent);
        let row = rows.first();
        let row = row.ok_or_else(|| self.wire.place().new_error(ErrorKind::Sql, "the server tells no version"))?;
        let version = cell(row, 0);
        // `PostgreSQL 8.0.2 on ..., Redshift 1.0.12103`
        let version = version.rsplit_once(", ").map_or(version.as_str(), |(_, last)| last);
        let seconds: Option<i64> = cell(row, 2).parse().ok();
        Ok(About {
            version: version.to_owned(),
            user: Some(cell(row, 1)),
            now: seconds.map(|seconds| seconds.saturating_mul(1_000_000)),
        })
    }

    async fn describe(&self, table: TablePath<'_>) -> Result<Option<Vec<Column>>, WarehouseError> {
        let lent = self.wire.connections().take().await?;
        let columns = match self.wire.columns_on(lent.client(), table).await? {
            None => None,
            Some(columns) => Some(self.with_nulls(lent.client(), table, columns).await?),
        };
        self.wire.connections().give_back(lent);
        Ok(columns)
    }

    async fn tables(&self, discover: &Discover) -> Result<Vec<FoundTable>, WarehouseError> {
        self.find_tables(discover).await
    }

    async fn execute(&self, sql: &str) -> Result<u64, WarehouseError> {
        self.wire.execute(sql).await
    }

    async fn query(&self, sql: &str) -> Result<Rows, WarehouseError> {
        self.wire.query(sql).await
    }

    async fn load(&self, table: TablePath<'_>, schema: SchemaRef, rows: RowStream) -> Result<u64, WarehouseError> {
        let mut lent = self.wire.connections().take().await?;
        let count = load::load(lent.client_mut(), self.wire.place(), table, &schema, rows).await?;
        self.wire.connections().give_back(lent);
        Ok(count)
    }

    async fn estimate(&self, sql: &str) -> Result<Estimate, WarehouseError> {
        Ok(plan::estimate(&self.wire.explain(sql).await?))
    }

    async fn explain(&self, sql: &str) -> Result<String, WarehouseError> {
        self.wire.explain(sql).await
    }
}
