//! The destinations, and what has become of them.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::Value;

use super::world::{Row, Rows, SYNC, World};
use crate::{Request, SECRET};

/// Rows of one request, and requests at once.
const BATCH_ROWS: u64 = 10;
const CONCURRENCY: u64 = 2;

/// A type of destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SinkKind {
    /// `file`.
    File,
    /// `webhook`.
    Webhook,
    /// `warehouse_table` on Postgres.
    Table,
}

impl SinkKind {
    /// All of them.
    pub const ALL: [SinkKind; 3] = [SinkKind::File, SinkKind::Webhook, SinkKind::Table];

    /// The name of the type.
    pub fn name(self) -> &'static str {
        match self {
            SinkKind::File => "file",
            SinkKind::Webhook => "webhook",
            SinkKind::Table => "warehouse_table",
        }
    }

    pub(super) fn settings(self, url: &str) -> String {
        match self {
            SinkKind::File => r#"type: file, path: "out/{sync}_{run}.csv""#.to_owned(),
            SinkKind::Webhook => format!(
                r#"type: webhook, url: "{url}", secret: "{SECRET}", allow_private_addresses: true, batch_rows: {BATCH_ROWS}, concurrency: {CONCURRENCY}"#
            ),
            SinkKind::Table => {
                format!("type: warehouse_table, target: postgres, schema: published, batch_rows: {BATCH_ROWS}")
            }
        }
    }

    /// How many rows can be on their way when the process dies, and arrive again: none of a file, which appears whole
    /// and is asked for by its name.
    pub(super) fn on_its_way(self) -> u64 {
        match self {
            SinkKind::File => 0,
            SinkKind::Webhook => BATCH_ROWS * CONCURRENCY,
            SinkKind::Table => BATCH_ROWS,
        }
    }
}

/// What a destination holds, put together from what arrives.
pub(super) struct Sink {
    kind: SinkKind,
    /// Rows that arrived.
    pub(super) rows: u64,
    /// Of those, the ones that changed nothing.
    pub(super) repeats: u64,
    held: Rows,
    /// What a receiver holds that drops messages whose id it knows.
    deduplicated: Rows,
    known: BTreeSet<String>,
    files: BTreeSet<PathBuf>,
}

impl Sink {
    pub(super) fn new(kind: SinkKind) -> Self {
        let (held, deduplicated, known, files) = Default::default();
        Sink { kind, rows: 0, repeats: 0, held, deduplicated, known, files }
    }

    /// Begins to count what is written to a table that is there, and makes each writing last a while: a server goes on
    /// with it when its client is gone.
    pub(super) async fn watch(&self, world: &World) {
        if self.kind != SinkKind::Table {
            return;
        }
        world
            .execute(&format!(
                "CREATE TABLE public.written (same boolean NOT NULL);
                CREATE FUNCTION public.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                  INSERT INTO public.written VALUES
                    (COALESCE(TG_OP = 'UPDATE' AND to_jsonb(OLD) - '_synced_at' = to_jsonb(NEW) - '_synced_at', false));
                  RETURN NULL;
                END $$;
                CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON published.{SYNC} FOR EACH ROW EXECUTE FUNCTION public.note();
                CREATE FUNCTION public.pause() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                  PERFORM pg_sleep(random() * 0.01);
                  RETURN NULL;
                END $$;
                CREATE TRIGGER pause AFTER INSERT OR UPDATE OR DELETE ON published.{SYNC} EXECUTE FUNCTION public.pause();"
            ))
            .await;
    }

    /// What the destination holds; of the webhook twice: at a receiver that drops known ids, and at one that does not.
    pub(super) async fn states(&mut self, world: &World) -> Vec<Rows> {
        match self.kind {
            SinkKind::File => self.read_files(world),
            SinkKind::Webhook => self.receive(world.receiver.take()),
            SinkKind::Table => {
                self.read_table(world).await;
                return vec![self.held.clone()];
            }
        }
        match self.kind {
            SinkKind::Webhook => vec![self.held.clone(), self.deduplicated.clone()],
            _ => vec![self.held.clone()],
        }
    }

    fn take(&mut self, key: &str, row: Option<Row>) {
        self.rows += 1;
        self.repeats += u64::from(!apply(&mut self.held, key, row));
    }

    fn receive(&mut self, requests: Vec<Request>) {
        for Request { id, op, rows } in requests {
            let new = self.known.insert(id);
            for row in rows {
                let key = row["key"].as_str().expect("a key");
                let value = (op == "upsert").then(|| row_of(&row["fields"]));
                if new {
                    apply(&mut self.deduplicated, key, value.clone());
                }
                self.take(key, value);
            }
        }
    }

    /// Reads the files that have come, in the order of their runs: a later run has a larger id.
    fn read_files(&mut self, world: &World) {
        let Ok(entries) = std::fs::read_dir(world.folder.path().join("out")) else { return };
        let paths: BTreeSet<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
        for path in paths.into_iter().filter(|path| path.extension().is_some_and(|e| e == "csv")) {
            if !self.files.insert(path.clone()) {
                continue;
            }
            let text = std::fs::read_to_string(&path).expect("a file");
            let mut lines = text.lines();
            assert_eq!(lines.next(), Some("_op,customer_id,city,points"), "{}", path.display());
            for line in lines {
                let cells: Vec<&str> = line.split(',').collect();
                let [op, key, city, points] = cells.as_slice() else { panic!("a line of four cells: {line}") };
                let row = || ((*city).to_owned(), points.parse().expect("a number"));
                self.take(key, (*op != "D").then(row));
            }
        }
    }

    async fn read_table(&mut self, world: &World) {
        let sql = format!(r#"SELECT "_key", "city", "points" FROM "published"."{SYNC}""#);
        let rows = world.query(&sql).await;
        self.held = Rows::new();
        for row in rows {
            let key = row["_key"].as_str().expect("a key").to_owned();
            assert!(self.held.insert(key, row_of(&row)).is_none(), "a key stands twice: {row}");
        }
        let watched = world.query("SELECT to_regclass('public.written')::oid::bigint AS \"table\"").await;
        if watched.iter().any(|row| !row["table"].is_null()) {
            let sql = r#"SELECT count(*) AS "rows", count(*) FILTER (WHERE same) AS "repeats" FROM public.written"#;
            let counted = world.query(sql).await;
            let number = |name: &str| counted[0][name].as_u64().expect("a number");
            (self.rows, self.repeats) = (number("rows"), number("repeats"));
        }
    }
}

/// Whether it changed anything.
fn apply(held: &mut Rows, key: &str, row: Option<Row>) -> bool {
    match row {
        Some(row) => held.insert(key.to_owned(), row.clone()) != Some(row),
        None => held.remove(key).is_some(),
    }
}

fn row_of(fields: &Value) -> Row {
    (fields["city"].as_str().expect("a city").to_owned(), fields["points"].as_i64().expect("points"))
}
